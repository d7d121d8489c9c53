/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: lib/cpio.c */
/* test_cpio.c: archives as tools/image makes them, cut short, and damaged in every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cpio.h"

struct archive {
    uint8_t bytes[16384];
    uint64_t size_bytes;
};

/* `name_bytes`: 0 for the shortest name field. */
static void add(struct archive *archive, const char *name, const void *data, unsigned size, unsigned name_bytes)
{
    char header[111];

    if (name_bytes == 0)
        name_bytes = (unsigned)strlen(name) + 1;
    snprintf(header, sizeof(header), "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", 1u, 0100444u, 0u, 0u,
             1u, 0u, size, 0u, 0u, 0u, 0u, name_bytes, 0u);
    memcpy(archive->bytes + archive->size_bytes, header, 110);
    strcpy((char *)archive->bytes + archive->size_bytes + 110, name);
    archive->size_bytes = (archive->size_bytes + 110 + name_bytes + 3) & ~UINT64_C(3);
    memcpy(archive->bytes + archive->size_bytes, data, size);
    archive->size_bytes = (archive->size_bytes + size + 3) & ~UINT64_C(3);
}

static struct archive make(void)
{
    struct archive archive = { .size_bytes = 0 };

    add(&archive, "manifest.sha256", "abcde", 5, 0);
    /* so that the data begins at 4096 */
    add(&archive, "init", "INIT!", 5, 4096 - (unsigned)archive.size_bytes - 110);
    add(&archive, "empty", "", 0, 0);
    add(&archive, "vm/alpha/kernel", "kernel", 6, 0);
    add(&archive, "TRAILER!!!", "", 0, 0);
    return archive;
}

static void members_are_walked_in_order(void **state)
{
    static const char *const names[] = { "manifest.sha256", "init", "empty", "vm/alpha/kernel" };
    static const uint64_t sizes[] = { 5, 5, 0, 6 };
    struct archive archive = make();
    struct cpio_member member;
    uint64_t cursor = 0;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(cpio_next(archive.bytes, archive.size_bytes, &cursor, &member), CL_OK);
        assert_string_equal(member.name, names[i]);
        assert_int_equal(member.size_bytes, sizes[i]);
        assert_ptr_equal(member.data, archive.bytes + member.offset);
    }
    assert_int_equal(cpio_next(archive.bytes, archive.size_bytes, &cursor, &member), CL_NOT_FOUND);
}

static void a_name_padded_with_nuls_aligns_the_data(void **state)
{
    struct archive archive = make();
    struct cpio_member member;

    (void)state;
    assert_int_equal(cpio_find(archive.bytes, archive.size_bytes, "init", &member), CL_OK);
    assert_int_equal(member.offset, 4096);
    assert_memory_equal(member.data, "INIT!", 5);
    assert_int_equal(cpio_find(archive.bytes, archive.size_bytes, "vm/beta/kernel", &member), CL_NOT_FOUND);
    assert_int_equal(cpio_find(archive.bytes, archive.size_bytes, "TRAILER!!!", &member), CL_NOT_FOUND);
}

/* Walk a copy on the heap that ends with its last byte, so that the sanitizer sees a step beyond. */
static enum cl_status walk(const uint8_t *bytes, uint64_t size_bytes)
{
    uint8_t *copy = malloc(size_bytes > 0 ? size_bytes : 1);
    struct cpio_member member;
    uint64_t cursor = 0;
    enum cl_status status;

    memcpy(copy, bytes, size_bytes);
    while ((status = cpio_next(copy, size_bytes, &cursor, &member)) == CL_OK) {
        assert_true(member.offset <= size_bytes && member.size_bytes <= size_bytes - member.offset);
        assert_true(strlen(member.name) < size_bytes);
        if (member.size_bytes > 0)
            (void)*(const volatile uint8_t *)&member.data[member.size_bytes - 1];
    }
    free(copy);
    return status;
}

static void an_archive_cut_short_is_corrupt(void **state)
{
    struct archive archive = make();

    (void)state;
    /* all but the padding behind the trailer's name is needed */
    for (uint64_t size = 0; size < archive.size_bytes - 3; size++)
        assert_int_equal(walk(archive.bytes, size), CL_CORRUPT);
    assert_int_equal(walk(archive.bytes, archive.size_bytes), CL_NOT_FOUND);
}

static void a_damaged_byte_never_leads_out_of_the_archive(void **state)
{
    static const uint8_t values[] = { 0, '0', '1', '7', 'F', 'f', 'G', 0x80, 0xff };
    struct archive archive = make();

    (void)state;
    for (uint64_t at = 0; at < archive.size_bytes; at++) {
        if (at == 300)
            at = 4090; /* the middle of the padding */
        uint8_t good = archive.bytes[at];
        for (unsigned i = 0; i < sizeof(values); i++) {
            archive.bytes[at] = values[i];
            enum cl_status status = walk(archive.bytes, archive.size_bytes);
            assert_true(status == CL_NOT_FOUND || status == CL_CORRUPT);
        }
        archive.bytes[at] = good;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_walked_in_order),
        cmocka_unit_test(a_name_padded_with_nuls_aligns_the_data),
        cmocka_unit_test(an_archive_cut_short_is_corrupt),
        cmocka_unit_test(a_damaged_byte_never_leads_out_of_the_archive),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

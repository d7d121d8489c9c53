/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: boot/image.c boot/sha256.c boot/text.c */
/* test_image.c: a good archive is accepted; every way of damaging one is refused, by name where there is one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "boot/image.h"

/* An archive under construction. */
struct builder {
    uint8_t bytes[32768];
    size_t used;
};

static void add_raw(struct builder *b, const char *name, size_t name_size, const void *data, size_t size_bytes,
                    unsigned mode)
{
    char header[111];

    snprintf(header, sizeof header, "070701%08X%08X%08X%08X%08X%08X%08zX%08X%08X%08X%08X%08zX%08X", 1, mode, 0, 0, 1, 0,
             size_bytes, 0, 0, 0, 0, name_size, 0);
    memcpy(b->bytes + b->used, header, 110);
    b->used += 110;
    memset(b->bytes + b->used, 0, name_size);
    memcpy(b->bytes + b->used, name, strlen(name) < name_size ? strlen(name) : name_size);
    b->used = (b->used + name_size + 3) & ~(size_t)3;
    if (size_bytes != 0)
        memcpy(b->bytes + b->used, data, size_bytes);
    b->used = (b->used + size_bytes + 3) & ~(size_t)3;
}

/* As the builder does it: the data at a multiple of 4,096. */
static void add(struct builder *b, const char *name, const char *text)
{
    size_t name_size = strlen(name) + 1;

    while ((b->used + 110 + name_size) % 4096 != 0)
        name_size++;
    add_raw(b, name, name_size, text, strlen(text), 0100644);
}

static void add_line(char *manifest, const char *name, const char *text)
{
    struct sha256 hash;
    uint8_t digest[SHA256_BYTES];

    sha256_begin(&hash);
    sha256_add(&hash, text, strlen(text));
    sha256_end(&hash, digest);
    for (unsigned i = 0; i < SHA256_BYTES; i++)
        sprintf(manifest + strlen(manifest), "%02x", digest[i]);
    sprintf(manifest + strlen(manifest), "  %s\n", name);
}

static void finish(struct builder *b)
{
    add_raw(b, "TRAILER!!!", 11, NULL, 0, 0);
}

/* manifest, kernel.elf = "the kernel", init = "" */
static struct builder *good_image(void)
{
    struct builder *b = calloc(1, sizeof *b);
    char manifest[512] = "";

    assert_non_null(b);
    add_line(manifest, "kernel.elf", "the kernel");
    add_line(manifest, "init", "");
    add(b, IMAGE_MANIFEST, manifest);
    add(b, "kernel.elf", "the kernel");
    add(b, "init", "");
    finish(b);
    return b;
}

/* Check a copy of exactly `size_bytes`, so that the address sanitizer sees any read behind it. */
static enum cl_status check_bytes(const uint8_t *bytes, size_t size_bytes, size_t budget, uint32_t *members)
{
    uint8_t *copy = malloc(size_bytes == 0 ? 1 : size_bytes);
    struct image_check check;

    assert_non_null(copy);
    memcpy(copy, bytes, size_bytes);
    enum cl_status status = image_check_begin(&check, (struct image){ copy, size_bytes });
    if (status == CL_OK) {
        do
            status = image_check_step(&check, budget);
        while (status == CL_IN_PROGRESS);
        *members = check.members;
    }
    free(copy);
    return status;
}

static void assert_refused(struct builder *b, const char *words)
{
    uint32_t members;

    assert_int_equal(check_bytes(b->bytes, b->used, 1000, &members), CL_CORRUPT);
    if (strstr(refusal(), words) == NULL)
        fail_msg("expected \"%s\" in: %s", words, refusal());
    free(b);
}

static void a_good_image_is_verified_in_any_pieces(void **state)
{
    (void)state;
    for (size_t budget = 1; budget < 20; budget++) {
        struct builder *b = good_image();
        uint32_t members = 0;

        assert_int_equal(check_bytes(b->bytes, b->used, budget, &members), CL_OK);
        assert_int_equal(members, 2);
        free(b);
    }
}

static void padding_behind_the_trailer_is_accepted_and_bytes_are_not(void **state)
{
    struct builder *b = good_image();
    uint32_t members;

    (void)state;
    b->used += 512;
    assert_int_equal(check_bytes(b->bytes, b->used, 100, &members), CL_OK);
    b->bytes[b->used - 1] = 1;
    assert_refused(b, "behind its end");
}

static void members_are_found_by_name(void **state)
{
    struct builder *b = good_image();
    struct image image = { b->bytes, b->used };
    struct image_member member;

    (void)state;
    assert_int_equal(image_find(&image, "kernel.elf", &member), CL_OK);
    assert_int_equal(member.size_bytes, 10);
    assert_memory_equal(member.data, "the kernel", 10);
    assert_int_equal((member.data - b->bytes) % 4096, 0);
    assert_int_equal(image_find(&image, "kernel", &member), CL_NOT_FOUND);
    free(b);
}

static void a_damaged_member_is_named(void **state)
{
    struct builder *b = good_image();
    struct image_member member;

    (void)state;
    assert_int_equal(image_find(&(struct image){ b->bytes, b->used }, "kernel.elf", &member), CL_OK);
    b->bytes[member.data - b->bytes + 3] ^= 1;
    assert_refused(b, "kernel.elf does not match");
}

static void a_missing_member_is_named(void **state)
{
    struct builder *b = calloc(1, sizeof *b);
    char manifest[512] = "";

    (void)state;
    add_line(manifest, "here", "x");
    add_line(manifest, "gone", "y");
    add(b, IMAGE_MANIFEST, manifest);
    add(b, "here", "x");
    finish(b);
    assert_refused(b, "gone is missing");
}

static void an_unlisted_member_is_named(void **state)
{
    struct builder *b = calloc(1, sizeof *b);
    char manifest[512] = "";

    (void)state;
    add_line(manifest, "here", "x");
    add(b, IMAGE_MANIFEST, manifest);
    add(b, "here", "x");
    add(b, "stowaway", "z");
    finish(b);
    assert_refused(b, "stowaway");
}

static void a_member_may_not_be_there_twice(void **state)
{
    struct builder *b = calloc(1, sizeof *b);
    char manifest[512] = "";

    (void)state;
    add_line(manifest, "here", "x");
    add(b, IMAGE_MANIFEST, manifest);
    add(b, "here", "x");
    add(b, "here", "x");
    finish(b);
    assert_refused(b, "two members named here");
}

static void a_name_may_not_be_listed_twice(void **state)
{
    struct builder *b = calloc(1, sizeof *b);
    char manifest[512] = "";

    (void)state;
    add_line(manifest, "here", "x");
    add_line(manifest, "here", "x");
    add(b, IMAGE_MANIFEST, manifest);
    add(b, "here", "x");
    finish(b);
    assert_refused(b, "lists here twice");
}

static void the_manifest_must_come_first_and_not_list_itself(void **state)
{
    struct builder *b = calloc(1, sizeof *b);
    char manifest[512] = "";

    (void)state;
    add_line(manifest, "here", "x");
    add(b, "here", "x");
    add(b, IMAGE_MANIFEST, manifest);
    finish(b);
    assert_refused(b, "does not begin with");

    b = calloc(1, sizeof *b);
    manifest[0] = '\0';
    add_line(manifest, IMAGE_MANIFEST, "x");
    add(b, IMAGE_MANIFEST, manifest);
    finish(b);
    assert_refused(b, "lists itself");

    b = calloc(1, sizeof *b);
    finish(b);
    assert_refused(b, "does not begin with");
}

static void a_damaged_manifest_is_refused(void **state)
{
    static const char *const manifests[] = { "nonsense\n", "\n", "0123456789abcdef  name\n" };

    (void)state;
    for (unsigned i = 0; i < sizeof manifests / sizeof manifests[0]; i++) {
        struct builder *b = calloc(1, sizeof *b);

        add(b, IMAGE_MANIFEST, manifests[i]);
        finish(b);
        assert_refused(b, "manifest is damaged");
    }
    struct builder *b = calloc(1, sizeof *b);
    char manifest[512] = "";
    add_line(manifest, "here", "x");
    manifest[5] = 'g';
    add(b, IMAGE_MANIFEST, manifest);
    add(b, "here", "x");
    finish(b);
    assert_refused(b, "not hexadecimal");
}

static void directories_and_bad_names_are_refused(void **state)
{
    struct builder *b = calloc(1, sizeof *b);
    char long_name[IMAGE_NAME_MAX + 2];

    (void)state;
    add_raw(b, "dir", 4, NULL, 0, 040755);
    finish(b);
    assert_refused(b, "not a regular file: dir");

    b = calloc(1, sizeof *b);
    add_raw(b, "a\033[2J", 6, NULL, 0, 0100644);
    finish(b);
    assert_refused(b, "not printable");

    b = calloc(1, sizeof *b);
    add_raw(b, "abcd", 4, NULL, 0, 0100644); /* no NUL */
    finish(b);
    assert_refused(b, "no name");

    b = calloc(1, sizeof *b);
    memset(long_name, 'n', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    add_raw(b, long_name, sizeof long_name, NULL, 0, 0100644);
    finish(b);
    assert_refused(b, "too long");
}

/* No prefix of a good image is good, and none makes the walk read behind it. */
static void every_truncation_is_refused(void **state)
{
    struct builder *b = good_image();
    uint32_t members;

    (void)state;
    /* whole: up to the end of the trailer's name; the padding behind it may be missing */
    size_t trailer_end = b->used;
    while (b->bytes[trailer_end - 1] == 0)
        trailer_end--;
    for (size_t size = 0; size <= trailer_end; size += size < 300 || size > trailer_end - 300 ? 1 : 37)
        assert_int_equal(check_bytes(b->bytes, size, 4096, &members), CL_CORRUPT);
    assert_int_equal(check_bytes(b->bytes, trailer_end + 1, 4096, &members), CL_OK);
    free(b);
}

/* Any byte changed: either it lies in padding or in a field that means nothing, or the image is refused. */
static void every_changed_byte_is_refused_or_harmless(void **state)
{
    struct builder *b = good_image();
    unsigned refused = 0;

    (void)state;
    for (size_t at = 0; at < b->used; at++) {
        uint32_t members = 0;

        if (b->bytes[at] == 0 && at % 29 != 0)
            continue; /* of the padding, only samples */
        b->bytes[at] ^= 0x41;
        enum cl_status status = check_bytes(b->bytes, b->used, 4096, &members);
        if (status == CL_OK)
            assert_int_equal(members, 2);
        else
            refused++;
        b->bytes[at] ^= 0x41;
    }
    assert_true(refused > 200);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_image_is_verified_in_any_pieces),
        cmocka_unit_test(padding_behind_the_trailer_is_accepted_and_bytes_are_not),
        cmocka_unit_test(members_are_found_by_name),
        cmocka_unit_test(a_damaged_member_is_named),
        cmocka_unit_test(a_missing_member_is_named),
        cmocka_unit_test(an_unlisted_member_is_named),
        cmocka_unit_test(a_member_may_not_be_there_twice),
        cmocka_unit_test(a_name_may_not_be_listed_twice),
        cmocka_unit_test(the_manifest_must_come_first_and_not_list_itself),
        cmocka_unit_test(a_damaged_manifest_is_refused),
        cmocka_unit_test(directories_and_bad_names_are_refused),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_changed_byte_is_refused_or_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

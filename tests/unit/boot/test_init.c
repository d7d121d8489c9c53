/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: boot/init.c boot/image.c boot/sha256.c boot/text.c lib/elf_check.c */
/* test_init.c: init's segments become pieces of the image, or, writable, of memory that is filled in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <elf.h>

#include "abi/syscall.h"
#include "boot/init.h"

#define PAGE 0x1000u

static uint8_t archive[16 * PAGE] __attribute__((aligned(4096)));

struct program {
    Elf64_Ehdr header;
    Elf64_Phdr segment[3];
};

/* Text, data with 16 bytes in the file, a stack. */
static const struct program program = {
    .header = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
                .e_type = ET_EXEC,
                .e_machine = EM_X86_64,
                .e_entry = 0x400100,
                .e_phoff = sizeof(Elf64_Ehdr),
                .e_phentsize = sizeof(Elf64_Phdr),
                .e_phnum = 3 },
    .segment = { { PT_LOAD, PF_R | PF_X, 0, 0x400000, 0, PAGE, PAGE, PAGE },
                 { PT_LOAD, PF_R | PF_W, PAGE + 8, 0x401008, 0, 16, 2 * PAGE, PAGE },
                 { PT_LOAD, PF_R | PF_W, 0, 0x406000, 0, 0, PAGE, PAGE } },
};

static void put_text(uint8_t *to, const char *text)
{
    memcpy(to, text, strlen(text) + 1);
}

/* An archive of one member and a trailer; the member's bytes begin at `place`. */
static struct image make_archive(const char *name, size_t place, const void *bytes, size_t size_bytes)
{
    size_t trailer = (place + size_bytes + 3) & ~(size_t)3;
    char header[111];

    memset(archive, 0, sizeof archive);
    snprintf(header, sizeof header, "070701%08X%08X%032X%08zX%032X%08zX%08X", 1, 0100644, 0, size_bytes, 0, place - 110,
             0);
    memcpy(archive, header, 110);
    put_text(archive + 110, name);
    memcpy(archive + place, bytes, size_bytes);
    snprintf(header, sizeof header, "070701%08X%08X%032X%08X%032X%08X%08X", 1, 0, 0, 0, 0, 11, 0);
    memcpy(archive + trailer, header, 110);
    put_text(archive + trailer + 110, "TRAILER!!!");
    return (struct image){ archive, trailer + 110 + 11 };
}

static struct image good_archive(size_t place)
{
    static uint8_t file[PAGE + 25];

    memcpy(file, &program, sizeof program);
    put_text(file + PAGE, "headless"); /* not the segment's, but on its page of the file */
    put_text(file + PAGE + 8, "sixteen letters!");
    return make_archive("init.elf", place, file, sizeof file);
}

static void assert_segment(const struct boot_segment *s, uint64_t address, uint64_t size, uint64_t offset,
                           uint32_t rights)
{
    assert_int_equal(s->address, address);
    assert_int_equal(s->size_bytes, size);
    assert_int_equal(s->offset, offset);
    assert_int_equal(s->rights, rights);
}

static void text_stays_in_the_image_and_the_rest_is_filled_in(void **state)
{
    static uint8_t data[4 * PAGE];
    struct image image = good_archive(PAGE);
    struct init_program init;
    struct boot_info info = { 0 };

    (void)state;
    assert_int_equal(init_find(&image, &init, &info), CL_OK);
    assert_int_equal(info.init_entry, 0x400100);
    assert_int_equal(info.init_segment_count, 3);
    assert_segment(&info.init_segments[0], 0x400000, PAGE, PAGE, MAP_READ | MAP_EXECUTE);
    assert_segment(&info.init_segments[1], 0x401000, 3 * PAGE, 0, MAP_READ | MAP_WRITE);
    assert_segment(&info.init_segments[2], 0x406000, PAGE, info.init_segments[1].size_bytes, MAP_READ | MAP_WRITE);
    assert_int_equal(info.init_data_bytes, sizeof data);
    memset(data, 0xee, sizeof data);
    init_load(&init, &info, data);
    assert_memory_equal(data + 8, "sixteen letters!", 16);
    for (size_t i = 24; i < sizeof data; i++)
        assert_int_equal(data[i], 0);
}

static void an_image_without_a_program_for_init_is_refused(void **state)
{
    struct image image = make_archive("other.elf", PAGE, &program, sizeof program);
    struct init_program init;
    struct boot_info info = { 0 };

    (void)state;
    assert_int_equal(init_find(&image, &init, &info), CL_NOT_FOUND);
    assert_non_null(strstr(refusal(), "no init.elf"));
    image = make_archive("init.elf", PAGE, "no program", 10);
    assert_int_equal(init_find(&image, &init, &info), CL_CORRUPT);
    assert_non_null(strstr(refusal(), "too short"));
    image = good_archive(PAGE + 4);
    assert_int_equal(init_find(&image, &init, &info), CL_CORRUPT);
    assert_non_null(strstr(refusal(), "page"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_stays_in_the_image_and_the_rest_is_filled_in),
        cmocka_unit_test(an_image_without_a_program_for_init_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

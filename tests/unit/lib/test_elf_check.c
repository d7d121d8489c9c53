/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: lib/elf_check.c */
/* test_elf_check.c: a program file as lib/program.ld makes it, and every way in which one can be wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "abi/syscall.h"
#include "lib/elf_check.h"
#include "lib/start_block.h"

#define FILE_BYTES 0x3100

struct file {
    Elf64_Ehdr header;
    Elf64_Phdr segment[5];
    uint8_t rest[FILE_BYTES - sizeof(Elf64_Ehdr) - 5 * sizeof(Elf64_Phdr)];
};

static struct file good_file(void)
{
    struct file file;

    memset(&file, 0, sizeof(file));
    memcpy(file.header.e_ident, ELFMAG, SELFMAG);
    file.header.e_ident[EI_CLASS] = ELFCLASS64;
    file.header.e_ident[EI_DATA] = ELFDATA2LSB;
    file.header.e_type = ET_EXEC;
    file.header.e_machine = EM_X86_64;
    file.header.e_entry = 0x400123;
    file.header.e_phoff = offsetof(struct file, segment);
    file.header.e_phentsize = sizeof(Elf64_Phdr);
    file.header.e_phnum = 5;
    file.segment[0] = (Elf64_Phdr){ PT_LOAD, PF_R | PF_X, 0, 0x400000, 0, 0x1800, 0x1800, 4096 };
    file.segment[1] = (Elf64_Phdr){ PT_LOAD, PF_R, 0x2000, 0x402000, 0, 0x800, 0x800, 4096 };
    file.segment[2] = (Elf64_Phdr){ PT_LOAD, PF_R | PF_W, 0x3010, 0x403010, 0, 0x80, 0x2000, 4096 };
    file.segment[3] = (Elf64_Phdr){ PT_LOAD, PF_R | PF_W, 0, 0x408000, 0, 0, 0x10000, 4096 };
    file.segment[4] = (Elf64_Phdr){ PT_TLS, PF_R, 0x3010, 0x403010, 0, 0x10, 0x20, 8 };
    return file;
}

static void segments_are_described_in_pages(void **state)
{
    struct file file = good_file();
    struct elf_program program;

    (void)state;
    assert_int_equal(elf_check((uint8_t *)&file, sizeof(file), &program), CL_OK);
    assert_int_equal(program.entry, 0x400123);
    assert_int_equal(program.segment_count, 4);
    assert_int_equal(program.segment[0].address, 0x400000);
    assert_int_equal(program.segment[0].size_bytes, 0x2000);
    assert_int_equal(program.segment[0].rights, MAP_READ | MAP_EXECUTE);
    assert_int_equal(program.segment[1].rights, MAP_READ);
    assert_int_equal(program.segment[2].address, 0x403000);
    assert_int_equal(program.segment[2].size_bytes, 0x3000);
    assert_int_equal(program.segment[2].file_offset, 0x3000);
    assert_int_equal(program.segment[2].file_bytes, 0x90);
    assert_int_equal(program.segment[3].file_bytes, 0);
    assert_int_equal(program.segment[3].size_bytes, 0x10000);
}

/* One change to a good file, and the word that the refusal has to contain. */
#define REFUSED(change, word)                                                                                          \
    do {                                                                                                               \
        struct file file = good_file();                                                                                \
        struct elf_program program;                                                                                    \
        change;                                                                                                        \
        assert_int_equal(elf_check((uint8_t *)&file, sizeof(file), &program), CL_CORRUPT);                             \
        assert_non_null(program.refusal);                                                                              \
        assert_non_null(strstr(program.refusal, word));                                                                \
    } while (0)

static void what_is_no_static_x86_64_program_is_refused(void **state)
{
    (void)state;
    REFUSED(file.header.e_ident[0] = 0, "no ELF");
    REFUSED(file.header.e_ident[EI_CLASS] = ELFCLASS32, "x86-64");
    REFUSED(file.header.e_machine = EM_AARCH64, "x86-64");
    REFUSED(file.header.e_type = ET_DYN, "static");
    REFUSED(file.segment[4].p_type = PT_INTERP, "dynamically");
    REFUSED(file.segment[4].p_type = PT_DYNAMIC, "dynamically");
}

static void headers_outside_the_file_are_refused(void **state)
{
    (void)state;
    REFUSED(file.header.e_phoff = FILE_BYTES - 10, "headers");
    REFUSED(file.header.e_phoff = UINT64_MAX, "headers");
    REFUSED(file.header.e_phnum = UINT16_MAX, "headers");
    REFUSED(file.header.e_phentsize = 32, "headers");
}

static void segments_that_cannot_be_are_refused(void **state)
{
    (void)state;
    REFUSED(file.segment[0].p_offset = UINT64_MAX, "not in the file");
    REFUSED(file.segment[1].p_filesz = FILE_BYTES, "not in the file");
    REFUSED(file.segment[2].p_memsz = 0x10, "larger in the file");
    REFUSED(file.segment[0].p_vaddr = 0, "outside");
    REFUSED(file.segment[3].p_memsz = UINT64_MAX, "outside");
    REFUSED(file.segment[3].p_vaddr = UINT64_MAX - 10, "outside");
    REFUSED(file.segment[3].p_memsz = PROGRAM_END_ADDRESS, "outside");
    REFUSED(file.segment[2].p_offset = 0x3000, "modulo");
    REFUSED(file.segment[0].p_flags = PF_R | PF_W | PF_X, "writable and executable");
    REFUSED(file.segment[0].p_flags = PF_X, "readable");
    REFUSED(file.segment[1].p_memsz = 0x1000, "whole");
    REFUSED(file.segment[1].p_vaddr = 0x401000, "overlap");
    REFUSED(file.segment[3].p_vaddr = 0x405000, "overlap");
}

static void an_entry_point_outside_the_text_is_refused(void **state)
{
    (void)state;
    REFUSED(file.header.e_entry = 0, "entry");
    REFUSED(file.header.e_entry = 0x402000, "entry");
    REFUSED(file.header.e_entry = 0x401800, "entry");
}

static void random_damage_is_refused_or_harmless(void **state)
{
    uint32_t seed = 99;

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        struct file *file = malloc(sizeof(*file));
        struct elf_program program;
        *file = good_file();
        for (unsigned i = 0; i < 3; i++) {
            seed = seed * 1664525 + 1013904223;
            ((uint8_t *)file)[(seed >> 8) % offsetof(struct file, rest)] = (uint8_t)seed;
        }
        uint64_t size = seed % 4 == 0 ? seed % FILE_BYTES : FILE_BYTES;
        if (elf_check((uint8_t *)file, size, &program) == CL_OK) {
            for (uint32_t i = 0; i < program.segment_count; i++) {
                const struct elf_segment *segment = &program.segment[i];
                assert_true(segment->file_offset + segment->file_bytes <= size);
                assert_true(segment->file_bytes <= segment->size_bytes);
                assert_true(segment->address >= PROGRAM_TEXT_ADDRESS);
                assert_true(segment->address + segment->size_bytes <= PROGRAM_END_ADDRESS);
                assert_false((segment->rights & MAP_WRITE) != 0 && (segment->rights & MAP_EXECUTE) != 0);
            }
        }
        free(file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_are_described_in_pages),
        cmocka_unit_test(what_is_no_static_x86_64_program_is_refused),
        cmocka_unit_test(headers_outside_the_file_are_refused),
        cmocka_unit_test(segments_that_cannot_be_are_refused),
        cmocka_unit_test(an_entry_point_outside_the_text_is_refused),
        cmocka_unit_test(random_damage_is_refused_or_harmless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: boot/elf.c boot/text.c */
/* test_elf.c: a kernel is laid out as its headers say; no header can make the loader read or write elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "boot/elf.h"

#define BASE ELF_KERNEL_LOWEST

/* Text at 0x1000 in the file, data at 0x2000 with bss behind it. */
struct file {
    Elf64_Ehdr header;
    Elf64_Phdr segments[2];
    uint8_t padding[0x1000 - sizeof(Elf64_Ehdr) - 2 * sizeof(Elf64_Phdr)];
    uint8_t text[0x1000];
    uint8_t data[0x100];
};

static struct file *good_file(void)
{
    struct file *f = calloc(1, sizeof *f);

    assert_non_null(f);
    f->header = (Elf64_Ehdr){
        .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
        .e_type = ET_EXEC,
        .e_machine = EM_X86_64,
        .e_entry = BASE + 0x1010,
        .e_phoff = offsetof(struct file, segments),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = 2,
    };
    f->segments[0] = (Elf64_Phdr){
        .p_type = PT_LOAD,
        .p_flags = PF_R | PF_X,
        .p_offset = offsetof(struct file, text),
        .p_vaddr = BASE + 0x1000,
        .p_filesz = sizeof f->text,
        .p_memsz = sizeof f->text,
    };
    f->segments[1] = (Elf64_Phdr){
        .p_type = PT_LOAD,
        .p_flags = PF_R | PF_W,
        .p_offset = offsetof(struct file, data),
        .p_vaddr = BASE + 0x3000,
        .p_filesz = sizeof f->data,
        .p_memsz = 0x1800,
    };
    memset(f->text, 0x90, sizeof f->text);
    memset(f->data, 0xda, sizeof f->data);
    return f;
}

static void assert_refused(struct file *f, const char *words)
{
    struct elf_kernel kernel;

    assert_int_equal(elf_kernel_check((const uint8_t *)f, sizeof *f, &kernel), CL_CORRUPT);
    if (strstr(refusal(), words) == NULL)
        fail_msg("expected \"%s\" in: %s", words, refusal());
    free(f);
}

static void a_kernel_is_laid_out_as_linked(void **state)
{
    struct file *f = good_file();
    struct elf_kernel kernel;

    (void)state;
    assert_int_equal(elf_kernel_check((const uint8_t *)f, sizeof *f, &kernel), CL_OK);
    assert_true(kernel.virtual_base == BASE);
    assert_int_equal(kernel.span_bytes, 0x5000);
    assert_true(kernel.entry == BASE + 0x1010);

    uint8_t *memory = malloc(kernel.span_bytes);
    memset(memory, 0xff, kernel.span_bytes);
    elf_kernel_load(&kernel, memory);
    assert_int_equal(memory[0xfff], 0);
    assert_int_equal(memory[0x1000], 0x90);
    assert_int_equal(memory[0x1fff], 0x90);
    assert_int_equal(memory[0x2000], 0);
    assert_int_equal(memory[0x30ff], 0xda);
    assert_int_equal(memory[0x3100], 0);
    assert_int_equal(memory[0x4fff], 0);
    free(memory);
    free(f);
}

static void every_truncation_is_refused(void **state)
{
    struct file *f = good_file();
    struct elf_kernel kernel;

    (void)state;
    for (size_t size = 0; size < sizeof *f; size++) {
        uint8_t *copy = malloc(size == 0 ? 1 : size);

        memcpy(copy, f, size);
        assert_int_equal(elf_kernel_check(copy, size, &kernel), CL_CORRUPT);
        free(copy);
    }
    free(f);
}

static void wrong_kinds_of_file_are_refused(void **state)
{
    struct file *f = good_file();

    (void)state;
    f->header.e_ident[EI_CLASS] = ELFCLASS32;
    assert_refused(f, "64-bit");
    f = good_file();
    f->header.e_machine = EM_AARCH64;
    assert_refused(f, "x86-64");
    f = good_file();
    f->header.e_type = ET_DYN;
    assert_refused(f, "x86-64 executable");
    f = good_file();
    f->segments[1].p_type = PT_INTERP;
    assert_refused(f, "dynamically");
    f = good_file();
    f->header.e_phnum = 0;
    assert_refused(f, "no program headers");
    f = good_file();
    f->segments[0].p_type = f->segments[1].p_type = PT_NOTE;
    assert_refused(f, "nothing to load");
}

static void segments_outside_the_file_are_refused(void **state)
{
    struct file *f = good_file();

    (void)state;
    f->header.e_phoff = UINT64_MAX - 8;
    assert_refused(f, "program headers lie outside");
    f = good_file();
    f->header.e_phnum = 65535;
    assert_refused(f, "program headers lie outside");
    f = good_file();
    f->segments[0].p_offset = UINT64_MAX;
    assert_refused(f, "outside the file");
    f = good_file();
    f->segments[1].p_filesz = 0x101;
    assert_refused(f, "outside the file");
    f = good_file();
    f->segments[1].p_memsz = 0xff;
    assert_refused(f, "larger in the file");
    f = good_file();
    f->segments[1].p_memsz = 0; /* bytes to copy, and no room for them */
    assert_refused(f, "larger in the file");
}

static void segments_outside_the_kernel_half_are_refused(void **state)
{
    struct file *f = good_file();

    (void)state;
    f->segments[0].p_vaddr = BASE - 0x1000;
    assert_refused(f, "not linked at");
    f = good_file();
    f->segments[1].p_vaddr = UINT64_MAX - 0x100;
    assert_refused(f, "too large");
    f = good_file();
    f->segments[1].p_memsz = UINT64_MAX - 5;
    assert_refused(f, "too large");
    f = good_file();
    f->segments[1].p_vaddr = BASE + ELF_KERNEL_SPAN_MAX;
    assert_refused(f, "64 MiB apart");
}

static void overlaps_and_wild_entries_are_refused(void **state)
{
    struct file *f = good_file();

    (void)state;
    f->segments[1].p_vaddr = BASE + 0x1fff;
    assert_refused(f, "overlap");
    f = good_file();
    f->header.e_entry = BASE + 0x3000; /* data */
    assert_refused(f, "entry point");
    f = good_file();
    f->header.e_entry = 0;
    assert_refused(f, "entry point");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kernel_is_laid_out_as_linked),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(wrong_kinds_of_file_are_refused),
        cmocka_unit_test(segments_outside_the_file_are_refused),
        cmocka_unit_test(segments_outside_the_kernel_half_are_refused),
        cmocka_unit_test(overlaps_and_wild_entries_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

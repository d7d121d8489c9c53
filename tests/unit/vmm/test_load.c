/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: vmm/load.c vmm/load_elf.c vmm/load_multiboot.c vmm/load_pvh.c vmm/load_linux.c vmm/boot_state.c */
/* test_load.c: loaders: what guests find at their first instruction, and images that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <elf.h>

#include "vmm/load.h"

#define MIB 0x100000u

static uint8_t *ram;
static struct guest_memory memory;
static struct vcpu_page page;

static int prepare(void **unused)
{
    (void)unused;
    ram = calloc(1, 64 * MIB);
    memory = (struct guest_memory){ .low = ram, .low_bytes = 64 * MIB };
    return ram == NULL;
}

static int finish(void **unused)
{
    (void)unused;
    free(ram);
    return 0;
}

static struct load_request request_of(const void *kernel, uint64_t bytes)
{
    return (struct load_request){ .memory = &memory,
                                  .kernel = kernel,
                                  .kernel_bytes = bytes,
                                  .name = "kernel",
                                  .command_line = "one two",
                                  .rsdp = 0xF0000 };
}

static uint32_t word(uint64_t address)
{
    uint32_t value;

    memcpy(&value, ram + address, sizeof(value));
    return value;
}

struct elf32_kernel {
    Elf32_Ehdr header;
    Elf32_Phdr segment[2];
    uint32_t multiboot[3];
    uint8_t text[64];
};

static struct elf32_kernel elf32(void)
{
    struct elf32_kernel k = { 0 };

    memcpy(k.header.e_ident, ELFMAG, SELFMAG);
    k.header.e_ident[EI_CLASS] = ELFCLASS32;
    k.header.e_ident[EI_DATA] = ELFDATA2LSB;
    k.header.e_type = ET_EXEC;
    k.header.e_machine = EM_386;
    k.header.e_entry = 0xC0100010;
    k.header.e_phoff = offsetof(struct elf32_kernel, segment);
    k.header.e_phentsize = sizeof(Elf32_Phdr);
    k.header.e_phnum = 2;
    k.segment[0] = (Elf32_Phdr){ .p_type = PT_LOAD,
                                 .p_offset = offsetof(struct elf32_kernel, multiboot),
                                 .p_vaddr = 0xC0100000,
                                 .p_paddr = 0x100000,
                                 .p_filesz = sizeof(k.multiboot) + sizeof(k.text),
                                 .p_memsz = 0x3000 };
    k.segment[1].p_type = PT_NOTE;
    k.multiboot[0] = 0x1BADB002;
    k.multiboot[1] = 3;
    k.multiboot[2] = 0u - 0x1BADB002u - 3;
    memset(k.text, 0x90, sizeof(k.text));
    return k;
}

static void multiboot_elf_begins_as_the_specification_says(void **unused)
{
    struct elf32_kernel k = elf32();
    struct load_request r = request_of(&k, sizeof(k));
    uint32_t info;

    (void)unused;
    r.module = (const uint8_t *)"module";
    r.module_bytes = 6;
    memset(ram + 0x100000, 0xEE, 0x3000);
    assert_int_equal(load_kernel(&r, &page), CL_OK);
    assert_int_equal(page.rip, 0x100010); /* the physical one */
    assert_int_equal(page.gpr[GPR_RAX], 0x2BADB002);
    assert_int_equal(page.cr0, 0x11);
    assert_int_equal(page.rflags & 0x200, 0);
    assert_int_equal(page.segment[SEG_CS].attributes & 0x4000, 0x4000);
    assert_int_equal(ram[0x100010], 0x90);
    assert_int_equal(ram[0x100000 + sizeof(k.multiboot) + sizeof(k.text)], 0);
    assert_int_equal(ram[0x102FFF], 0);
    info = (uint32_t)page.gpr[GPR_RBX];
    assert_in_range(info, 0x103000, 64 * MIB);
    assert_int_equal(word(info) & 0x4D, 0x4D);
    assert_int_equal(word(info + 4), 639);
    assert_int_equal(word(info + 8), 63 * 1024);
    assert_string_equal((char *)ram + word(info + 16), "kernel one two");
    assert_int_equal(word(info + 20), 1);
    assert_memory_equal(ram + word(word(info + 24)), "module", 6);
    assert_int_equal(word(word(info + 24)) % 4096, 0);
    assert_int_equal(word(info + 44) % 24, 0);
    assert_int_equal(word(word(info + 48)), 20);
}

static void multiboot_flat_images_lie_where_the_header_says(void **unused)
{
    static uint8_t image[8192];
    const uint32_t h[8] = { 0x1BADB002, 0x10000, 0u - 0x1BADB002u - 0x10000, 0x8040, 0x8000, 0x9000, 0xA000, 0x8100 };
    struct load_request r = request_of(image, sizeof(image));
    uint32_t bad[8];

    (void)unused;
    memset(image, 0x11, sizeof(image));
    memcpy(image + 0x80, h, sizeof(h)); /* 40h bytes before what is loaded */
    assert_int_equal(load_kernel(&r, &page), CL_OK);
    assert_int_equal(page.rip, 0x8100);
    assert_int_equal(word(0x8040), 0x1BADB002);
    assert_int_equal(ram[0x8FFF], 0x11);
    assert_int_equal(ram[0x9000], 0);
    memcpy(bad, h, sizeof(h));
    bad[4] = 0x9000; /* load_addr above header_addr */
    memcpy(image + 0x80, bad, sizeof(bad));
    assert_int_equal(load_kernel(&r, &page), CL_CORRUPT);
    memcpy(bad, h, sizeof(h));
    bad[5] = 0xFFFFFFFF;
    memcpy(image + 0x80, bad, sizeof(bad));
    assert_int_equal(load_kernel(&r, &page), CL_CORRUPT);
    memcpy(bad, h, sizeof(h));
    bad[6] = 0x8FFF; /* bss ends within the data */
    memcpy(image + 0x80, bad, sizeof(bad));
    assert_int_equal(load_kernel(&r, &page), CL_CORRUPT);
    memcpy(bad, h, sizeof(h));
    bad[6] = 0xF0000000;
    memcpy(image + 0x80, bad, sizeof(bad));
    assert_int_equal(load_kernel(&r, &page), CL_NO_MEMORY);
}

static void damaged_elf_files_are_refused_with_a_sentence(void **unused)
{
    struct elf32_kernel k;
    struct load_request r = request_of(&k, sizeof(k));

    (void)unused;
    k = elf32();
    k.segment[0].p_offset = 0xFFFFFF00;
    assert_int_equal(load_kernel(&r, &page), CL_CORRUPT);
    assert_true(strlen(r.error) > 10);
    k = elf32();
    k.segment[0].p_filesz = 0x4000;
    assert_int_equal(load_kernel(&r, &page), CL_CORRUPT);
    k = elf32();
    k.segment[0].p_paddr = 0xFFFFF000;
    assert_int_equal(load_kernel(&r, &page), CL_NO_MEMORY);
    k = elf32();
    k.header.e_phoff = 0xFFFFFFF0;
    assert_int_equal(load_kernel(&r, &page), CL_CORRUPT);
    k = elf32();
    k.header.e_phnum = 0xFFFF;
    assert_int_equal(load_kernel(&r, &page), CL_CORRUPT);
    k = elf32();
    k.header.e_entry = 0x5000;
    assert_int_equal(load_kernel(&r, &page), CL_CORRUPT);
    k = elf32();
    k.header.e_machine = EM_ARM;
    assert_int_equal(load_kernel(&r, &page), CL_CORRUPT);
    k = elf32();
    k.multiboot[1] |= 0x20;
    k.multiboot[2] -= 0x20;
    assert_int_equal(load_kernel(&r, &page), CL_UNSUPPORTED);
    k = elf32();
    k.multiboot[2]++;
    assert_int_equal(load_kernel(&r, &page), CL_UNSUPPORTED);
    assert_non_null(strstr(r.error, "neither a multiboot 1 header nor a PVH entry"));
}

static void elf64_loads_by_physical_addresses(void **unused)
{
    struct {
        Elf64_Ehdr header;
        Elf64_Phdr segment;
        uint32_t multiboot[3];
    } k = { 0 };
    struct load_request r = request_of(&k, sizeof(k));

    (void)unused;
    memcpy(k.header.e_ident, ELFMAG, SELFMAG);
    k.header.e_ident[EI_CLASS] = ELFCLASS64;
    k.header.e_ident[EI_DATA] = ELFDATA2LSB;
    k.header.e_type = ET_EXEC;
    k.header.e_machine = EM_X86_64;
    k.header.e_entry = 0xFFFFFFFF80200004;
    k.header.e_phoff = sizeof(k.header);
    k.header.e_phentsize = sizeof(k.segment);
    k.header.e_phnum = 1;
    k.segment = (Elf64_Phdr){ .p_type = PT_LOAD,
                              .p_offset = sizeof(k.header) + sizeof(k.segment),
                              .p_vaddr = 0xFFFFFFFF80200000,
                              .p_paddr = 0x200000,
                              .p_filesz = 12,
                              .p_memsz = 4096 };
    k.multiboot[0] = 0x1BADB002;
    k.multiboot[2] = 0u - 0x1BADB002u;
    assert_int_equal(load_kernel(&r, &page), CL_OK);
    assert_int_equal(page.rip, 0x200004);
    assert_int_equal(word(0x200000), 0x1BADB002);
    k.segment.p_memsz = UINT64_MAX;
    assert_int_equal(load_kernel(&r, &page), CL_NO_MEMORY);
}

struct pvh_kernel {
    Elf64_Ehdr header;
    Elf64_Phdr segment[2];
    struct {
        Elf64_Nhdr header;
        char owner[8];
        uint32_t value;
    } other;
    struct {
        Elf64_Nhdr header;
        char owner[4];
        uint32_t value;
    } entry;
    uint8_t text[64];
};

/* As Linux has it: linked high, e_entry is physical, and the entry is not the first note. */
static struct pvh_kernel pvh(void)
{
    struct pvh_kernel k = { 0 };

    memcpy(k.header.e_ident, ELFMAG, SELFMAG);
    k.header.e_ident[EI_CLASS] = ELFCLASS64;
    k.header.e_ident[EI_DATA] = ELFDATA2LSB;
    k.header.e_type = ET_EXEC;
    k.header.e_machine = EM_X86_64;
    k.header.e_entry = 0x1000000;
    k.header.e_phoff = offsetof(struct pvh_kernel, segment);
    k.header.e_phentsize = sizeof(Elf64_Phdr);
    k.header.e_phnum = 2;
    k.segment[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
                                 .p_offset = offsetof(struct pvh_kernel, text),
                                 .p_vaddr = 0xFFFFFFFF81000000,
                                 .p_paddr = 0x1000000,
                                 .p_filesz = sizeof(k.text),
                                 .p_memsz = 0x2000 };
    k.segment[1] = (Elf64_Phdr){ .p_type = PT_NOTE,
                                 .p_offset = offsetof(struct pvh_kernel, other),
                                 .p_filesz = sizeof(k.other) + sizeof(k.entry),
                                 .p_align = 4 };
    k.other.header = (Elf64_Nhdr){ .n_namesz = 6, .n_descsz = 4, .n_type = 18 };
    memcpy(k.other.owner, "Linux", 6);
    k.entry.header = (Elf64_Nhdr){ .n_namesz = 4, .n_descsz = 4, .n_type = 18 };
    memcpy(k.entry.owner, "Xen", 4);
    k.entry.value = 0x1000020;
    memset(k.text, 0x90, sizeof(k.text));
    return k;
}

static void pvh_kernels_begin_at_their_note_with_a_start_info(void **unused)
{
    struct pvh_kernel k = pvh();
    struct load_request r = request_of(&k, sizeof(k));
    uint32_t info, entry, ram_bytes = 0;

    (void)unused;
    r.module = (const uint8_t *)"module";
    r.module_bytes = 6;
    memset(ram + 0x1000000, 0xEE, 0x2000);
    assert_int_equal(load_kernel(&r, &page), CL_OK);
    assert_int_equal(page.rip, 0x1000020);
    assert_int_equal(page.cr0, 0x11);
    assert_int_equal(page.cr4, 0);
    assert_int_equal(page.segment[SEG_CS].limit, UINT32_MAX);
    assert_int_equal(page.segment[SEG_TR].limit, 0x67);
    assert_int_equal(ram[0x1000020], 0x90);
    assert_int_equal(ram[0x1001FFF], 0);
    info = (uint32_t)page.gpr[GPR_RBX];
    assert_in_range(info, 0x1002000, 64 * MIB);
    assert_int_equal(word(info), 0x336EC578);
    assert_int_equal(word(info + 4), 1);
    assert_int_equal(word(info + 12), 1);
    assert_memory_equal(ram + word(word(info + 16)), "module", 7); /* and a zero behind it */
    assert_int_equal(word(word(info + 16) + 8), 6);
    assert_string_equal((char *)ram + word(info + 24), "one two");
    assert_int_equal(word(info + 32), 0xF0000);
    for (unsigned i = 0; i < word(info + 48); i++) {
        entry = word(info + 40) + i * 24;
        if (word(entry + 16) == 1)
            ram_bytes += word(entry + 8);
    }
    assert_in_range(ram_bytes, 63 * MIB, 64 * MIB);
}

static void a_pvh_entry_may_be_eight_bytes_wide(void **unused)
{
    static const uint64_t wide = 0x1000020;
    struct pvh_kernel k = pvh();
    struct load_request r = request_of(&k, sizeof(k));

    (void)unused;
    k.segment[1].p_filesz += 4;
    k.entry.header.n_descsz = 8;
    memcpy(&k.entry.value, &wide, sizeof(k.entry.value));
    memset(k.text, 0, 4); /* the upper half */
    assert_int_equal(load_kernel(&r, &page), CL_OK);
    assert_int_equal(page.rip, 0x1000020);
    memset(k.text, 0xFF, 4);
    assert_int_equal(load_kernel(&r, &page), CL_CORRUPT); /* above 4 GiB */
}

static void pvh_kernels_that_lie_are_refused_with_a_sentence(void **unused)
{
    struct pvh_kernel k;
    struct load_request r = request_of(&k, sizeof(k));
    char line[5000];

    (void)unused;
    k = pvh();
    k.entry.value = 0x2000000; /* in no segment */
    assert_int_equal(load_kernel(&r, &page), CL_CORRUPT);
    assert_non_null(strstr(r.error, "0x2000000"));
    k = pvh();
    k.entry.header.n_type = 17;
    assert_int_equal(load_kernel(&r, &page), CL_UNSUPPORTED);
    k = pvh();
    k.other.header.n_descsz = 0xFFFFFFFF; /* the next note lies far away */
    assert_int_equal(load_kernel(&r, &page), CL_UNSUPPORTED);
    k = pvh();
    k.entry.header.n_namesz = 0xFFFFFFF0;
    assert_int_equal(load_kernel(&r, &page), CL_UNSUPPORTED);
    k = pvh();
    k.segment[1].p_offset = UINT64_MAX - 8;
    assert_int_equal(load_kernel(&r, &page), CL_UNSUPPORTED);
    k = pvh();
    k.segment[1].p_filesz = UINT64_MAX;
    assert_int_equal(load_kernel(&r, &page), CL_UNSUPPORTED);
    k = pvh();
    k.segment[0].p_paddr = 0xFFFFF000;
    assert_int_equal(load_kernel(&r, &page), CL_NO_MEMORY);
    k = pvh();
    r.module = (const uint8_t *)&k;
    r.module_bytes = 60 * MIB;
    assert_int_equal(load_kernel(&r, &page), CL_NO_MEMORY);
    r.module = NULL;
    memset(line, 'a', sizeof(line));
    line[sizeof(line) - 1] = '\0';
    r.command_line = line;
    assert_int_equal(load_kernel(&r, &page), CL_CORRUPT);
    r.command_line = "";
    k.header.e_ident[EI_DATA] = ELFDATA2MSB;
    assert_int_equal(load_kernel(&r, &page), CL_CORRUPT);
    assert_non_null(strstr(r.error, "little-endian"));
}

#define BZIMAGE_BYTES (2048 + 8192)

static uint8_t *bzimage(void)
{
    uint8_t *k = calloc(1, BZIMAGE_BYTES);

    k[0x1F1] = 3;
    k[0x1FE] = 0x55;
    k[0x1FF] = 0xAA;
    k[0x201] = 0x6A;
    static const uint8_t magic[] = { 'H', 'd', 'r', 'S' };
    memcpy(k + 0x202, magic, sizeof(magic));
    k[0x206] = 0x0F;
    k[0x207] = 0x02;
    k[0x211] = 1;
    memcpy(k + 0x22C, &(uint32_t){ 0x7FFFFFFF }, 4);
    memcpy(k + 0x238, &(uint32_t){ 2047 }, 4);
    memcpy(k + 0x258, &(uint64_t){ 16 * MIB }, 8);
    memcpy(k + 0x260, &(uint32_t){ 8 * MIB }, 4);
    memset(k + 2048, 0x90, BZIMAGE_BYTES - 2048);
    return k;
}

static void linux_begins_by_its_boot_protocol(void **unused)
{
    uint8_t *k = bzimage();
    struct load_request r = request_of(k, BZIMAGE_BYTES);
    uint32_t initrd;

    (void)unused;
    r.module = (const uint8_t *)"0707";
    r.module_bytes = 4;
    assert_int_equal(load_kernel(&r, &page), CL_OK);
    assert_int_equal(page.rip, 16 * MIB);
    assert_int_equal(page.gpr[GPR_RSI], 0x10000);
    assert_int_equal(page.gpr[GPR_RBP], 0);
    assert_int_equal(page.segment[SEG_CS].selector, 0x10);
    assert_int_equal(page.segment[SEG_DS].selector, 0x18);
    assert_int_equal(page.gdtr.limit, 31);
    assert_int_equal(ram[16 * MIB], 0x90);
    assert_memory_equal(ram + 0x10202, "HdrS", 4);
    assert_int_equal(ram[0x10210], 0xFF);
    assert_string_equal((char *)ram + word(0x10228), "one two");
    initrd = word(0x10218);
    assert_memory_equal(ram + initrd, "0707", 4);
    assert_int_equal(word(0x1021C), 4);
    assert_in_range(initrd, 24 * MIB, 64 * MIB - 4);
    assert_int_equal(word(0x10070), 0xF0000);
    assert_int_equal(ram[0x101E8], 5);
    assert_int_equal(word(0x102D0 + 16), 1);
    free(k);
}

static void linux_images_that_lie_are_refused(void **unused)
{
    uint8_t *k = bzimage();
    struct load_request r = request_of(k, BZIMAGE_BYTES);
    char *text = calloc(1, 3000);

    (void)unused;
    k[0x206] = 5; /* too old */
    assert_int_equal(load_kernel(&r, &page), CL_UNSUPPORTED);
    k[0x206] = 0x0F;
    k[0x1F1] = 0xFF; /* ends within its setup */
    assert_int_equal(load_kernel(&r, &page), CL_CORRUPT);
    k[0x1F1] = 3;
    memcpy(k + 0x260, &(uint32_t){ 100 * MIB }, 4);
    assert_int_equal(load_kernel(&r, &page), CL_NO_MEMORY);
    assert_non_null(strstr(r.error, "MiB"));
    memcpy(k + 0x260, &(uint32_t){ 8 * MIB }, 4);
    memcpy(k + 0x258, &(uint64_t){ UINT64_MAX - 5 }, 8);
    assert_int_equal(load_kernel(&r, &page), CL_CORRUPT);
    memcpy(k + 0x258, &(uint64_t){ 16 * MIB }, 8);
    k[0x201] = 0xFF; /* the header would run into the memory map */
    assert_int_equal(load_kernel(&r, &page), CL_CORRUPT);
    k[0x201] = 0x6A;
    memset(text, 'x', 2100);
    r.command_line = text;
    assert_int_equal(load_kernel(&r, &page), CL_CORRUPT);
    r.command_line = "";
    r.module = k;
    r.module_bytes = 60 * MIB;
    assert_int_equal(load_kernel(&r, &page), CL_NO_MEMORY);
    r.kernel_bytes = 0x200;
    assert_int_equal(load_kernel(&r, &page), CL_CORRUPT);
    free(text);
    free(k);
}

static void random_damage_never_leaves_ram(void **unused)
{
    uint8_t *k = bzimage();
    struct elf32_kernel e = elf32(), damaged;
    struct pvh_kernel p = pvh(), damaged_pvh;
    uint32_t seed = 1;

    (void)unused;
    for (unsigned i = 0; i < 20000; i++) {
        struct load_request r = request_of(&damaged, sizeof(damaged));

        damaged = e;
        for (unsigned n = 0; n < 4; n++) {
            seed = seed * 1664525 + 1013904223;
            ((uint8_t *)&damaged)[(seed >> 8) % offsetof(struct elf32_kernel, text)] = (uint8_t)(seed >> 24);
        }
        memcpy(damaged.multiboot, e.multiboot, sizeof(e.multiboot));
        (void)!load_kernel(&r, &page);
    }
    for (unsigned i = 0; i < 20000; i++) {
        struct load_request r = request_of(&damaged_pvh, sizeof(damaged_pvh));

        damaged_pvh = p;
        for (unsigned n = 0; n < 4; n++) {
            seed = seed * 1664525 + 1013904223;
            ((uint8_t *)&damaged_pvh)[(seed >> 8) % offsetof(struct pvh_kernel, text)] = (uint8_t)(seed >> 24);
        }
        (void)!load_kernel(&r, &page);
    }
    for (unsigned i = 0; i < 3000; i++) {
        struct load_request r = request_of(k, BZIMAGE_BYTES);
        uint8_t saved[0x80];

        memcpy(saved, k + 0x1F1, sizeof(saved));
        for (unsigned n = 0; n < 3; n++) {
            seed = seed * 1664525 + 1013904223;
            k[0x1F1 + (seed >> 8) % sizeof(saved)] = (uint8_t)(seed >> 24);
        }
        (void)!load_kernel(&r, &page);
        memcpy(k + 0x1F1, saved, sizeof(saved));
    }
    free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(multiboot_elf_begins_as_the_specification_says, prepare, finish),
        cmocka_unit_test_setup_teardown(multiboot_flat_images_lie_where_the_header_says, prepare, finish),
        cmocka_unit_test_setup_teardown(damaged_elf_files_are_refused_with_a_sentence, prepare, finish),
        cmocka_unit_test_setup_teardown(elf64_loads_by_physical_addresses, prepare, finish),
        cmocka_unit_test_setup_teardown(pvh_kernels_begin_at_their_note_with_a_start_info, prepare, finish),
        cmocka_unit_test_setup_teardown(a_pvh_entry_may_be_eight_bytes_wide, prepare, finish),
        cmocka_unit_test_setup_teardown(pvh_kernels_that_lie_are_refused_with_a_sentence, prepare, finish),
        cmocka_unit_test_setup_teardown(linux_begins_by_its_boot_protocol, prepare, finish),
        cmocka_unit_test_setup_teardown(linux_images_that_lie_are_refused, prepare, finish),
        cmocka_unit_test_setup_teardown(random_damage_never_leaves_ram, prepare, finish),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: boot/acpi.c boot/acpi_iommu.c boot/text.c */
/* test_acpi.c: whole tables are understood; damaged ones are passed over, and nothing is read outside the windows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "boot/acpi.h"

#define BASE UINT64_C(0x7f000000) /* where the machine's memory is pretended to be */
#define MEMORY_BYTES 0x2000

/* Physical memory with tables in it. On the heap at its exact size: a read behind it is caught. */
struct machine {
    uint8_t *bytes;
    size_t used;
    uint64_t tables[8];
    unsigned table_count;
    uint64_t rsdp;
    struct boot_info info;
    struct acpi_notes notes;
};

static void put(struct machine *m, size_t at, uint64_t value, unsigned size)
{
    memcpy(m->bytes + at, &value, size);
}

static void fix_checksum(struct machine *m, size_t at, size_t length, size_t checksum)
{
    uint8_t sum = 0;

    m->bytes[at + checksum] = 0;
    for (size_t i = 0; i < length; i++)
        sum = (uint8_t)(sum + m->bytes[at + i]);
    m->bytes[at + checksum] = (uint8_t)-sum;
}

/* Append a table; its address becomes an entry of the root table. */
static size_t add_table(struct machine *m, const char *signature, const uint8_t *body, uint32_t body_bytes)
{
    size_t at = m->used;

    memcpy(m->bytes + at, signature, 4);
    put(m, at + 4, 36 + body_bytes, 4);
    if (body_bytes != 0)
        memcpy(m->bytes + at + 36, body, body_bytes);
    fix_checksum(m, at, 36 + body_bytes, 9);
    m->used += 36 + body_bytes;
    m->tables[m->table_count++] = BASE + at;
    return at;
}

static struct machine *new_machine(void)
{
    struct machine *m = calloc(1, sizeof *m);

    assert_non_null(m);
    m->bytes = calloc(1, MEMORY_BYTES);
    assert_non_null(m->bytes);
    return m;
}

static void free_machine(struct machine *m)
{
    free(m->bytes);
    free(m);
}

/* Root table and RSDP behind the tables; `xsdt` chooses which of the two. */
static void finish(struct machine *m, int xsdt)
{
    uint8_t body[64] = { 0 };
    unsigned entry = xsdt ? 8 : 4, count = m->table_count;

    for (unsigned i = 0; i < count; i++)
        memcpy(body + i * entry, &m->tables[i], entry);
    uint64_t root = BASE + add_table(m, xsdt ? "XSDT" : "RSDT", body, count * entry);
    size_t at = m->used;
    memcpy(m->bytes + at, "RSD PTR ", 8);
    m->bytes[at + 15] = xsdt ? 2 : 0;
    if (!xsdt)
        put(m, at + 16, root, 4);
    fix_checksum(m, at, 20, 8);
    if (xsdt) {
        put(m, at + 20, 36, 4);
        put(m, at + 24, root, 8);
        fix_checksum(m, at, 36, 32);
    }
    m->used += 36;
    m->rsdp = BASE + at;
}

static enum cl_status read_machine(struct machine *m)
{
    struct acpi_window window = { BASE, MEMORY_BYTES, m->bytes };

    memset(&m->info, 0, sizeof m->info);
    m->info.lapic_base = 0xFEE00000;
    return acpi_read(&window, 1, m->rsdp, &m->info, &m->notes);
}

static const uint8_t madt[] = {
    0x00, 0x00, 0xe0, 0xfe, 1,    0,    0,    0, /* local APIC address, PCAT_COMPAT */
    0,    8,    0,    0,    1,    0,    0,    0, /* CPU 0 */
    0,    8,    1,    1,    1,    0,    0,    0, /* CPU 1 */
    0,    8,    2,    2,    2,    0,    0,    0, /* CPU 2: could come online later, is not there now */
    9,    16,   0,    0,    1,    0,    0,    0,    1,   0, 0, 0,  1, 0,  0, 0, /* CPU 1 once more, as x2APIC */
    9,    16,   0,    0,    0x34, 0x12, 0,    0,    1,   0, 0, 0,  9, 0,  0, 0, 1, 12, 7, 0, 0, 0,
    0xc0, 0xfe, 0,    0,    0,    0,                                                               /* IOAPIC */
    1,    12,   8,    0,    0,    0x10, 0xc0, 0xfe, 24,  0, 0, 0,  2, 10, 0, 0, 2, 0,  0, 0, 0, 0, /* IRQ 0 → GSI 2 */
    2,    10,   0,    9,    9,    0,    0,    0,    0xd, 0, 2, 10, 1, 3,  3, 0, 0, 0,  0, 0,       /* not ISA */
    5,    12,   0,    0,    0,    0,    0xe1, 0xfe, 0,   0, 0, 0, /* local APIC address override */
    200,  4,    1,    2,                                          /* unknown */
};

static void add_all(struct machine *m)
{
    uint8_t mcfg[8 + 32] = { 0 }, hpet[20] = { 0 }, fadt[240] = { 0 }, dmar[12 + 40] = { 0 }, ivrs[12 + 64] = { 0 };

    add_table(m, "APIC", madt, sizeof madt);

    mcfg[16] = 1; /* the first entry is segment 1 */
    memcpy(mcfg + 24, &(uint64_t){ 0xB0000000 }, 8);
    mcfg[35] = 255;
    add_table(m, "MCFG", mcfg, sizeof mcfg);

    memcpy(hpet + 8, &(uint64_t){ 0xFED00000 }, 8);
    add_table(m, "HPET", hpet, sizeof hpet);

    memcpy(fadt + 76 - 36, &(uint32_t){ 0x608 }, 4);
    memcpy(fadt + 112 - 36, &(uint32_t){ 1u << 10 }, 4);
    fadt[116 - 36] = 1;
    memcpy(fadt + 120 - 36, &(uint64_t){ 0xCF9 }, 8);
    fadt[128 - 36] = 0x0F;
    add_table(m, "FACP", fadt, sizeof fadt);

    dmar[12 + 2] = 24; /* DRHD with one scope */
    memcpy(dmar + 12 + 8, &(uint64_t){ 0xFED90000 }, 8);
    dmar[12 + 24] = 1; /* RMRR */
    dmar[12 + 26] = 16;
    add_table(m, "DMAR", dmar, sizeof dmar);

    for (unsigned i = 0; i < 2; i++) { /* the same unit as IVHD type 10h and 11h */
        uint8_t *block = ivrs + 12 + 24 * i;

        block[0] = (uint8_t)(0x10 + i);
        block[2] = 24;
        block[4] = 0x10;
        memcpy(block + 8, &(uint64_t){ 0xFED80000 }, 8);
    }
    ivrs[12 + 48] = 0x20;
    ivrs[12 + 50] = 16;
    add_table(m, "IVRS", ivrs, sizeof ivrs);
}

static void assert_all_understood(const struct machine *m)
{
    const struct boot_info *info = &m->info;

    assert_int_equal(m->notes.damaged_count, 0);
    assert_int_equal(info->cpu_count, 3);
    assert_int_equal(info->cpus[0].apic_id, 0);
    assert_int_equal(info->cpus[1].apic_id, 1);
    assert_int_equal(info->cpus[2].apic_id, 0x1234);
    assert_int_equal(info->ioapic_count, 2);
    assert_int_equal(info->ioapics[0].base, 0xFEC00000);
    assert_int_equal(info->ioapics[0].id, 7);
    assert_int_equal(info->ioapics[1].gsi_base, 24);
    assert_int_equal(info->isa[0].gsi, 2);
    assert_int_equal(info->isa[0].pin, 0);
    assert_int_equal(info->isa[9].gsi, 9);
    assert_int_equal(info->isa[9].pin, BOOT_PIN_LEVEL);
    assert_int_equal(info->isa[3].gsi, 0); /* what is not overridden stays as it was */
    assert_int_equal(info->lapic_base, 0xFEE10000);
    assert_int_equal(info->has_8259, 1);
    assert_int_equal(info->ecam_base, 0xB0000000);
    assert_int_equal(info->ecam_last_bus, 255);
    assert_int_equal(info->hpet_base, 0xFED00000);
    assert_int_equal(info->pm_timer_port, 0x608);
    assert_int_equal(info->reset_port, 0xCF9);
    assert_int_equal(info->reset_value, 0x0F);
    assert_int_equal(info->iommu_count, 2);
    assert_int_equal(info->iommus[0].type, BOOT_IOMMU_VTD);
    assert_int_equal(info->iommus[0].base, 0xFED90000);
    assert_int_equal(info->iommus[1].type, BOOT_IOMMU_AMD);
    assert_int_equal(info->iommus[1].device_id, 0x10);
}

static void all_tables_are_understood_from_either_root(void **state)
{
    (void)state;
    for (int xsdt = 0; xsdt < 2; xsdt++) {
        struct machine *m = new_machine();

        add_all(m);
        finish(m, xsdt);
        assert_int_equal(read_machine(m), CL_OK);
        assert_all_understood(m);
        free_machine(m);
    }
}

static void no_acpi_is_said(void **state)
{
    struct machine *m = new_machine();

    (void)state;
    assert_int_equal(read_machine(m), CL_NOT_FOUND);
    m->rsdp = BASE;
    assert_int_equal(read_machine(m), CL_CORRUPT);
    m->rsdp = BASE + MEMORY_BYTES - 8;
    assert_int_equal(read_machine(m), CL_CORRUPT);
    m->rsdp = UINT64_MAX - 3;
    assert_int_equal(read_machine(m), CL_CORRUPT);
    free_machine(m);
}

static void a_damaged_table_is_named_and_the_others_are_read(void **state)
{
    struct machine *m = new_machine();

    (void)state;
    add_all(m);
    finish(m, 1);
    m->bytes[m->tables[2] - BASE + 44] ^= 1; /* HPET */
    assert_int_equal(read_machine(m), CL_OK);
    assert_int_equal(m->notes.damaged_count, 1);
    assert_string_equal(m->notes.damaged[0], "HPET");
    assert_int_equal(m->info.hpet_base, 0);
    assert_int_equal(m->info.cpu_count, 3);
    free_machine(m);
}

static void tables_outside_memory_are_not_followed(void **state)
{
    static const uint64_t addresses[] = { 1, BASE - 1, BASE + MEMORY_BYTES - 20, UINT64_MAX, UINT64_MAX - 35 };
    struct machine *m = new_machine();

    (void)state;
    for (unsigned i = 0; i < sizeof addresses / sizeof addresses[0]; i++)
        m->tables[m->table_count++] = addresses[i];
    memcpy(m->bytes + MEMORY_BYTES - 20, "APIC", 4); /* a header that memory ends in */
    finish(m, 1);
    assert_int_equal(read_machine(m), CL_OK);
    assert_int_equal(m->notes.damaged_count, 5);
    assert_string_equal(m->notes.damaged[0], "????");
    free_machine(m);
}

/* A right checksum does not make a length right. */
static void lengths_that_lie_are_stopped(void **state)
{
    static const uint8_t endless[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };   /* entries of length 0 */
    static const uint8_t beyond[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 5, 5, 1 }; /* an entry longer than the table */
    static const uint8_t short_cpu[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 5, 5, 1, 2 }; /* shorter than its type */
    struct machine *m = new_machine();

    (void)state;
    add_table(m, "APIC", endless, sizeof endless);
    add_table(m, "APIC", beyond, sizeof beyond);
    add_table(m, "APIC", short_cpu, sizeof short_cpu);
    add_table(m, "APIC", NULL, 0);
    add_table(m, "DMAR", endless, 4);
    size_t huge = add_table(m, "MCFG", endless, 8);
    put(m, huge + 4, 0xFFFFFFFF, 4);
    finish(m, 1);
    assert_int_equal(read_machine(m), CL_OK);
    assert_int_equal(m->info.cpu_count, 0);
    assert_int_equal(m->notes.damaged_count, 5); /* an entry too short for its type is only passed over */
    free_machine(m);
}

static void a_damaged_xsdt_falls_back_to_the_rsdt(void **state)
{
    struct machine *m = new_machine();

    (void)state;
    add_table(m, "APIC", madt, sizeof madt);
    finish(m, 0);
    uint64_t rsdt = m->tables[1];
    m->table_count = 1;
    finish(m, 1);
    put(m, m->rsdp - BASE + 16, rsdt, 4);
    fix_checksum(m, m->rsdp - BASE, 20, 8);
    fix_checksum(m, m->rsdp - BASE, 36, 32);
    m->bytes[m->tables[1] - BASE + 40] ^= 1; /* the XSDT */
    assert_int_equal(read_machine(m), CL_OK);
    assert_int_equal(m->info.cpu_count, 3);
    assert_string_equal(m->notes.damaged[0], "XSDT");
    free_machine(m);
}

static void more_cpus_than_fit_are_counted(void **state)
{
    uint8_t body[8 + 8 * 100] = { 0 };
    struct machine *m = new_machine();

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        memcpy(body + 8 + 8 * i, (uint8_t[]){ 0, 8, (uint8_t)i, (uint8_t)i, 1, 0, 0, 0 }, 8);
    add_table(m, "APIC", body, sizeof body);
    finish(m, 1);
    assert_int_equal(read_machine(m), CL_OK);
    assert_int_equal(m->info.cpu_count, BOOT_CPUS_MAX);
    assert_int_equal(m->notes.left_out, 100 - BOOT_CPUS_MAX);
    free_machine(m);
}

/* Every byte of every table changed, with the checksums put right again: the sanitizers are the judge. */
static void no_single_byte_leads_outside(void **state)
{
    static const uint8_t patterns[] = { 0x01, 0x80, 0xFF };

    (void)state;
    struct machine *m = new_machine();
    add_all(m);
    finish(m, 1);
    unsigned count = m->table_count;
    for (unsigned t = 0; t < count; t++) {
        size_t at = m->tables[t] - BASE;
        uint32_t length;

        memcpy(&length, m->bytes + at + 4, 4);
        for (size_t i = 0; i < length; i++) {
            for (unsigned p = 0; p < sizeof patterns; p++) {
                m->bytes[at + i] ^= patterns[p];
                fix_checksum(m, at, length, 9);
                enum cl_status status = read_machine(m);
                assert_true(status == CL_OK || status == CL_CORRUPT);
                assert_true(m->info.cpu_count <= BOOT_CPUS_MAX && m->info.iommu_count <= BOOT_IOMMUS_MAX);
                m->bytes[at + i] ^= patterns[p];
                fix_checksum(m, at, length, 9);
            }
        }
    }
    assert_int_equal(read_machine(m), CL_OK);
    assert_all_understood(m);
    free_machine(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_tables_are_understood_from_either_root),
        cmocka_unit_test(no_acpi_is_said),
        cmocka_unit_test(a_damaged_table_is_named_and_the_others_are_read),
        cmocka_unit_test(tables_outside_memory_are_not_followed),
        cmocka_unit_test(lengths_that_lie_are_stopped),
        cmocka_unit_test(a_damaged_xsdt_falls_back_to_the_rsdt),
        cmocka_unit_test(more_cpus_than_fit_are_counted),
        cmocka_unit_test(no_single_byte_leads_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

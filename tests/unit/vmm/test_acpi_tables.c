/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: vmm/acpi_tables.c */
/* test_acpi_tables.c: checksums, addresses and contents of the ACPI tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vmm/acpi_tables.h"

#define RAM_BYTES 0x200000u

static uint8_t *ram;
static struct guest_memory memory;

static uint64_t number(uint64_t address, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, ram + address, size);
    return value;
}

static uint8_t sum(uint64_t address, uint64_t length)
{
    uint8_t total = 0;

    for (uint64_t i = 0; i < length; i++)
        total = (uint8_t)(total + ram[address + i]);
    return total;
}

static uint64_t table(const char *signature)
{
    uint64_t xsdt = number(PLATFORM_ACPI_RSDP + 24, 8);

    for (uint64_t at = xsdt + 36; at < xsdt + number(xsdt + 4, 4); at += 8)
        if (memcmp(ram + number(at, 8), signature, 4) == 0)
            return number(at, 8);
    fail_msg("no table %s", signature);
    return 0;
}

static int prepare(void **unused)
{
    (void)unused;
    ram = calloc(1, RAM_BYTES);
    memory = (struct guest_memory){ .low = ram, .low_bytes = RAM_BYTES };
    return 0;
}

static int finish(void **unused)
{
    (void)unused;
    free(ram);
    return 0;
}

static void every_table_has_its_checksum(void **unused)
{
    static const char *const names[] = { "FACP", "APIC", "MCFG" };
    uint64_t xsdt, dsdt;

    (void)unused;
    assert_int_equal(acpi_tables_write(&memory, 4), CL_OK);
    assert_memory_equal(ram + PLATFORM_ACPI_RSDP, "RSD PTR ", 8);
    assert_int_equal(sum(PLATFORM_ACPI_RSDP, 20), 0);
    assert_int_equal(sum(PLATFORM_ACPI_RSDP, 36), 0);
    xsdt = number(PLATFORM_ACPI_RSDP + 24, 8);
    assert_int_equal(sum(xsdt, number(xsdt + 4, 4)), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(sum(table(names[i]), number(table(names[i]) + 4, 4)), 0);
    dsdt = number(table("FACP") + 140, 8);
    assert_memory_equal(ram + dsdt, "DSDT", 4);
    assert_int_equal(sum(dsdt, number(dsdt + 4, 4)), 0);
    assert_memory_equal(ram + number(table("FACP") + 36, 4), "FACS", 4);
    assert_int_equal(number(table("FACP") + 36, 4) % 64, 0);
}

static void the_madt_lists_cpus_ioapic_and_overrides(void **unused)
{
    uint64_t madt;
    unsigned kinds[8] = { 0 };

    (void)unused;
    assert_int_equal(acpi_tables_write(&memory, 64), CL_OK);
    madt = table("APIC");
    for (uint64_t at = madt + 44; at < madt + number(madt + 4, 4); at += ram[at + 1])
        kinds[ram[at]]++;
    assert_int_equal(kinds[0], 64);
    assert_int_equal(kinds[1], 1);
    assert_int_equal(kinds[2], 2);
    assert_int_equal(kinds[4], 1);
}

static void registers_stand_where_the_devices_are(void **unused)
{
    uint64_t fadt;

    (void)unused;
    assert_int_equal(acpi_tables_write(&memory, 1), CL_OK);
    fadt = table("FACP");
    assert_int_equal(number(fadt + 46, 2), PLATFORM_IRQ_SCI);
    assert_int_equal(number(fadt + 56, 4), PLATFORM_PORT_PM);
    assert_int_equal(number(fadt + 64, 4), PLATFORM_PORT_PM + 4);
    assert_int_equal(number(fadt + 76, 4), PLATFORM_PORT_PM + 8);
    assert_int_equal(number(fadt + 120, 8), PLATFORM_PORT_RESET);
    assert_int_equal(number(table("MCFG") + 44, 8), PLATFORM_ECAM);
}

static void impossible_machines_are_refused(void **unused)
{
    (void)unused;
    assert_int_equal(acpi_tables_write(&memory, 0), CL_BAD_ARGUMENT);
    assert_int_equal(acpi_tables_write(&memory, 65), CL_BAD_ARGUMENT);
    memory.low_bytes = 0x80000;
    assert_int_equal(acpi_tables_write(&memory, 1), CL_NO_MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_table_has_its_checksum, prepare, finish),
        cmocka_unit_test_setup_teardown(the_madt_lists_cpus_ioapic_and_overrides, prepare, finish),
        cmocka_unit_test_setup_teardown(registers_stand_where_the_devices_are, prepare, finish),
        cmocka_unit_test_setup_teardown(impossible_machines_are_refused, prepare, finish),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

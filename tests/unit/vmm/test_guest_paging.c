/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: vmm/guest_paging.c */
/* test_guest_paging.c: walks of 32-bit, PAE and 4-level tables, rights and page faults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vmm/guest_paging.h"

static uint8_t *ram;
static struct guest_memory memory;
static struct vcpu_page cpu;

#define WP (UINT64_C(1) << 16)
#define PG (UINT64_C(1) << 31)

static int prepare(void **unused)
{
    (void)unused;
    ram = calloc(1, 0x100000);
    memory = (struct guest_memory){ .low = ram, .low_bytes = 0x100000 };
    memset(&cpu, 0, sizeof(cpu));
    cpu.cr0 = PG | 1;
    cpu.cr3 = 0x1000;
    return 0;
}

static int finish(void **unused)
{
    (void)unused;
    free(ram);
    return 0;
}

static void put(uint64_t address, uint64_t value, unsigned size)
{
    memcpy(ram + address, &value, size);
}

static uint64_t get(uint64_t address, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, ram + address, size);
    return value;
}

static enum cl_status walk(uint64_t linear, uint32_t access, uint64_t *physical, uint32_t *code)
{
    *physical = 0;
    *code = 0;
    return guest_translate(&memory, &cpu, linear, access, physical, code);
}

static void tables_of_32_bits(void **unused)
{
    uint64_t p;
    uint32_t code;

    (void)unused;
    put(0x1000 + 4 * 1, 0x2003, 4);
    put(0x2000 + 4 * 2, 0x55003, 4);
    put(0x1000 + 4 * 2, 0x00C00083, 4);
    assert_int_equal(walk(0x402123, 0, &p, &code), CL_OK);
    assert_int_equal(p, 0x55123);
    assert_int_equal(get(0x2000 + 8, 4), 0x55023);
    assert_int_equal(walk(0x402123, PAGE_FAULT_WRITE, &p, &code), CL_OK);
    assert_int_equal(get(0x2000 + 8, 4), 0x55063);
    assert_int_equal(walk(0x402123, PAGE_FAULT_USER, &p, &code), CL_NOT_FOUND);
    assert_int_equal(code, PAGE_FAULT_USER | PAGE_FAULT_PRESENT);
    cpu.cr4 = 0x10; /* PSE */
    assert_int_equal(walk(0x812345, 0, &p, &code), CL_OK);
    assert_int_equal(p, 0xC12345);
    put(0x1000 + 4 * 2, 0x00C00083 | 1u << 13, 4); /* PSE-36 */
    assert_int_equal(walk(0x812345, 0, &p, &code), CL_OK);
    assert_int_equal(p, UINT64_C(0x100C12345));
    assert_int_equal(walk(0xC00000, PAGE_FAULT_WRITE, &p, &code), CL_NOT_FOUND);
    assert_int_equal(code, PAGE_FAULT_WRITE);
}

static void pae_uses_the_loaded_pdptes(void **unused)
{
    uint64_t p;
    uint32_t code;

    (void)unused;
    cpu.cr4 = 0x20;
    cpu.pdpte[3] = 0x2001;
    put(0x2000 + 8 * 511, 0x3003, 8);
    put(0x3000 + 8 * 511, UINT64_C(0x8000000000077003), 8);
    assert_int_equal(walk(0xFFFFF010, 0, &p, &code), CL_OK);
    assert_int_equal(p, 0x77010);
    cpu.efer = 0x800;
    assert_int_equal(walk(0xFFFFF010, PAGE_FAULT_FETCH, &p, &code), CL_NOT_FOUND);
    assert_int_equal(code, PAGE_FAULT_FETCH | PAGE_FAULT_PRESENT);
    assert_int_equal(walk(0x1000, 0, &p, &code), CL_NOT_FOUND);
}

static void pae_reads_the_pdptes_where_the_processor_keeps_none(void **unused)
{
    uint64_t p;
    uint32_t code;

    (void)unused;
    cpu.cr4 = 0x20;
    cpu.cr3 = 0x5020;
    put(0x5020 + 8 * 1, 0x2001, 8);
    put(0x2000 + 8 * 1, 0x600083, 8);
    assert_int_equal(walk(0x40212345, 0, &p, &code), CL_OK);
    assert_int_equal(p, 0x612345);
    assert_int_equal(get(0x5028, 8), 0x2001); /* a PDPTE has no accessed bit */
    assert_int_equal(walk(0x212345, 0, &p, &code), CL_NOT_FOUND);
    assert_int_equal(code, 0);
    cpu.cr3 = 0xFFFFFFE0; /* no RAM there */
    assert_int_equal(walk(0x40212345, 0, &p, &code), CL_BAD_ARGUMENT);
}

static void four_levels_with_large_pages(void **unused)
{
    uint64_t p;
    uint32_t code;

    (void)unused;
    cpu.cr4 = 0x20;
    cpu.efer = 0xD00;
    put(0x1000 + 8 * 511, 0x2007, 8);
    put(0x2000 + 8 * 510, 0x3007, 8);
    put(0x2000 + 8 * 511, UINT64_C(0x40000087), 8);
    put(0x3000 + 8 * 1, 0x200085, 8);
    assert_int_equal(walk(UINT64_C(0xFFFFFFFF80212345), 0, &p, &code), CL_OK);
    assert_int_equal(p, 0x212345);
    assert_int_equal(walk(UINT64_C(0xFFFFFFFFC1234567), 0, &p, &code), CL_OK);
    assert_int_equal(p, 0x41234567);
    assert_int_equal(walk(UINT64_C(0xFFFFFFFF80212345), PAGE_FAULT_WRITE, &p, &code), CL_OK); /* no WP */
    cpu.cr0 |= WP;
    assert_int_equal(walk(UINT64_C(0xFFFFFFFF80212345), PAGE_FAULT_WRITE, &p, &code), CL_NOT_FOUND);
    assert_int_equal(code, PAGE_FAULT_WRITE | PAGE_FAULT_PRESENT);
    cpu.cr4 |= 1u << 21; /* SMAP */
    assert_int_equal(walk(UINT64_C(0xFFFFFFFF80212345), 0, &p, &code), CL_NOT_FOUND);
    cpu.rflags = 1u << 18;
    assert_int_equal(walk(UINT64_C(0xFFFFFFFF80212345), 0, &p, &code), CL_OK);
    cpu.cr4 |= 1u << 20; /* SMEP */
    assert_int_equal(walk(UINT64_C(0xFFFFFFFF80212345), PAGE_FAULT_FETCH, &p, &code), CL_NOT_FOUND);
}

static void tables_outside_of_ram_are_told(void **unused)
{
    uint64_t p;
    uint32_t code;

    (void)unused;
    cpu.cr4 = 0x20;
    cpu.efer = 0xD00;
    cpu.cr3 = UINT64_C(0xFFFFFFFFF000);
    assert_int_equal(walk(0, 0, &p, &code), CL_BAD_ARGUMENT);
    cpu.cr3 = 0x1000;
    put(0x1000, UINT64_C(0xC0000007), 8);
    assert_int_equal(walk(0, 0, &p, &code), CL_BAD_ARGUMENT);
}

static uint64_t again(struct guest_path *path, uint64_t linear, uint32_t access)
{
    uint64_t physical = 0;
    uint32_t code = 0;
    enum cl_status status = guest_translate_again(path, &memory, &cpu, linear, access, &physical, &code);

    return status == CL_OK ? physical : UINT64_MAX;
}

static void a_known_path_is_left_when_anything_on_it_changes(void **unused)
{
    const uint64_t linear = UINT64_C(0xFFFFFFFF80001123);
    struct guest_path path = { .known = false };

    (void)unused;
    cpu.cr4 = 0x20;
    cpu.efer = 0xD00;
    put(0x1000 + 8 * 511, 0x2007, 8);
    put(0x2000 + 8 * 510, 0x3007, 8);
    put(0x3000, 0x4007, 8);
    put(0x4000 + 8 * 1, 0x55005, 8);
    put(0x4000 + 8 * 2, 0x66005, 8);
    assert_int_equal(again(&path, linear, PAGE_FAULT_FETCH), 0x55123);
    assert_true(path.known);
    assert_int_equal(again(&path, linear + 0x100, PAGE_FAULT_FETCH), 0x55223);
    assert_int_equal(again(&path, linear + 0x1000, PAGE_FAULT_FETCH), 0x66123);

    for (uint64_t table = 0x1000; table <= 0x4000; table += 0x1000) { /* each level in turn */
        uint64_t at = table + (table == 0x1000 ? 8 * 511 : table == 0x2000 ? 8 * 510 : table == 0x4000 ? 8 : 0);
        uint64_t entry;

        assert_int_equal(again(&path, linear, PAGE_FAULT_FETCH), 0x55123);
        entry = get(at, 8);
        put(at, entry | UINT64_C(1) << 63, 8);
        assert_int_equal(again(&path, linear, PAGE_FAULT_FETCH), UINT64_MAX);
        put(at, 0, 8);
        assert_int_equal(again(&path, linear, PAGE_FAULT_FETCH), UINT64_MAX);
        put(at, entry & ~UINT64_C(0x20), 8); /* a guest that clears the accessed bit sees it set again */
        assert_int_equal(again(&path, linear, PAGE_FAULT_FETCH), 0x55123);
        assert_int_equal(get(at, 8), entry);
    }
    put(0x4000 + 8, 0x77005, 8);
    assert_int_equal(again(&path, linear, PAGE_FAULT_FETCH), 0x77123);
    assert_int_equal(again(&path, linear, PAGE_FAULT_FETCH | PAGE_FAULT_USER), 0x77123);
    cpu.cr4 |= 1u << 20; /* SMEP */
    assert_int_equal(again(&path, linear, PAGE_FAULT_FETCH), UINT64_MAX);
    cpu.cr4 = 0x20;
    assert_int_equal(again(&path, linear, PAGE_FAULT_FETCH), 0x77123);
    cpu.cr3 = 0x9000;
    assert_int_equal(again(&path, linear, PAGE_FAULT_FETCH), UINT64_MAX);
    cpu.cr3 = 0x1000;
    assert_int_equal(again(&path, linear, PAGE_FAULT_FETCH), 0x77123);
    cpu.cr0 = 1; /* without paging */
    assert_int_equal(again(&path, 0x5678, PAGE_FAULT_FETCH), 0x5678);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tables_of_32_bits, prepare, finish),
        cmocka_unit_test_setup_teardown(pae_uses_the_loaded_pdptes, prepare, finish),
        cmocka_unit_test_setup_teardown(pae_reads_the_pdptes_where_the_processor_keeps_none, prepare, finish),
        cmocka_unit_test_setup_teardown(four_levels_with_large_pages, prepare, finish),
        cmocka_unit_test_setup_teardown(tables_outside_of_ram_are_told, prepare, finish),
        cmocka_unit_test_setup_teardown(a_known_path_is_left_when_anything_on_it_changes, prepare, finish),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

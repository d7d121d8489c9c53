/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: boot/memory.c boot/paging.c boot/text.c */
/* test_memory.c: firmware memory maps, ordered and strange, and the loader's page tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "boot/memory.h"
#include "boot/paging.h"

#define WB UINT64_C(8)
#define RUNTIME (UINT64_C(1) << 63)
#define STRIDE 48 /* as EDK2: longer than the structure */

struct descriptor {
    uint32_t type, padding;
    uint64_t base, virtual_base, pages, attributes, beyond;
};

static struct memory_work work;
static struct boot_memory out[BOOT_MEMORY_MAX];
static uint32_t count;
static uint64_t lost;

static enum cl_status normalise(const struct descriptor *map, size_t entries)
{
    enum cl_status status = memory_normalise(map, entries * STRIDE, STRIDE, &work, out, &count, &lost);
    uint64_t end = 0;

    if (status != CL_OK)
        return status;
    for (uint32_t i = 0; i < count; i++) {
        assert_true(out[i].base >= end);
        assert_true(out[i].size_bytes != 0);
        assert_int_equal((out[i].base | out[i].size_bytes) & 4095, 0);
        assert_false(i > 0 && out[i].base == end && out[i].type == out[i - 1].type);
        end = out[i].base + out[i].size_bytes;
    }
    return status;
}

static void assert_range(uint32_t index, uint64_t base, uint64_t size, enum boot_memory_type type)
{
    assert_true(index < count);
    assert_int_equal(out[index].base, base);
    assert_int_equal(out[index].size_bytes, size);
    assert_int_equal(out[index].type, type);
}

static void types_are_translated_sorted_and_merged(void **state)
{
    const struct descriptor map[] = {
        { .type = 7, .base = 0x200000, .pages = 0x10, .attributes = WB },
        { .type = 3, .base = 0x100000, .pages = 0x100, .attributes = WB }, /* boot services: free afterwards */
        { .type = 2, .base = 0x210000, .pages = 1, .attributes = WB },
        { .type = EFI_MEMORY_CLOISON_LOADER, .base = 0x211000, .pages = 1, .attributes = WB },
        { .type = EFI_MEMORY_CLOISON_KERNEL, .base = 0x400000, .pages = 2, .attributes = WB },
        { .type = EFI_MEMORY_CLOISON_IMAGE, .base = 0x402000, .pages = 2, .attributes = WB },
        { .type = 9, .base = 0x500000, .pages = 1, .attributes = WB },
        { .type = 10, .base = 0x501000, .pages = 1, .attributes = WB },
        { .type = 5, .base = 0x502000, .pages = 1, .attributes = WB | RUNTIME },
        { .type = 0, .base = 0x503000, .pages = 1, .attributes = WB | RUNTIME },
        { .type = 11, .base = 0xFED00000, .pages = 1, .attributes = RUNTIME },
        { .type = 14, .base = 0x600000, .pages = 1, .attributes = WB },         /* persistent memory */
        { .type = 0x70000000, .base = 0x601000, .pages = 1, .attributes = WB }, /* somebody else's */
        { .type = 7, .base = 0x700000, .pages = 1 },                            /* cannot be cached */
        { .type = 7, .base = 0x800000, .pages = 1, .attributes = WB | UINT64_C(1) << 18 },
    };

    (void)state;
    assert_int_equal(normalise(map, sizeof map / sizeof map[0]), CL_OK);
    assert_int_equal(count, 12);
    assert_range(0, 0, 0x1000, BOOT_MEMORY_RESERVED);
    assert_range(1, 0x100000, 0x110000, BOOT_MEMORY_USABLE);
    assert_range(2, 0x210000, 0x2000, BOOT_MEMORY_LOADER);
    assert_range(3, 0x400000, 0x2000, BOOT_MEMORY_KERNEL);
    assert_range(4, 0x402000, 0x2000, BOOT_MEMORY_IMAGE);
    assert_range(5, 0x500000, 0x1000, BOOT_MEMORY_ACPI);
    assert_range(6, 0x501000, 0x1000, BOOT_MEMORY_NVS);
    assert_range(7, 0x502000, 0x2000, BOOT_MEMORY_RUNTIME);
    assert_range(8, 0x600000, 0x2000, BOOT_MEMORY_RESERVED);
    assert_range(9, 0x700000, 0x1000, BOOT_MEMORY_RESERVED);
    assert_range(10, 0x800000, 0x1000, BOOT_MEMORY_RESERVED);
    assert_range(11, 0xFED00000, 0x1000, BOOT_MEMORY_MMIO);
    assert_int_equal(memory_total(out, count, BOOT_MEMORY_USABLE), 0x110000);
}

static void page_zero_is_never_usable(void **state)
{
    const struct descriptor map[] = { { .type = 7, .base = 0, .pages = 0x9f, .attributes = WB } };

    (void)state;
    assert_int_equal(normalise(map, 1), CL_OK);
    assert_range(0, 0, 0x1000, BOOT_MEMORY_RESERVED);
    assert_range(1, 0x1000, 0x9e000, BOOT_MEMORY_USABLE);
}

static void where_ranges_overlap_the_stronger_wins(void **state)
{
    const struct descriptor map[] = {
        { .type = 7, .base = 0x100000, .pages = 0x10, .attributes = WB },
        { .type = 0, .base = 0x104000, .pages = 2, .attributes = WB },
        { .type = 10, .base = 0x105000, .pages = 3, .attributes = WB },
        { .type = 7, .base = 0x10f000, .pages = 3, .attributes = WB },
    };

    (void)state;
    assert_int_equal(normalise(map, 4), CL_OK);
    assert_int_equal(count, 5);
    assert_range(1, 0x100000, 0x4000, BOOT_MEMORY_USABLE);
    assert_range(2, 0x104000, 0x2000, BOOT_MEMORY_RESERVED);
    assert_range(3, 0x106000, 0x2000, BOOT_MEMORY_NVS);
    assert_range(4, 0x108000, 0xa000, BOOT_MEMORY_USABLE);
}

static void misaligned_ranges_are_rounded_to_the_safe_side(void **state)
{
    const struct descriptor map[] = {
        { .type = 7, .base = 0x100800, .pages = 2, .attributes = WB },
        { .type = 0, .base = 0x200800, .pages = 1, .attributes = WB },
        { .type = 7, .base = 0x300800, .pages = 1, .attributes = WB },
    };

    (void)state;
    assert_int_equal(normalise(map, 3), CL_OK);
    assert_int_equal(count, 3);
    assert_range(1, 0x101000, 0x1000, BOOT_MEMORY_USABLE);
    assert_range(2, 0x200000, 0x2000, BOOT_MEMORY_RESERVED);
}

static void absurd_lengths_do_not_overflow(void **state)
{
    const struct descriptor map[] = {
        { .type = 0, .base = 0xfd00000000, .pages = UINT64_MAX, .attributes = 0 },
        { .type = 7, .base = UINT64_MAX - 4095, .pages = UINT64_MAX, .attributes = WB },
        { .type = 7, .base = 0x100000, .pages = 1, .attributes = WB },
        { .type = 7, .base = 0x200000, .pages = 0, .attributes = WB },
    };

    (void)state;
    assert_int_equal(normalise(map, 4), CL_OK);
    assert_int_equal(count, 3);
    assert_range(2, 0xfd00000000, (UINT64_C(1) << 52) - 0xfd00000000, BOOT_MEMORY_RESERVED);
    assert_int_equal(memory_highest_ram(out, count), 0x101000);
    assert_int_equal(memory_highest_mapped(out, count), 0x101000);
}

static void the_registers_that_firmware_uses_are_mapped(void **state)
{
    const struct descriptor map[] = {
        { .type = 7, .base = 0x100000, .pages = 1, .attributes = WB },
        { .type = 11, .base = 0x180000000, .pages = 0x1000, .attributes = RUNTIME }, /* 16 MiB of flash */
        { .type = 11, .base = 0x200000000, .pages = 0x1001, .attributes = RUNTIME }, /* a window for devices */
    };

    (void)state;
    assert_int_equal(normalise(map, 3), CL_OK);
    assert_int_equal(memory_highest_ram(out, count), 0x101000);
    assert_int_equal(memory_highest_mapped(out, count), 0x181000000);
}

static void too_many_ranges_cost_the_smallest_usable_ones(void **state)
{
    static struct descriptor map[600];

    (void)state;
    for (unsigned i = 0; i < 300; i++)
        map[i] = (struct descriptor){ 7, 0, 0x100000 + i * UINT64_C(0x100000), 0, 1 + i % 100, WB, 0 };
    assert_int_equal(normalise(map, 300), CL_OK);
    assert_int_equal(count, BOOT_MEMORY_MAX);
    /* 301 with page 0: 45 too many, three of each size */
    assert_int_equal(lost, 3 * (15 * 16 / 2) * 4096);

    for (unsigned i = 0; i < 300; i++)
        map[i].type = i % 2 == 0 ? 9 : 10;
    assert_int_equal(normalise(map, 300), CL_LIMIT);
}

static void unreadable_maps_are_refused(void **state)
{
    struct descriptor map[2] = { { .type = 7, .base = 0x100000, .pages = 1, .attributes = WB } };

    (void)state;
    assert_int_equal(memory_normalise(map, 48, 39, &work, out, &count, &lost), CL_CORRUPT);
    assert_int_equal(memory_normalise(map, 48, 0, &work, out, &count, &lost), CL_CORRUPT);
    assert_int_equal(memory_normalise(map, 1024 * 48, 48, &work, out, &count, &lost), CL_LIMIT);
    assert_int_equal(memory_normalise(map, 0, 48, &work, out, &count, &lost), CL_OK);
}

/* What the hardware would find: the physical address, or UINT64_MAX. */
static uint64_t walk(const uint64_t *pml4, uint64_t address)
{
    const uint64_t *table = pml4;

    for (unsigned shift = 39;; shift -= 9) {
        uint64_t entry = table[address >> shift & 511];
        uint64_t below = (UINT64_C(1) << shift) - 1;

        if ((entry & 3) != 3)
            return UINT64_MAX;
        if (shift == 12 || (shift < 39 && (entry & 0x80) != 0))
            return (entry & UINT64_C(0x000FFFFFFFFFF000) & ~below) | (address & below);
        table = (const uint64_t *)(uintptr_t)(entry & UINT64_C(0x000FFFFFFFFFF000));
    }
}

static void page_tables_map_memory_and_kernel(void **state)
{
    (void)state;
    for (int large = 0; large < 2; large++) {
        struct paging_plan plan = {
            .identity_end = UINT64_C(0x140000000) + 0x3000,
            .pages_1gib = large != 0,
            .kernel_virtual = UINT64_C(0xFFFFFFFF80000000),
            .kernel_physical = 0x7d200000,
            .kernel_bytes = 0x3ff000,
            .pool_virtual = UINT64_C(0xFFFFA12340000000),
            .pool_physical = 0x70000000,
            .pool_bytes = 0xc00000,
        };
        uint64_t pages = paging_pages_needed(&plan);
        uint64_t *pool = aligned_alloc(4096, pages * 4096);

        memset(pool, 0, pages * 4096);
        assert_int_equal(paging_build(&plan, pool, pages), CL_OK);
        for (uint64_t address = 0; address < plan.identity_end; address += 0x1fffff7)
            assert_int_equal(walk(pool, address), address);
        assert_int_equal(walk(pool, UINT64_C(0x180000000)), UINT64_MAX);
        assert_int_equal(walk(pool, plan.kernel_virtual), plan.kernel_physical);
        assert_int_equal(walk(pool, plan.kernel_virtual + 0x3fefff), plan.kernel_physical + 0x3fefff);
        assert_int_equal(walk(pool, plan.kernel_virtual + 0x3ff000), UINT64_MAX);
        assert_int_equal(walk(pool, plan.pool_virtual), plan.pool_physical);
        assert_int_equal(walk(pool, plan.pool_virtual + 0xbfffff), plan.pool_physical + 0xbfffff);
        assert_int_equal(walk(pool, plan.pool_virtual + 0xc00000), UINT64_MAX);

        memset(pool, 0, pages * 4096);
        assert_int_equal(paging_build(&plan, pool, 3), CL_NO_MEMORY);
        free(pool);
    }
}

static void the_pool_is_enough_for_a_kernel_across_every_border(void **state)
{
    struct paging_plan plan = {
        .identity_end = UINT64_C(4) << 30,
        .kernel_virtual = UINT64_C(0xFFFFFFFFBFFFF000), /* the last page below a 1 GiB border */
        .kernel_physical = 0x200000,
        .kernel_bytes = 0x2000,
        .pool_virtual = UINT64_C(0xFFFFA00000000000),
        .pool_bytes = UINT64_C(1) << 30,
    };
    uint64_t pages = paging_pages_needed(&plan);
    uint64_t *pool = aligned_alloc(4096, pages * 4096);

    (void)state;
    memset(pool, 0, pages * 4096);
    assert_int_equal(paging_build(&plan, pool, pages), CL_OK);
    assert_int_equal(walk(pool, UINT64_C(0xFFFFFFFFC0000FFF)), 0x201FFF);
    free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_translated_sorted_and_merged),
        cmocka_unit_test(page_zero_is_never_usable),
        cmocka_unit_test(where_ranges_overlap_the_stronger_wins),
        cmocka_unit_test(misaligned_ranges_are_rounded_to_the_safe_side),
        cmocka_unit_test(absurd_lengths_do_not_overflow),
        cmocka_unit_test(the_registers_that_firmware_uses_are_mapped),
        cmocka_unit_test(too_many_ranges_cost_the_smallest_usable_ones),
        cmocka_unit_test(unreadable_maps_are_refused),
        cmocka_unit_test(page_tables_map_memory_and_kernel),
        cmocka_unit_test(the_pool_is_enough_for_a_kernel_across_every_border),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

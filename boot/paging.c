/* SPDX-License-Identifier: Apache-2.0 */
/* paging.c: four-level tables (SDM Vol. 3A 4.5, APM Vol. 2 5.3). */
#include "boot/paging.h"

#define ENTRIES 512u
#define PAGE_BYTES UINT64_C(0x1000)
#define PAGE_2MIB UINT64_C(0x200000)
#define PAGE_1GIB UINT64_C(0x40000000)
#define PRESENT_WRITABLE UINT64_C(3)
#define LARGE (UINT64_C(1) << 7)
#define NO_EXECUTE (UINT64_C(1) << 63)
#define ADDRESS_MASK UINT64_C(0x000FFFFFFFFFF000)
#define IDENTITY_LIMIT (UINT64_C(1) << 47)

struct pool {
    uint64_t *next;
    uint64_t left;
};

static uint64_t count_units(uint64_t bytes, uint64_t unit)
{
    return (bytes + unit - 1) / unit;
}

uint64_t paging_pages_needed(const struct paging_plan *plan)
{
    uint64_t gib = count_units(plan->identity_end, PAGE_1GIB);
    uint64_t pages = 1 + count_units(gib, ENTRIES); /* PML4, page directory pointer tables */

    if (!plan->pages_1gib)
        pages += gib;
    pages += 2; /* the pool: a pointer table, a directory */
    /* the kernel: at most one pointer table, and directories and tables for a range that straddles their borders */
    return pages + 1 + count_units(plan->kernel_bytes, PAGE_1GIB) + 1 + count_units(plan->kernel_bytes, PAGE_2MIB) + 1;
}

/* The table that entry `index` of `table` points at; made if there is none. NULL: the pool is empty. */
static uint64_t *table_below(uint64_t *table, uint64_t index, struct pool *pool)
{
    if (table[index] == 0) {
        if (pool->left == 0)
            return NULL;
        table[index] = (uint64_t)(uintptr_t)pool->next | PRESENT_WRITABLE;
        pool->next += ENTRIES;
        pool->left--;
    }
    return (uint64_t *)(uintptr_t)(table[index] & ADDRESS_MASK);
}

static bool map_identity(uint64_t *pml4, const struct paging_plan *plan, struct pool *pool)
{
    for (uint64_t base = 0; base < plan->identity_end; base += PAGE_1GIB) {
        uint64_t *pointers = table_below(pml4, base >> 39, pool);

        if (pointers == NULL)
            return false;
        if (plan->pages_1gib) {
            pointers[base >> 30 & 511] = base | LARGE | PRESENT_WRITABLE;
            continue;
        }
        uint64_t *directory = table_below(pointers, base >> 30 & 511, pool);
        if (directory == NULL)
            return false;
        for (unsigned i = 0; i < ENTRIES; i++)
            directory[i] = (base + i * PAGE_2MIB) | LARGE | PRESENT_WRITABLE;
    }
    return true;
}

/* By 4 KiB pages: what lies behind the kernel's last page is not the kernel's. */
static bool map_kernel(uint64_t *pml4, const struct paging_plan *plan, struct pool *pool)
{
    for (uint64_t offset = 0; offset < plan->kernel_bytes; offset += PAGE_BYTES) {
        uint64_t address = plan->kernel_virtual + offset;
        uint64_t *table = pml4;

        for (unsigned shift = 39; shift > 12; shift -= 9) {
            table = table_below(table, address >> shift & 511, pool);
            if (table == NULL)
                return false;
        }
        table[address >> 12 & 511] = (plan->kernel_physical + offset) | PRESENT_WRITABLE;
    }
    return true;
}

static bool map_pool(uint64_t *pml4, const struct paging_plan *plan, struct pool *pool)
{
    uint64_t *pointers = table_below(pml4, plan->pool_virtual >> 39 & 511, pool);
    uint64_t *directory = pointers == NULL ? NULL : table_below(pointers, plan->pool_virtual >> 30 & 511, pool);

    for (uint64_t offset = 0; directory != NULL && offset < plan->pool_bytes; offset += PAGE_2MIB)
        directory[offset / PAGE_2MIB] = (plan->pool_physical + offset) | LARGE | PRESENT_WRITABLE | NO_EXECUTE;
    return directory != NULL;
}

enum cl_status paging_build(const struct paging_plan *plan, uint64_t *pool_pages_at, uint64_t pool_pages)
{
    struct pool pool = { .next = pool_pages_at, .left = pool_pages };

    if (plan->identity_end > IDENTITY_LIMIT)
        return refuse(CL_LIMIT, "This machine has memory beyond 128 TiB, which Cloison cannot address.");
    if (pool.left == 0)
        return refuse(CL_NO_MEMORY, "The loader's page tables do not fit the memory set aside for them.");

    uint64_t *pml4 = pool.next;
    pool.next += ENTRIES;
    pool.left--;
    if (!map_identity(pml4, plan, &pool) || !map_kernel(pml4, plan, &pool) || !map_pool(pml4, plan, &pool))
        return refuse(CL_NO_MEMORY, "The loader's page tables do not fit the memory set aside for them.");
    return CL_OK;
}

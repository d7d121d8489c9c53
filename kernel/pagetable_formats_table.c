/* SPDX-License-Identifier: Apache-2.0 */
/* pagetable_formats_table.c: the formats as data.
 *
 * Accessed and dirty bits are entered set, so that the CPU need not write them: no dirty bit in a leaf that cannot be
 * written. The host's PAT, which NPT uses too, has write-back at index 0, write-combining at 1 (PWT), UC- at 2 (PCD)
 * and uncacheable at 3 (PCD and PWT); the PAT bit itself is never set.
 */
#include "kernel/pagetable_format.h"

#define BIT(n) (UINT64_C(1) << (n))
#define ADDRESS_51_12 UINT64_C(0x000ffffffffff000)

/* SDM Vol. 3A table 4-14 to 4-20, APM Vol. 2 5.3 */
enum { P = 0, RW = 1, US = 2, PWT = 3, PCD = 4, A = 5, D = 6, PS = 7, G = 8, NX = 63 };

/* SDM Vol. 3C 29.3.2, tables 29-1 to 29-7: memory type in bits 5:3 (0 UC, 1 WC, 6 WB), ignore PAT in bit 6 */
enum { EPT_READ = 0, EPT_WRITE = 1, EPT_EXECUTE = 2, EPT_TYPE = 3, EPT_IGNORE_PAT = 6, EPT_LARGE = 7 };

/* Ours: bits of a memory object's own map */
enum { MEMORY_PRESENT = 0, MEMORY_RIGHTS = 1, MEMORY_LARGE = 7, MEMORY_TYPE = 8 };

static unsigned host_largest = LARGE_SHIFT;
static unsigned npt_largest = LARGE_SHIFT;
static unsigned ept_largest = LARGE_SHIFT;
static unsigned memory_largest = HUGE_SHIFT;

const struct pt_format pt_format_host = {
    .name = "host page table",
    .present = BIT(P),
    .address = ADDRESS_51_12,
    .large = BIT(PS),
    .table = BIT(P) | BIT(RW) | BIT(A),
    .table_user = BIT(US),
    .leaf = BIT(P) | BIT(A),
    .rights = { { .given = BIT(P) },
                { .given = BIT(RW) | BIT(D) },
                { .refused = BIT(NX) },
                { .given = BIT(US) },
                { .given = BIT(G) } },
    .type_mask = BIT(PWT) | BIT(PCD),
    .types = { [PT_WRITE_BACK] = 0, [PT_UNCACHEABLE] = BIT(PCD) | BIT(PWT), [PT_WRITE_COMBINING] = BIT(PWT) },
    .canonical = true,
    .largest_shift = &host_largest,
};

/* APM Vol. 2 15.25.5: a nested walk is always a user access; bit G is ignored. */
const struct pt_format pt_format_npt = {
    .name = "nested page table",
    .present = BIT(P),
    .address = ADDRESS_51_12,
    .large = BIT(PS),
    .table = BIT(P) | BIT(RW) | BIT(US) | BIT(A),
    .leaf = BIT(P) | BIT(US) | BIT(A),
    .rights = { { .given = BIT(P) }, { .given = BIT(RW) | BIT(D) }, { .refused = BIT(NX) } },
    .type_mask = BIT(PWT) | BIT(PCD),
    .types = { [PT_WRITE_BACK] = 0, [PT_UNCACHEABLE] = BIT(PCD) | BIT(PWT), [PT_WRITE_COMBINING] = BIT(PWT) },
    .largest_shift = &npt_largest,
};

/* Write-back ignores the guest's PAT: no guest turns its cache off against memory that others share. */
const struct pt_format pt_format_ept = {
    .name = "extended page table",
    .present = BIT(EPT_READ) | BIT(EPT_WRITE) | BIT(EPT_EXECUTE),
    .address = ADDRESS_51_12,
    .large = BIT(EPT_LARGE),
    .table = BIT(EPT_READ) | BIT(EPT_WRITE) | BIT(EPT_EXECUTE),
    .rights = { { .given = BIT(EPT_READ) }, { .given = BIT(EPT_WRITE) }, { .given = BIT(EPT_EXECUTE) } },
    .type_mask = UINT64_C(7) << EPT_TYPE,
    .types = { [PT_WRITE_BACK] = UINT64_C(6) << EPT_TYPE | BIT(EPT_IGNORE_PAT),
               [PT_UNCACHEABLE] = 0,
               [PT_WRITE_COMBINING] = UINT64_C(1) << EPT_TYPE },
    .largest_shift = &ept_largest,
};

const struct pt_format pt_format_memory = {
    .name = "memory object",
    .present = BIT(MEMORY_PRESENT),
    .address = ADDRESS_51_12,
    .large = BIT(MEMORY_LARGE),
    .table = BIT(MEMORY_PRESENT),
    .leaf = BIT(MEMORY_PRESENT),
    .rights = { { .given = BIT(MEMORY_RIGHTS) },
                { .given = BIT(MEMORY_RIGHTS + 1) },
                { .given = BIT(MEMORY_RIGHTS + 2) },
                { .given = BIT(MEMORY_RIGHTS + 3) },
                { .given = BIT(MEMORY_RIGHTS + 4) } },
    .type_mask = UINT64_C(3) << MEMORY_TYPE,
    .types = { [PT_WRITE_BACK] = 0,
               [PT_UNCACHEABLE] = UINT64_C(1) << MEMORY_TYPE,
               [PT_WRITE_COMBINING] = UINT64_C(2) << MEMORY_TYPE },
    .largest_shift = &memory_largest,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* pagetable_formats_table.c: the formats as data.
 *
 * Accessed and dirty bits are entered set, so that the CPU need not write them: no dirty bit in a leaf that cannot be
 * written. The host's PAT, which NPT uses too, has write-back at index 0, write-combining at 1 (PWT), UC- at 2 (PCD)
 * and uncacheable at 3 (PCD and PWT); the PAT bit itself is never set.
 */
#include "kernel/pagetable_formats_table.h"

#define BIT(n) (UINT64_C(1) << (n))
#define ADDRESS_51_12 UINT64_C(0x000ffffffffff000)

/* SDM Vol. 3A table 4-14 to 4-20, APM Vol. 2 5.3 */
enum { P = 0, RW = 1, US = 2, PWT = 3, PCD = 4, A = 5, D = 6, PS = 7, G = 8, NX = 63 };

/* SDM Vol. 3C 29.3.2, tables 29-1 to 29-7: memory type in bits 5:3 (0 UC, 1 WC, 6 WB), ignore PAT in bit 6. Without
 * accessed and dirty bits the CPU ignores bits 8 and 9 */
enum { EPT_READ, EPT_WRITE, EPT_EXECUTE, EPT_TYPE, EPT_IGNORE_PAT = 6, EPT_LARGE, EPT_ACCESSED, EPT_DIRTY };

/* Ours: bits of a memory object's own map, which knows no rights */
enum { MEMORY_PRESENT = 0, MEMORY_LARGE = 7 };

const struct pt_format pt_format_host = {
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
    .types = { [PT_WRITE_BACK] = 0, [PT_UNCACHEABLE] = BIT(PCD) | BIT(PWT), [PT_WRITE_COMBINING] = BIT(PWT) },
};

/* APM Vol. 2 15.25.5: a nested walk is always a user access; bit G is ignored. */
const struct pt_format pt_format_npt = {
    .present = BIT(P),
    .address = ADDRESS_51_12,
    .large = BIT(PS),
    .table = BIT(P) | BIT(RW) | BIT(US) | BIT(A),
    .leaf = BIT(P) | BIT(US) | BIT(A),
    .rights = { { .given = BIT(P) }, { .given = BIT(RW) | BIT(D) }, { .refused = BIT(NX) } },
    .types = { [PT_WRITE_BACK] = 0, [PT_UNCACHEABLE] = BIT(PCD) | BIT(PWT), [PT_WRITE_COMBINING] = BIT(PWT) },
};

/* Write-back ignores the guest's PAT: no guest turns its cache off against memory that others share. */
const struct pt_format pt_format_ept = {
    .present = BIT(EPT_READ) | BIT(EPT_WRITE) | BIT(EPT_EXECUTE),
    .address = ADDRESS_51_12,
    .large = BIT(EPT_LARGE),
    .table = BIT(EPT_READ) | BIT(EPT_WRITE) | BIT(EPT_EXECUTE) | BIT(EPT_ACCESSED),
    .leaf = BIT(EPT_ACCESSED),
    .rights = { { .given = BIT(EPT_READ) },
                { .given = BIT(EPT_WRITE) | BIT(EPT_DIRTY) },
                { .given = BIT(EPT_EXECUTE) } },
    .types = { [PT_WRITE_BACK] = UINT64_C(6) << EPT_TYPE | BIT(EPT_IGNORE_PAT),
               [PT_UNCACHEABLE] = 0,
               [PT_WRITE_COMBINING] = UINT64_C(1) << EPT_TYPE },
};

const struct pt_format pt_format_memory = {
    .present = BIT(MEMORY_PRESENT),
    .address = ADDRESS_51_12,
    .large = BIT(MEMORY_LARGE),
    .table = BIT(MEMORY_PRESENT),
    .leaf = BIT(MEMORY_PRESENT),
};

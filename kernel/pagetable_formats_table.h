/* SPDX-License-Identifier: Apache-2.0 */
/* pagetable_formats_table.h: where the bits are: what the page-table engine has to know about one kind of table.
 *
 * All formats here have four levels of 512 entries of 8 bytes, level 4 at the root.
 */
#ifndef CL_KERNEL_PAGETABLE_FORMATS_TABLE_H
#define CL_KERNEL_PAGETABLE_FORMATS_TABLE_H

#include "kernel/pagetable.h"

#define PT_LEVELS 4u
#define PT_ENTRIES 512u
#define PT_RIGHT_COUNT 5u

/* One right in a leaf: the bits that are set when it is given, and those that are set when it is not. A format that
 * has no such right leaves both empty. */
struct pt_right_bits {
    uint64_t given;
    uint64_t refused;
};

struct pt_format {
    uint64_t present;    /* an entry with none of these bits is empty */
    uint64_t address;    /* bits of the frame, or of the next table */
    uint64_t large;      /* at level 2 and above: this entry is a leaf */
    uint64_t table;      /* set in every entry that points to a table */
    uint64_t table_user; /* and in those for addresses in the lower half, where the leaf's rights decide alone */
    uint64_t leaf;       /* set in every leaf */
    struct pt_right_bits rights[PT_RIGHT_COUNT]; /* in the order of enum pt_right's bits */
    uint64_t types[PT_TYPE_COUNT];
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* pagetable.h: one engine for every table of addresses: host, EPT, NPT, later VT-d and AMD-Vi, and the map of a memory
 * object itself.
 *
 * A format is data: where the bits are. The engine walks, sets and clears; it never flushes a TLB and frees a table
 * page only with the whole tree, so a stale walk by hardware reads a table that still exists.
 */
#ifndef CL_KERNEL_PAGETABLE_H
#define CL_KERNEL_PAGETABLE_H

#include "kernel/account.h"
#include "kernel/types.h"

enum pt_right { PT_READ = 1 << 0, PT_WRITE = 1 << 1, PT_EXECUTE = 1 << 2, PT_USER = 1 << 3, PT_GLOBAL = 1 << 4 };
enum pt_type { PT_WRITE_BACK = 0, PT_UNCACHEABLE = 1, PT_WRITE_COMBINING = 2, PT_TYPE_COUNT };

struct pt_format;
extern const struct pt_format pt_format_host;   /* SDM Vol. 3A 4.5, 4-level */
extern const struct pt_format pt_format_npt;    /* APM Vol. 2 15.25.5: as host, every entry user */
extern const struct pt_format pt_format_ept;    /* SDM Vol. 3C 29.3.2 */
extern const struct pt_format pt_format_memory; /* offset → frame of a memory object; software only */

struct pt {
    const struct pt_format *format;
    struct account *account; /* pays for table pages */
    uint64_t *root;          /* in the pool */
    uint64_t cursor;         /* how far pt_destroy has come; 0 as long as the tree lives */
};

/* One leaf as the table has it. */
struct pt_leaf {
    struct hpa frame;
    unsigned page_shift; /* 12, 21 or 30 */
    unsigned rights;     /* enum pt_right */
    enum pt_type type;
};

/* An empty tree: one root page charged to `account`. */
enum cl_status pt_create(struct pt *pt, const struct pt_format *format, struct account *account) CL_MUST_CHECK;

/* Free table pages, at most `budget` of them (looking at 32 entries counts as one too); true when all are gone, and the
 * root. Goes on where the last call stopped. Leaves are forgotten. `first_entry` and `end_entry` limit the root entries
 * that are owned by this tree (a domain owns the user half only). */
bool pt_destroy(struct pt *pt, unsigned first_entry, unsigned end_entry, unsigned budget);

/* Enter one leaf of 2^page_shift bytes. Refuses with CL_OCCUPIED if a leaf or table stands in the way, CL_NO_MEMORY if
 * a table page cannot be had (nothing but empty tables is left behind), CL_UNSUPPORTED for a page size that the format
 * or the CPU lacks. Caller holds the structure lock; O(levels). */
enum cl_status pt_set(struct pt *pt, uint64_t address, struct pt_leaf leaf) CL_MUST_CHECK;

/* Look an address up; false when nothing is mapped. */
bool pt_get(const struct pt *pt, uint64_t address, struct pt_leaf *leaf);

/* Remove the leaf that covers `address`; false when there was none; `*leaf` tells what it was. No flush. */
bool pt_clear(struct pt *pt, uint64_t address, struct pt_leaf *leaf);

/* The first leaf that covers anything from `address` to below `end`, both in the same half of the address space; false
 * when there is none. Looks at no more than `budget` entries, an empty one that stands for a whole table being one;
 * then it returns false with `*next` where to go on (== end when finished). After true too: the leaf begins at
 * align_down(*next - 1, 2^page_shift). */
bool pt_next(const struct pt *pt, uint64_t address, uint64_t end, unsigned budget, uint64_t *next,
             struct pt_leaf *leaf);

/* Largest page size that this CPU and format take, as a shift. Set once at boot from CPUID / capability MSRs. */
void pt_limit_shift(const struct pt_format *format, unsigned page_shift);

/* Physical address of the root, for CR3, nCR3, EPTP. */
struct hpa pt_root(const struct pt *pt);

#endif

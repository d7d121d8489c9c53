/* SPDX-License-Identifier: Apache-2.0 */
/* pagetable.h: one engine for every table of addresses: host, EPT, NPT, later VT-d and AMD-Vi, and the map of a memory
 * object itself.
 *
 * A format is data: where the bits are. The engine walks, sets and clears; it never flushes a TLB and frees a table
 * page only with the whole tree, so a stale walk by hardware reads a table that still exists.
 */
#ifndef CL_KERNEL_PAGETABLE_H
#define CL_KERNEL_PAGETABLE_H

#include "kernel/types.h"

struct account;

enum pt_right { PT_READ = 1 << 0, PT_WRITE = 1 << 1, PT_EXECUTE = 1 << 2, PT_USER = 1 << 3, PT_GLOBAL = 1 << 4 };
enum pt_type { PT_WRITE_BACK = 0, PT_UNCACHEABLE = 1, PT_WRITE_COMBINING = 2, PT_TYPE_COUNT };

struct pt_format;
extern const struct pt_format pt_format_host;   /* SDM Vol. 3A 4.5, 4-level */
extern const struct pt_format pt_format_npt;    /* APM Vol. 2 15.25.5: as host, every entry user */
extern const struct pt_format pt_format_ept;    /* SDM Vol. 3C 29.3.2 */
extern const struct pt_format pt_format_memory; /* offset → frame of a memory object; software only */

/* The largest page that tables of the CPU may have, host's and guests': 2 MiB, or 1 GiB. Set at boot. */
extern unsigned pt_largest_shift;

/* Guests run code from pages of 4 KiB only: a larger one is made small when code is fetched from it (space_fetched()). Set by
 * the backend whose processor machine-checks when the size of a page changes under the code that runs there. */
extern bool pt_small_code;

struct pt {
    const struct pt_format *format;
    struct account *account; /* pays for table pages */
    uint64_t *root;          /* in the pool */
    struct hpa root_place;   /* the same for hardware */
    void *tables;            /* all that it has of them, each the pool_note of the next */
};

/* One leaf as it is to stand in the table. */
struct pt_leaf {
    struct hpa frame;
    unsigned page_shift; /* 12, 21 or 30 */
    unsigned rights;     /* enum pt_right */
    enum pt_type type;
};

/* An empty tree: one root page charged to `account`. */
enum cl_status pt_create(struct pt *pt, const struct pt_format *format, struct account *account) CL_MUST_CHECK;

/* Give table pages back, at most `budget` of them; true when all are gone, and the root. Leaves are forgotten, and so
 * are tables that entries of the root lead to but that were made by another tree: a domain's share of the kernel half. */
bool pt_destroy(struct pt *pt, unsigned budget);

/* Enter one leaf of 2^page_shift bytes; address and frame are aligned to it. CL_OCCUPIED if a leaf or table stands in the
 * way, CL_NO_MEMORY if a table page cannot be had (nothing but empty tables is left behind), without a sentence of its
 * own. Caller holds the structure lock; O(levels). */
enum cl_status pt_set(struct pt *pt, uint64_t address, struct pt_leaf leaf) CL_MUST_CHECK;

/* Look an address up: its entry, with frame and size in `*leaf`. NULL when nothing is mapped: then `*leaf` has the size
 * of the largest page that would fit there. */
uint64_t *pt_get(const struct pt *pt, uint64_t address, struct pt_leaf *leaf);

/* Put 512 leaves of the next smaller size, with `rights`, in the place of the large leaf of write-back memory that `address`
 * is in: the same frames. CL_NO_MEMORY: all is as it was, without a sentence of its own. Structure lock. */
enum cl_status pt_split(struct pt *pt, uint64_t address, unsigned rights) CL_MUST_CHECK;

/* Remove the first leaf that covers anything from `*cursor` to below `end`, both in the same half of the address space,
 * and move the cursor behind it; `*leaf` has its frame and size. False when there is none: then the cursor is at `end`,
 * unless the budget is used up. Every entry that is looked at costs one unit, an empty one that stands for a whole table
 * too. No flush. */
bool pt_remove_next(struct pt *pt, uint64_t *cursor, uint64_t end, unsigned *budget, struct pt_leaf *leaf);

/* Physical address of the root, for CR3, nCR3, EPTP. */
static inline struct hpa pt_root(const struct pt *pt)
{
    return pt->root_place;
}

#endif

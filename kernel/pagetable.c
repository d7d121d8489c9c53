/* SPDX-License-Identifier: Apache-2.0 */
/* pagetable.c: the engine: walk, set, clear, iterate, take down. What the bits are is in pagetable_formats_table.c. */
#include "kernel/pagetable.h"

#include "kernel/assert.h"
#include "kernel/pagetable_format.h"
#include "kernel/pool.h"

/* Entries that pt_destroy looks at for one unit of its budget. */
#define ENTRIES_PER_UNIT 32u

static unsigned level_shift(unsigned level)
{
    return PAGE_SHIFT + 9 * (level - 1);
}

static uint64_t level_size(unsigned level)
{
    return UINT64_C(1) << level_shift(level);
}

static unsigned index_at(uint64_t address, unsigned level)
{
    return (unsigned)(address >> level_shift(level)) % PT_ENTRIES;
}

static bool is_present(const struct pt *pt, uint64_t entry)
{
    return (entry & pt->format->present) != 0;
}

static bool is_table(const struct pt *pt, uint64_t entry, unsigned level)
{
    return level > 1 && is_present(pt, entry) && (entry & pt->format->large) == 0;
}

static uint64_t *table_of(const struct pt *pt, uint64_t entry)
{
    return pool_virtual(hpa(entry & pt->format->address));
}

/* Hardware and other CPUs may walk the table meanwhile: an entry is written at once, after what it points to. */
static void write_entry(uint64_t *entry, uint64_t value)
{
    __atomic_store_n(entry, value, __ATOMIC_RELEASE);
}

static bool has_address(const struct pt_format *format, uint64_t address)
{
    uint64_t high = address >> 47;

    return high == 0 || high == (format->canonical ? 0x1ffff : 1);
}

static uint64_t encode(const struct pt_format *format, struct pt_leaf leaf)
{
    uint64_t entry = leaf.frame.value | format->leaf | format->types[leaf.type];

    if (leaf.page_shift > PAGE_SHIFT)
        entry |= format->large;
    for (unsigned right = 0; right < PT_RIGHT_COUNT; right++)
        entry |= (leaf.rights & 1u << right) != 0 ? format->rights[right].given : format->rights[right].refused;
    return entry;
}

static struct pt_leaf decode(const struct pt_format *format, uint64_t entry, unsigned level)
{
    struct pt_leaf leaf = { .frame = hpa(entry & format->address), .page_shift = level_shift(level) };

    for (unsigned right = 0; right < PT_RIGHT_COUNT; right++) {
        const struct pt_right_bits *bits = &format->rights[right];

        if ((bits->given | bits->refused) != 0 && (entry & (bits->given | bits->refused)) == bits->given)
            leaf.rights |= 1u << right;
    }
    while (leaf.type < PT_TYPE_COUNT - 1 && ((entry ^ format->types[leaf.type]) & format->type_mask) != 0)
        leaf.type++;
    return leaf;
}

/* The entry that decides over `address`: a leaf, or the empty one at the highest level. `*parent` is the entry that
 * points to its table, NULL if that is the root. */
static uint64_t *walk(const struct pt *pt, uint64_t address, unsigned *level, uint64_t **parent)
{
    uint64_t *entry = &pt->root[index_at(address, PT_LEVELS)];

    *parent = NULL;
    for (*level = PT_LEVELS; is_table(pt, *entry, *level);) {
        (*level)--;
        *parent = entry;
        entry = &table_of(pt, *entry)[index_at(address, *level)];
    }
    return entry;
}

enum cl_status pt_create(struct pt *pt, const struct pt_format *format, struct account *account)
{
    *pt = (struct pt){ .format = format, .account = account, .root = pool_take(account, PAGE_SIZE) };
    return pt->root != NULL ? CL_OK : CL_NO_MEMORY;
}

bool pt_destroy(struct pt *pt, unsigned first_entry, unsigned end_entry, unsigned budget)
{
    uint64_t end = end_entry * level_size(PT_LEVELS);
    uint64_t at = first_entry * level_size(PT_LEVELS);
    uint64_t work = (uint64_t)budget * ENTRIES_PER_UNIT;

    if (at < pt->cursor)
        at = pt->cursor;
    while (at < end && work > 0) {
        unsigned level;
        uint64_t *parent;

        (void)walk(pt, at, &level, &parent);
        if (level == PT_LEVELS || (level > 1 && index_at(at, level) != PT_ENTRIES - 1)) {
            at = align_down(at, level_size(level)) + level_size(level);
            work--;
            continue;
        }
        /* Nothing below this table is left; `at` stays inside it until its parent's entry is passed. */
        uint64_t *table = table_of(pt, *parent);
        write_entry(parent, 0);
        pool_give(pt->account, table);
        work -= work < ENTRIES_PER_UNIT ? work : ENTRIES_PER_UNIT;
    }
    pt->cursor = at;
    if (at < end || work == 0)
        return false;
    pool_give(pt->account, pt->root);
    pt->root = NULL;
    return true;
}

static enum cl_status check(const struct pt *pt, uint64_t address, struct pt_leaf leaf)
{
    const char *name = pt->format->name;
    unsigned shift = leaf.page_shift;

    if ((shift != PAGE_SHIFT && shift != LARGE_SHIFT && shift != HUGE_SHIFT) || shift > *pt->format->largest_shift)
        return refuse(CL_UNSUPPORTED, "%s: there are no pages of 2^%u bytes here", name, shift);
    if (!has_address(pt->format, address) || !is_aligned(address, UINT64_C(1) << shift))
        return refuse(CL_BAD_ARGUMENT, "%s: no page of 2^%u bytes can be at %lx", name, shift, address);
    if ((leaf.frame.value & ~pt->format->address) != 0 || !is_aligned(leaf.frame.value, UINT64_C(1) << shift))
        return refuse(CL_BAD_ARGUMENT, "%s: no frame of 2^%u bytes is at %lx", name, shift, leaf.frame.value);
    if ((leaf.rights & PT_READ) == 0 || leaf.rights >> PT_RIGHT_COUNT != 0 || leaf.type >= PT_TYPE_COUNT)
        return refuse(CL_BAD_ARGUMENT, "%s: rights %x, type %u make no page", name, leaf.rights, (unsigned)leaf.type);
    return CL_OK;
}

enum cl_status pt_set(struct pt *pt, uint64_t address, struct pt_leaf leaf)
{
    const struct pt_format *format = pt->format;
    unsigned level;
    uint64_t *entry, *parent;

    TRY(check(pt, address, leaf));
    for (;;) {
        entry = walk(pt, address, &level, &parent);
        if (is_present(pt, *entry) || level_shift(level) < leaf.page_shift)
            return refuse(CL_OCCUPIED, "%s: a page of 2^%u bytes does not fit at %lx: something is mapped there",
                          format->name, leaf.page_shift, address);
        if (level_shift(level) == leaf.page_shift)
            break;

        uint64_t *table = pool_take(pt->account, PAGE_SIZE);
        if (table == NULL)
            return CL_NO_MEMORY;
        uint64_t user = (address >> 47) == 0 ? format->table_user : 0;
        write_entry(entry, pool_physical(table).value | format->table | user);
    }
    write_entry(entry, encode(format, leaf));
    return CL_OK;
}

/* The entry of the leaf that covers `address`, NULL when there is none. */
static uint64_t *find(const struct pt *pt, uint64_t address, struct pt_leaf *leaf)
{
    unsigned level;
    uint64_t *entry, *parent;

    if (!has_address(pt->format, address))
        return NULL;
    entry = walk(pt, address, &level, &parent);
    if (!is_present(pt, *entry))
        return NULL;
    *leaf = decode(pt->format, *entry, level);
    return entry;
}

bool pt_get(const struct pt *pt, uint64_t address, struct pt_leaf *leaf)
{
    return find(pt, address, leaf) != NULL;
}

bool pt_clear(struct pt *pt, uint64_t address, struct pt_leaf *leaf)
{
    uint64_t *entry = find(pt, address, leaf);

    if (entry != NULL)
        write_entry(entry, 0);
    return entry != NULL;
}

bool pt_next(const struct pt *pt, uint64_t address, uint64_t end, unsigned budget, uint64_t *next, struct pt_leaf *leaf)
{
    for (*next = address; *next < end && budget > 0; budget--) {
        unsigned level;
        uint64_t *parent, entry = *walk(pt, *next, &level, &parent);
        uint64_t last = *next | (level_size(level) - 1);

        *next = last < end ? last + 1 : end;
        if (is_present(pt, entry)) {
            *leaf = decode(pt->format, entry, level);
            return true;
        }
    }
    return false;
}

void pt_limit_shift(const struct pt_format *format, unsigned page_shift)
{
    ASSERT(page_shift == PAGE_SHIFT || page_shift == LARGE_SHIFT || page_shift == HUGE_SHIFT);
    *format->largest_shift = page_shift;
}

struct hpa pt_root(const struct pt *pt)
{
    return pool_physical(pt->root);
}

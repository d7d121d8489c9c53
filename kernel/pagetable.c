/* SPDX-License-Identifier: Apache-2.0 */
/* pagetable.c: the engine: walk, set, look up, take out, take down. What the bits are is in pagetable_formats_table.c. */
#include "kernel/pagetable.h"

#include "kernel/assert.h"
#include "kernel/pagetable_formats_table.h"
#include "kernel/pool.h"

unsigned pt_largest_shift = LARGE_SHIFT;
bool pt_small_code;

static unsigned level_shift(unsigned level)
{
    return PAGE_SHIFT + 9 * (level - 1);
}

static bool is_present(const struct pt *pt, uint64_t entry)
{
    return (entry & pt->format->present) != 0;
}

/* Hardware and other CPUs may walk the table meanwhile: an entry is written at once, after what it points to. */
static void write_entry(uint64_t *entry, uint64_t value)
{
    __atomic_store_n(entry, value, __ATOMIC_RELEASE);
}

/* The entry that decides over `address`: a leaf, or the empty one at the highest level. */
static uint64_t *walk(const struct pt *pt, uint64_t address, unsigned *level)
{
    uint64_t *table = pt->root;

    ASSERT(address >> 47 == 0 || address >> 47 == 0x1ffff);
    for (*level = PT_LEVELS;; (*level)--) {
        uint64_t *entry = &table[(address >> level_shift(*level)) % PT_ENTRIES];

        if (*level == 1 || !is_present(pt, *entry) || (*entry & pt->format->large) != 0)
            return entry;
        table = pool_virtual(hpa(*entry & pt->format->address));
    }
}

/* An empty table, on the list of those that are to be given back one day. */
static uint64_t *add_table(struct pt *pt)
{
    uint64_t *table = pool_take(pt->account, PAGE_SIZE);

    if (table != NULL) {
        *pool_note(table) = pt->tables;
        pt->tables = table;
    }
    return table;
}

enum cl_status pt_create(struct pt *pt, const struct pt_format *format, struct account *account)
{
    *pt = (struct pt){ .format = format, .account = account };
    pt->root = add_table(pt);
    if (pt->root == NULL)
        return CL_NO_MEMORY;
    pt->root_place = pool_physical(pt->root);
    return CL_OK;
}

bool pt_destroy(struct pt *pt, unsigned budget)
{
    for (void *table; (table = pt->tables) != NULL; budget--) {
        if (budget == 0)
            return false;
        pt->tables = *pool_note(table);
        pool_give(pt->account, table);
    }
    return true;
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

static void enter_table(const struct pt_format *format, uint64_t *entry, uint64_t address, const uint64_t *table)
{
    write_entry(entry, pool_physical(table).value | format->table | (address >> 47 == 0 ? format->table_user : 0));
}

enum cl_status pt_set(struct pt *pt, uint64_t address, struct pt_leaf leaf)
{
    const struct pt_format *format = pt->format;
    unsigned level;
    uint64_t *entry;

    ASSERT(is_aligned(address | leaf.frame.value, UINT64_C(1) << leaf.page_shift));
    ASSERT((leaf.frame.value & ~format->address) == 0 && (leaf.rights & PT_READ) != 0);
    for (;;) {
        entry = walk(pt, address, &level);
        if (is_present(pt, *entry) || level_shift(level) < leaf.page_shift)
            return CL_OCCUPIED;
        if (level_shift(level) == leaf.page_shift)
            break;
        uint64_t *table = add_table(pt);
        if (table == NULL)
            return CL_NO_MEMORY;
        enter_table(format, entry, address, table);
    }
    write_entry(entry, encode(format, leaf));
    return CL_OK;
}

uint64_t *pt_get(const struct pt *pt, uint64_t address, struct pt_leaf *leaf)
{
    unsigned level;
    uint64_t *entry = walk(pt, address, &level);

    *leaf = (struct pt_leaf){ .frame = hpa(*entry & pt->format->address), .page_shift = level_shift(level) };
    return is_present(pt, *entry) ? entry : NULL;
}

enum cl_status pt_split(struct pt *pt, uint64_t address, unsigned rights)
{
    unsigned level;
    uint64_t *entry = walk(pt, address, &level), *table;
    struct pt_leaf leaf = { .rights = rights };

    ASSERT(level > 1 && is_present(pt, *entry));
    table = add_table(pt);
    if (table == NULL)
        return CL_NO_MEMORY;
    leaf.page_shift = level_shift(level - 1);
    for (uint64_t i = 0; i < PT_ENTRIES; i++) {
        leaf.frame = hpa((*entry & pt->format->address) + (i << leaf.page_shift));
        table[i] = encode(pt->format, leaf);
    }
    enter_table(pt->format, entry, address, table);
    return CL_OK;
}

bool pt_remove_next(struct pt *pt, uint64_t *cursor, uint64_t end, unsigned *budget, struct pt_leaf *leaf)
{
    for (; *cursor<end && * budget> 0; (*budget)--) {
        uint64_t *entry = pt_get(pt, *cursor, leaf);
        uint64_t last = *cursor | ((UINT64_C(1) << leaf->page_shift) - 1);

        *cursor = last < end ? last + 1 : end;
        if (entry != NULL) {
            write_entry(entry, 0);
            (*budget)--;
            return true;
        }
    }
    return false;
}

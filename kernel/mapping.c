/* SPDX-License-Identifier: Apache-2.0 */
/* mapping.c: which stretch of which memory object stands where in which address space. */
#include "kernel/assert.h"
#include "kernel/layout_table.h"
#include "kernel/memory.h"
#include "kernel/pool.h"
#include "kernel/system.h"

#define MAPPINGS_MAX 512 /* per space */
#define ENTER_PIECE 64   /* leaves entered per call */
#define SCRUB_PIECE 4    /* frames zeroed per call: 16 KiB, the bound of rule 4 */
#define REMOVE_PIECE 128 /* leaves removed per call, and entries looked at for them */

static struct mapping *mapping_of(struct link *link)
{
    return link != NULL ? container_of(link, struct mapping, of_space) : NULL;
}

/* The link that leads to the first mapping that ends behind `address`. */
static struct link **find(struct space *space, uint64_t address)
{
    struct link **link = &space->mappings;

    while (*link != NULL && mapping_of(*link)->address + mapping_of(*link)->length <= address)
        link = &(*link)->next;
    return link;
}

static enum cl_status mapping_add(struct space *space, uint64_t address, uint64_t length, struct mapping **added)
{
    uint64_t first = space->pt.format == &pt_format_host ? LAYOUT_USER_FIRST : 0;
    uint64_t end = space->pt.format == &pt_format_host ? LAYOUT_USER_END : LAYOUT_GUEST_END;
    struct link **link = find(space, address);
    struct mapping *mapping = mapping_of(*link);

    if (!is_aligned(address | length, PAGE_SIZE))
        return refuse(CL_BAD_ARGUMENT, "mapping %lx + %lx is not whole pages", address, length);
    if (address < first || address >= end || length > end - address)
        return refuse(CL_BAD_ARGUMENT, "mapping %lx + %lx leaves the range %lx to %lx", address, length, first, end);
    if (mapping != NULL && mapping->address < address + length)
        return refuse(CL_OCCUPIED, "%lx + %lx meets the mapping at %lx + %lx", address, length, mapping->address,
                      mapping->length);
    if (space->mapping_count >= MAPPINGS_MAX)
        return refuse(CL_LIMIT, "an address space has at most %u mappings", MAPPINGS_MAX);
    mapping = *added = pool_take(space->pt.account, sizeof(*mapping));
    if (mapping == NULL)
        return CL_NO_MEMORY;
    mapping->space = space;
    mapping->address = mapping->cursor = address;
    mapping->length = length;
    list_push(link, &mapping->of_space);
    space->mapping_count++;
    return CL_OK;
}

static void mapping_free(struct mapping *mapping)
{
    struct space *space = mapping->space;

    list_remove(&mapping->of_space);
    list_remove(&mapping->of_memory);
    space->mapping_count--;
    pool_give(space->pt.account, mapping);
}

/* What a leaf of 2^shift bytes may be used for. */
static unsigned rights_of(const struct mapping *mapping, unsigned shift)
{
    bool small_code = pt_small_code && mapping->space->pt.format != &pt_format_host;

    return small_code && shift > PAGE_SHIFT ? mapping->rights & ~(unsigned)PT_EXECUTE : mapping->rights;
}

/* Enter one leaf at the mapping's next address: the largest page that frame, address and length allow. */
static enum cl_status enter_one(struct mapping *mapping, unsigned *budget)
{
    uint64_t address = mapping->address + mapping->done;
    uint64_t left = mapping->length - mapping->done;
    struct pt_leaf leaf = { .frame = hpa(mapping->offset), .page_shift = PAGE_SHIFT };

    if (mapping->memory != NULL)
        TRY(memory_frame(mapping->memory, mapping->offset + mapping->done, budget, &leaf));
    leaf.page_shift = leaf.page_shift < pt_largest_shift ? leaf.page_shift : pt_largest_shift;
    for (; leaf.page_shift > PAGE_SHIFT; leaf.page_shift -= 9) {
        uint64_t size = UINT64_C(1) << leaf.page_shift;
        leaf.rights = rights_of(mapping, leaf.page_shift);
        if (is_aligned(address | leaf.frame.value, size) && left >= size &&
            pt_set(&mapping->space->pt, address, leaf) == CL_OK)
            break;
    }
    leaf.rights = rights_of(mapping, leaf.page_shift);
    if (leaf.page_shift == PAGE_SHIFT)
        TRY(pt_set(&mapping->space->pt, address, leaf));
    mapping->done += UINT64_C(1) << leaf.page_shift;
    return CL_OK;
}

enum cl_status memory_map(struct memory *memory, struct space *space, uint64_t offset, uint64_t length,
                          uint64_t address, unsigned rights, uint64_t *done)
{
    struct mapping *mapping = mapping_of(*find(space, address));
    unsigned scrub_budget = SCRUB_PIECE;
    enum cl_status status = CL_OK;

    *done = 0;
    if (memory != NULL)
        TRY(memory_check(memory, offset, length));
    bool goes_on = mapping != NULL && mapping->memory == memory && mapping->address == address &&
                   mapping->offset == offset && mapping->length == length && mapping->rights == rights &&
                   mapping->done < length && mapping->flush == 0;
    if (!goes_on) {
        TRY(mapping_add(space, address, length, &mapping));
        mapping->memory = memory;
        mapping->offset = offset;
        mapping->rights = rights;
        if (memory != NULL)
            list_push(&memory->mappings, &mapping->of_memory);
    }
    for (unsigned i = 0; i < ENTER_PIECE && mapping->done < length && status == CL_OK; i++)
        status = enter_one(mapping, &scrub_budget);
    *done = mapping->done;
    if (status == CL_OK && mapping->done < length)
        return CL_IN_PROGRESS;
    if (status == CL_NO_MEMORY && mapping->done == 0)
        mapping_free(mapping);
    return status;
}

enum cl_status space_fetched(struct space *space, uint64_t address)
{
    struct mapping *mapping = mapping_of(*find(space, address));
    struct pt_leaf leaf;

    if (mapping == NULL || mapping->address > address || !(mapping->rights & PT_EXECUTE))
        return CL_NOT_FOUND;
    for (;;) {
        if (pt_get(&space->pt, address, &leaf) == NULL)
            return CL_NOT_FOUND;
        if (leaf.page_shift == PAGE_SHIFT)
            return CL_OK;
        TRY(pt_split(&space->pt, address, rights_of(mapping, leaf.page_shift - 9)));
    }
}

enum cl_status space_map_kernel_page(struct space *space, const void *page, uint64_t address, unsigned rights)
{
    uint64_t done;

    return memory_map(NULL, space, pool_physical(page).value, PAGE_SIZE, address, rights | PT_READ | PT_USER, &done);
}

/* Leaves out, flush posted, structure freed when every CPU has flushed. */
enum cl_status mapping_remove(struct mapping *mapping)
{
    uint64_t end = mapping->address + mapping->done;
    unsigned budget = REMOVE_PIECE;
    struct pt_leaf leaf;

    while (mapping->flush == 0 && pt_remove_next(&mapping->space->pt, &mapping->cursor, end, &budget, &leaf))
        ;
    if (mapping->flush == 0 && mapping->cursor >= end)
        mapping->flush = shootdown_post();
    if (mapping->flush == 0 || !shootdown_passed(mapping->flush))
        return CL_IN_PROGRESS;
    mapping_free(mapping);
    return CL_OK;
}

enum cl_status space_unmap(struct space *space, uint64_t address)
{
    struct mapping *mapping = mapping_of(*find(space, address));

    if (mapping == NULL || mapping->address != address)
        return refuse(CL_NOT_FOUND, "no mapping starts at %lx", address);
    return mapping_remove(mapping);
}

enum cl_status space_unmap_kernel_page(struct space *space, const void *page, uint64_t address)
{
    struct mapping *mapping = mapping_of(*find(space, address));

    if (page == NULL || mapping == NULL || mapping->memory != NULL || mapping->offset != pool_physical(page).value)
        return CL_OK;
    return mapping_remove(mapping);
}

enum cl_status space_unmap_all(struct space *space)
{
    if (space->mappings == NULL)
        return CL_OK;
    TRY(mapping_remove(mapping_of(space->mappings)));
    return space->mappings == NULL ? CL_OK : CL_IN_PROGRESS;
}

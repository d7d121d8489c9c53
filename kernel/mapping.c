/* SPDX-License-Identifier: Apache-2.0 */
/* mapping.c: which stretch of which memory object stands where in which address space. */
#include "kernel/assert.h"
#include "kernel/layout.h"
#include "kernel/memory.h"
#include "kernel/pool.h"
#include "kernel/system.h"

#define MAPPINGS_MAX 512 /* per space */
#define ENTER_PIECE 64   /* leaves entered per call */
#define SCRUB_PIECE 4    /* frames zeroed per call: 16 KiB, the bound of rule 4 */
#define REMOVE_PIECE 128 /* leaves removed per call */
#define LOOK_PIECE 512   /* table entries looked at per call */

/* The mapping that starts at or covers `address`, and the link where it (or its successor) hangs. */
static struct mapping **find_link(struct space *space, uint64_t address)
{
    struct mapping **link = &space->mappings;

    while (*link != NULL && (*link)->address + (*link)->length <= address)
        link = &(*link)->next;
    return link;
}

static enum cl_status check_range(const struct space *space, uint64_t address, uint64_t length)
{
    uint64_t first = space->pt.format == &pt_format_host ? LAYOUT_USER_FIRST : 0;
    uint64_t end = space->pt.format == &pt_format_host ? LAYOUT_USER_END : LAYOUT_GUEST_END;

    if (!is_aligned(address | length, PAGE_SIZE) || length == 0)
        return refuse(CL_BAD_ARGUMENT, "mapping %lx + %lx is not whole pages", address, length);
    if (address < first || address >= end || length > end - address)
        return refuse(CL_BAD_ARGUMENT, "mapping %lx + %lx leaves the range %lx to %lx", address, length, first, end);
    return CL_OK;
}

static enum cl_status mapping_add(struct space *space, struct account *account, uint64_t address, uint64_t length,
                                  struct mapping **added)
{
    struct mapping **link;
    struct mapping *mapping;

    TRY(check_range(space, address, length));
    link = find_link(space, address);
    if (*link != NULL && (*link)->address < address + length)
        return refuse(CL_OCCUPIED, "%lx + %lx meets the mapping at %lx + %lx", address, length, (*link)->address,
                      (*link)->length);
    if (space->mapping_count >= MAPPINGS_MAX)
        return refuse(CL_LIMIT, "an address space has at most %u mappings", MAPPINGS_MAX);
    mapping = pool_take(account, sizeof(*mapping));
    if (mapping == NULL)
        return refuse(CL_NO_MEMORY, "the account has no kernel memory left for a mapping");
    mapping->space = space;
    mapping->account = account;
    mapping->address = address;
    mapping->length = length;
    mapping->next = *link;
    *link = mapping;
    space->mapping_count++;
    *added = mapping;
    return CL_OK;
}

static void mapping_free(struct mapping *mapping)
{
    struct mapping **link = find_link(mapping->space, mapping->address);

    ASSERT(*link == mapping);
    *link = mapping->next;
    mapping->space->mapping_count--;
    if (mapping->memory != NULL) {
        for (link = &mapping->memory->mappings; *link != mapping; link = &(*link)->next_of_memory)
            ASSERT(*link != NULL);
        *link = mapping->next_of_memory;
    }
    pool_give(mapping->account, mapping);
}

/* Enter one leaf at the mapping's next address: the largest page that frame, address and length allow. */
static enum cl_status enter_one(struct mapping *mapping, unsigned *budget)
{
    uint64_t address = mapping->address + mapping->done;
    uint64_t left = mapping->length - mapping->done;
    struct pt_leaf leaf;

    TRY(memory_frame(mapping->memory, mapping->offset + mapping->done, budget, &leaf));
    leaf.rights = mapping->rights;
    if (leaf.page_shift == LARGE_SHIFT && is_aligned(address | leaf.frame.value, LARGE_SIZE) && left >= LARGE_SIZE &&
        pt_set(&mapping->space->pt, address, leaf) == CL_OK) {
        mapping->done += LARGE_SIZE;
        return CL_OK;
    }
    leaf.page_shift = PAGE_SHIFT;
    if (pt_set(&mapping->space->pt, address, leaf) != CL_OK)
        return refuse(CL_NO_MEMORY, "the target has no kernel memory left for page tables");
    mapping->done += PAGE_SIZE;
    return CL_OK;
}

enum cl_status memory_map(struct memory *memory, struct space *space, struct account *account, uint64_t offset,
                          uint64_t length, uint64_t address, unsigned rights, uint64_t *done)
{
    struct mapping *mapping = *find_link(space, address);
    unsigned scrub_budget = SCRUB_PIECE;

    *done = 0;
    if (!is_aligned(offset, PAGE_SIZE) || offset > memory->size_bytes || length > memory->size_bytes - offset)
        return refuse(CL_BAD_ARGUMENT, "offset %lx + %lx is not within the memory's %lx bytes", offset, length,
                      memory->size_bytes);
    bool goes_on = mapping != NULL && mapping->memory == memory && mapping->address == address &&
                   mapping->offset == offset && mapping->length == length && mapping->rights == rights &&
                   mapping->done < length && mapping->flush == 0;
    if (!goes_on) {
        TRY(mapping_add(space, account, address, length, &mapping));
        mapping->memory = memory;
        mapping->offset = offset;
        mapping->rights = rights;
        mapping->next_of_memory = memory->mappings;
        memory->mappings = mapping;
    }
    for (unsigned i = 0; i < ENTER_PIECE && mapping->done < length; i++) {
        enum cl_status status = enter_one(mapping, &scrub_budget);
        if (status == CL_IN_PROGRESS)
            break;
        if (status != CL_OK)
            return status;
    }
    *done = mapping->done;
    return mapping->done == length ? CL_OK : CL_IN_PROGRESS;
}

enum cl_status space_map_kernel_page(struct space *space, struct account *account, const void *page, uint64_t address,
                                     unsigned rights)
{
    struct pt_leaf leaf = { .frame = pool_physical(page),
                            .page_shift = PAGE_SHIFT,
                            .rights = rights | PT_READ | PT_USER };
    struct mapping *mapping;

    TRY(mapping_add(space, account, address, PAGE_SIZE, &mapping));
    mapping->done = PAGE_SIZE;
    mapping->rights = leaf.rights;
    if (pt_set(&space->pt, address, leaf) != CL_OK) {
        mapping_free(mapping);
        return refuse(CL_NO_MEMORY, "the target has no kernel memory left for page tables");
    }
    return CL_OK;
}

/* Leaves out, flush posted, structure freed when every CPU has flushed. */
enum cl_status mapping_remove(struct mapping *mapping)
{
    uint64_t end = mapping->address + mapping->done;
    struct pt_leaf leaf;
    uint64_t next;

    for (unsigned i = 0; mapping->flush == 0 && i < REMOVE_PIECE; i++) {
        if (pt_next(&mapping->space->pt, mapping->address + mapping->removed, end, LOOK_PIECE, &next, &leaf)) {
            bool cleared = pt_clear(&mapping->space->pt, next - 1, &leaf);
            ASSERT(cleared);
        }
        mapping->removed = next - mapping->address;
        if (next >= end)
            mapping->flush = shootdown_post();
    }
    if (mapping->flush == 0 || !shootdown_passed(mapping->flush))
        return CL_IN_PROGRESS;
    mapping_free(mapping);
    return CL_OK;
}

enum cl_status space_unmap(struct space *space, uint64_t address)
{
    struct mapping *mapping = *find_link(space, address);

    if (mapping == NULL || mapping->address != address)
        return refuse(CL_NOT_FOUND, "no mapping starts at %lx", address);
    return mapping_remove(mapping);
}

enum cl_status space_unmap_kernel_page(struct space *space, uint64_t *address)
{
    enum cl_status status = *address != 0 ? space_unmap(space, *address) : CL_OK;

    if (status == CL_IN_PROGRESS)
        return status;
    *address = 0; /* CL_NOT_FOUND: the domain was taken apart first */
    return CL_OK;
}

enum cl_status space_unmap_all(struct space *space)
{
    if (space->mappings == NULL)
        return CL_OK;
    TRY(mapping_remove(space->mappings));
    return space->mappings == NULL ? CL_OK : CL_IN_PROGRESS;
}

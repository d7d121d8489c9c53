/* SPDX-License-Identifier: Apache-2.0 */
/* memory.c: the life of memory objects: created empty, filled and scrubbed as they are mapped, given back frame by frame. */
#include "kernel/memory.h"

#include "kernel/account.h"
#include "kernel/assert.h"
#include "kernel/frames.h"
#include "kernel/pool.h"
#include "kernel/system.h"
#include "kernel/window.h"

#define SCRUB_PIECE 4     /* frames zeroed per call: 16 KiB, the bound of rule 4 */
#define FREE_PIECE 64     /* leaves given back per call */
#define SLICE_DEPTH_MAX 8 /* slices of slices: looking a frame up and destroying go through all */
#define LOOK_PIECE 512    /* table entries looked at per call */
/* What the rights of a leaf in a memory's own map mean. */
#define LEAF_DIRTY PT_READ
#define LEAF_SCRUBBED (PT_READ | PT_WRITE)

#define NOTHING_TO_SCRUB UINT64_MAX

#define MEMORY_MAX (UINT64_C(1) << 44)

enum cl_status memory_create(struct account *account, uint64_t size_bytes, uint32_t flags, struct memory **created)
{
    struct memory *memory;

    if (size_bytes == 0 || !is_aligned(size_bytes, PAGE_SIZE) || size_bytes > MEMORY_MAX)
        return refuse(CL_BAD_ARGUMENT, "memory size %lx is not a positive multiple of 4 KiB up to 16 TiB", size_bytes);
    if ((flags & ~(MEMORY_CONTIGUOUS | MEMORY_BELOW_4GIB | MEMORY_LARGE)) != 0)
        return refuse(CL_BAD_ARGUMENT, "memory flags %x: unknown bits", flags);
    if ((flags & MEMORY_CONTIGUOUS) != 0)
        return refuse(CL_UNSUPPORTED, "contiguous memory objects come with device drivers (docs/limits.md)");
    memory = *created = object_create(account, OBJECT_MEMORY);
    if (memory == NULL)
        return CL_NO_MEMORY;
    memory->flags = flags;
    memory->scrub_offset = NOTHING_TO_SCRUB;
    TRY(account_charge(account, PURSE_MEMORY, size_bytes));
    memory->size_bytes = size_bytes;
    return pt_create(&memory->map, &pt_format_memory, account);
}

enum cl_status memory_create_fixed(struct hpa base, uint64_t size_bytes, enum pt_type type, struct memory **created)
{
    struct memory *memory = *created = object_create(NULL, OBJECT_MEMORY);

    if (memory == NULL)
        return CL_NO_MEMORY;
    memory->size_bytes = size_bytes;
    memory->flags = MEMORY_FIXED;
    memory->type = type;
    memory->base = base;
    return CL_OK;
}

enum cl_status memory_slice(struct account *account, struct memory *parent, uint64_t offset, uint64_t length,
                            struct memory **created)
{
    struct memory *memory;

    if (!is_aligned(offset | length, PAGE_SIZE) || length == 0 || offset > parent->size_bytes ||
        length > parent->size_bytes - offset)
        return refuse(CL_BAD_ARGUMENT, "slice %lx + %lx is not whole pages within %lx bytes", offset, length,
                      parent->size_bytes);
    if (parent->depth >= SLICE_DEPTH_MAX)
        return refuse(CL_LIMIT, "slices nest %u deep at most", SLICE_DEPTH_MAX);
    memory = *created = object_create(account, OBJECT_MEMORY);
    if (memory == NULL)
        return CL_NO_MEMORY;
    memory->depth = parent->depth + 1;
    memory->size_bytes = length;
    memory->flags = parent->flags;
    memory->type = parent->type;
    memory->parent = parent;
    memory->parent_offset = offset;
    memory->next_slice = parent->slices;
    parent->slices = memory;
    object_reference(&parent->object);
    return CL_OK;
}

/* Take a frame or block for `offset` into the map, unscrubbed. */
static enum cl_status take(struct memory *memory, uint64_t offset)
{
    uint64_t block = align_down(offset, LARGE_SIZE);
    bool below = (memory->flags & MEMORY_BELOW_4GIB) != 0;
    struct pt_leaf leaf = { .page_shift = PAGE_SHIFT, .rights = LEAF_DIRTY };

    if ((memory->flags & MEMORY_LARGE) != 0 && memory->size_bytes - block >= LARGE_SIZE &&
        frames_take(LARGE_SHIFT, below, &leaf.frame) == CL_OK) {
        leaf.page_shift = LARGE_SHIFT;
        if (pt_set(&memory->map, block, leaf) == CL_OK)
            return CL_OK;
        frames_give(leaf.frame, LARGE_SHIFT);
        leaf.page_shift = PAGE_SHIFT;
    }
    if (frames_take(PAGE_SHIFT, below, &leaf.frame) != CL_OK)
        return refuse(CL_NO_MEMORY, "the machine has no free memory left");
    if (pt_set(&memory->map, offset, leaf) != CL_OK) {
        frames_give(leaf.frame, PAGE_SHIFT);
        return refuse(CL_NO_MEMORY, "the account has no kernel memory left for the memory's map");
    }
    return CL_OK;
}

/* Zero what is left of the leaf at `start`, at most `*budget` frames; true when it is clean and marked so. */
static bool scrub(struct memory *memory, uint64_t start, struct pt_leaf *leaf, unsigned *budget)
{
    uint64_t size = UINT64_C(1) << leaf->page_shift;
    struct pt_leaf old;

    for (; memory->scrub_done < size; memory->scrub_done += PAGE_SIZE, (*budget)--) {
        if (*budget == 0)
            return false;
        window_zero(hpa_add(leaf->frame, memory->scrub_done));
    }
    memory->scrub_offset = NOTHING_TO_SCRUB;
    memory->scrub_done = 0;
    leaf->rights = LEAF_SCRUBBED;
    bool found = pt_clear(&memory->map, start, &old);
    ASSERT(found);
    enum cl_status status = pt_set(&memory->map, start, *leaf); /* its table exists */
    ASSERT(status == CL_OK);
    return true;
}

/* A block that somebody else began is finished first: two who map different blocks in turn both get on. */
static bool scrub_in_turn(struct memory *memory, uint64_t start, struct pt_leaf *leaf, unsigned *budget)
{
    struct pt_leaf other;

    if (memory->scrub_offset != NOTHING_TO_SCRUB && memory->scrub_offset != start) {
        bool found = pt_get(&memory->map, memory->scrub_offset, &other);
        ASSERT(found);
        if (!scrub(memory, memory->scrub_offset, &other, budget))
            return false;
    }
    memory->scrub_offset = start;
    return scrub(memory, start, leaf, budget);
}

enum cl_status memory_frame(struct memory *memory, uint64_t offset, unsigned *budget, struct pt_leaf *leaf)
{
    for (; memory->parent != NULL; memory = memory->parent)
        offset += memory->parent_offset;
    if ((memory->flags & MEMORY_FIXED) != 0) {
        *leaf =
            (struct pt_leaf){ .frame = hpa_add(memory->base, offset), .page_shift = PAGE_SHIFT, .type = memory->type };
        return CL_OK;
    }
    if (!pt_get(&memory->map, offset, leaf)) {
        TRY(take(memory, offset));
        bool found = pt_get(&memory->map, offset, leaf);
        ASSERT(found);
    }
    uint64_t start = align_down(offset, UINT64_C(1) << leaf->page_shift);
    if (leaf->rights != LEAF_SCRUBBED && !scrub_in_turn(memory, start, leaf, budget))
        return CL_IN_PROGRESS;
    leaf->frame = hpa_add(leaf->frame, offset - start);
    leaf->type = memory->type;
    return CL_OK;
}

/* Mappings first, then a flush, then the frames. */
enum cl_status memory_destroy(struct object *object)
{
    struct memory *memory = (struct memory *)object;
    struct pt_leaf leaf;
    uint64_t next;

    if (memory->slices != NULL) {
        TRY(object_destroy(&memory->slices->object));
        return CL_IN_PROGRESS;
    }
    if (memory->mappings != NULL) {
        TRY(mapping_remove(memory->mappings));
        return CL_IN_PROGRESS;
    }
    if (memory->parent != NULL) {
        struct memory **link = &memory->parent->slices;
        while (*link != memory)
            link = &(*link)->next_slice;
        *link = memory->next_slice;
        object_drop(&memory->parent->object);
        memory->parent = NULL;
        return CL_OK;
    }
    if ((memory->flags & MEMORY_FIXED) != 0)
        return refuse(CL_BAD_ARGUMENT, "the system image and the framebuffer stay");
    for (unsigned i = 0; memory->map.root != NULL && i < FREE_PIECE && memory->freed_offset < memory->size_bytes; i++) {
        if (pt_next(&memory->map, memory->freed_offset, memory->size_bytes, LOOK_PIECE, &next, &leaf)) {
            bool found = pt_clear(&memory->map, next - 1, &leaf);
            ASSERT(found);
            frames_give(leaf.frame, leaf.page_shift);
        }
        memory->freed_offset = next;
    }
    if (memory->map.root != NULL &&
        (memory->freed_offset < memory->size_bytes || !pt_destroy(&memory->map, 0, 512, FREE_PIECE)))
        return CL_IN_PROGRESS;
    account_refund(object->account, PURSE_MEMORY, memory->size_bytes);
    return CL_OK;
}

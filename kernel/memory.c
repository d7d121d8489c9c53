/* SPDX-License-Identifier: Apache-2.0 */
/* memory.c: the life of memory objects: created empty, filled and scrubbed as they are mapped, given back frame by frame. */
#include "kernel/memory.h"

#include "kernel/account.h"
#include "kernel/assert.h"
#include "kernel/frames.h"
#include "kernel/hostmap.h"
#include "kernel/system.h"

#define FREE_PIECE 64     /* leaves given back per call, and entries looked at for them */
#define SLICE_DEPTH_MAX 8 /* slices of slices: looking a frame up and destroying go through all */

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
    TRY(pt_create(&memory->map, &pt_format_memory, account));
    TRY(account_charge(account, PURSE_MEMORY, size_bytes));
    memory->size_bytes = size_bytes;
    return CL_OK;
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

enum cl_status memory_check(const struct memory *memory, uint64_t offset, uint64_t length)
{
    if (!is_aligned(offset | length, PAGE_SIZE) || length == 0 || offset > memory->size_bytes ||
        length > memory->size_bytes - offset)
        return refuse(CL_BAD_ARGUMENT, "%lx + %lx is not whole pages within the memory's %lx bytes", offset, length,
                      memory->size_bytes);
    return CL_OK;
}

enum cl_status memory_slice(struct account *account, struct memory *parent, uint64_t offset, uint64_t length,
                            struct memory **created)
{
    struct memory *memory;

    TRY(memory_check(parent, offset, length));
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
    list_push(&parent->slices, &memory->of_parent);
    object_reference(&parent->object);
    return CL_OK;
}

/* Take a frame for `offset`, or the largest block that has room in the object where nothing of it was taken before
 * (`room` is its size at least). */
static enum cl_status take(struct memory *memory, uint64_t offset, unsigned room)
{
    bool below = (memory->flags & MEMORY_BELOW_4GIB) != 0;
    struct pt_leaf fresh = { .page_shift = (memory->flags & MEMORY_LARGE) != 0 ? HUGE_SHIFT : PAGE_SHIFT,
                             .rights = PT_READ };

    for (; fresh.page_shift > PAGE_SHIFT; fresh.page_shift -= 9) {
        uint64_t size = UINT64_C(1) << fresh.page_shift;
        if (fresh.page_shift <= room && memory->size_bytes - align_down(offset, size) >= size &&
            frames_take(fresh.page_shift, below, &fresh.frame) == CL_OK)
            break;
    }
    if (fresh.page_shift == PAGE_SHIFT)
        TRY(frames_take(PAGE_SHIFT, below, &fresh.frame));
    memory->fresh = fresh;
    memory->fresh_offset = align_down(offset, UINT64_C(1) << fresh.page_shift);
    memory->scrubbed = 0;
    return CL_OK;
}

/* Zero what is left of the fresh leaf, at most `*budget` frames, and enter it into the map. */
static enum cl_status scrub(struct memory *memory, unsigned *budget)
{
    for (; memory->scrubbed < UINT64_C(1) << memory->fresh.page_shift; memory->scrubbed += PAGE_SIZE, (*budget)--) {
        if (*budget == 0)
            return CL_IN_PROGRESS;
        window_zero(hpa_add(memory->fresh.frame, memory->scrubbed));
    }
    TRY(pt_set(&memory->map, memory->fresh_offset, memory->fresh));
    memory->fresh.page_shift = 0;
    return CL_OK;
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
    /* what somebody else began is finished first: two who map different blocks in turn both get on */
    while (pt_get(&memory->map, offset, leaf) == NULL) {
        if (memory->fresh.page_shift == 0)
            TRY(take(memory, offset, leaf->page_shift));
        TRY(scrub(memory, budget));
    }
    leaf->frame = hpa_add(leaf->frame, offset % (UINT64_C(1) << leaf->page_shift));
    leaf->type = memory->type;
    return CL_OK;
}

/* Mappings first, then a flush, then the frames. */
enum cl_status memory_destroy(struct object *object)
{
    struct memory *memory = (struct memory *)object;
    unsigned budget = FREE_PIECE;
    struct pt_leaf leaf;

    if (memory->slices != NULL) {
        TRY(object_destroy(&container_of(memory->slices, struct memory, of_parent)->object));
        return CL_IN_PROGRESS;
    }
    if (memory->mappings != NULL) {
        TRY(mapping_remove(container_of(memory->mappings, struct mapping, of_memory)));
        return CL_IN_PROGRESS;
    }
    if (memory->parent != NULL) {
        list_remove(&memory->of_parent);
        object_drop(&memory->parent->object);
        return CL_OK;
    }
    if ((memory->flags & MEMORY_FIXED) != 0)
        return refuse(CL_BAD_ARGUMENT, "the system image and the framebuffer stay");
    if (memory->fresh.page_shift != 0) {
        frames_give(memory->fresh.frame, memory->fresh.page_shift);
        memory->fresh.page_shift = 0;
    }
    while (pt_remove_next(&memory->map, &memory->freed_offset, memory->size_bytes, &budget, &leaf))
        frames_give(leaf.frame, leaf.page_shift);
    if (memory->freed_offset < memory->size_bytes || !pt_destroy(&memory->map, budget))
        return CL_IN_PROGRESS;
    account_refund(object->account, PURSE_MEMORY, memory->size_bytes);
    return CL_OK;
}

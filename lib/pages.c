/* SPDX-License-Identifier: Apache-2.0 */
/* pages.c: brk, arena and regions over memory objects on the program's own account. */
#include "lib/pages.h"

#include <string.h>

#include "lib/lock.h"
#include "lib/runtime.h"
#include "lib/slots.h"
#include "lib/syscall.h"

#define THREAD_PAGES_BYTES UINT64_C(0x100000)
#define BRK_BYTES UINT64_C(0x10000000)   /* addresses */
#define BRK_PIECE_BYTES UINT64_C(0x8000) /* memory is added in such pieces */
#define ARENA_BYTES UINT64_C(0x10000000) /* addresses */
#define ARENA_PAGES (ARENA_BYTES / PAGE_BYTES)
#define ARENA_PIECE_BYTES UINT64_C(0x10000)
#define ARENA_PIECE_MAX_BYTES UINT64_C(0x80000)

struct region {
    uint64_t address;
    uint64_t size_bytes; /* of addresses */
    uint64_t start;      /* of the memory in it; 0: none yet */
    uint32_t slot;       /* of the memory */
};

static struct cl_lock lock; /* everything below */
static uint64_t threads_base;
static uint64_t brk_base, brk_end, brk_mapped;
static uint64_t arena_base, arena_size; /* size: bytes that have memory */
static uint64_t arena_taken[ARENA_PAGES / 64];
static uint64_t regions_base, regions_end;
static struct region regions[PAGES_REGIONS_MAX]; /* sorted by address */
static uint32_t region_count;

static uint64_t round_up(uint64_t bytes, uint64_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

enum cl_status pages_begin(uint64_t address, uint64_t size_bytes)
{
    if (size_bytes < PAGES_ADDRESSES_MIN)
        return CL_LIMIT;
    threads_base = address;
    brk_base = threads_base + THREAD_PAGES_BYTES;
    brk_end = brk_base;
    brk_mapped = brk_base + PAGE_BYTES;
    arena_base = brk_base + BRK_BYTES;
    arena_size = 0;
    memset(arena_taken, 0, sizeof(arena_taken));
    regions_base = arena_base + ARENA_BYTES + PAGE_BYTES;
    regions_end = address + size_bytes;
    region_count = 0;
    return CL_OK;
}

uint64_t pages_for_threads(void)
{
    return threads_base;
}

/* A new memory object at `address`; its slot in `*slot`. */
static enum cl_status add_memory(uint64_t address, uint64_t bytes, uint32_t *slot)
{
    const struct start_block *start = cl_start();
    enum cl_status status;

    TRY(cl_slot_alloc(slot));
    status = cl_memory_create(*slot, start->account_slot, bytes, 0);
    if (status != CL_OK) {
        cl_slot_free(*slot);
        return status;
    }
    status = cl_memory_map(*slot, start->domain_slot, 0, bytes, address, MAP_READ | MAP_WRITE);
    if (status != CL_OK)
        (void)!cl_slot_destroy(*slot);
    return status;
}

/* ----------------------------------------------------------------------------------------------------- brk */

uint64_t pages_brk(uint64_t end)
{
    uint32_t slot;

    cl_lock_take(&lock);
    if (end >= brk_base && end <= brk_base + BRK_BYTES) {
        uint64_t more = end > brk_mapped ? round_up(end - brk_mapped, BRK_PIECE_BYTES) : 0;
        if (brk_mapped + more > brk_base + BRK_BYTES)
            more = brk_base + BRK_BYTES - brk_mapped;
        if (more == 0 || add_memory(brk_mapped, more, &slot) == CL_OK) {
            brk_mapped += more;
            brk_end = end;
        }
    }
    end = brk_end;
    cl_lock_drop(&lock);
    return end;
}

/* --------------------------------------------------------------------------------------------------- arena */

static bool arena_is_taken(uint64_t page)
{
    return (arena_taken[page / 64] >> page % 64 & 1) != 0;
}

static void arena_mark(uint64_t page, uint64_t count, bool is_taken)
{
    for (; count > 0; page++, count--) {
        if (is_taken)
            arena_taken[page / 64] |= UINT64_C(1) << page % 64;
        else
            arena_taken[page / 64] &= ~(UINT64_C(1) << page % 64);
    }
}

/* First of `count` free pages that have memory. If there are none, *tail_page is where the free pages at the end begin. */
static bool arena_find(uint64_t count, uint64_t *first_page, uint64_t *tail_page)
{
    uint64_t run = 0, page, pages = arena_size / PAGE_BYTES;

    for (page = 0; page < pages; page++) {
        if (page % 64 == 0 && arena_taken[page / 64] == UINT64_MAX) {
            run = 0;
            page += 63;
            continue;
        }
        run = arena_is_taken(page) ? 0 : run + 1;
        if (run == count) {
            *first_page = page + 1 - count;
            return true;
        }
    }
    *tail_page = pages - run;
    return false;
}

static enum cl_status arena_grow(uint64_t bytes)
{
    uint64_t piece = round_up(arena_size / 4, ARENA_PIECE_BYTES);
    uint32_t slot;

    if (piece > ARENA_PIECE_MAX_BYTES)
        piece = ARENA_PIECE_MAX_BYTES;
    if (piece < bytes)
        piece = round_up(bytes, ARENA_PIECE_BYTES);
    if (arena_size + piece > ARENA_BYTES)
        return CL_LIMIT;
    TRY(add_memory(arena_base + arena_size, piece, &slot));
    arena_size += piece;
    return CL_OK;
}

static enum cl_status arena_alloc(uint64_t bytes, uint64_t *address)
{
    uint64_t count = bytes / PAGE_BYTES, first, tail;

    if (!arena_find(count, &first, &tail)) {
        TRY(arena_grow((tail + count) * PAGE_BYTES - arena_size));
        first = tail;
    }
    arena_mark(first, count, true);
    *address = arena_base + first * PAGE_BYTES;
    return CL_OK;
}

static bool in_arena(uint64_t address)
{
    return address >= arena_base && address < arena_base + arena_size;
}

static enum cl_status arena_free(uint64_t address, uint64_t bytes)
{
    uint64_t first = (address - arena_base) / PAGE_BYTES, count = bytes / PAGE_BYTES;

    if (bytes > arena_base + arena_size - address)
        return CL_NOT_FOUND;
    for (uint64_t page = first; page < first + count; page++) {
        if (!arena_is_taken(page))
            return CL_NOT_FOUND;
    }
    memset((void *)address, 0, bytes);
    arena_mark(first, count, false);
    return CL_OK;
}

/* ------------------------------------------------------------------------------------------------- regions */

/* The region that contains `address`, or NULL. */
static struct region *region_at(uint64_t address)
{
    for (uint32_t i = 0; i < region_count; i++) {
        if (address >= regions[i].address && address - regions[i].address < regions[i].size_bytes)
            return &regions[i];
    }
    return NULL;
}

/* Find addresses, first fit, and leave one page without memory behind every region. */
static enum cl_status region_reserve(uint64_t bytes, struct region **made)
{
    uint64_t address = regions_base;
    uint32_t at;

    if (region_count == PAGES_REGIONS_MAX)
        return CL_LIMIT;
    for (at = 0; at < region_count; at++) {
        if (regions[at].address - address > bytes)
            break;
        address = regions[at].address + regions[at].size_bytes + PAGE_BYTES;
    }
    if (at == region_count && (address > regions_end || regions_end - address < bytes))
        return CL_LIMIT;
    memmove(&regions[at + 1], &regions[at], (region_count - at) * sizeof(regions[0]));
    region_count++;
    regions[at] = (struct region){ .address = address, .size_bytes = bytes };
    *made = &regions[at];
    return CL_OK;
}

static void region_forget(struct region *region)
{
    uint32_t at = (uint32_t)(region - regions);

    memmove(region, region + 1, (region_count - at - 1) * sizeof(regions[0]));
    region_count--;
}

static enum cl_status region_alloc(uint64_t bytes, bool reserve, uint64_t *address)
{
    struct region *region;

    TRY(region_reserve(bytes, &region));
    if (!reserve) {
        enum cl_status status = add_memory(region->address, bytes, &region->slot);
        if (status != CL_OK) {
            region_forget(region);
            return status;
        }
        region->start = region->address;
    }
    *address = region->address;
    return CL_OK;
}

static enum cl_status region_free(uint64_t address, uint64_t bytes)
{
    struct region *region = region_at(address);

    if (region == NULL || region->address != address || region->size_bytes != bytes)
        return CL_NOT_FOUND;
    if (region->start != 0) {
        TRY(cl_memory_unmap(cl_start()->domain_slot, region->start));
        TRY(cl_slot_destroy(region->slot));
    }
    region_forget(region);
    return CL_OK;
}

/* ---------------------------------------------------------------------------------------------- everything */

static enum cl_status alloc_locked(uint64_t bytes, bool reserve, uint64_t *address)
{
    if (reserve || bytes >= PAGES_REGION_MIN)
        return region_alloc(bytes, reserve, address);
    return arena_alloc(bytes, address);
}

static enum cl_status free_locked(uint64_t address, uint64_t bytes)
{
    return in_arena(address) ? arena_free(address, bytes) : region_free(address, bytes);
}

enum cl_status pages_alloc(uint64_t bytes, bool reserve, uint64_t *address)
{
    enum cl_status status;

    if (bytes == 0 || bytes > regions_end - regions_base)
        return CL_LIMIT;
    cl_lock_take(&lock);
    status = alloc_locked(round_up(bytes, PAGE_BYTES), reserve, address);
    cl_lock_drop(&lock);
    return status;
}

enum cl_status pages_commit(uint64_t address, uint64_t bytes)
{
    struct region *region;
    enum cl_status status = CL_OK;

    bytes = round_up(bytes, PAGE_BYTES);
    cl_lock_take(&lock);
    region = region_at(address);
    if (region == NULL || bytes > region->address + region->size_bytes - address) {
        bool elsewhere = in_arena(address) || (address > brk_base && address < brk_mapped);
        status = elsewhere ? CL_OK : CL_NOT_FOUND;
    } else if (region->start == 0) {
        status = add_memory(address, bytes, &region->slot);
        if (status == CL_OK)
            region->start = address;
    } else if (address < region->start) {
        status = CL_UNSUPPORTED;
    }
    cl_lock_drop(&lock);
    return status;
}

enum cl_status pages_free(uint64_t address, uint64_t bytes)
{
    enum cl_status status;

    cl_lock_take(&lock);
    status = address % PAGE_BYTES != 0 ? CL_NOT_FOUND : free_locked(address, round_up(bytes, PAGE_BYTES));
    cl_lock_drop(&lock);
    return status;
}

/* Grow or shrink in place, in the arena. */
static bool arena_resize(uint64_t address, uint64_t old_bytes, uint64_t new_bytes)
{
    uint64_t first = (address - arena_base) / PAGE_BYTES;
    uint64_t old_count = old_bytes / PAGE_BYTES, new_count = new_bytes / PAGE_BYTES;

    if (new_count <= old_count)
        return new_count == old_count || arena_free(address + new_bytes, old_bytes - new_bytes) == CL_OK;
    if ((first + new_count) * PAGE_BYTES > arena_size)
        return false;
    for (uint64_t page = first + old_count; page < first + new_count; page++) {
        if (arena_is_taken(page))
            return false;
    }
    arena_mark(first + old_count, new_count - old_count, true);
    return true;
}

static enum cl_status resize_locked(uint64_t address, uint64_t old_bytes, uint64_t new_bytes, bool move,
                                    uint64_t *new_address)
{
    *new_address = address;
    if (new_bytes == old_bytes || (in_arena(address) && arena_resize(address, old_bytes, new_bytes)))
        return CL_OK;
    if (!move)
        return CL_NO_MEMORY;
    TRY(alloc_locked(new_bytes, false, new_address));
    memcpy((void *)*new_address, (const void *)address, old_bytes < new_bytes ? old_bytes : new_bytes);
    return free_locked(address, old_bytes);
}

enum cl_status pages_resize(uint64_t address, uint64_t old_bytes, uint64_t new_bytes, bool move, uint64_t *new_address)
{
    enum cl_status status;

    if (address % PAGE_BYTES != 0 || old_bytes == 0 || new_bytes == 0 || new_bytes > regions_end - regions_base)
        return CL_LIMIT;
    cl_lock_take(&lock);
    status =
        resize_locked(address, round_up(old_bytes, PAGE_BYTES), round_up(new_bytes, PAGE_BYTES), move, new_address);
    cl_lock_drop(&lock);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* frames.c: free physical memory: a bit for each 4 KiB frame, lists of the 2 MiB blocks that have some, lists of the GiB
 * that have whole blocks. A GiB that is taken as one keeps its blocks, as they are, until it is given back.
 *
 * A region is as many blocks as one page of the pool can describe. Address space without RAM has no such page. Memory
 * above 4 GiB goes first: what lies below may be the only memory that a device reaches.
 */
#include "kernel/frames.h"

#include "kernel/assert.h"
#include "kernel/list.h"
#include "kernel/lock.h"
#include "kernel/pool.h"

#define BLOCK_FRAMES (LARGE_SIZE / PAGE_SIZE)
#define REGION_BLOCKS (PAGE_SIZE / sizeof(struct block))
#define REGION_FRAMES (REGION_BLOCKS * BLOCK_FRAMES)
#define HUGE_FRAMES (HUGE_SIZE / PAGE_SIZE)
#define HUGE_BLOCKS (HUGE_SIZE / LARGE_SIZE)
#define FOUR_GIB_FRAMES (UINT64_C(1) << (32 - PAGE_SHIFT))

/* In the order in which they are taken from: blocks of which some frames are free; GiBs beyond 4 GiB of which some
 * blocks are whole, then those of which all are; the same on this side of 4 GiB. */
enum { BROKEN_HIGH, BROKEN_LOW, PART_HIGH, FULL_HIGH, PART_LOW, FULL_LOW, LIST_COUNT };

struct block {
    struct link link;     /* if some frames are free in a list, if all are in its GiB's */
    uint64_t first;       /* frame */
    uint64_t free_frames; /* how many bits are set */
    uint64_t free[BLOCK_FRAMES / 64];
};

struct huge {
    struct link link;     /* in a list; in none if no block is whole, or if it is taken as one */
    struct link *whole;   /* its whole blocks */
    uint64_t whole_count; /* how many */
};

static struct frames {
    struct spinlock lock;
    struct block **regions;         /* NULL: no RAM there */
    uint64_t region_count;          /* [o] */
    struct huge *huge;              /* [o] one for each GiB of addresses */
    struct link *lists[LIST_COUNT]; /* what was used last comes first */
    uint64_t total;                 /* in frames, as is the next */
    uint64_t free;
} frames; /* [o] set once; the rest by the lock */

void frames_init(struct hpa highest)
{
    uint64_t count = (highest.value >> PAGE_SHIFT) / REGION_FRAMES + 1;

    frames = (struct frames){ .regions = pool_take(NULL, count * sizeof(struct block *)),
                              .region_count = count,
                              .huge = pool_take(NULL, ((highest.value >> HUGE_SHIFT) + 1) * sizeof(struct huge)) };
    ASSERT(frames.regions != NULL && frames.huge != NULL);
}

static struct block *block_of(uint64_t frame)
{
    uint64_t region = frame / REGION_FRAMES;

    ASSERT(region < frames.region_count && frames.regions[region] != NULL);
    return &frames.regions[region][frame % REGION_FRAMES / BLOCK_FRAMES];
}

static struct link **list_of(unsigned high, unsigned low, uint64_t frame)
{
    return &frames.lists[frame < FOUR_GIB_FRAMES ? low : high];
}

static struct link **list_of_huge(const struct huge *huge)
{
    uint64_t first = (uint64_t)(huge - frames.huge) * HUGE_FRAMES;

    return huge->whole_count == HUGE_BLOCKS ? list_of(FULL_HIGH, FULL_LOW, first) : list_of(PART_HIGH, PART_LOW, first);
}

/* After a change the block goes where it belongs now, and so does its GiB. */
static void relist(struct block *block, bool was_whole)
{
    struct huge *huge = &frames.huge[block->first / HUGE_FRAMES];
    bool is_whole = block->free_frames == BLOCK_FRAMES;

    list_remove(&block->link);
    if (is_whole)
        list_push(&huge->whole, &block->link);
    else if (block->free_frames > 0)
        list_push(list_of(BROKEN_HIGH, BROKEN_LOW, block->first), &block->link);
    if (is_whole == was_whole)
        return;
    huge->whole_count += is_whole ? 1 : UINT64_MAX;
    list_remove(&huge->link);
    if (huge->whole_count > 0)
        list_push(list_of_huge(huge), &huge->link);
}

/* Make `count` frames of one block free, all of which are taken, or take as many, all of which are free. */
static void turn(struct block *block, uint64_t frame, uint64_t count, bool to_free)
{
    uint64_t end = frame % BLOCK_FRAMES + count;
    bool was_whole = block->free_frames == BLOCK_FRAMES;

    for (uint64_t at = frame % BLOCK_FRAMES, bits; at < end; at += bits) {
        bits = 64 - at % 64 < end - at ? 64 - at % 64 : end - at;
        uint64_t mask = UINT64_MAX >> (64 - bits) << at % 64;

        ASSERT((block->free[at / 64] & mask) == (to_free ? 0 : mask));
        block->free[at / 64] ^= mask;
    }
    block->free_frames += to_free ? count : -count;
    frames.free += to_free ? count : -count;
    relist(block, was_whole);
}

static void add_region(uint64_t region)
{
    if (frames.regions[region] != NULL)
        return;
    frames.regions[region] = pool_take(NULL, PAGE_SIZE);
    ASSERT(frames.regions[region] != NULL);
    for (uint64_t i = 0; i < REGION_BLOCKS; i++)
        frames.regions[region][i].first = region * REGION_FRAMES + i * BLOCK_FRAMES;
}

void frames_add(struct hpa base, uint64_t size_bytes)
{
    uint64_t first = base.value >> PAGE_SHIFT, end = first + (size_bytes >> PAGE_SHIFT);

    ASSERT(is_aligned(base.value | size_bytes, PAGE_SIZE));
    ASSERT(first < end && (end - 1) / REGION_FRAMES < frames.region_count);
    lock_acquire(&frames.lock);
    frames.total += end - first;
    /* from above: what is added last is taken first */
    while (end > first) {
        uint64_t start = align_down(end - 1, BLOCK_FRAMES);

        if (start < first)
            start = first;
        add_region(start / REGION_FRAMES);
        turn(block_of(start), start, end - start, true);
        end = start;
    }
    lock_release(&frames.lock);
}

static struct link *find(unsigned page_shift, bool below_4gib)
{
    for (unsigned list = page_shift == PAGE_SHIFT ? BROKEN_HIGH : PART_HIGH; list < LIST_COUNT; list++) {
        bool is_full = list == FULL_HIGH || list == FULL_LOW, is_low = list == BROKEN_LOW || list >= PART_LOW;
        struct link *found = frames.lists[list];

        if (found != NULL && (is_full || page_shift < HUGE_SHIFT) && (is_low || !below_4gib))
            return list >= PART_HIGH && page_shift < HUGE_SHIFT ? container_of(found, struct huge, link)->whole : found;
    }
    return NULL;
}

/* The whole GiB, with its blocks: nobody finds them while it is in no list. */
static uint64_t take_huge(struct huge *huge)
{
    list_remove(&huge->link);
    frames.free -= HUGE_FRAMES;
    return (uint64_t)(huge - frames.huge) * HUGE_FRAMES;
}

static uint64_t take_from(struct block *block, uint64_t count)
{
    unsigned word = 0;

    while (block->free[word] == 0)
        word++;
    uint64_t frame = block->first + word * 64 + (uint64_t)__builtin_ctzll(block->free[word]);
    turn(block, frame, count, false);
    return frame;
}

enum cl_status frames_take(unsigned page_shift, bool below_4gib, struct hpa *frame)
{
    struct link *found;

    ASSERT(page_shift == PAGE_SHIFT || page_shift == LARGE_SHIFT || page_shift == HUGE_SHIFT);
    lock_acquire(&frames.lock);
    found = find(page_shift, below_4gib);
    if (found != NULL)
        frame->value = (page_shift == HUGE_SHIFT ? take_huge(container_of(found, struct huge, link))
                                                 : take_from(container_of(found, struct block, link),
                                                             UINT64_C(1) << (page_shift - PAGE_SHIFT)))
                       << PAGE_SHIFT;
    lock_release(&frames.lock);
    if (found == NULL)
        return refuse(CL_NO_MEMORY, "no page of %lu KiB is free%s", UINT64_C(1) << (page_shift - 10),
                      below_4gib ? " below 4 GiB" : "");
    return CL_OK;
}

void frames_give(struct hpa frame, unsigned page_shift)
{
    uint64_t first = frame.value >> PAGE_SHIFT;

    ASSERT(page_shift == PAGE_SHIFT || page_shift == LARGE_SHIFT || page_shift == HUGE_SHIFT);
    ASSERT(is_aligned(frame.value, UINT64_C(1) << page_shift));
    lock_acquire(&frames.lock);
    if (page_shift == HUGE_SHIFT) {
        struct huge *huge = &frames.huge[first / HUGE_FRAMES];
        ASSERT(huge->link.at == NULL && huge->whole_count == HUGE_BLOCKS);
        list_push(list_of_huge(huge), &huge->link);
        frames.free += HUGE_FRAMES;
    } else {
        turn(block_of(first), first, UINT64_C(1) << (page_shift - PAGE_SHIFT), true);
    }
    lock_release(&frames.lock);
}

uint64_t frames_total(void)
{
    return READ_ONCE(frames.total);
}

uint64_t frames_free(void)
{
    return READ_ONCE(frames.free);
}

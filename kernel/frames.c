/* SPDX-License-Identifier: Apache-2.0 */
/* frames.c: free physical memory: a bit for each 4 KiB frame, and lists of the 2 MiB blocks that have some.
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
#define FOUR_GIB_FRAMES (UINT64_C(1) << (32 - PAGE_SHIFT))

/* Lists of blocks that have free frames, in the order in which they are taken from: those of which some are free, then
 * those of which all are; each first beyond 4 GiB and then on this side of it. */
enum { BROKEN_HIGH, BROKEN_LOW, WHOLE_HIGH, WHOLE_LOW, LIST_COUNT };

struct block {
    struct link link;     /* in one of the lists; in none if nothing is free */
    uint64_t first;       /* frame */
    uint64_t free_frames; /* how many bits are set */
    uint64_t free[BLOCK_FRAMES / 64];
};

static struct frames {
    struct spinlock lock;
    struct block **regions;         /* NULL: no RAM there */
    uint64_t region_count;          /* [o] */
    struct link *lists[LIST_COUNT]; /* the block that was used last comes first */
    uint64_t total;                 /* in frames, as is the next */
    uint64_t free;
} frames; /* [o] set once; the rest by the lock */

void frames_init(struct hpa highest)
{
    uint64_t count = (highest.value >> PAGE_SHIFT) / REGION_FRAMES + 1;

    frames = (struct frames){ .regions = pool_take(NULL, count * sizeof(struct block *)), .region_count = count };
    ASSERT(frames.regions != NULL);
}

static struct block *block_of(uint64_t frame)
{
    uint64_t region = frame / REGION_FRAMES;

    ASSERT(region < frames.region_count && frames.regions[region] != NULL);
    return &frames.regions[region][frame % REGION_FRAMES / BLOCK_FRAMES];
}

/* Make `count` frames of one block free, all of which are taken, or take as many, all of which are free. */
static void turn(struct block *block, uint64_t frame, uint64_t count, bool to_free)
{
    uint64_t end = frame % BLOCK_FRAMES + count;

    for (uint64_t at = frame % BLOCK_FRAMES, bits; at < end; at += bits) {
        bits = 64 - at % 64 < end - at ? 64 - at % 64 : end - at;
        uint64_t mask = UINT64_MAX >> (64 - bits) << at % 64;

        ASSERT((block->free[at / 64] & mask) == (to_free ? 0 : mask));
        block->free[at / 64] ^= mask;
    }
    block->free_frames += to_free ? count : -count;
    frames.free += to_free ? count : -count;
    list_remove(&block->link);
    if (block->free_frames > 0) {
        unsigned list = block->free_frames == BLOCK_FRAMES ? WHOLE_HIGH : BROKEN_HIGH;
        list_push(&frames.lists[block->first < FOUR_GIB_FRAMES ? list + 1 : list], &block->link);
    }
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

static struct block *find(unsigned page_shift, bool below_4gib)
{
    for (unsigned list = page_shift == PAGE_SHIFT ? BROKEN_HIGH : WHOLE_HIGH; list < LIST_COUNT; list++) {
        bool is_low = list == BROKEN_LOW || list == WHOLE_LOW;
        if (frames.lists[list] != NULL && (is_low || !below_4gib))
            return container_of(frames.lists[list], struct block, link);
    }
    return NULL;
}

enum cl_status frames_take(unsigned page_shift, bool below_4gib, struct hpa *frame)
{
    struct block *block;
    unsigned word = 0;

    ASSERT(page_shift == PAGE_SHIFT || page_shift == LARGE_SHIFT);
    lock_acquire(&frames.lock);
    block = find(page_shift, below_4gib);
    if (block != NULL) {
        while (block->free[word] == 0)
            word++;
        uint64_t taken = block->first + word * 64 + (uint64_t)__builtin_ctzll(block->free[word]);
        turn(block, taken, UINT64_C(1) << (page_shift - PAGE_SHIFT), false);
        *frame = hpa(taken << PAGE_SHIFT);
    }
    lock_release(&frames.lock);
    if (block == NULL)
        return refuse(CL_NO_MEMORY, "no page of %lu KiB is free%s", UINT64_C(1) << (page_shift - 10),
                      below_4gib ? " below 4 GiB" : "");
    return CL_OK;
}

void frames_give(struct hpa frame, unsigned page_shift)
{
    ASSERT(page_shift == PAGE_SHIFT || page_shift == LARGE_SHIFT);
    ASSERT(is_aligned(frame.value, UINT64_C(1) << page_shift));
    lock_acquire(&frames.lock);
    turn(block_of(frame.value >> PAGE_SHIFT), frame.value >> PAGE_SHIFT, UINT64_C(1) << (page_shift - PAGE_SHIFT),
         true);
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

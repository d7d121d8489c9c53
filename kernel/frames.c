/* SPDX-License-Identifier: Apache-2.0 */
/* frames.c: free physical memory as bits: one for each 4 KiB frame, and two that sum up each 2 MiB block.
 *
 * A region is 128 MiB: 64 blocks, so that one word says which of them are whole (all frames free) and one which are
 * broken (some are), and the frames' bits fill exactly one page of the pool. Address space without RAM has no such
 * page. Memory above 4 GiB goes first: what lies below may be the only memory that a device reaches.
 */
#include "kernel/frames.h"

#include "kernel/assert.h"
#include "kernel/lock.h"
#include "kernel/pool.h"

#define REGION_SHIFT 27
#define REGION_FRAMES (UINT64_C(1) << (REGION_SHIFT - PAGE_SHIFT))
#define BLOCK_FRAMES (LARGE_SIZE / PAGE_SIZE)
#define BLOCK_WORDS (BLOCK_FRAMES / 64)
#define LOW_REGIONS (UINT64_C(1) << (32 - REGION_SHIFT))

enum block_kind { WHOLE, BROKEN, KIND_COUNT };
enum zone { LOW, HIGH, ZONE_COUNT }; /* on this side of 4 GiB, beyond it */

struct region {
    uint64_t blocks[KIND_COUNT];   /* [l] bit n: block n is of this kind; of neither: nothing in it is free */
    uint64_t (*free)[BLOCK_WORDS]; /* [l] for each block a bit for each frame; NULL: no RAM here */
};

static struct frames {
    struct spinlock lock;
    struct region *regions;
    uint64_t region_count;
    uint64_t first[ZONE_COUNT][KIND_COUNT]; /* [l] no region of the zone before this one has such a block */
    uint64_t total;                         /* [l] in frames, as is the next */
    uint64_t free;                          /* [l] */
} frames;                                   /* [l] = lock; the rest is set once */

static uint64_t zone_end(int zone)
{
    return zone == HIGH || frames.region_count < LOW_REGIONS ? frames.region_count : LOW_REGIONS;
}

void frames_init(struct hpa highest)
{
    uint64_t count = (highest.value >> REGION_SHIFT) + 1;

    frames = (struct frames){ .regions = pool_take(NULL, count * sizeof(struct region)), .region_count = count };
    ASSERT(frames.regions != NULL);
    for (int zone = LOW; zone <= HIGH; zone++)
        frames.first[zone][WHOLE] = frames.first[zone][BROKEN] = zone_end(zone);
}

/* Bring the summary of the block that `frame` belongs to up to date with its bits. */
static void summarise(uint64_t frame)
{
    uint64_t index = frame / REGION_FRAMES;
    uint64_t block = frame % REGION_FRAMES / BLOCK_FRAMES;
    struct region *region = &frames.regions[index];
    uint64_t all = UINT64_MAX;
    uint64_t any = 0;

    for (unsigned word = 0; word < BLOCK_WORDS; word++) {
        all &= region->free[block][word];
        any |= region->free[block][word];
    }
    for (int kind = WHOLE; kind <= BROKEN; kind++) {
        uint64_t *first = &frames.first[index < LOW_REGIONS ? LOW : HIGH][kind];
        bool is_kind = any != 0 && (all == UINT64_MAX) == (kind == WHOLE);

        region->blocks[kind] &= ~(UINT64_C(1) << block);
        region->blocks[kind] |= (uint64_t)is_kind << block;
        if (is_kind && index < *first)
            *first = index;
    }
}

/* Make `count` frames free, all of which are taken, or take as many, all of which are free. */
static void turn(uint64_t frame, uint64_t count, bool to_free)
{
    frames.free += to_free ? count : -count;
    while (count > 0) {
        struct region *region = &frames.regions[frame / REGION_FRAMES];
        uint64_t bits = 64 - frame % 64 < count ? 64 - frame % 64 : count;
        uint64_t mask = UINT64_MAX >> (64 - bits) << frame % 64;

        ASSERT(frame / REGION_FRAMES < frames.region_count && region->free != NULL);
        uint64_t *word = &region->free[frame % REGION_FRAMES / BLOCK_FRAMES][frame % BLOCK_FRAMES / 64];
        ASSERT((*word & mask) == (to_free ? 0 : mask));
        *word ^= mask;
        frame += bits;
        count -= bits;
        if (count == 0 || frame % BLOCK_FRAMES == 0)
            summarise(frame - 1);
    }
}

void frames_add(struct hpa base, uint64_t size_bytes)
{
    uint64_t end = base.value + size_bytes;

    ASSERT(is_aligned(base.value | size_bytes, PAGE_SIZE));
    ASSERT(size_bytes > 0 && (end - 1) >> REGION_SHIFT < frames.region_count);
    lock_acquire(&frames.lock);
    for (uint64_t index = base.value >> REGION_SHIFT; index <= (end - 1) >> REGION_SHIFT; index++) {
        if (frames.regions[index].free == NULL)
            frames.regions[index].free = pool_take(NULL, PAGE_SIZE);
        ASSERT(frames.regions[index].free != NULL);
    }
    turn(base.value >> PAGE_SHIFT, size_bytes >> PAGE_SHIFT, true);
    frames.total += size_bytes >> PAGE_SHIFT;
    lock_release(&frames.lock);
}

/* The first region of the zone that has a block of this kind, or the zone's end. Remembers what it found. */
static uint64_t find_region(int zone, int kind)
{
    uint64_t *first = &frames.first[zone][kind];

    while (*first < zone_end(zone) && frames.regions[*first].blocks[kind] == 0)
        (*first)++;
    return *first;
}

static bool take(unsigned page_shift, bool below_4gib, uint64_t *frame)
{
    for (int kind = page_shift == PAGE_SHIFT ? BROKEN : WHOLE; kind >= WHOLE; kind--) {
        for (int zone = below_4gib ? LOW : HIGH; zone >= LOW; zone--) {
            uint64_t index = find_region(zone, kind);

            if (index >= zone_end(zone))
                continue;
            struct region *region = &frames.regions[index];
            uint64_t block = (uint64_t)__builtin_ctzll(region->blocks[kind]);
            unsigned word = 0;
            while (region->free[block][word] == 0)
                word++;
            *frame = index * REGION_FRAMES + block * BLOCK_FRAMES + word * 64;
            *frame += (uint64_t)__builtin_ctzll(region->free[block][word]);
            turn(*frame, UINT64_C(1) << (page_shift - PAGE_SHIFT), false);
            return true;
        }
    }
    return false;
}

enum cl_status frames_take(unsigned page_shift, bool below_4gib, struct hpa *frame)
{
    uint64_t taken = 0;
    bool found;

    ASSERT(page_shift == PAGE_SHIFT || page_shift == LARGE_SHIFT);
    lock_acquire(&frames.lock);
    found = take(page_shift, below_4gib, &taken);
    lock_release(&frames.lock);
    if (!found)
        return refuse(CL_NO_MEMORY, "no page of %lu KiB is free%s", UINT64_C(1) << (page_shift - 10),
                      below_4gib ? " below 4 GiB" : "");
    *frame = hpa(taken << PAGE_SHIFT);
    return CL_OK;
}

void frames_give(struct hpa frame, unsigned page_shift)
{
    ASSERT(page_shift == PAGE_SHIFT || page_shift == LARGE_SHIFT);
    ASSERT(is_aligned(frame.value, UINT64_C(1) << page_shift));
    lock_acquire(&frames.lock);
    turn(frame.value >> PAGE_SHIFT, UINT64_C(1) << (page_shift - PAGE_SHIFT), true);
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

/* SPDX-License-Identifier: Apache-2.0 */
/* fake_allocation.c: between the kernel and its allocators: allocations that fail when a test says so, memory that is
 * garbage from the moment it is freed, frames that may be freed only when no TLB reaches them.
 *
 * The linker puts these functions in the way (--wrap, tests/unit/build.mk), so that pool.c and frames.c are the real ones.
 */
#include <string.h>

#include "kernel/assert.h"
#include "kernel/fake/machine.h"
#include "kernel/frames.h"
#include "kernel/pool.h"

#define GARBAGE 0xdd

uint64_t fake_allocation_count;

static uint64_t fail_from; /* number of the first allocation that fails; 0: none */

void *__real_pool_take(struct account *account, uint64_t size_bytes);
void __real_pool_give(struct account *account, void *block);
enum cl_status __real_frames_take(unsigned page_shift, bool below_4gib, struct hpa *frame);
void __real_frames_give(struct hpa frame, unsigned page_shift);

void *__wrap_pool_take(struct account *account, uint64_t size_bytes);
void __wrap_pool_give(struct account *account, void *block);
enum cl_status __wrap_frames_take(unsigned page_shift, bool below_4gib, struct hpa *frame);
void __wrap_frames_give(struct hpa frame, unsigned page_shift);

void fake_allocations_fail_from(uint64_t number)
{
    fail_from = number;
    fake_allocation_count = 0;
}

static bool fails(void)
{
    uint64_t number = __atomic_add_fetch(&fake_allocation_count, 1, __ATOMIC_RELAXED);

    return fail_from != 0 && number >= fail_from;
}

void *__wrap_pool_take(struct account *account, uint64_t size_bytes)
{
    return fails() ? NULL : __real_pool_take(account, size_bytes);
}

void __wrap_pool_give(struct account *account, void *block)
{
    if (block != NULL)
        memset(block, GARBAGE, pool_bytes_of(block));
    __real_pool_give(account, block);
}

enum cl_status __wrap_frames_take(unsigned page_shift, bool below_4gib, struct hpa *frame)
{
    return fails() ? CL_NO_MEMORY : __real_frames_take(page_shift, below_4gib, frame);
}

void __wrap_frames_give(struct hpa frame, unsigned page_shift)
{
    for (uint64_t offset = 0; offset < UINT64_C(1) << page_shift; offset += PAGE_SIZE) {
        if (fake_is_reachable(hpa_add(frame, offset)))
            fake_stale_frames++;
    }
    __real_frames_give(frame, page_shift);
}

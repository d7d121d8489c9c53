/* SPDX-License-Identifier: Apache-2.0 */
/* slots.c: a bitmap of free capability slots. */
#include "lib/slots.h"

#include <assert.h>

#include "lib/lock.h"
#include "lib/runtime.h"
#include "lib/syscall.h"

static struct cl_lock lock;
static uint64_t taken[CL_SLOTS_MAX / 64]; /* under `lock` */
static uint32_t first_slot, slot_count;

void cl_slots_begin(uint32_t first, uint32_t count)
{
    first_slot = first;
    slot_count = count < CL_SLOTS_MAX ? count : CL_SLOTS_MAX;
    for (unsigned i = 0; i < CL_SLOTS_MAX / 64; i++)
        taken[i] = 0;
}

enum cl_status cl_slot_alloc(uint32_t *slot)
{
    enum cl_status status = CL_LIMIT;

    cl_lock_take(&lock);
    for (uint32_t word = 0; word * 64 < slot_count; word++) {
        if (taken[word] == UINT64_MAX)
            continue;
        uint32_t index = word * 64 + (uint32_t)__builtin_ctzll(~taken[word]);
        if (index < slot_count) {
            taken[word] |= UINT64_C(1) << index % 64;
            *slot = first_slot + index;
            status = CL_OK;
        }
        break;
    }
    cl_lock_drop(&lock);
    return status;
}

void cl_slot_free(uint32_t slot)
{
    uint32_t index = slot - first_slot;

    assert(index < slot_count);
    cl_lock_take(&lock);
    assert((taken[index / 64] >> index % 64 & 1) != 0);
    taken[index / 64] &= ~(UINT64_C(1) << index % 64);
    cl_lock_drop(&lock);
}

enum cl_status cl_slot_delete(uint32_t slot)
{
    TRY(cl_cap_delete(cl_start()->domain_slot, slot));
    cl_slot_free(slot);
    return CL_OK;
}

enum cl_status cl_slot_destroy(uint32_t slot)
{
    TRY(cl_object_destroy(slot));
    return cl_slot_delete(slot);
}

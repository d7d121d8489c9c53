/* SPDX-License-Identifier: Apache-2.0 */
/* lock.h: the runtime's own locks, for what lies below mutexes: wait queues, pages, slots, threads.
 *
 * Held for short, bounded stretches. A thread that does not get one soon sleeps a little instead of spinning on, so
 * that a holder of lower priority on the same CPU can go on. Order: thread table, then pages, then slots; futexes and
 * output are taken alone.
 */
#ifndef CL_LIB_LOCK_H
#define CL_LIB_LOCK_H

#include <stdbool.h>
#include <stdint.h>

struct cl_lock {
    uint32_t held; /* atomic; 0 or 1. lib/entry.asm clears one by a plain store */
};

static inline bool cl_lock_try(struct cl_lock *lock)
{
    return __atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE) == 0;
}

void cl_lock_take(struct cl_lock *lock);

static inline void cl_lock_drop(struct cl_lock *lock)
{
    __atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* lock.h: ticket spinlocks, taken with interrupts off. All zero is unlocked.
 *
 * Order, outermost first: structure lock (system.h) > notification > thread > run queue > timers of a CPU > graveyard,
 * IOAPIC > frames > pool > log.
 * Nobody takes one to the left while holding one to the right.
 */
#ifndef CL_KERNEL_LOCK_H
#define CL_KERNEL_LOCK_H

#include "kernel/types.h"

struct spinlock {
    uint32_t next;    /* ticket for the next one who comes */
    uint32_t serving; /* ticket of the holder */
};

static inline void lock_acquire(struct spinlock *lock)
{
    uint32_t ticket = __atomic_fetch_add(&lock->next, 1, __ATOMIC_RELAXED);

    while (__atomic_load_n(&lock->serving, __ATOMIC_ACQUIRE) != ticket)
        __builtin_ia32_pause();
}

static inline void lock_release(struct spinlock *lock)
{
    __atomic_store_n(&lock->serving, lock->serving + 1, __ATOMIC_RELEASE);
}

#endif

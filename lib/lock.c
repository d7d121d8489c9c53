/* SPDX-License-Identifier: Apache-2.0 */
/* lock.c: waiting for one of the runtime's own locks. */
#include "lib/lock.h"

#include "lib/syscall.h"

#define SPINS_BEFORE_SLEEP 100
#define SLEEPS_PER_SECOND 20000 /* 50 microseconds each */

/* Bits of the private notification that are collected here are not missed: whoever waits for them looks at memory. */
static void sleep_a_little(void)
{
    const struct cl_thread *self = cl_thread_self();
    uint64_t bits;

    if (self->notification_slot == 0) {
        cl_yield();
        return;
    }
    (void)!cl_wait(self->notification_slot, cl_tsc() + cl_info()->tsc_hz / SLEEPS_PER_SECOND, &bits);
}

void cl_lock_take(struct cl_lock *lock)
{
    for (unsigned spins = 1; !cl_lock_try(lock); spins++) {
        while (__atomic_load_n(&lock->held, __ATOMIC_RELAXED) != 0 && spins % SPINS_BEFORE_SLEEP != 0) {
            __asm__ volatile("pause");
            spins++;
        }
        if (spins % SPINS_BEFORE_SLEEP == 0)
            sleep_a_little();
    }
}

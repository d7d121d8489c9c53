/* SPDX-License-Identifier: Apache-2.0 */
/* timer.h: deadlines in TSC ticks, one heap per CPU; the local APIC timer is set to the earliest. */
#ifndef CL_KERNEL_TIMER_H
#define CL_KERNEL_TIMER_H

#include "kernel/heap.h"
#include "kernel/lock.h"
#include "kernel/types.h"

#define TIMER_NEVER UINT64_MAX

struct timers {
    struct spinlock lock;
    struct heap heap; /* [l] */
};

/* A deadline of a thread: of its wait or of its vCPU's APIC timer. Which, the thread knows. */
struct timer {
    struct heap_node node; /* [l] of the CPU below */
    uint32_t cpu;          /* where it is armed; ~0: nowhere */
};

/* Arm on this CPU for `deadline_tsc`; an armed timer moves. Disarming one that is not armed does nothing. Any CPU. */
void timer_arm(struct timer *timer, uint64_t deadline_tsc);
void timer_disarm(struct timer *timer);

/* Earliest deadline of this CPU, TIMER_NEVER if none. */
uint64_t timer_next(void);

/* Take out everything that is due on this CPU and tell the threads; at most `budget` of them, true if none is left. */
bool timer_run(uint64_t now_tsc, unsigned budget);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* timer.h: deadlines in TSC ticks, one heap per CPU; the local APIC timer is set to the earliest. */
#ifndef CL_KERNEL_TIMER_H
#define CL_KERNEL_TIMER_H

#include "kernel/heap.h"
#include "kernel/lock.h"
#include "kernel/types.h"

#define TIMER_NEVER UINT64_MAX
#define TIMER_NOWHERE UINT32_MAX

struct timers {
    struct spinlock lock;
    struct heap heap; /* [l] */
};

/* A deadline of a thread: of its wait or of its vCPU's APIC timer. Which, the thread knows. */
struct timer {
    struct heap_node node; /* [l] of the CPU below */
    uint32_t cpu;          /* where it is armed; or TIMER_NOWHERE */
};

/* Arm on this CPU for `deadline_tsc`; an armed timer moves. TIMER_NEVER: disarm. */
void timer_arm(struct timer *timer, uint64_t deadline_tsc);
/* Disarming one that is not armed does nothing. Any CPU. */
void timer_disarm(struct timer *timer);

/* Take out what is due on this CPU, a bounded piece, and tell the threads. The earliest deadline that is left, TIMER_NEVER
 * if none; what is due and had no room in the piece lies in the past. */
uint64_t timer_run(uint64_t now_tsc);

#endif

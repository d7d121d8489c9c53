/* SPDX-License-Identifier: Apache-2.0 */
/* timer.c: per-CPU deadlines. The local APIC is programmed on the way out of the kernel (system.c). */
#include "kernel/timer.h"

#include "kernel/cpu.h"
#include "kernel/thread.h"

#define PIECE 16 /* deadlines served before the CPU looks at other things */

/* The CPU of an armed timer changes only here and in timer_run, which hold that CPU's lock: read, lock, look again. */
void timer_disarm(struct timer *timer)
{
    uint32_t where;

    while ((where = READ_ONCE(timer->cpu)) != TIMER_NOWHERE) {
        struct timers *timers = &cpus[where].timers;
        lock_acquire(&timers->lock);
        if (timer->cpu == where) {
            heap_remove(&timers->heap, &timer->node);
            WRITE_ONCE(timer->cpu, TIMER_NOWHERE);
        }
        lock_release(&timers->lock);
    }
}

void timer_arm(struct timer *timer, uint64_t deadline_tsc)
{
    struct cpu *cpu = this_cpu();

    if (READ_ONCE(timer->cpu) == cpu->index && timer->node.key == deadline_tsc)
        return;
    timer_disarm(timer);
    if (deadline_tsc == TIMER_NEVER)
        return;
    lock_acquire(&cpu->timers.lock);
    heap_insert(&cpu->timers.heap, &timer->node, deadline_tsc);
    WRITE_ONCE(timer->cpu, cpu->index);
    lock_release(&cpu->timers.lock);
    if (deadline_tsc < cpu->timer_programmed)
        __atomic_fetch_or(&cpu->attention, ATTENTION_TIMER, __ATOMIC_RELAXED);
}

uint64_t timer_run(uint64_t now_tsc)
{
    struct timers *timers = &this_cpu()->timers;

    /* without the lock: nobody else puts anything into this heap */
    for (unsigned i = 0; READ_ONCE(timers->heap.root) != NULL; i++) {
        lock_acquire(&timers->lock);
        struct heap_node *first = heap_min(&timers->heap);
        uint64_t next = first != NULL ? first->key : TIMER_NEVER;
        bool due = next <= now_tsc && i < PIECE;
        if (due) {
            heap_remove(&timers->heap, first);
            WRITE_ONCE(container_of(first, struct timer, node)->cpu, TIMER_NOWHERE);
        }
        lock_release(&timers->lock);
        if (!due)
            return next;
        thread_deadline_passed(container_of(first, struct thread, deadline.node));
    }
    return TIMER_NEVER;
}

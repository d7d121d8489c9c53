/* SPDX-License-Identifier: Apache-2.0 */
/* timer.c: per-CPU deadlines. The local APIC is programmed on the way out of the kernel (system.c). */
#include "kernel/timer.h"

#include "kernel/cpu.h"
#include "kernel/thread.h"

#define NOWHERE UINT32_MAX

/* Take an armed timer out of its heap. The CPU of an armed timer changes only through here and timer_run, which
 * hold that CPU's lock: read, lock, look again. */
void timer_disarm(struct timer *timer)
{
    for (;;) {
        uint32_t where = READ_ONCE(timer->cpu);
        if (where == NOWHERE)
            return;
        struct timers *timers = &cpus[where].timers;
        lock_acquire(&timers->lock);
        bool here = timer->cpu == where;
        if (here) {
            heap_remove(&timers->heap, &timer->node);
            WRITE_ONCE(timer->cpu, NOWHERE);
        }
        lock_release(&timers->lock);
        if (here)
            return;
    }
}

void timer_arm(struct timer *timer, uint64_t deadline_tsc)
{
    struct cpu *cpu = this_cpu();

    timer_disarm(timer);
    lock_acquire(&cpu->timers.lock);
    heap_insert(&cpu->timers.heap, &timer->node, deadline_tsc);
    WRITE_ONCE(timer->cpu, cpu->index);
    lock_release(&cpu->timers.lock);
    if (deadline_tsc < cpu->timer_programmed)
        __atomic_fetch_or(&cpu->attention, ATTENTION_TIMER, __ATOMIC_RELAXED);
}

uint64_t timer_next(void)
{
    struct timers *timers = &this_cpu()->timers;
    uint64_t next = TIMER_NEVER;

    lock_acquire(&timers->lock);
    struct heap_node *first = heap_min(&timers->heap);
    if (first != NULL)
        next = first->key;
    lock_release(&timers->lock);
    return next;
}

bool timer_run(uint64_t now_tsc, unsigned budget)
{
    struct timers *timers = &this_cpu()->timers;

    for (unsigned i = 0; i < budget; i++) {
        struct timer *timer = NULL;
        lock_acquire(&timers->lock);
        struct heap_node *first = heap_min(&timers->heap);
        if (first != NULL && first->key <= now_tsc) {
            timer = container_of(heap_pop(&timers->heap), struct timer, node);
            WRITE_ONCE(timer->cpu, NOWHERE);
        }
        lock_release(&timers->lock);
        if (timer == NULL)
            return true;
        thread_deadline_passed(container_of(timer, struct thread, deadline));
    }
    return false;
}

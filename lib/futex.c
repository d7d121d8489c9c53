/* SPDX-License-Identifier: Apache-2.0 */
/* futex.c: one queue of waiters under one lock. A program has at most THREADS_MAX threads, so a walk is short. */
#include "lib/futex.h"

#include <stdbool.h>
#include <stddef.h>

#include "lib/lock.h"
#include "lib/syscall.h"

/* On the waiter's stack for as long as it waits. */
struct waiter {
    const int32_t *word; /* [l] */
    uint32_t notification_slot;
    uint32_t woken;                 /* atomic: set under the lock, with which the waiter leaves the queue */
    struct waiter *previous, *next; /* [l] */
};                                  /* [l] = lock */

static struct cl_lock lock;
static struct waiter *first, *last; /* [l] */

static void queue_add(struct waiter *waiter)
{
    waiter->previous = last;
    waiter->next = NULL;
    if (last != NULL)
        last->next = waiter;
    else
        first = waiter;
    last = waiter;
}

static void queue_remove(struct waiter *waiter)
{
    if (waiter->previous != NULL)
        waiter->previous->next = waiter->next;
    else
        first = waiter->next;
    if (waiter->next != NULL)
        waiter->next->previous = waiter->previous;
    else
        last = waiter->previous;
}

enum cl_status futex_wait(const int32_t *word, int32_t value, uint64_t deadline_tsc)
{
    struct waiter waiter = { .word = word, .notification_slot = cl_thread_self()->notification_slot };
    enum cl_status status = CL_OK;
    uint64_t bits;

    cl_lock_take(&lock);
    if (__atomic_load_n(word, __ATOMIC_RELAXED) != value) {
        cl_lock_drop(&lock);
        return CL_STALE;
    }
    queue_add(&waiter);
    cl_lock_drop(&lock);

    /* any other failure of the wait makes this a loop that polls, which is slow, but right */
    while (__atomic_load_n(&waiter.woken, __ATOMIC_ACQUIRE) == 0 && status != CL_TIMED_OUT)
        status = cl_wait(waiter.notification_slot, deadline_tsc, &bits);

    if (__atomic_load_n(&waiter.woken, __ATOMIC_ACQUIRE) != 0)
        return CL_OK;
    cl_lock_take(&lock);
    bool is_late = waiter.woken != 0;
    if (!is_late)
        queue_remove(&waiter);
    cl_lock_drop(&lock);
    return is_late ? CL_OK : CL_TIMED_OUT;
}

uint32_t futex_wake(const int32_t *word, uint32_t count, const int32_t *other, uint32_t move)
{
    uint32_t slots[THREADS_MAX];
    struct waiter *waiter, *next;
    uint32_t woken = 0, moved = 0;

    if (count > THREADS_MAX)
        count = THREADS_MAX;

    cl_lock_take(&lock);
    for (waiter = first; waiter != NULL && (woken < count || moved < move); waiter = next) {
        next = waiter->next;
        if (waiter->word != word)
            continue;
        if (woken < count) {
            slots[woken++] = waiter->notification_slot;
            queue_remove(waiter);
            /* from here on the waiter may return, and its stack be anything */
            __atomic_store_n(&waiter->woken, 1, __ATOMIC_RELEASE);
        } else {
            waiter->word = other;
            moved++;
        }
    }
    cl_lock_drop(&lock);
    for (uint32_t i = 0; i < woken; i++)
        (void)!cl_notify(slots[i], 1);
    return woken + moved;
}

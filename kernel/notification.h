/* SPDX-License-Identifier: Apache-2.0 */
/* notification.h: a word of pending bits that one thread waits for.
 *
 * The only way to wake someone up. Interrupts, doorbells, timers and peers all end here; bits are collected, never
 * counted, so a source may fire any number of times before the waiter runs.
 */
#ifndef CL_KERNEL_NOTIFICATION_H
#define CL_KERNEL_NOTIFICATION_H

#include "kernel/lock.h"
#include "kernel/object.h"

#define NOTIFICATION_BITS 64

struct thread;

struct notification {
    struct object object;
    struct spinlock lock;
    uint64_t pending;       /* [l] bits that nobody has collected yet */
    struct thread *waiter;  /* [l] at most one, blocked in wait() */
    struct thread *watcher; /* [l] at most one, inside vcpu_run() */
};                          /* [l] = lock */

/* Set `bits` and wake the waiter, if there is one; if the notification is being destroyed, with CL_STOPPED.
 *
 * Callable from any CPU with interrupts off. O(1), takes the lock. Cannot fail: a bit that is already set stays set.
 * Waking a thread of another CPU sends it one IPI at most. */
void notification_signal(struct notification *notification, uint64_t bits);

/* Collect all bits for the current thread, or put it to sleep until `deadline_tsc` (0: poll, ~0: for ever). A thread
 * that sleeps gets its status and bits into its registers when it wakes. */
enum cl_status notification_wait(struct notification *notification, struct thread *thread, uint64_t deadline_tsc,
                                 uint64_t *bits) CL_MUST_CHECK;

/* End whatever wait the thread is in, with `status`; CL_TIMED_OUT only when its deadline has passed. Any CPU. */
void notification_end_wait(struct thread *thread, enum cl_status status);

/* From now on the thread, whenever it is inside vcpu_run, hears of bits of this notification, and of no other's; NULL: of
 * none. CL_BUSY if another thread does. Called by the thread, or when it has stopped. */
enum cl_status notification_watch(struct notification *notification, struct thread *thread) CL_MUST_CHECK;

/* Destroyed: whoever waits gets CL_STOPPED. */
enum cl_status notification_destroy(struct object *object) CL_MUST_CHECK;

#endif

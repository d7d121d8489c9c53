/* SPDX-License-Identifier: Apache-2.0 */
/* notification.c: bits, one waiter, one watcher. */
#include "kernel/notification.h"

#include "kernel/assert.h"
#include "kernel/thread.h"
#include "kernel/x86.h"

/* The waiter's result goes straight into its registers; notification->lock held, so nobody else wakes it. */
static void wake_waiter(struct notification *notification, enum cl_status status)
{
    struct thread *waiter = notification->waiter;

    notification->waiter = NULL;
    waiter->registers.rax = status;
    waiter->registers.rdx = status == CL_OK ? notification->pending : 0;
    if (status == CL_OK)
        notification->pending = 0;
    bool woken = thread_wake(waiter, WAIT_NOTIFICATION);
    ASSERT(woken);
}

void notification_signal(struct notification *notification, uint64_t bits)
{
    struct thread *watcher;

    lock_acquire(&notification->lock);
    notification->pending |= bits;
    watcher = notification->watcher;
    if (notification->waiter != NULL && notification->pending != 0)
        wake_waiter(notification, CL_OK);
    if (watcher != NULL)
        thread_poke(watcher);
    lock_release(&notification->lock);
}

enum cl_status notification_wait(struct notification *notification, struct thread *thread, uint64_t deadline_tsc,
                                 uint64_t *bits)
{
    enum cl_status status = CL_OK;

    lock_acquire(&notification->lock);
    if (notification->object.dead) {
        status = refuse(CL_STOPPED, "the notification was destroyed");
    } else if (notification->pending != 0) {
        *bits = notification->pending;
        notification->pending = 0;
    } else if (deadline_tsc == 0 || (deadline_tsc != TIMER_NEVER && deadline_tsc <= x86_rdtsc())) {
        status = CL_TIMED_OUT;
    } else if (notification->waiter != NULL) {
        status = refuse(CL_BUSY, "another thread already waits for this notification");
    } else {
        notification->waiter = thread;
        thread->waiting = notification;
        thread->registers.rax = CL_TIMED_OUT;
        thread->registers.rdx = 0;
        lock_acquire(&thread->lock);
        thread->wait_deadline = deadline_tsc;
        thread_block(thread, WAIT_NOTIFICATION);
        lock_release(&thread->lock);
        if (deadline_tsc != TIMER_NEVER)
            timer_arm(&thread->deadline, deadline_tsc);
        else
            timer_disarm(&thread->deadline); /* it may stand for the vCPU that this thread runs otherwise */
        status = CL_IN_PROGRESS;
    }
    lock_release(&notification->lock);
    return status;
}

enum cl_status notification_watch(struct notification *notification, struct thread *thread)
{
    enum cl_status status = CL_OK;

    lock_acquire(&notification->lock);
    if (notification->object.dead)
        status = refuse(CL_STOPPED, "the notification was destroyed");
    else if (notification->watcher != NULL && notification->watcher != thread)
        status = refuse(CL_BUSY, "another vcpu_run already watches this notification");
    else
        notification->watcher = thread;
    lock_release(&notification->lock);
    return status;
}

void notification_unwatch(struct notification *notification, struct thread *thread)
{
    lock_acquire(&notification->lock);
    if (notification->watcher == thread)
        notification->watcher = NULL;
    lock_release(&notification->lock);
}

void notification_forget(struct notification *notification, struct thread *thread)
{
    lock_acquire(&notification->lock);
    if (notification->waiter == thread)
        notification->waiter = NULL;
    if (notification->watcher == thread)
        notification->watcher = NULL;
    lock_release(&notification->lock);
}

enum cl_status notification_destroy(struct object *object)
{
    struct notification *notification = (struct notification *)object;

    lock_acquire(&notification->lock);
    if (notification->waiter != NULL)
        wake_waiter(notification, CL_STOPPED);
    if (notification->watcher != NULL)
        thread_poke(notification->watcher);
    lock_release(&notification->lock);
    return CL_OK;
}

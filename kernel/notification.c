/* SPDX-License-Identifier: Apache-2.0 */
/* notification.c: bits, one waiter, one watcher. */
#include "kernel/notification.h"

#include "kernel/assert.h"
#include "kernel/system.h"
#include "kernel/thread.h"
#include "kernel/x86.h"

/* The waiter's result goes straight into its registers; notification->lock held, so nobody else wakes it. */
static void end_wait(struct notification *notification, enum cl_status status)
{
    struct thread *waiter = notification->waiter;

    notification->waiter = NULL;
    waiter->waiting = NULL;
    waiter->registers.rax = status;
    waiter->registers.rdx = 0;
    if (status == CL_OK) {
        waiter->registers.rdx = notification->pending;
        notification->pending = 0;
    }
    bool woken = thread_wake(waiter, WAIT_NOTIFICATION);
    ASSERT(woken);
}

void notification_signal(struct notification *notification, uint64_t bits)
{
    lock_acquire(&notification->lock);
    notification->pending |= bits;
    if (notification->waiter != NULL && notification->object.dead)
        end_wait(notification, CL_STOPPED);
    if (notification->waiter != NULL && notification->pending != 0)
        end_wait(notification, CL_OK);
    if (notification->watcher != NULL)
        thread_poke(notification->watcher);
    lock_release(&notification->lock);
}

void notification_end_wait(struct thread *thread, enum cl_status status)
{
    /* It stands there only while the thread waits, and what waits for was not destroyed: so it lasts for this call. */
    struct notification *notification = READ_ONCE(thread->waiting);

    if (notification == NULL)
        return;
    lock_acquire(&notification->lock);
    /* once more: meanwhile it may have been woken and wait anew */
    if (notification->waiter == thread && (status != CL_TIMED_OUT || x86_rdtsc() >= thread->wait_deadline))
        end_wait(notification, status);
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
    } else if (deadline_tsc <= x86_rdtsc()) {
        status = CL_TIMED_OUT;
    } else if (notification->waiter != NULL) {
        status = refuse(CL_BUSY, "another thread already waits for this notification");
    } else {
        notification->waiter = thread;
        thread->waiting = notification;
        thread->wait_deadline = deadline_tsc;
        thread_block(thread, WAIT_NOTIFICATION);
        timer_arm(&thread->deadline, deadline_tsc);
        status = CL_IN_PROGRESS;
    }
    lock_release(&notification->lock);
    return status;
}

enum cl_status notification_watch(struct notification *notification, struct thread *thread)
{
    struct notification *before = thread->watched;
    enum cl_status status = CL_OK;

    if (notification == before)
        return CL_OK;
    if (notification != NULL) {
        lock_acquire(&notification->lock);
        if (notification->object.dead)
            status = refuse(CL_STOPPED, "the notification was destroyed");
        else if (notification->watcher != NULL)
            status = refuse(CL_BUSY, "another vcpu_run already watches this notification");
        else
            notification->watcher = thread;
        lock_release(&notification->lock);
        TRY(status);
        object_reference(&notification->object);
    }
    thread->watched = notification;
    if (before != NULL) {
        lock_acquire(&before->lock);
        before->watcher = NULL;
        lock_release(&before->lock);
        object_drop(&before->object);
    }
    return CL_OK;
}

enum cl_status notification_destroy(struct object *object)
{
    notification_signal((struct notification *)object, 0);
    return CL_OK;
}

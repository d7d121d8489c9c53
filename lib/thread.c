/* SPDX-License-Identifier: Apache-2.0 */
/* thread.c: threads of the C library on threads of the kernel.
 *
 * A thread that ends cannot delete its own kernel object, so it leaves its record EXITED, and the next thread that is
 * created, or that ends, cleans up. It also cannot stand on its own stack any more once a joiner has been told: the
 * last steps are taken on one stack that all ending threads use in turn (lib/entry.asm).
 */
#include "lib/thread.h"

#include <errno.h>
#include <stddef.h>

#include "lib/futex.h"
#include "lib/lock.h"
#include "lib/pages.h"
#include "lib/runtime.h"
#include "lib/slots.h"
#include "lib/syscall.h"

/* The words of musl's struct pthread that belong to the ABI: 20h is `sysinfo`, of no use on x86-64 but for us. */
struct thread_control_block {
    struct thread_control_block *self;
    uint64_t dtv, previous, next;
    struct cl_thread *thread;
    uint64_t canary;
};

static_assert(offsetof(struct thread_control_block, thread) == 0x20, "cl_thread_self() reads FS:20h");
static_assert(offsetof(struct thread_control_block, canary) == 0x28, "the compiler reads FS:28h");
static_assert(offsetof(struct cl_thread, use) == 16, "lib/entry.asm writes it");

static struct cl_thread threads[THREADS_MAX];
static struct cl_lock table_lock; /* which record is free */
static uint64_t pages_address;    /* page of record i at pages_address + i * PAGE_BYTES; record 0's is elsewhere */

/* Before the C library's own block, and again while a thread ends. */
static struct thread_control_block early_block, exit_block;

/* lib/entry.asm */
struct cl_lock cl_exit_lock;
_Noreturn void cl_thread_leave(struct cl_thread *self);
void cl_thread_entry(void);
void cl_thread_finish(struct cl_thread *self);

enum cl_status cl_thread_begin(uint64_t page_address, uint64_t canary)
{
    threads[0] = (struct cl_thread){
        .page = (struct thread_page *)page_address, .use = CL_THREAD_ALIVE, .tid = 1, .child_cpu = UINT32_MAX
    };
    early_block = (struct thread_control_block){ .self = &early_block, .thread = &threads[0], .canary = canary };
    return cl_syscall6(SYS_THREAD_CONTROL, 0, THREAD_SET_FS_BASE, (uint64_t)&early_block, 0, 0, 0).status;
}

/* Every record has a notification from the first time that it is used. */
static enum cl_status give_notification(struct cl_thread *thread)
{
    uint32_t slot;
    enum cl_status status;

    if (thread->notification_slot != 0)
        return CL_OK;
    TRY(cl_slot_alloc(&slot));
    status = cl_notification_create(slot, cl_start()->account_slot);
    if (status == CL_OK)
        thread->notification_slot = slot;
    else
        cl_slot_free(slot);
    return status;
}

enum cl_status cl_thread_begin_others(uint64_t address)
{
    pages_address = address;
    return give_notification(&threads[0]);
}

int cl_thread_set_pointer(void *thread_control_block)
{
    struct thread_control_block *block = thread_control_block;

    /* the C library fills both in by itself, but only after it has come back here with other calls */
    block->thread = cl_thread_self();
    block->canary = early_block.canary;
    return cl_thread_control(0, THREAD_SET_FS_BASE, (uint64_t)block, NULL) == CL_OK ? 0 : -ENOSYS;
}

/* Delete the kernel objects of threads that have ended. */
static void clean_up(void)
{
    for (unsigned i = 1; i < THREADS_MAX; i++) {
        uint32_t exited = CL_THREAD_EXITED;

        if (!__atomic_compare_exchange_n(&threads[i].use, &exited, CL_THREAD_CLEANING, false, __ATOMIC_ACQUIRE,
                                         __ATOMIC_RELAXED))
            continue;
        /* if the kernel refuses, the record is lost with its object, and THREADS_MAX is one less */
        if (cl_slot_destroy(threads[i].thread_slot) == CL_OK)
            __atomic_store_n(&threads[i].use, CL_THREAD_FREE, __ATOMIC_RELEASE);
    }
}

static struct cl_thread *take_record(void)
{
    struct cl_thread *found = NULL;

    clean_up();
    cl_lock_take(&table_lock);
    for (unsigned i = 1; i < THREADS_MAX && found == NULL; i++) {
        if (__atomic_load_n(&threads[i].use, __ATOMIC_ACQUIRE) == CL_THREAD_FREE) {
            found = &threads[i];
            found->use = CL_THREAD_ALIVE;
        }
    }
    cl_lock_drop(&table_lock);
    return found;
}

static enum cl_status create(struct cl_thread *thread, const struct thread_arguments *arguments)
{
    const struct start_block *start = cl_start();
    enum cl_status status;

    TRY(give_notification(thread));
    TRY(cl_slot_alloc(&thread->thread_slot));
    status = cl_thread_create(thread->thread_slot, start->domain_slot, start->account_slot, arguments);
    if (status != CL_OK) {
        cl_slot_free(thread->thread_slot);
        return status;
    }
    status = cl_thread_start(thread->thread_slot);
    if (status != CL_OK)
        (void)!cl_slot_destroy(thread->thread_slot);
    return status;
}

int cl_thread_clone(int (*function)(void *), void *stack, int flags, void *argument, int32_t *parent_tid,
                    void *thread_control_block, int32_t *clear_tid)
{
    const struct cl_thread *self = cl_thread_self();
    struct thread_control_block *block = thread_control_block;
    struct cl_thread *thread = take_record();
    uint64_t *top = (uint64_t *)((uint64_t)stack & ~UINT64_C(15));

    (void)flags; /* the C library makes nothing but threads */
    if (thread == NULL)
        return -EAGAIN;
    unsigned index = (unsigned)(thread - threads);
    thread->page = (struct thread_page *)(pages_address + index * PAGE_BYTES);
    thread->tid = (int32_t)index + 1;
    thread->clear_tid = clear_tid;
    thread->unmap = NULL;
    thread->child_priority = self->child_priority;
    thread->child_cpu = self->child_cpu;

    block->thread = thread;
    *parent_tid = thread->tid;
    top -= 2;
    top[0] = (uint64_t)function;
    top[1] = (uint64_t)argument;
    struct thread_arguments arguments = { .entry = (uint64_t)cl_thread_entry,
                                          .stack = (uint64_t)top,
                                          .fs_base = (uint64_t)block,
                                          .argument = (uint64_t)top,
                                          .page_address = (uint64_t)thread->page,
                                          .priority = self->child_priority,
                                          .cpu = self->child_cpu };
    int tid = thread->tid;
    if (create(thread, &arguments) != CL_OK) {
        __atomic_store_n(&thread->use, CL_THREAD_FREE, __ATOMIC_RELEASE);
        return -EAGAIN;
    }
    return tid;
}

void cl_thread_exit(void *unmap, uint64_t bytes)
{
    struct cl_thread *self = cl_thread_self();

    clean_up();
    self->unmap = unmap;
    self->unmap_bytes = bytes;
    cl_lock_take(&cl_exit_lock);
    exit_block = (struct thread_control_block){ .self = &exit_block, .thread = self, .canary = early_block.canary };
    (void)!cl_thread_control(0, THREAD_SET_FS_BASE, (uint64_t)&exit_block, NULL);
    cl_thread_leave(self);
}

/* On the stack of those who end, with cl_exit_lock, which cl_thread_leave() drops after this. */
void cl_thread_finish(struct cl_thread *self)
{
    if (self->unmap != NULL)
        (void)!pages_free((uint64_t)self->unmap, self->unmap_bytes);
    if (self->clear_tid != NULL) {
        __atomic_store_n(self->clear_tid, 0, __ATOMIC_RELEASE);
        (void)!futex_wake(self->clear_tid, 1, NULL, 0);
    }
}

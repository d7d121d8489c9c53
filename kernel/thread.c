/* SPDX-License-Identifier: Apache-2.0 */
/* thread.c: threads between ready, running, waiting and stopped. */
#include "kernel/thread.h"

#include "kernel/account_object.h"
#include "kernel/assert.h"
#include "kernel/cpu.h"
#include "kernel/domain.h"
#include "kernel/layout.h"
#include "kernel/memory.h"
#include "kernel/notification.h"
#include "kernel/pool.h"
#include "kernel/system.h"
#include "kernel/vcpu_run.h"
#include "kernel/x86.h"
#include "kernel/xstate.h"

/* Somebody became runnable on `cpu`, or nobody did. */
static void kick(int cpu)
{
    if (cpu != SCHED_NO_CPU)
        cpu_attention(&cpus[cpu], ATTENTION_RESCHEDULE);
}

bool thread_wake(struct thread *thread, enum wait_kind kind)
{
    bool woken = false;

    lock_acquire(&thread->lock);
    if (thread->wait == kind) {
        woken = true;
        thread->wait = WAIT_NONE;
        /* before it can run: then another CPU may arm the same timer for the vCPU that the thread enters */
        if (kind == WAIT_NOTIFICATION)
            timer_disarm(&thread->deadline);
        if (!thread->stop)
            kick(sched_wake(&thread->sched, x86_rdtsc()));
    }
    lock_release(&thread->lock);
    return woken;
}

void thread_poke(struct thread *thread)
{
    if (thread_wake(thread, WAIT_HALT))
        return;
    struct cpu *cpu = &cpus[thread->sched.cpu];
    if (READ_ONCE(cpu->current) == thread)
        cpu_attention(cpu, ATTENTION_GUEST);
}

void thread_block(struct thread *thread, enum wait_kind kind)
{
    thread->wait = kind;
    kick(sched_block(&thread->sched, x86_rdtsc()));
}

void thread_deadline_passed(struct thread *thread)
{
    struct notification *notification = NULL;

    struct vcpu *vcpu = thread->vcpu;

    if (vcpu != NULL) {
        __atomic_fetch_or(&vcpu->signals, VCPU_SIGNAL_TIMER, __ATOMIC_RELEASE);
        thread_poke(thread);
        return;
    }
    lock_acquire(&thread->lock);
    if (thread->wait == WAIT_NOTIFICATION && x86_rdtsc() >= thread->wait_deadline)
        notification = thread->waiting;
    lock_release(&thread->lock);
    if (notification == NULL)
        return;
    lock_acquire(&notification->lock);
    /* once more: meanwhile it may have been woken and wait anew */
    if (notification->waiter == thread && x86_rdtsc() >= thread->wait_deadline) {
        notification->waiter = NULL;
        bool woken = thread_wake(thread, WAIT_NOTIFICATION);
        ASSERT(woken);
    }
    lock_release(&notification->lock);
}

static bool is_on_a_cpu(const struct thread *thread)
{
    for (uint32_t i = 0; i < cpu_count; i++) {
        if (__atomic_load_n(&cpus[i].current, __ATOMIC_ACQUIRE) == thread)
            return true;
    }
    return false;
}

bool thread_stop(struct thread *thread)
{
    __atomic_store_n(&thread->stop, true, __ATOMIC_SEQ_CST);
    lock_acquire(&thread->lock);
    kick(sched_block(&thread->sched, x86_rdtsc()));
    lock_release(&thread->lock);
    if (is_on_a_cpu(thread)) {
        cpu_attention(&cpus[thread->sched.cpu], ATTENTION_RESCHEDULE);
        return false;
    }
    if (thread->wait == WAIT_NOTIFICATION) {
        notification_forget(thread->waiting, thread);
        thread->registers.rax = CL_STOPPED;
    }
    timer_disarm(&thread->deadline);
    if (thread->vcpu != NULL) {
        vcpu_run_abandon(thread);
        thread->registers.rax = CL_STOPPED;
    }
    thread->wait = WAIT_STOPPED;
    return true;
}

void thread_start(struct thread *thread)
{
    thread->stop = false;
    lock_acquire(&thread->lock);
    /* WAIT_NONE: a stop that was not carried through may have blocked it; one that runs is left alone by the scheduler */
    if (thread->wait == WAIT_STOPPED || thread->wait == WAIT_NONE) {
        thread->wait = WAIT_NONE;
        kick(sched_wake(&thread->sched, x86_rdtsc()));
    }
    lock_release(&thread->lock);
}

static enum cl_status check_arguments(const struct thread_arguments *arguments)
{
    if (arguments->entry < LAYOUT_USER_FIRST || arguments->entry >= LAYOUT_USER_END)
        return refuse(CL_BAD_ARGUMENT, "thread entry %lx lies outside the user half", arguments->entry);
    if (arguments->stack >= LAYOUT_USER_END)
        return refuse(CL_BAD_ARGUMENT, "thread stack %lx lies outside the user half", arguments->stack);
    if (arguments->fs_base >= LAYOUT_USER_END)
        return refuse(CL_BAD_ARGUMENT, "thread FS base %lx lies outside the user half", arguments->fs_base);
    return CL_OK;
}

enum cl_status thread_create(struct domain *domain, struct account *account, const struct thread_arguments *arguments,
                             struct thread **created)
{
    struct thread *thread;

    TRY(check_arguments(arguments));
    thread = *created = object_create(account, OBJECT_THREAD);
    if (thread == NULL)
        return CL_NO_MEMORY;
    thread->deadline.cpu = UINT32_MAX;
    thread->wait = WAIT_STOPPED;
    thread->domain = domain;
    object_reference(&domain->object);
    TRY(sched_thread_init(&thread->sched, &account->sched, arguments->priority, arguments->cpu, AFFINITY_ALL));
    thread->page = pool_take(account, PAGE_SIZE);
    thread->xstate = xstate_create(account);
    if (thread->page == NULL || thread->xstate == NULL)
        return CL_NO_MEMORY;
    TRY(space_map_kernel_page(&domain->space, account, thread->page, arguments->page_address, PT_READ | PT_WRITE));
    thread->page->self = arguments->page_address;
    thread->page_address = arguments->page_address;
    thread->fs_base = arguments->fs_base;
    thread->registers = (struct registers){ .rdi = arguments->argument,
                                            .rip = arguments->entry,
                                            .rsp = arguments->stack,
                                            .cs = SELECTOR_USER_CODE,
                                            .ss = SELECTOR_USER_DATA,
                                            .rflags = RFLAGS_FIXED | RFLAGS_IF };
    return CL_OK;
}

enum cl_status thread_destroy(struct object *object)
{
    struct thread *thread = (struct thread *)object;

    if (!thread_stop(thread))
        return CL_IN_PROGRESS;
    if (thread->watched != NULL) {
        notification_unwatch(thread->watched, thread);
        object_drop(&thread->watched->object);
        thread->watched = NULL;
    }
    return space_unmap_kernel_page(&thread->domain->space, &thread->page_address);
}

bool thread_free(struct object *object)
{
    struct thread *thread = (struct thread *)object;

    pool_give(object->account, thread->page);
    pool_give(object->account, thread->xstate);
    object_drop(&thread->domain->object);
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* thread.c: threads between ready, running, waiting and stopped. */
#include "kernel/thread.h"

#include "kernel/account.h"
#include "kernel/assert.h"
#include "kernel/cpu.h"
#include "kernel/domain.h"
#include "kernel/layout_table.h"
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
    lock_acquire(&thread->lock);
    thread->wait = kind;
    kick(sched_block(&thread->sched, x86_rdtsc()));
    lock_release(&thread->lock);
}

void thread_deadline_passed(struct thread *thread)
{
    struct vcpu *vcpu = thread->vcpu;

    if (vcpu == NULL) {
        notification_end_wait(thread, CL_TIMED_OUT);
        return;
    }
    __atomic_fetch_or(&vcpu->signals, VCPU_SIGNAL_TIMER, __ATOMIC_RELEASE);
    thread_poke(thread);
}

bool thread_stop(struct thread *thread)
{
    __atomic_store_n(&thread->stop, true, __ATOMIC_SEQ_CST);
    lock_acquire(&thread->lock);
    kick(sched_block(&thread->sched, x86_rdtsc()));
    lock_release(&thread->lock);
    struct cpu *cpu = &cpus[thread->sched.cpu]; /* from now on it stays there */
    if (__atomic_load_n(&cpu->current, __ATOMIC_SEQ_CST) == thread) {
        cpu_attention(cpu, ATTENTION_RESCHEDULE);
        return false;
    }
    notification_end_wait(thread, CL_STOPPED);
    timer_disarm(&thread->deadline);
    if (thread->vcpu != NULL) { /* as if it had never called */
        vcpu_release(thread->vcpu);
        thread->vcpu = NULL;
        thread->registers.rax = CL_STOPPED;
    }
    thread->wait = WAIT_STOPPED;
    return true;
}

void thread_start(struct thread *thread)
{
    thread->stop = false;
    /* WAIT_NONE: a stop that was not carried through may have blocked it; one that runs is left alone by the scheduler */
    if (!thread_wake(thread, WAIT_STOPPED))
        (void)thread_wake(thread, WAIT_NONE);
}

enum cl_status thread_create(struct domain *domain, struct account *account, const struct thread_arguments *arguments,
                             struct thread **created)
{
    struct thread *thread;

    if (arguments->entry >= LAYOUT_USER_END || arguments->stack >= LAYOUT_USER_END ||
        arguments->fs_base >= LAYOUT_USER_END)
        return refuse(CL_BAD_ARGUMENT, "thread entry %lx, stack %lx or FS base %lx lies outside the user half",
                      arguments->entry, arguments->stack, arguments->fs_base);
    thread = *created = object_create(account, OBJECT_THREAD);
    if (thread == NULL)
        return CL_NO_MEMORY;
    thread->deadline.cpu = TIMER_NOWHERE;
    thread->wait = WAIT_STOPPED;
    thread->domain = domain;
    object_reference(&domain->object);
    TRY(sched_thread_init(&thread->sched, &account->sched, arguments->priority, arguments->cpu, AFFINITY_ALL));
    thread->page = pool_take(account, PAGE_SIZE);
    thread->xstate = xstate_create(account);
    if (thread->page == NULL || thread->xstate == NULL)
        return CL_NO_MEMORY;
    TRY(space_map_kernel_page(&domain->space, thread->page, arguments->page_address, PT_READ | PT_WRITE));
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
    TRY(notification_watch(NULL, thread));
    return space_unmap_kernel_page(&thread->domain->space, thread->page, thread->page_address);
}

bool thread_free(struct object *object)
{
    struct thread *thread = (struct thread *)object;

    pool_give(object->account, thread->page);
    pool_give(object->account, thread->xstate);
    object_drop(&thread->domain->object);
    return true;
}

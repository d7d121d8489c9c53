/* SPDX-License-Identifier: Apache-2.0 */
/* syscall_execution.c: threads and notifications. */
#include "kernel/assert.h"
#include "kernel/cpu.h"
#include "kernel/domain.h"
#include "kernel/layout_table.h"
#include "kernel/notification.h"
#include "kernel/string.h"
#include "kernel/syscall.h"
#include "kernel/system.h"
#include "kernel/thread.h"
#include "kernel/x86.h"

/* thread_create(new slot, domain, account) [thread_arguments] */
enum cl_status sys_thread_create(struct call *call)
{
    struct thread_arguments arguments;

    memcpy(&arguments, call->thread->page->argument, sizeof(arguments));
    return thread_create(CALL_OBJECT(call, domain, 1), CALL_OBJECT(call, account, 2), &arguments,
                         CALL_MADE(call, thread));
}

static enum thread_state state_of(const struct thread *thread)
{
    if (thread->faulted)
        return THREAD_STATE_FAULTED;
    if (thread->wait != WAIT_NONE)
        return thread->wait == WAIT_STOPPED ? THREAD_STATE_STOPPED : THREAD_STATE_WAITING;
    return cpus[thread->sched.cpu].current == thread ? THREAD_STATE_RUNNING : THREAD_STATE_READY;
}

static void report(const struct thread *thread, struct thread_report *out)
{
    const struct registers *r = &thread->registers;

    *out = (struct thread_report){ .state = state_of(thread),
                                   .vector = (uint32_t)r->vector,
                                   .error_code = r->error,
                                   .address = thread->fault_address,
                                   .rip = r->rip,
                                   .rsp = r->rsp,
                                   .rflags = r->rflags,
                                   .gpr = { r->rax, r->rcx, r->rdx, r->rbx, r->rsp, r->rbp, r->rsi, r->rdi, r->r8,
                                            r->r9, r->r10, r->r11, r->r12, r->r13, r->r14, r->r15 } };
}

static enum cl_status set_fs_base(struct call *call, uint64_t base)
{
    if (base >= LAYOUT_USER_END)
        return refuse(CL_BAD_ARGUMENT, "FS base %lx lies outside the user half", base);
    call->thread->fs_base = base;
    this_cpu()->fs_base = base;
    x86_wrmsr(MSR_FS_BASE, base);
    return CL_OK;
}

/* thread_control(thread, operation, value) */
enum cl_status sys_thread_control(struct call *call)
{
    uint64_t operation = call->argument[1];
    bool reads = operation == THREAD_GET_TIME || operation == THREAD_GET_STATE;
    struct thread_report out;
    struct thread *thread;

    if (operation == THREAD_SET_FS_BASE)
        return set_fs_base(call, call->argument[2]);
    TRY(call_lookup(call, 0, OBJECT_THREAD, reads ? RIGHT_READ : RIGHT_WRITE));
    thread = CALL_OBJECT(call, thread, 0);
    switch (operation) {
    case THREAD_START:
        if (thread->faulted)
            return refuse(CL_STOPPED, "the thread has faulted: its domain is stopped for good");
        thread_start(thread);
        return CL_OK;
    case THREAD_STOP:
        if (thread == call->thread)
            return refuse(CL_BAD_ARGUMENT, "a thread stops itself with thread_exit");
        return thread_stop(thread) ? CL_OK : CL_IN_PROGRESS;
    case THREAD_GET_TIME:
        call->value = thread->sched.run_tsc;
        return CL_OK;
    case THREAD_SET_AFFINITY:
        return sched_set_affinity(&thread->sched, call->argument[2]);
    case THREAD_GET_STATE:
        report(thread, &out);
        memcpy(call->thread->page->data, &out, sizeof(out));
        call->value = out.state;
        return CL_OK;
    default:
        return refuse(CL_BAD_ARGUMENT, "thread_control has no operation %lu", operation);
    }
}

/* notification_create(new slot, account) */
enum cl_status sys_notification_create(struct call *call)
{
    call->made = object_create(CALL_OBJECT(call, account, 1), OBJECT_NOTIFICATION);
    return call->made != NULL ? CL_OK : CL_NO_MEMORY;
}

/* notify(notification, bits) */
enum cl_status sys_notify(struct call *call)
{
    notification_signal(CALL_OBJECT(call, notification, 0), call->argument[1]);
    return CL_OK;
}

/* wait(notification, deadline) */
enum cl_status sys_wait(struct call *call)
{
    enum cl_status status =
        notification_wait(CALL_OBJECT(call, notification, 0), call->thread, call->argument[1], &call->value);

    call->asleep = status == CL_IN_PROGRESS;
    return status;
}

/* yield() */
enum cl_status sys_yield(struct call *call)
{
    (void)call;
    schedule_yield();
    return CL_OK;
}

/* thread_exit() */
enum cl_status sys_thread_exit(struct call *call)
{
    call->thread->stop = true;
    thread_block(call->thread, WAIT_STOPPED);
    return CL_OK;
}

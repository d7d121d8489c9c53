/* SPDX-License-Identifier: Apache-2.0 */
/* syscall_execution.c: threads and notifications. */
#include "kernel/account_object.h"
#include "kernel/assert.h"
#include "kernel/cpu.h"
#include "kernel/domain.h"
#include "kernel/layout.h"
#include "kernel/notification.h"
#include "kernel/string.h"
#include "kernel/syscall.h"
#include "kernel/system.h"
#include "kernel/thread.h"
#include "kernel/x86.h"

/* thread_create(new slot, domain, account) [thread_arguments] */
static enum cl_status sys_thread_create(struct call *call)
{
    struct thread_arguments arguments;
    struct account *account;
    struct domain *domain;
    struct thread *thread;

    call_arguments(call, &arguments, sizeof(arguments));
    TRY(cap_check_free(call->domain, call->a));
    TRY(cap_lookup(call->domain, call->b, OBJECT_DOMAIN, RIGHT_CONFIGURE, &domain));
    TRY(cap_lookup(call->domain, call->c, OBJECT_ACCOUNT, RIGHT_CHARGE, &account));

    TRY(thread_create(domain, account, &arguments, &thread));
    cap_insert(call->domain, call->a, &thread->object, RIGHT_ALL);
    return CL_OK;
}

static enum thread_state state_of(const struct thread *thread)
{
    if (thread->faulted)
        return THREAD_STATE_FAULTED;
    switch (thread->wait) {
    case WAIT_STOPPED:
        return THREAD_STATE_STOPPED;
    case WAIT_NOTIFICATION:
    case WAIT_HALT:
        return THREAD_STATE_WAITING;
    default:
        return cpus[thread->sched.cpu].current == thread ? THREAD_STATE_RUNNING : THREAD_STATE_READY;
    }
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

/* thread_control(thread, operation, value) */
static enum cl_status sys_thread_control(struct call *call)
{
    bool reads = call->b == THREAD_GET_TIME || call->b == THREAD_GET_STATE;
    struct thread *thread;

    if (call->b == THREAD_SET_FS_BASE) {
        if (call->c >= LAYOUT_USER_END)
            return refuse(CL_BAD_ARGUMENT, "FS base %lx lies outside the user half", call->c);
        call->thread->fs_base = call->c;
        this_cpu()->fs_base = call->c;
        x86_wrmsr(MSR_FS_BASE, call->c);
        return CL_OK;
    }
    TRY(cap_lookup(call->domain, call->a, OBJECT_THREAD, reads ? RIGHT_READ : RIGHT_WRITE, &thread));
    switch (call->b) {
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
        return sched_set_affinity(&thread->sched, call->c);
    case THREAD_GET_STATE: {
        struct thread_report out;
        report(thread, &out);
        memcpy(call->thread->page->data, &out, sizeof(out));
        call->value = out.state;
        return CL_OK;
    }
    default:
        return refuse(CL_BAD_ARGUMENT, "thread_control has no operation %lu", call->b);
    }
}

/* notification_create(new slot, account) */
static enum cl_status sys_notification_create(struct call *call)
{
    struct notification *notification;
    struct account *account;

    TRY(cap_check_free(call->domain, call->a));
    TRY(cap_lookup(call->domain, call->b, OBJECT_ACCOUNT, RIGHT_CHARGE, &account));

    notification = object_create(account, OBJECT_NOTIFICATION, sizeof(*notification));
    if (notification == NULL)
        return refuse(CL_NO_MEMORY, "the account has no kernel memory left for a notification");
    cap_insert(call->domain, call->a, &notification->object, RIGHT_ALL);
    return CL_OK;
}

/* notify(notification, bits) */
static enum cl_status sys_notify(struct call *call)
{
    struct notification *notification;

    TRY(cap_lookup(call->domain, call->a, OBJECT_NOTIFICATION, RIGHT_SIGNAL, &notification));
    notification_signal(notification, call->b);
    return CL_OK;
}

/* wait(notification, deadline) */
static enum cl_status sys_wait(struct call *call)
{
    struct notification *notification;

    TRY(cap_lookup(call->domain, call->a, OBJECT_NOTIFICATION, RIGHT_WAIT, &notification));
    enum cl_status status = notification_wait(notification, call->thread, call->b, &call->value);
    call->asleep = status == CL_IN_PROGRESS;
    return status;
}

static enum cl_status sys_yield(void)
{
    struct cpu *cpu = this_cpu();

    sched_yield(cpu->index, x86_rdtsc());
    cpu_attention(cpu, ATTENTION_RESCHEDULE);
    return CL_OK;
}

static enum cl_status sys_thread_exit(struct call *call)
{
    call->thread->stop = true;
    lock_acquire(&call->thread->lock);
    thread_block(call->thread, WAIT_STOPPED);
    lock_release(&call->thread->lock);
    return CL_OK;
}

enum cl_status syscall_execution(struct call *call, enum syscall_number number)
{
    enum cl_status status = CL_BAD_CALL;

    switch (number) {
    case SYS_NOTIFY:
        return sys_notify(call);
    case SYS_WAIT:
        return sys_wait(call);
    case SYS_YIELD:
        return sys_yield();
    case SYS_THREAD_EXIT:
        return sys_thread_exit(call);
    default:
        break;
    }
    lock_acquire(&structure_lock);
    switch (number) {
    case SYS_THREAD_CREATE:
        status = sys_thread_create(call);
        break;
    case SYS_THREAD_CONTROL:
        status = sys_thread_control(call);
        break;
    case SYS_NOTIFICATION_CREATE:
        status = sys_notification_create(call);
        break;
    default:
        break;
    }
    lock_release(&structure_lock);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* refusal.c: the last breadcrumb, made readable. */
#include "lib/refusal.h"

#include <stdio.h>

#include "lib/syscall.h"

static const char *const status_names[CL_STATUS_COUNT] = {
    [CL_OK] = "CL_OK",
    [CL_BAD_CALL] = "CL_BAD_CALL",
    [CL_BAD_ARGUMENT] = "CL_BAD_ARGUMENT",
    [CL_BAD_CAPABILITY] = "CL_BAD_CAPABILITY",
    [CL_NO_RIGHT] = "CL_NO_RIGHT",
    [CL_NO_MEMORY] = "CL_NO_MEMORY",
    [CL_NO_AUTHORITY] = "CL_NO_AUTHORITY",
    [CL_OCCUPIED] = "CL_OCCUPIED",
    [CL_NOT_FOUND] = "CL_NOT_FOUND",
    [CL_BUSY] = "CL_BUSY",
    [CL_IN_PROGRESS] = "CL_IN_PROGRESS",
    [CL_TIMED_OUT] = "CL_TIMED_OUT",
    [CL_STOPPED] = "CL_STOPPED",
    [CL_UNSUPPORTED] = "CL_UNSUPPORTED",
    [CL_LIMIT] = "CL_LIMIT",
    [CL_STALE] = "CL_STALE",
    [CL_CORRUPT] = "CL_CORRUPT",
};

static const char *const call_names[SYS_COUNT] = {
    [SYS_ACCOUNT_CREATE] = "account_create",
    [SYS_DOMAIN_CREATE] = "domain_create",
    [SYS_DOMAIN_STOP] = "domain_stop",
    [SYS_CAP_COPY] = "cap_copy",
    [SYS_CAP_DELETE] = "cap_delete",
    [SYS_OBJECT_DESTROY] = "object_destroy",
    [SYS_MEMORY_CREATE] = "memory_create",
    [SYS_MEMORY_SLICE] = "memory_slice",
    [SYS_MEMORY_MAP] = "memory_map",
    [SYS_MEMORY_UNMAP] = "memory_unmap",
    [SYS_THREAD_CREATE] = "thread_create",
    [SYS_THREAD_CONTROL] = "thread_control",
    [SYS_NOTIFICATION_CREATE] = "notification_create",
    [SYS_NOTIFY] = "notify",
    [SYS_WAIT] = "wait",
    [SYS_YIELD] = "yield",
    [SYS_THREAD_EXIT] = "thread_exit",
    [SYS_PORTS_GRANT] = "ports_grant",
    [SYS_IRQ_BIND] = "irq_bind",
    [SYS_IRQ_ACK] = "irq_ack",
    [SYS_VM_CREATE] = "vm_create",
    [SYS_VM_POLICY] = "vm_policy",
    [SYS_VM_DOORBELL] = "vm_doorbell",
    [SYS_VM_INTERRUPT] = "vm_interrupt",
    [SYS_VCPU_CREATE] = "vcpu_create",
    [SYS_VCPU_RUN] = "vcpu_run",
    [SYS_VCPU_KICK] = "vcpu_kick",
    [SYS_VCPU_STATE_GET] = "vcpu_state_get",
    [SYS_VCPU_STATE_SET] = "vcpu_state_set",
    [SYS_VCPU_APIC] = "vcpu_apic",
    [SYS_VCPU_EXTINT] = "vcpu_extint",
    [SYS_VCPU_LINT] = "vcpu_lint",
    [SYS_VM_EOI_READ] = "vm_eoi_read",
    [SYS_SYSTEM_INFO] = "system_info",
    [SYS_LOG_READ] = "log_read",
    [SYS_LOG_WRITE] = "log_write",
    [SYS_TRACE_MAP] = "trace_map",
    [SYS_SYSTEM_CONTROL] = "system_control",
};

const char *cl_status_name(enum cl_status status)
{
    return (unsigned)status < CL_STATUS_COUNT ? status_names[status] : "an unknown status";
}

const char *cl_call_name(enum syscall_number number)
{
    return (unsigned)number < SYS_COUNT && call_names[number] != NULL ? call_names[number] : "an unknown call";
}

const char *cl_refusal(enum cl_status status)
{
    static _Thread_local char text[THREAD_PAGE_TEXT_MAX + 64];
    const struct breadcrumb *crumb = &cl_thread_page()->breadcrumb;

    if (crumb->status != (uint32_t)status || status == CL_TIMED_OUT || status == CL_IN_PROGRESS)
        return cl_status_name(status);
    snprintf(text, sizeof(text), "%s: %s (%.*s)", cl_call_name((enum syscall_number)crumb->call),
             cl_status_name(status), THREAD_PAGE_TEXT_MAX, crumb->text);
    return text;
}

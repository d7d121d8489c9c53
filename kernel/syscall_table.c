/* SPDX-License-Identifier: Apache-2.0 */
/* syscall_table.c: what each argument of each system call has to be (abi/syscall.h). */
#include "kernel/domain.h"
#include "kernel/log.h"
#include "kernel/syscall_table.h"

/* clang-format off */
#define NEW { .kind = ARGUMENT_NEW }
#define MAX(bound) { .kind = ARGUMENT_NUMBER, .max = (bound) }
#define VALUE MAX(UINT64_MAX)
#define BIT MAX(63)
#define CAP(t, r) { .kind = ARGUMENT_OBJECT, .type = OBJECT_##t, .rights = (r) }
#define ANY(r) { .kind = ARGUMENT_OBJECT, .type = OBJECT_NONE, .rights = (r) }
#define ARGUMENTS(...) sizeof((struct argument_rule[]){ __VA_ARGS__ }) / sizeof(struct argument_rule), { __VA_ARGS__ }
#define NONE 0, { VALUE }

const struct syscall_rule syscall_rules[SYS_COUNT] = {
    [SYS_ACCOUNT_CREATE] = { "account_create", sys_account_create, true, ARGUMENTS(NEW, CAP(ACCOUNT, RIGHT_CHARGE)) },
    [SYS_DOMAIN_CREATE] = { "domain_create", sys_domain_create, true, ARGUMENTS(NEW, CAP(ACCOUNT, RIGHT_CHARGE), MAX(DOMAIN_SLOTS_MAX),
                                                             CAP(NOTIFICATION, RIGHT_SIGNAL), BIT) },
    [SYS_DOMAIN_STOP] = { "domain_stop", sys_domain_stop, true, ARGUMENTS(CAP(DOMAIN, RIGHT_CONFIGURE)) },
    [SYS_CAP_COPY] = { "cap_copy", sys_cap_copy, true, ARGUMENTS(ANY(RIGHT_COPY), CAP(DOMAIN, RIGHT_CONFIGURE), VALUE, MAX(RIGHT_ALL)) },
    [SYS_CAP_DELETE] = { "cap_delete", sys_cap_delete, true, ARGUMENTS(CAP(DOMAIN, RIGHT_CONFIGURE), VALUE) },
    [SYS_OBJECT_DESTROY] = { "object_destroy", sys_object_destroy, true, ARGUMENTS(ANY(RIGHT_DESTROY)) },

    [SYS_MEMORY_CREATE] = { "memory_create", sys_memory_create, true, ARGUMENTS(NEW, CAP(ACCOUNT, RIGHT_CHARGE), VALUE, MAX(UINT16_MAX)) },
    [SYS_MEMORY_SLICE] = { "memory_slice", sys_memory_slice, true, ARGUMENTS(NEW, CAP(MEMORY, 0), VALUE, VALUE) },
    [SYS_MEMORY_MAP] = { "memory_map", sys_memory_map, true, ARGUMENTS(CAP(MEMORY, 0), ANY(RIGHT_MAP), VALUE, VALUE, VALUE, VALUE) },
    [SYS_MEMORY_UNMAP] = { "memory_unmap", sys_memory_unmap, true, ARGUMENTS(ANY(RIGHT_MAP), VALUE) },

    [SYS_THREAD_CREATE] = { "thread_create", sys_thread_create, true, ARGUMENTS(NEW, CAP(DOMAIN, RIGHT_CONFIGURE), CAP(ACCOUNT, RIGHT_CHARGE)) },
    [SYS_THREAD_CONTROL] = { "thread_control", sys_thread_control, true, ARGUMENTS(VALUE, VALUE, VALUE) },
    [SYS_NOTIFICATION_CREATE] = { "notification_create", sys_notification_create, true, ARGUMENTS(NEW, CAP(ACCOUNT, RIGHT_CHARGE)) },
    [SYS_NOTIFY] = { "notify", sys_notify, false, ARGUMENTS(CAP(NOTIFICATION, RIGHT_SIGNAL)) },
    [SYS_WAIT] = { "wait", sys_wait, false, ARGUMENTS(CAP(NOTIFICATION, RIGHT_WAIT)) },
    [SYS_YIELD] = { "yield", sys_yield, false, NONE },
    [SYS_THREAD_EXIT] = { "thread_exit", sys_thread_exit, false, NONE },

    [SYS_PORTS_GRANT] = { "ports_grant", sys_ports_grant, true, ARGUMENTS(CAP(PORTS, RIGHT_CONFIGURE), CAP(DOMAIN, RIGHT_CONFIGURE),
                                                         MAX(UINT16_MAX), MAX(0x10000), MAX(1)) },
    [SYS_IRQ_BIND] = { "irq_bind", sys_irq_bind, true, ARGUMENTS(NEW, CAP(ACCOUNT, RIGHT_CHARGE), CAP(IRQS, RIGHT_CONFIGURE),
                                                   MAX(UINT16_MAX), CAP(NOTIFICATION, RIGHT_SIGNAL), BIT) },
    [SYS_IRQ_ACK] = { "irq_ack", sys_irq_ack, false, ARGUMENTS(CAP(IRQ, RIGHT_SIGNAL)) },

    [SYS_VM_CREATE] = { "vm_create", sys_vm_create, true, ARGUMENTS(NEW, CAP(ACCOUNT, RIGHT_CHARGE), CAP(NOTIFICATION, RIGHT_SIGNAL), BIT) },
    [SYS_VM_POLICY] = { "vm_policy", sys_vm_policy, true, ARGUMENTS(CAP(VM, RIGHT_CONFIGURE), MAX(VM_POLICY_MSR), VALUE, VALUE) },
    [SYS_VM_DOORBELL] = { "vm_doorbell", sys_vm_doorbell, true, ARGUMENTS(CAP(VM, RIGHT_CONFIGURE), MAX(UINT16_MAX), MAX(4), VALUE, BIT,
                                                         MAX(1)) },
    [SYS_VM_INTERRUPT] = { "vm_interrupt", sys_vm_interrupt, false, ARGUMENTS(CAP(VM, RIGHT_SIGNAL), VALUE, MAX(UINT32_MAX)) },
    [SYS_VCPU_CREATE] = { "vcpu_create", sys_vcpu_create, true, ARGUMENTS(NEW, CAP(VM, RIGHT_CONFIGURE), CAP(ACCOUNT, RIGHT_CHARGE),
                                                         MAX(UINT32_MAX), VALUE, MAX(VCPU_APIC_HARDWARE)) },
    [SYS_VCPU_RUN] = { "vcpu_run", sys_vcpu_run, false, ARGUMENTS(CAP(VCPU, RIGHT_EXECUTE), CAP(NOTIFICATION, RIGHT_WAIT)) },
    [SYS_VCPU_KICK] = { "vcpu_kick", sys_vcpu_kick, false, ARGUMENTS(CAP(VCPU, RIGHT_SIGNAL)) },
    [SYS_VCPU_STATE_GET] = { "vcpu_state_get", sys_vcpu_held, false, ARGUMENTS(CAP(VCPU, RIGHT_READ), VALUE, VALUE) },
    [SYS_VCPU_STATE_SET] = { "vcpu_state_set", sys_vcpu_held, false, ARGUMENTS(CAP(VCPU, RIGHT_WRITE), VALUE, VALUE) },
    [SYS_VCPU_APIC] = { "vcpu_apic", sys_vcpu_held, false, ARGUMENTS(CAP(VCPU, RIGHT_WRITE), MAX(0xfff), MAX(UINT32_MAX), MAX(1)) },
    [SYS_VCPU_EXTINT] = { "vcpu_extint", sys_vcpu_extint, false, ARGUMENTS(CAP(VCPU, RIGHT_SIGNAL), MAX(257)) },
    [SYS_VCPU_LINT] = { "vcpu_lint", sys_vcpu_lint, false, ARGUMENTS(CAP(VCPU, RIGHT_SIGNAL), MAX(1), MAX(1)) },
    [SYS_VM_EOI_READ] = { "vm_eoi_read", sys_vm_eoi_read, false, ARGUMENTS(CAP(VM, RIGHT_SIGNAL), MAX(3)) },

    [SYS_SYSTEM_INFO] = { "system_info", sys_system_info, true, ARGUMENTS(VALUE, VALUE, VALUE) },
    [SYS_LOG_READ] = { "log_read", sys_log_read, false, ARGUMENTS(CAP(SYSTEM, RIGHT_READ), VALUE) },
    [SYS_LOG_WRITE] = { "log_write", sys_log_write, false, ARGUMENTS(MAX(LOG_LINE_MAX)) },
    [SYS_TRACE_MAP] = { "trace_map", sys_trace_map, true, ARGUMENTS(CAP(SYSTEM, RIGHT_READ), VALUE, VALUE) },
    [SYS_SYSTEM_CONTROL] = { "system_control", sys_system_control, true, ARGUMENTS(CAP(SYSTEM, RIGHT_CONFIGURE), VALUE) },
};

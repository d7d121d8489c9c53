/* SPDX-License-Identifier: Apache-2.0 */
/* syscall_table.h: what the table of system calls says of each: its arguments, and the function that commits it. */
#ifndef CL_KERNEL_SYSCALL_TABLE_H
#define CL_KERNEL_SYSCALL_TABLE_H

#include "abi/syscall.h"
#include "kernel/types.h"

#define SYSCALL_ARGUMENTS 6

struct call;

enum argument_kind {
    ARGUMENT_NUMBER = 0, /* of at most `max`; the commit function checks what is left to check */
    ARGUMENT_NEW,        /* a free slot of the caller's table, for the object that the call makes */
    ARGUMENT_OBJECT,     /* a capability: type `type` (OBJECT_NONE: any), with at least `rights` */
};

struct argument_rule {
    uint8_t kind; /* enum argument_kind */
    uint8_t type; /* enum object_type */
    uint16_t rights;
    uint64_t max;
};

/* Do what the call is for; its objects are looked up. */
typedef enum cl_status commit_function(struct call *call);

struct syscall_rule {
    const char *name;
    commit_function *commit;
    bool structure; /* decoded and committed under the structure lock */
    uint8_t count;  /* arguments with a rule */
    struct argument_rule argument[SYSCALL_ARGUMENTS];
};

extern const struct syscall_rule syscall_rules[SYS_COUNT];

/* The commit functions, by group. */
commit_function sys_account_create, sys_domain_create, sys_domain_stop, sys_cap_copy, sys_cap_delete,
    sys_object_destroy;
commit_function sys_memory_create, sys_memory_slice, sys_memory_map, sys_memory_unmap;
commit_function sys_thread_create, sys_thread_control, sys_notification_create, sys_notify, sys_wait, sys_yield;
commit_function sys_thread_exit;
commit_function sys_ports_grant, sys_irq_bind, sys_irq_ack;
commit_function sys_vm_create, sys_vm_policy, sys_vm_doorbell, sys_vm_interrupt, sys_vm_eoi_read;
commit_function sys_vcpu_create, sys_vcpu_run, sys_vcpu_kick, sys_vcpu_held, sys_vcpu_extint, sys_vcpu_lint;
commit_function sys_system_info, sys_log_read, sys_log_write, sys_trace_map, sys_system_control;

#endif

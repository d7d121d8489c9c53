/* SPDX-License-Identifier: Apache-2.0 */
/* syscall.h: how a system call travels inside the kernel: decode (check everything, touch nothing), then commit.
 *
 * What can be said of an argument without knowing the call stands in one table (syscall_table.c): a free slot, a
 * capability of a type with rights, a number up to a bound. A commit function finds the objects looked up, checks what is
 * left, and does it.
 */
#ifndef CL_KERNEL_SYSCALL_H
#define CL_KERNEL_SYSCALL_H

#include "abi/syscall.h"
#include "kernel/types.h"

#define SYSCALL_ARGUMENTS 6

struct thread;
struct domain;
struct object;

enum argument_kind {
    ARGUMENT_VALUE = 0, /* anything: the commit function checks it, if there is anything to check */
    ARGUMENT_NEW,       /* a free slot of the caller's table, for the object that the call makes */
    ARGUMENT_OBJECT,    /* a capability: type `type` (OBJECT_NONE: any), with at least `rights` */
    ARGUMENT_MAX,       /* a number of at most `max` */
};

struct argument_rule {
    uint8_t kind; /* enum argument_kind */
    uint8_t type; /* enum object_type */
    uint16_t rights;
    uint32_t max;
};

struct call;
typedef enum cl_status commit_function(struct call *call);

struct syscall_rule {
    const char *name;
    commit_function *commit;
    bool structure; /* decoded and committed under the structure lock */
    uint8_t count;  /* arguments with a rule */
    struct argument_rule argument[SYSCALL_ARGUMENTS];
};

extern const struct syscall_rule syscall_rules[SYS_COUNT];

struct call {
    enum syscall_number number;
    struct thread *thread; /* the caller */
    struct domain *domain; /* and its domain */
    uint64_t argument[SYSCALL_ARGUMENTS];
    struct object *object[SYSCALL_ARGUMENTS]; /* looked up, where the rule says so */
    unsigned rights[SYSCALL_ARGUMENTS];       /* of those capabilities */
    struct object *made;  /* by the call: gets a capability in the new slot; taken apart again if the call fails */
    unsigned made_rights; /* that it gets: all, unless the commit function says otherwise */
    uint64_t value;       /* goes back in RDX */
    bool asleep;          /* the caller waits: whoever wakes it sets its registers */
};

/* The object of argument `index`, which the table says is a struct `type`. */
#define CALL_OBJECT(call, type, index) ((struct type *)(call)->object[index])

/* Where a struct `type` that the call makes is put. */
#define CALL_MADE(call, type) ((struct type **)&(call)->made)

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

/* A name out of the page's data: printable, shorter than `size`, NUL-terminated. CL_BAD_ARGUMENT. */
enum cl_status call_name(const struct call *call, char *name, size_t size) CL_MUST_CHECK;

#endif

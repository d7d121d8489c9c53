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

struct syscall_rule {
    const char *name;
    bool structure; /* decoded and committed under the structure lock */
    uint8_t count;  /* arguments with a rule */
    struct argument_rule argument[SYSCALL_ARGUMENTS];
};

extern const struct syscall_rule syscall_rules[SYS_COUNT];

struct call {
    struct thread *thread; /* the caller */
    struct domain *domain; /* and its domain */
    uint64_t argument[SYSCALL_ARGUMENTS];
    struct object *object[SYSCALL_ARGUMENTS]; /* looked up, where the rule says so */
    unsigned rights[SYSCALL_ARGUMENTS];       /* of those capabilities */
    struct object *made;                      /* by the call: gets a capability with `made_rights` in the new slot */
    unsigned made_rights;
    uint64_t value; /* goes back in RDX */
    bool asleep;    /* the caller waits: whoever wakes it sets its registers */
};

/* The object of argument `index`, which the table says is a struct `type`. */
#define CALL_OBJECT(call, type, index) ((struct type *)(call)->object[index])

/* The commit functions, by group. */
enum cl_status syscall_authority(struct call *call, enum syscall_number number) CL_MUST_CHECK;
enum cl_status syscall_memory(struct call *call, enum syscall_number number) CL_MUST_CHECK;
enum cl_status syscall_execution(struct call *call, enum syscall_number number) CL_MUST_CHECK;
enum cl_status syscall_device(struct call *call, enum syscall_number number) CL_MUST_CHECK;
enum cl_status syscall_guest(struct call *call, enum syscall_number number) CL_MUST_CHECK;
enum cl_status syscall_system(struct call *call, enum syscall_number number) CL_MUST_CHECK;

/* Copy a structure out of the caller's thread page, once, before anything in it is checked. */
void call_arguments(const struct call *call, void *arguments, size_t size);

/* A name out of the page's data: printable, shorter than `size`, NUL-terminated. CL_BAD_ARGUMENT. */
enum cl_status call_name(const struct call *call, char *name, size_t size) CL_MUST_CHECK;

/* The call made an object: all rights to it go into the new slot. */
static inline void call_made(struct call *call, struct object *object)
{
    call->made = object;
    call->made_rights = RIGHT_ALL;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* syscall.h: how a system call travels inside the kernel: decode (check everything, touch nothing), then commit.
 *
 * What can be said of an argument without knowing the call stands in one table (syscall_table.c): a free slot, a
 * capability of a type with rights, a number up to a bound. A commit function finds the objects looked up, checks what is
 * left, and does it.
 */
#ifndef CL_KERNEL_SYSCALL_H
#define CL_KERNEL_SYSCALL_H

#include "kernel/syscall_table.h"
#include "kernel/types.h"

struct thread;
struct domain;
struct object;

struct call {
    uint64_t number;       /* enum syscall_number */
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

/* Find the object in the slot that argument `argument` names, of type `type` (OBJECT_NONE: of any), with all of `rights`.
 * Only to be destroyed it may be destroyed already. No lock: it is good until the call ends (object.h).
 * CL_BAD_CAPABILITY, CL_NO_RIGHT, CL_STOPPED (destroyed). */
enum cl_status call_lookup(struct call *call, unsigned argument, enum object_type type, unsigned rights) CL_MUST_CHECK;

/* A name out of the page's data: printable, shorter than `size`, NUL-terminated. CL_BAD_ARGUMENT. */
enum cl_status call_name(const struct call *call, char *name, size_t size) CL_MUST_CHECK;

#endif

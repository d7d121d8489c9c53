/* SPDX-License-Identifier: Apache-2.0 */
/* syscall.h: how a system call travels inside the kernel: decode (check everything, touch nothing), then commit. */
#ifndef CL_KERNEL_SYSCALL_H
#define CL_KERNEL_SYSCALL_H

#include "abi/syscall.h"
#include "kernel/types.h"

struct thread;
struct domain;

struct call {
    struct thread *thread; /* the caller */
    struct domain *domain; /* and its domain */
    uint64_t a, b, c, d, e, f;
    uint64_t value; /* goes back in RDX */
    bool asleep;    /* the caller waits: whoever wakes it sets its registers */
};

/* The calls of one group; `number` is within the group. Those that create, destroy or map hold the structure lock. */
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

#endif

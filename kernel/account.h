/* SPDX-License-Identifier: Apache-2.0 */
/* account.h: who pays: kernel memory, memory objects and CPU authority (DESIGN.md rule 4). An account is an object: its
 * purses, its CPU authority, and what it has paid for. */
#ifndef CL_KERNEL_ACCOUNT_H
#define CL_KERNEL_ACCOUNT_H

#include "kernel/object.h"
#include "kernel/sched.h"

enum account_purse {
    PURSE_KERNEL, /* objects, tables and page tables, out of the kernel's pool */
    PURSE_MEMORY, /* frames of memory objects */
    PURSE_COUNT
};

struct account {
    struct object object;        /* its own account is the one that it is a part of; NULL: the root */
    uint32_t depth;              /* [o] below the root */
    uint64_t limit[PURSE_COUNT]; /* [o] taken out of the parent's purses */
    uint64_t used[PURSE_COUNT];  /* [a] */
    struct link *objects;        /* [s] what it pays for and was not destroyed */
    uint32_t object_count;       /* [s] */
    struct sched_account sched;
};
/* [o] set once; [s] structure lock; [a] atomic */

/* Take `bytes` from a purse, or refuse with CL_NO_MEMORY and change nothing. NULL is the kernel itself, which always
 * pays. Any CPU, no lock, O(1). */
enum cl_status account_charge(struct account *account, enum account_purse purse, uint64_t bytes) CL_MUST_CHECK;

/* Give `bytes` back. Never more than was charged. */
void account_refund(struct account *account, enum account_purse purse, uint64_t bytes);

/* The account that owns all memory and CPU time. Boot. */
struct account *account_create_root(uint64_t kernel_bytes, uint64_t memory_bytes);

/* A part of `parent`. Structure lock. CL_NO_MEMORY, CL_NO_AUTHORITY, CL_BAD_ARGUMENT. */
enum cl_status account_create(struct account *parent, const struct account_arguments *arguments,
                              struct account **created) CL_MUST_CHECK;

/* Destroy one by one all that it has paid for. */
enum cl_status account_destroy(struct object *object) CL_MUST_CHECK;
bool account_free(struct object *object);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* account_object.h: the account as an object: its purses, its CPU authority, and what it has paid for. */
#ifndef CL_KERNEL_ACCOUNT_OBJECT_H
#define CL_KERNEL_ACCOUNT_OBJECT_H

#include "kernel/account.h"
#include "kernel/object.h"
#include "kernel/sched.h"

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

/* The account that owns all memory and CPU time. Boot. */
struct account *account_create_root(uint64_t kernel_bytes, uint64_t memory_bytes);

/* A part of `parent`. Structure lock. CL_NO_MEMORY, CL_NO_AUTHORITY, CL_BAD_ARGUMENT. */
enum cl_status account_create(struct account *parent, const struct account_arguments *arguments,
                              struct account **created) CL_MUST_CHECK;

/* Destroy one by one all that it has paid for. */
enum cl_status account_destroy(struct object *object) CL_MUST_CHECK;
bool account_free(struct object *object);

#endif

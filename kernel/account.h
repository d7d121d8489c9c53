/* SPDX-License-Identifier: Apache-2.0 */
/* account.h: who pays: kernel memory, memory objects and CPU authority (DESIGN.md rule 4). */
#ifndef CL_KERNEL_ACCOUNT_H
#define CL_KERNEL_ACCOUNT_H

#include "kernel/types.h"

struct account;

enum account_purse {
    PURSE_KERNEL, /* objects, tables and page tables, out of the kernel's pool */
    PURSE_MEMORY, /* frames of memory objects */
    PURSE_COUNT
};

/* Take `bytes` from a purse, or refuse with CL_NO_MEMORY and change nothing. NULL is the kernel itself, which always
 * pays. Any CPU, no lock, O(1). */
enum cl_status account_charge(struct account *account, enum account_purse purse, uint64_t bytes) CL_MUST_CHECK;

/* Give `bytes` back. Never more than was charged. */
void account_refund(struct account *account, enum account_purse purse, uint64_t bytes);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* pool.h: the kernel's own memory: one physically contiguous range, mapped at a random place in the kernel half.
 *
 * Everything that the kernel allocates comes from here: objects, capability tables, page tables, thread and vCPU pages.
 * No frame of a memory object ever does (DESIGN.md rule 2).
 */
#ifndef CL_KERNEL_POOL_H
#define CL_KERNEL_POOL_H

#include "kernel/account.h"
#include "kernel/types.h"

#define POOL_ORDER_MAX 10 /* largest block: 4 MiB */

/* Give the pool its range. Once, on the boot CPU. `virtual_base` maps `physical_base`; both page-aligned; `size_bytes`
 * a multiple of the page size. The pool keeps its own bookkeeping inside the range. */
void pool_init(void *virtual_base, struct hpa physical_base, uint64_t size_bytes);

/* 2^order pages, zeroed, naturally aligned by physical address, charged to `account`; NULL when the account or the pool
 * is empty, and the reason is left as the refusal. At most order 2 is zeroed within the bound of rule 4: larger orders
 * are for boot and capability tables. Takes the pool lock (innermost but for the log). */
void *pool_pages(struct account *account, unsigned order) CL_MUST_CHECK;
void pool_pages_free(struct account *account, void *pages, unsigned order);

/* A zeroed object of `size_bytes` (at most 2048), aligned to 64, charged to `account` by its size class. */
void *pool_object(struct account *account, size_t size_bytes) CL_MUST_CHECK;
void pool_object_free(struct account *account, void *object, size_t size_bytes);

/* Pool addresses and physical addresses, both O(1). The pointer must lie in the pool. */
struct hpa pool_physical(const void *pointer);
void *pool_virtual(struct hpa physical);
bool pool_contains(struct hpa physical);

uint64_t pool_size(void);
uint64_t pool_free_bytes(void);

#endif

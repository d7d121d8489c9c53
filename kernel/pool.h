/* SPDX-License-Identifier: Apache-2.0 */
/* pool.h: the kernel's own memory: one physically contiguous range, mapped at a random place in the kernel half.
 *
 * Everything that the kernel allocates comes from here: objects, capability tables, page tables, thread and vCPU pages.
 * No frame of a memory object ever does (DESIGN.md rule 2).
 */
#ifndef CL_KERNEL_POOL_H
#define CL_KERNEL_POOL_H

#include "kernel/types.h"

struct account;

#define POOL_SHIFT_MAX LARGE_SHIFT /* of the largest block */

/* Give the pool its range. Once, on the boot CPU. `virtual_base` maps `physical_base`, which is aligned as the
 * largest block is; `size_bytes` a multiple of the page size. The pool keeps its own bookkeeping inside the range. */
void pool_init(void *virtual_base, struct hpa physical_base, uint64_t size_bytes);

/* A block of at least `size_bytes`: the next power of two from 64 bytes to 2 MiB, zeroed, naturally aligned by physical
 * address, and charged to `account` as such; NULL when the account or the pool is empty, with the reason left as the
 * refusal. At most 16 KiB are zeroed within the bound of rule 4: larger blocks are for boot and capability tables.
 * Takes the pool lock (innermost but for the log). */
void *pool_take(struct account *account, uint64_t size_bytes) CL_MUST_CHECK;

/* Give a block back to the account that paid for it; NULL is no block. */
void pool_give(struct account *account, void *block);

/* How large the block is that begins at `block`. */
uint64_t pool_bytes_of(const void *block);

/* A word beside a block of whole pages, for whoever has taken it: it begins as NULL. */
void **pool_note(const void *block);

/* Pool addresses and physical addresses, both O(1). The pointer must lie in the pool. */
struct hpa pool_physical(const void *pointer);
void *pool_virtual(struct hpa physical);

uint64_t pool_size(void);
uint64_t pool_free_bytes(void);

#endif

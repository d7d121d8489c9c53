/* SPDX-License-Identifier: Apache-2.0 */
/* pages.h: pages of memory for the C library: what mmap(), mprotect(), munmap(), mremap() and brk() come to.
 *
 * The range of free addresses that the start block gives is used from its beginning for the pages of threads, for brk,
 * for small pieces (an arena that grows and is recycled page by page) and for regions of PAGES_REGION_MIN bytes and
 * more, each of which is a memory object of its own that goes back to the account when it is freed. Thread stacks are
 * regions too: their addresses are reserved first, and all but the guard page gets memory afterwards.
 *
 * Memory is always fresh or cleared. All functions are callable from any thread.
 */
#ifndef CL_LIB_PAGES_H
#define CL_LIB_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/status.h"

#define PAGE_BYTES UINT64_C(4096)
#define PAGES_REGION_MIN UINT64_C(0x80000) /* 512 KiB */
#define PAGES_REGIONS_MAX 256

/* Start-up: the addresses [address, address + size) are free. CL_LIMIT: fewer than PAGES_ADDRESSES_MIN. */
#define PAGES_ADDRESSES_MIN UINT64_C(0x80000000) /* 2 GiB */
CL_MUST_CHECK enum cl_status pages_begin(uint64_t address, uint64_t size_bytes);

/* Addresses for the pages of threads, THREADS_MAX of them. */
uint64_t pages_for_threads(void);

/* `bytes`, rounded up to pages, somewhere. `reserve`: addresses only, to be filled by pages_commit().
 * CL_NO_MEMORY: the account is empty. CL_LIMIT: too many regions, or no addresses or slots left. */
CL_MUST_CHECK enum cl_status pages_alloc(uint64_t bytes, bool reserve, uint64_t *address);

/* Put memory into one part of a reserved region, once. CL_OK without effect where memory is already.
 * CL_NOT_FOUND: nothing was reserved there. CL_UNSUPPORTED: a second part of the same region. */
CL_MUST_CHECK enum cl_status pages_commit(uint64_t address, uint64_t bytes);

/* Give back what pages_alloc() gave; from the arena also a part of it. CL_NOT_FOUND: there is no such piece. */
CL_MUST_CHECK enum cl_status pages_free(uint64_t address, uint64_t bytes);

/* Make [address, address + old) `new_bytes` long, where it is or elsewhere (`move`), with its contents. */
CL_MUST_CHECK enum cl_status pages_resize(uint64_t address, uint64_t old_bytes, uint64_t new_bytes, bool move,
                                          uint64_t *new_address);

/* brk(): move the end to `end` if it can be had; the end as it is then. The page at the beginning never has memory:
 * malloc wants a guard there. */
uint64_t pages_brk(uint64_t end);

#endif

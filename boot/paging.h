/* SPDX-License-Identifier: Apache-2.0 */
/* paging.h: the loader's own page tables, on which the kernel takes its first steps.
 *
 * Physical memory one to one and the kernel at its linked addresses, all writable and executable: the kernel replaces
 * them by tables with rights as soon as it has a pool.
 */
#ifndef CL_BOOT_PAGING_H
#define CL_BOOT_PAGING_H

#include <stdbool.h>
#include <stdint.h>

#include "boot/text.h"

struct paging_plan {
    uint64_t identity_end;    /* map [0, identity_end), rounded up to 1 GiB */
    bool pages_1gib;          /* the CPU has 1 GiB pages (CPUID 80000001h EDX[26]) */
    uint64_t kernel_virtual;  /* page-aligned, in the top 2 GiB */
    uint64_t kernel_physical; /* page-aligned */
    uint64_t kernel_bytes;
};

/* How many 4 KiB pages paging_build() takes. */
uint64_t paging_pages_needed(const struct paging_plan *plan);

/* Build the tables in `pool`, `pool_pages` zeroed pages at a page-aligned address that is also their physical one.
 *
 * CL_OK: the first page is the PML4. CL_LIMIT: refused, memory beyond 128 TiB; CL_NO_MEMORY: the pool is too small.
 */
CL_MUST_CHECK enum cl_status paging_build(const struct paging_plan *plan, uint64_t *pool, uint64_t pool_pages);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* paging.h: the loader's own page tables, on which the kernel takes its first steps, and the firmware its last.
 *
 * Physical memory one to one and the kernel at its linked addresses, writable and executable, and the kernel's pool at
 * its place: enough for the kernel to build tables with rights in its pool.
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
    uint64_t pool_virtual; /* a multiple of 1 GiB; the next two of 2 MiB, at most 1 GiB */
    uint64_t pool_physical;
    uint64_t pool_bytes;
};

/* How many 4 KiB pages paging_build() takes. */
uint64_t paging_pages_needed(const struct paging_plan *plan);

/* Build the tables in `pool`, `pool_pages` zeroed pages at a page-aligned address that is also their physical one.
 *
 * CL_OK: the first page is the PML4. CL_LIMIT: refused, memory beyond 128 TiB; CL_NO_MEMORY: the pool is too small.
 */
CL_MUST_CHECK enum cl_status paging_build(const struct paging_plan *plan, uint64_t *pool, uint64_t pool_pages);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* guest_paging.h: a guest-virtual address through the guest's own page tables, as its CPU would.
 *
 * All four modes: no paging, 32-bit, PAE, 4-level (SDM Vol. 3A 4.3 to 4.5). Accessed and dirty bits are set as the CPU
 * does, by compare-and-swap: the guest's other CPUs walk the same tables.
 */
#ifndef CL_VMM_GUEST_PAGING_H
#define CL_VMM_GUEST_PAGING_H

#include "abi/vcpu.h"
#include "vmm/guest_memory.h"

#define PAGE_FAULT_PRESENT 1u
#define PAGE_FAULT_WRITE 2u
#define PAGE_FAULT_USER 4u
#define PAGE_FAULT_RESERVED 8u
#define PAGE_FAULT_FETCH 16u

/* Translate `linear` for an access of kind `access` (PAGE_FAULT_WRITE, _USER, _FETCH). CL_OK: `*physical`.
 * CL_NOT_FOUND: the guest would take a page fault with `*error_code`. CL_BAD_ARGUMENT: a table lies outside of RAM. */
enum cl_status guest_translate(const struct guest_memory *memory, const struct vcpu_page *cpu, uint64_t linear,
                               uint32_t access, uint64_t *physical, uint32_t *error_code) CL_MUST_CHECK;

#endif

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

#define GUEST_PAGE_OFFSET UINT64_C(0xFFF)
#define PAGE_FAULT_PRESENT 1u
#define PAGE_FAULT_WRITE 2u
#define PAGE_FAULT_USER 4u
#define PAGE_FAULT_RESERVED 8u
#define PAGE_FAULT_FETCH 16u

/* How a translation in long mode was found. It is the same again as long as the registers that rule paging and all
 * entries on the way are: then there is no need to walk. */
struct guest_path {
    bool known;
    unsigned levels;
    uint32_t access;
    uint64_t page; /* linear address of the page */
    uint64_t cr0, cr3, cr4, efer;
    uint64_t physical;     /* of the page */
    const uint64_t *at[4]; /* in the guest's memory */
    uint64_t entry[4];     /* what stood there */
};

/* Translate `linear` for an access of kind `access` (PAGE_FAULT_WRITE, _USER, _FETCH). CL_OK: `*physical`.
 * CL_NOT_FOUND: the guest would take a page fault with `*error_code`. CL_BAD_ARGUMENT: a table lies outside of RAM. */
enum cl_status guest_translate(const struct guest_memory *memory, const struct vcpu_page *cpu, uint64_t linear,
                               uint32_t access, uint64_t *physical, uint32_t *error_code) CL_MUST_CHECK;

enum cl_status guest_path_walk(struct guest_path *path, const struct guest_memory *memory, const struct vcpu_page *cpu,
                               uint64_t linear, uint32_t access, uint64_t *physical,
                               uint32_t *error_code) CL_MUST_CHECK;

/* The same for accesses that are never PAGE_FAULT_WRITE and as a rule go where the last one went. */
static inline enum cl_status CL_MUST_CHECK guest_translate_again(struct guest_path *path,
                                                                 const struct guest_memory *memory,
                                                                 const struct vcpu_page *cpu, uint64_t linear,
                                                                 uint32_t access, uint64_t *physical,
                                                                 uint32_t *error_code)
{
    uint64_t changed = 1;

    if (path->known) {
        changed = (path->page ^ (linear & ~GUEST_PAGE_OFFSET)) | (path->access ^ access) | (path->cr0 ^ cpu->cr0) |
                  (path->cr3 ^ cpu->cr3) | (path->cr4 ^ cpu->cr4) | (path->efer ^ cpu->efer);
        for (unsigned i = 0; i < path->levels; i++)
            changed |= __atomic_load_n(path->at[i], __ATOMIC_RELAXED) ^ path->entry[i];
    }
    if (changed != 0)
        return guest_path_walk(path, memory, cpu, linear, access, physical, error_code);
    *physical = path->physical | (linear & GUEST_PAGE_OFFSET);
    return CL_OK;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* guest_paging.c: the walk. */
#include "vmm/guest_paging.h"

#define CR0_WP (UINT64_C(1) << 16)
#define CR0_PG (UINT64_C(1) << 31)
#define CR4_PSE (UINT64_C(1) << 4)
#define CR4_PAE (UINT64_C(1) << 5)
#define CR4_SMEP (UINT64_C(1) << 20)
#define CR4_SMAP (UINT64_C(1) << 21)
#define EFER_LMA (UINT64_C(1) << 10)
#define EFER_NXE (UINT64_C(1) << 11)
#define RFLAGS_AC (UINT64_C(1) << 18)

#define ENTRY_PRESENT UINT64_C(1)
#define ENTRY_WRITE UINT64_C(2)
#define ENTRY_USER UINT64_C(4)
#define ENTRY_ACCESSED UINT64_C(0x20)
#define ENTRY_DIRTY UINT64_C(0x40)
#define ENTRY_LARGE UINT64_C(0x80)
#define ENTRY_NX (UINT64_C(1) << 63)
#define ADDRESS_MASK UINT64_C(0x000FFFFFFFFFF000)

/* All is walked by one function, which the compiler makes anew for each of the three kinds of tables: the loop is on the
 * way of every device access. */
#define FOR_EACH_KIND static inline __attribute__((always_inline))

struct walk {
    const struct guest_memory *memory;
    uint64_t linear;
    uint64_t table; /* guest-physical address of the table of this level */
    unsigned shift; /* of the index into it */
    unsigned bits;  /* of the index: 9, or 10 with 4-byte entries */
    bool wide;      /* 8-byte entries */
    bool long_mode;
};

FOR_EACH_KIND void *entry_at(const struct walk *w)
{
    uint64_t size = w->wide ? 8 : 4, index = w->linear >> w->shift & ((UINT64_C(1) << w->bits) - 1);

    return guest_memory_at(w->memory, w->table + index * size, size);
}

FOR_EACH_KIND uint64_t entry_load(const struct walk *w, const void *entry)
{
    return w->wide ? __atomic_load_n((const uint64_t *)entry, __ATOMIC_RELAXED)
                   : __atomic_load_n((const uint32_t *)entry, __ATOMIC_RELAXED);
}

/* Set bits that the CPU would set; a change by another CPU meanwhile makes it one walk earlier than ours. */
static void entry_mark(const struct walk *w, void *entry, uint64_t bits)
{
    if (w->wide)
        __atomic_fetch_or((uint64_t *)entry, bits, __ATOMIC_RELAXED);
    else
        __atomic_fetch_or((uint32_t *)entry, (uint32_t)bits, __ATOMIC_RELAXED);
}

static bool allowed(const struct vcpu_page *cpu, uint64_t rights, uint32_t access)
{
    bool user_page = (rights & ENTRY_USER) != 0, writable = (rights & ENTRY_WRITE) != 0;

    if (access & PAGE_FAULT_FETCH && rights & ENTRY_NX && cpu->efer & EFER_NXE)
        return false;
    if (access & PAGE_FAULT_USER)
        return user_page && (writable || !(access & PAGE_FAULT_WRITE));
    if (user_page && access & PAGE_FAULT_FETCH && cpu->cr4 & CR4_SMEP)
        return false;
    if (user_page && !(access & PAGE_FAULT_FETCH) && cpu->cr4 & CR4_SMAP && !(cpu->rflags & RFLAGS_AC))
        return false;
    return writable || !(access & PAGE_FAULT_WRITE) || !(cpu->cr0 & CR0_WP);
}

FOR_EACH_KIND uint64_t leaf_address(const struct walk *w, uint64_t entry)
{
    uint64_t offset = w->linear & ((UINT64_C(1) << w->shift) - 1);
    uint64_t base = entry & ADDRESS_MASK & ~((UINT64_C(1) << w->shift) - 1);

    if (!w->wide && w->shift == 22) /* PSE-36: bits 20:13 are address bits 39:32 (SDM table 4-4) */
        base = (entry & 0xFFC00000u) | (entry >> 13 & 0xFF) << 32;
    return base | offset;
}

FOR_EACH_KIND bool is_leaf(const struct walk *w, const struct vcpu_page *cpu, uint64_t entry)
{
    if (w->shift == 12)
        return true;
    if (!(entry & ENTRY_LARGE))
        return false;
    if (!w->wide)
        return w->shift == 22 && cpu->cr4 & CR4_PSE;
    return w->shift == 21 || (w->shift == 30 && w->long_mode);
}

/* `path`: where to note the entries, or NULL. */
FOR_EACH_KIND enum cl_status walk(struct walk *w, const struct vcpu_page *cpu, uint32_t access, uint64_t *physical,
                                  uint32_t *error_code, struct guest_path *path)
{
    uint64_t all = ENTRY_WRITE | ENTRY_USER, any = 0; /* what every entry, and at least one, has */

    for (;;) {
        void *at = entry_at(w);
        uint64_t entry;

        if (at == NULL)
            return CL_BAD_ARGUMENT;
        entry = entry_load(w, at);
        if (!(entry & ENTRY_PRESENT)) {
            *error_code = access & ~(access & PAGE_FAULT_FETCH && !(cpu->efer & EFER_NXE) ? PAGE_FAULT_FETCH : 0);
            return CL_NOT_FOUND;
        }
        all &= entry;
        any |= entry;
        if (path != NULL) {
            path->levels = (39 - w->shift) / 9 + 1;
            path->at[path->levels - 1] = at;
            path->entry[path->levels - 1] = entry | ENTRY_ACCESSED;
        }
        if (is_leaf(w, cpu, entry)) {
            uint64_t marks = ENTRY_ACCESSED | (access & PAGE_FAULT_WRITE ? ENTRY_DIRTY : 0);

            if (!allowed(cpu, all | (any & ENTRY_NX), access)) {
                *error_code = access | PAGE_FAULT_PRESENT;
                return CL_NOT_FOUND;
            }
            if ((entry & marks) != marks)
                entry_mark(w, at, marks);
            *physical = leaf_address(w, entry);
            return CL_OK;
        }
        if (!(entry & ENTRY_ACCESSED))
            entry_mark(w, at, ENTRY_ACCESSED);
        w->table = entry & (w->wide ? ADDRESS_MASK : 0xFFFFF000u);
        w->shift -= w->bits;
    }
}

/* A processor that keeps the four PDPTEs gives them all; one of them at least is present, for the instruction came from
 * there. With nested paging AMD's reads them from memory at every walk (APM Vol. 2 15.25.10), and gives none.
 */
static enum cl_status load_pdpte(const struct guest_memory *memory, const struct vcpu_page *cpu, unsigned index,
                                 uint64_t *entry)
{
    for (unsigned i = 0; i < 4; i++) {
        if (cpu->pdpte[i] != 0) {
            *entry = cpu->pdpte[index];
            return CL_OK;
        }
    }
    return guest_memory_read(memory, (cpu->cr3 & 0xFFFFFFE0u) + index * 8, entry, sizeof(*entry));
}

enum cl_status guest_translate(const struct guest_memory *memory, const struct vcpu_page *cpu, uint64_t linear,
                               uint32_t access, uint64_t *physical, uint32_t *error_code)
{
    if (!(cpu->cr0 & CR0_PG)) {
        *physical = linear & UINT32_MAX;
        return CL_OK;
    }
    if (cpu->efer & EFER_LMA) {
        struct walk w = { memory, linear, cpu->cr3 & ADDRESS_MASK, 39, 9, true, true };

        return walk(&w, cpu, access, physical, error_code, NULL);
    }
    linear &= UINT32_MAX;
    if (cpu->cr4 & CR4_PAE) {
        struct walk w = { memory, linear, 0, 21, 9, true, false };
        uint64_t entry;

        TRY(load_pdpte(memory, cpu, linear >> 30 & 3, &entry));
        if (!(entry & ENTRY_PRESENT)) {
            *error_code = access;
            return CL_NOT_FOUND;
        }
        w.table = entry & ADDRESS_MASK;
        return walk(&w, cpu, access, physical, error_code, NULL);
    }
    struct walk w = { memory, linear, cpu->cr3 & 0xFFFFF000u, 22, 10, false, false };

    return walk(&w, cpu, access, physical, error_code, NULL);
}

enum cl_status guest_path_walk(struct guest_path *path, const struct guest_memory *memory, const struct vcpu_page *cpu,
                               uint64_t linear, uint32_t access, uint64_t *physical, uint32_t *error_code)
{
    struct walk w = { memory, linear, cpu->cr3 & ADDRESS_MASK, 39, 9, true, true };

    if (!(cpu->cr0 & CR0_PG) || !(cpu->efer & EFER_LMA))
        return guest_translate(memory, cpu, linear, access, physical, error_code);
    path->known = false;
    TRY(walk(&w, cpu, access, physical, error_code, path));
    path->access = access;
    path->page = linear & ~GUEST_PAGE_OFFSET;
    path->cr0 = cpu->cr0;
    path->cr3 = cpu->cr3;
    path->cr4 = cpu->cr4;
    path->efer = cpu->efer;
    path->physical = *physical & ~GUEST_PAGE_OFFSET;
    path->known = true;
    return CL_OK;
}

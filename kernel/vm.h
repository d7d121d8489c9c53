/* SPDX-License-Identifier: Apache-2.0 */
/* vm.h: a virtual machine: guest-physical memory, CPUID and MSR policy, doorbells, interrupt routing. */
#ifndef CL_KERNEL_VM_H
#define CL_KERNEL_VM_H

#include "abi/syscall.h"
#include "kernel/lock.h"
#include "kernel/memory.h"

#define VM_VCPUS_MAX 64
#define VM_DOORBELLS_MAX 64
#define VM_NAME_MAX 32
#define VM_CPUID_SPREAD 32
#define VM_CPUID_NONE 0xff /* above VM_CPUID_MAX */

struct vcpu;
struct notification;

struct vm_doorbell {
    struct notification *target; /* [a] holds a reference; NULL: there is no doorbell here */
    uint16_t port;               /* [s] written before the target */
    uint8_t width_bytes;         /* [s] */
    uint8_t bit;                 /* [s] */
};

struct vm {
    struct object object;
    struct space space; /* guest-physical → frames; nested page table */
    void *virt;         /* [o] the backend's permission maps */
    char name[VM_NAME_MAX];
    struct vcpu *vcpu[VM_VCPUS_MAX]; /* [s] by APIC ID; entries never change once set */
    uint32_t vcpu_count;             /* [s] */
    struct notification *events;     /* [o] EOIs of level vectors */
    uint64_t tsc_offset;             /* [o] its vCPUs' until they write their TSC: they all begin with the same one */
    uint32_t events_bit;
    uint64_t eoi[4];                           /* [a] vectors whose EOI the VMM has not seen */
    struct vm_cpuid_entry cpuid[VM_CPUID_MAX]; /* [s] sorted; changed only before the first vCPU runs */
    uint32_t cpuid_count;
    /* [s] by class of leaf and its low bits: where to look, or VM_CPUID_NONE */
    uint8_t cpuid_first[4][VM_CPUID_SPREAD];
    struct vm_msr_entry msr[VM_MSR_MAX]; /* [s] likewise */
    uint32_t msr_count;
    struct vm_doorbell doorbell[VM_DOORBELLS_MAX]; /* read without a lock */
    uint32_t doorbell_used;                        /* [s] slots ever used: how far a look-up goes */
};
/* [o] set once; [s] structure lock; [a] atomic */

/* An empty VM. `events` hears of EOIs of level vectors by `bit`. Structure lock. */
enum cl_status vm_create(struct account *account, const char *name, struct notification *events, unsigned bit,
                         struct vm **created) CL_MUST_CHECK;
enum cl_status vm_destroy(struct object *object) CL_MUST_CHECK;
/* The last thing of its life, in pieces: true when done. */
bool vm_free(struct object *object);

/* Put entries [first, first + count) of the CPUID or MSR policy in place; refused once a vCPU exists, and when the table
 * would not be sorted. Structure lock. */
enum cl_status vm_policy_cpuid(struct vm *vm, uint64_t first, uint64_t count,
                               const struct vm_cpuid_entry *entries) CL_MUST_CHECK;
enum cl_status vm_policy_msr(struct vm *vm, uint64_t first, uint64_t count,
                             const struct vm_msr_entry *entries) CL_MUST_CHECK;

/* Leaves stand in three ranges of CPUID numbers: basic, 4000xxxxh of the hypervisor, 8000xxxxh extended. */
static inline unsigned vm_leaf_class(uint32_t leaf)
{
    return leaf >> 30;
}

/* Set in an entry's flags by the kernel: live bits are laid over it. */
#define VM_CPUID_LIVE (1u << 31)

/* Look up; NULL: no such entry. No lock. The first entry of a leaf is at its index unless another leaf shares that
 * (40000000h and 40000100h do): entries are sorted, so from there on it is a short walk. */
static inline const struct vm_cpuid_entry *vm_cpuid_find(const struct vm *vm, uint32_t leaf, uint32_t subleaf)
{
    const struct vm_cpuid_entry *end = vm->cpuid + vm->cpuid_count;
    const struct vm_cpuid_entry *entry = vm->cpuid + vm->cpuid_first[vm_leaf_class(leaf)][leaf % VM_CPUID_SPREAD];

    for (; entry < end && entry->leaf <= leaf; entry++) {
        if (entry->leaf == leaf && ((entry->flags & VM_CPUID_SUBLEAF) == 0 || entry->subleaf == subleaf))
            return entry;
    }
    return NULL;
}

const struct vm_msr_entry *vm_msr_find(const struct vm *vm, uint32_t index);

/* A write of `width` bytes to `port` sets `bit` of `target` and nothing else. Structure lock. CL_OCCUPIED, CL_LIMIT. */
enum cl_status vm_doorbell_add(struct vm *vm, uint16_t port, unsigned width, struct notification *target,
                               unsigned bit) CL_MUST_CHECK;
enum cl_status vm_doorbell_remove(struct vm *vm, uint16_t port, unsigned width) CL_MUST_CHECK;
/* Ring it; false when there is none. No lock. */
bool vm_doorbell_ring(struct vm *vm, uint16_t port, unsigned width);

/* Deliver a message to the vCPUs that it addresses. Any CPU. */
struct vlapic_message;
void vm_deliver(struct vm *vm, const struct vlapic_message *message);

#endif

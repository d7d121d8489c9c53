/* SPDX-License-Identifier: Apache-2.0 */
/* cpuid.h: which CPU a VM sees: the host's, without what a guest must not have, with what a hypervisor adds. */
#ifndef CL_VMM_CPUID_H
#define CL_VMM_CPUID_H

#include <stdbool.h>

#include "abi/status.h"
#include "abi/syscall.h"
#include "abi/vcpu.h"

struct cpuid_policy {
    unsigned count;
    struct vm_cpuid_entry entry[VM_CPUID_MAX]; /* sorted */
    uint64_t cr4;                              /* CR4 bits that exist */
    uint64_t xcr0;
};

struct cpuid_options {
    unsigned cpus; /* vCPUs of the VM, APIC IDs 0 to cpus - 1 */
    uint64_t tsc_hz;
    uint64_t apic_hz; /* of the local APIC's timer */
    uint64_t xcr0;    /* XSAVE components that guests may have */
    bool no_xsavec;   /* guests are not to have it: xsavec.h */
};

/* Make the policy out of the host's leaves (`host`, in any order, VM_CPUID_SUBLEAF where subleaves count). CL_LIMIT:
 * more entries than the kernel takes; CL_BAD_ARGUMENT: the host's basic leaves are missing. */
enum cl_status cpuid_build(struct cpuid_policy *policy, const struct vm_cpuid_entry *host, unsigned host_count,
                           const struct cpuid_options *options) CL_MUST_CHECK;

/* What the VM's CPUID gives, with the live bits that the kernel lays over it: for an instruction that was decoded. */
void cpuid_query(const struct cpuid_policy *policy, const struct vcpu_page *cpu, uint32_t apic_id, uint32_t leaf,
                 uint32_t subleaf, uint32_t result[4]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* vmx.c: VT-x is recognised and named; it runs no guest yet (docs/limits.md). */
#include "kernel/assert.h"
#include "kernel/virt.h"
#include "kernel/x86.h"

#define CPUID_1_ECX_VMX (1u << 5)

static enum cl_status vmx_probe(uint64_t *guest_cpus)
{
    (void)guest_cpus;
    if ((x86_cpuid(1, 0).ecx & CPUID_1_ECX_VMX) == 0)
        return refuse(CL_UNSUPPORTED, "VT-x: the CPU has none");
    return refuse(CL_UNSUPPORTED, "VT-x: present, but this build runs VMs on AMD-V only (docs/limits.md)");
}

const struct virt_ops vmx_ops = { .name = "VT-x", .nested_format = &pt_format_ept, .probe = vmx_probe };

/* SPDX-License-Identifier: Apache-2.0 */
/* cpu.c: VT-x on each physical CPU, and the table of operations that the kernel sees. */
#include "kernel/assert.h"
#include "kernel/cpu.h"
#include "kernel/pool.h"
#include "vmx/instructions.h"
#include "vmx/vmx.h"

struct vmx_cpu vmx_cpus[MAX_CPUS];

/* SDM Vol. 3C 24.7, 24.11.5. Firmware that left IA32_FEATURE_CONTROL open wants it locked. The page of a CPU is taken
 * once and stays with it. Whoever ran guests before us may have left translations. */
enum cl_status vmx_cpu_enable(void)
{
    struct vmx_cpu *cpu = &vmx_cpus[cpu_index()];
    uint64_t control = x86_rdmsr(MSR_FEATURE_CONTROL);

    if (!(control & FEATURE_CONTROL_LOCK))
        x86_wrmsr(MSR_FEATURE_CONTROL, control | FEATURE_CONTROL_VMX | FEATURE_CONTROL_LOCK);
    else if (!(control & FEATURE_CONTROL_VMX))
        return refuse(CL_UNSUPPORTED, "VT-x is disabled and locked on CPU %u", cpu_index());
    if (cpu->vmxon == NULL)
        cpu->vmxon = pool_take(NULL, PAGE_SIZE);
    if (cpu->vmxon == NULL)
        return CL_NO_MEMORY;

    *cpu->vmxon = vmx_host.revision;
    x86_write_cr4(x86_read_cr4() | CR4_VMXE);
    if (!vmx_vmxon(pool_physical(cpu->vmxon).value))
        return refuse(CL_UNSUPPORTED, "VMXON failed on CPU %u", cpu_index());
    for (unsigned i = 0; i < VMX_SWITCHED; i++)
        cpu->host_msr[i] = x86_rdmsr(vmx_switched[i]);
    cpu->generation++;
    cpu->next_vpid = 1;
    if (vmx_host.used[WORD_SECONDARY] & SECONDARY_VPID)
        vmx_invvpid_all();
    vmx_invept_all();
    return CL_OK;
}

/* SDM Vol. 3C 29.4.3.1: what was made through any EPT goes, under every VPID. */
void vmx_cpu_flush(void)
{
    vmx_invept_all();
}

const struct virt_ops vmx_ops = {
    .name = "VT-x",
    .nested_format = &pt_format_ept,
    .probe = vmx_probe,
    .cpu_enable = vmx_cpu_enable,
    .vm_create = vmx_vm_create,
    .vm_destroy = vmx_vm_destroy,
    .vcpu_create = vmx_vcpu_create,
    .vcpu_destroy = vmx_vcpu_destroy,
    .vcpu_load = vmx_vcpu_load,
    .vcpu_park = vmx_vcpu_park,
    .vcpu_unload = vmx_vcpu_unload,
    .vcpu_enter = vmx_vcpu_enter,
    .vcpu_get = vmx_vcpu_get,
    .vcpu_set = vmx_vcpu_set,
    .vcpu_interruptible = vmx_vcpu_interruptible,
    .vcpu_inject = vmx_vcpu_inject,
    .vcpu_window = vmx_vcpu_window,
    .vcpu_advance = vmx_vcpu_advance,
    .vcpu_msr = vmx_vcpu_msr,
    .cpu_flush = vmx_cpu_flush,
    .vcpu_audit = vmx_vcpu_audit,
};

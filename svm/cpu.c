/* SPDX-License-Identifier: Apache-2.0 */
/* cpu.c: AMD-V on each physical CPU, and the table of operations that the kernel sees. */
#include "kernel/cpu.h"
#include "kernel/pool.h"
#include "kernel/string.h"
#include "svm/svm.h"

struct svm_cpu svm_cpus[MAX_CPUS];

/* APM Vol. 2 15.4, 15.30.4. The two pages of a CPU are taken once and stay with it. The I/O permission map is
 * one for all: every port exits, from every VM. No guest runs before all CPUs are enabled. */
enum cl_status svm_cpu_enable(void)
{
    struct svm_cpu *cpu = &svm_cpus[cpu_index()];

    if (cpu->host_area == NULL)
        cpu->host_area = pool_take(NULL, HOST_BYTES);
    if (cpu->host_area == NULL)
        return CL_NO_MEMORY;
    if (svm_host.iopm_pa == 0) {
        void *iopm = pool_take(NULL, IOPM_BYTES);

        if (iopm == NULL)
            return CL_NO_MEMORY;
        memset(iopm, 0xFF, IOPM_BYTES);
        svm_host.iopm_pa = pool_physical(iopm).value;
    }
    cpu->host_pa = pool_physical(cpu->host_area).value;

    x86_wrmsr(MSR_EFER, x86_rdmsr(MSR_EFER) | EFER_SVME);
    x86_wrmsr(MSR_VM_HSAVE_PA, cpu->host_pa + PAGE_SIZE);
    cpu->generation++;
    cpu->next_asid = svm_host.asid_count; /* whoever ran guests before us may have left translations */
    return CL_OK;
}

void svm_cpu_flush(void)
{
    svm_asid_void_all(&svm_cpus[cpu_index()]);
}

const struct virt_ops svm_ops = {
    .name = "AMD-V",
    .nested_format = &pt_format_npt,
    .probe = svm_probe,
    .cpu_enable = svm_cpu_enable,
    .vm_create = svm_vm_create,
    .vm_destroy = svm_vm_destroy,
    .vcpu_create = svm_vcpu_create,
    .vcpu_destroy = svm_vcpu_destroy,
    .vcpu_load = svm_vcpu_load,
    .vcpu_unload = svm_vcpu_unload,
    .vcpu_enter = svm_vcpu_enter,
    .vcpu_get = svm_vcpu_get,
    .vcpu_set = svm_vcpu_set,
    .vcpu_interruptible = svm_vcpu_interruptible,
    .vcpu_inject = svm_vcpu_inject,
    .vcpu_window = svm_vcpu_window,
    .vcpu_advance = svm_vcpu_advance,
    .vcpu_msr = svm_vcpu_msr,
    .cpu_flush = svm_cpu_flush,
    .vcpu_audit = svm_vcpu_audit,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* msr.c: the MSRs of the VMCS, and of those beside it, whose accesses exit. */
#include "kernel/vcpu.h"
#include "vmx/instructions.h"
#include "vmx/vmx.h"

void vmx_efer_write(uint64_t efer)
{
    vmx_write(VMCS_GUEST_EFER, efer);
    vmx_write(VMCS_ENTRY_CONTROLS, vmx_host.used[WORD_ENTRY] | (efer & EFER_LMA ? ENTRY_GUEST_64 : 0));
}

/* LME does not change while paging is on. */
static bool efer_write(struct vmx_vcpu *vmx, uint64_t value)
{
    uint64_t old = vmx_read(VMCS_GUEST_EFER), cr0 = vmx_read(VMCS_GUEST_CR0);

    if ((value & ~guest_cpu.efer_valid) || ((cr0 & CR0_PG) && ((value ^ old) & EFER_LME)))
        return false;
    vmx_efer_write(guest_efer_lma(value, cr0));
    if ((value ^ old) & EFER_NXE)
        vmx_vpid_flush(vmx);
    return true;
}

/* STAR, LSTAR, CSTAR or SFMASK: reading does not exit (permissions.c). */
static bool switched_write(struct vmx_vcpu *vmx, uint32_t index, uint64_t value)
{
    unsigned name = index - MSR_STAR;

    if ((index == MSR_LSTAR || index == MSR_CSTAR) && !guest_canonical(value))
        return false;
    if (index == MSR_SFMASK && value > UINT32_MAX)
        return false;
    vmx->msr[name] = value;
    x86_wrmsr(index, value);
    return true;
}

/* Loaded, and after an exit: the guest's are in the registers. */
bool vmx_vcpu_msr(struct vcpu *vcpu, uint32_t index, bool write, uint64_t *value)
{
    struct vmx_vcpu *vmx = vcpu->virt;
    bool is_aux = index == MSR_TSC_AUX && guest_cpu.has_rdtscp;

    if (write && index >= MSR_STAR && index <= MSR_SFMASK)
        return switched_write(vmx, index, *value);
    if (index == MSR_EFER && write)
        return efer_write(vmx, *value);
    if (index == MSR_EFER) {
        *value = vmx_read(VMCS_GUEST_EFER);
    } else if (index == MSR_PAT && !write) {
        *value = vmx_read(VMCS_GUEST_PAT);
    } else if (index == MSR_PAT && guest_pat_valid(*value)) {
        vmx_write(VMCS_GUEST_PAT, *value);
    } else if (is_aux && !write) {
        *value = vmx->tsc_aux;
    } else if (is_aux && *value <= UINT32_MAX) {
        vmx->tsc_aux = *value;
        x86_wrmsr(MSR_TSC_AUX, vmx->tsc_aux);
    } else {
        return false;
    }
    return true;
}

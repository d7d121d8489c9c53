/* SPDX-License-Identifier: Apache-2.0 */
/* msr.c: the MSRs of the VMCB whose accesses exit. */
#include "kernel/vcpu.h"
#include "svm/svm.h"

/* SVME is set for VMRUN's sake and the guest never sees it. LME does not change while paging is on. */
static bool efer_write(struct svm_vcpu *svm, uint64_t value)
{
    struct vmcb_save *save = &svm->vmcb->save;
    uint64_t old = save->efer;

    if (value & ~guest_cpu.efer_valid)
        return false;
    if ((save->cr0 & CR0_PG) && ((value ^ old) & EFER_LME))
        return false;
    save->efer = guest_efer_lma(value, save->cr0) | EFER_SVME;
    if ((save->efer ^ old) & EFER_NXE)
        svm_asid_flush(svm);
    return true;
}

/* The others of the state-save area do not exit (permissions.c). The guest's TSC_AUX is in the register while it
 * runs. Its PAT is kept and given back, and nothing more: nested paging would take its memory types before the
 * host's (APM Vol. 2 15.25.8), and turn the cache off against memory that others share. */
bool svm_vcpu_msr(struct vcpu *vcpu, uint32_t index, bool write, uint64_t *value)
{
    struct svm_vcpu *svm = vcpu->virt;
    struct vmcb_save *save = &svm->vmcb->save;
    bool is_aux = index == MSR_TSC_AUX && guest_cpu.has_rdtscp;

    if (index == MSR_EFER && write)
        return efer_write(svm, *value);
    if (index == MSR_EFER) {
        *value = save->efer & ~EFER_SVME;
    } else if (index == MSR_PAT && !write) {
        *value = svm->pat;
    } else if (index == MSR_PAT && guest_pat_valid(*value)) {
        svm->pat = *value;
    } else if (is_aux && !write) {
        *value = svm->tsc_aux;
    } else if (is_aux && *value <= UINT32_MAX) {
        svm->tsc_aux = *value;
        x86_wrmsr(MSR_TSC_AUX, svm->tsc_aux);
    } else {
        return false;
    }
    return true;
}

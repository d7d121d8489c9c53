/* SPDX-License-Identifier: Apache-2.0 */
/* msr.c: the MSRs that live in the VMCB, as RDMSR and WRMSR see them. */
#include "kernel/vcpu.h"
#include "svm/state_table.h"

#define DEBUGCTL_KNOWN UINT64_C(0x3F)

/* Types 0, 1, 4, 5, 6, 7 in each byte: APM Vol. 2 7.8.1. */
bool svm_pat_valid(uint64_t pat)
{
    for (unsigned i = 0; i < 8; i++, pat >>= 8)
        if ((pat & 0xFF) > 7 || (pat & 0xFE) == 2)
            return false;
    return true;
}

bool svm_register_write(struct vmcb_save *save, const struct svm_register *r, uint64_t value)
{
    if ((r->value == SVM_VALUE_ADDRESS && !svm_canonical(value)) ||
        (r->value == SVM_VALUE_PAT && !svm_pat_valid(value)))
        return false;
    *svm_register_field(save, r) = value;
    return true;
}

/* The table's row for this MSR; NULL when the state-save area has it not. */
static const struct svm_register *find(uint32_t index)
{
    for (unsigned i = 0; i < SVM_REGISTER_COUNT; i++)
        if (svm_registers[i].msr == index)
            return &svm_registers[i];
    return NULL;
}

/* EFER with LMA as LME and paging make it (APM Vol. 2 14.6.1): no one writes it. */
uint64_t svm_efer_lma(uint64_t efer, uint64_t cr0)
{
    return (efer & EFER_LME) && (cr0 & CR0_PG) ? efer | EFER_LMA : efer & ~EFER_LMA;
}

/* SVME is set for VMRUN's sake and the guest never sees it. LME does not change while paging is on. */
static bool efer_write(struct svm_vcpu *svm, uint64_t value)
{
    struct vmcb_save *save = &svm->vmcb->save;
    uint64_t old = save->efer;

    if (value & (~svm_host.efer_valid | EFER_SVME))
        return false;
    if ((save->cr0 & CR0_PG) && ((value ^ old) & EFER_LME))
        return false;
    save->efer = svm_efer_lma(value, save->cr0) | EFER_SVME;
    if ((save->efer ^ old) & EFER_NXE)
        svm_asid_flush(svm);
    return true;
}

void svm_tsc_aux_load(struct svm_cpu *cpu, const struct svm_vcpu *svm)
{
    if (svm_host.has_rdtscp && cpu->tsc_aux != svm->tsc_aux) {
        x86_wrmsr(MSR_TSC_AUX, svm->tsc_aux);
        cpu->tsc_aux = svm->tsc_aux;
    }
}

bool svm_tsc_aux_set(struct svm_vcpu *svm, uint64_t value)
{
    if (value > UINT32_MAX)
        return false;
    svm->tsc_aux = (uint32_t)value;
    if (svm->loaded)
        svm_tsc_aux_load(svm->cpu, svm);
    return true;
}

/* Branch records and stepping are not offered: what would turn them on in DEBUGCTL is dropped. */
bool svm_vcpu_msr(struct vcpu *vcpu, uint32_t index, bool write, uint64_t *value)
{
    struct svm_vcpu *svm = vcpu->virt;
    struct vmcb_save *save = &svm->vmcb->save;
    const struct svm_register *r = find(index);

    if (r != NULL) {
        if (write)
            return svm_register_write(save, r, *value);
        *value = *svm_register_field(save, r);
    } else if (index == MSR_EFER) {
        if (write)
            return efer_write(svm, *value);
        *value = save->efer & ~EFER_SVME;
    } else if (index == MSR_DEBUGCTL) {
        if (write)
            return (*value & ~DEBUGCTL_KNOWN) == 0;
        *value = 0;
    } else if (index == MSR_TSC_AUX && svm_host.has_rdtscp) {
        if (write)
            return svm_tsc_aux_set(svm, *value);
        *value = svm->tsc_aux;
    } else {
        return false;
    }
    return true;
}

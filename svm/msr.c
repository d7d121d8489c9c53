/* SPDX-License-Identifier: Apache-2.0 */
/* msr.c: the MSRs that live in the VMCB, as RDMSR and WRMSR see them. */
#include "kernel/vcpu.h"
#include "svm/svm.h"

#define DEBUGCTL_KNOWN UINT64_C(0x3F)

/* Where the state-save area has this MSR; NULL when it has not. */
uint64_t *svm_msr_field(struct vmcb_save *save, uint32_t index)
{
    switch (index) {
    case MSR_STAR:
        return &save->star;
    case MSR_LSTAR:
        return &save->lstar;
    case MSR_CSTAR:
        return &save->cstar;
    case MSR_SFMASK:
        return &save->sfmask;
    case MSR_FS_BASE:
        return &save->fs.base;
    case MSR_GS_BASE:
        return &save->gs.base;
    case MSR_KERNEL_GS_BASE:
        return &save->kernel_gs_base;
    case MSR_SYSENTER_CS:
        return &save->sysenter_cs;
    case MSR_SYSENTER_ESP:
        return &save->sysenter_esp;
    case MSR_SYSENTER_EIP:
        return &save->sysenter_eip;
    case MSR_PAT:
        return &save->g_pat;
    default:
        return NULL;
    }
}

/* Types 0, 1, 4, 5, 6, 7 in each byte: APM Vol. 2 7.8.1. */
bool svm_pat_valid(uint64_t pat)
{
    for (unsigned i = 0; i < 8; i++, pat >>= 8)
        if ((pat & 0xFF) > 7 || (pat & 0xFE) == 2)
            return false;
    return true;
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

void svm_tsc_aux_set(struct svm_vcpu *svm, uint32_t value)
{
    svm->tsc_aux = value;
    if (svm->loaded && svm_host.has_rdtscp) {
        x86_wrmsr(MSR_TSC_AUX, value);
        svm->cpu->tsc_aux = value;
    }
}

static bool is_address(uint32_t index)
{
    return index == MSR_LSTAR || index == MSR_CSTAR || index == MSR_FS_BASE || index == MSR_GS_BASE ||
           index == MSR_KERNEL_GS_BASE || index == MSR_SYSENTER_ESP || index == MSR_SYSENTER_EIP;
}

static bool field_write(struct vmcb_save *save, uint32_t index, uint64_t value)
{
    uint64_t *field = svm_msr_field(save, index);

    if (field == NULL || (is_address(index) && !svm_canonical(value)) || (index == MSR_PAT && !svm_pat_valid(value)))
        return false;
    *field = value;
    return true;
}

static bool msr_write(struct svm_vcpu *svm, uint32_t index, uint64_t value)
{
    switch (index) {
    case MSR_EFER:
        return efer_write(svm, value);
    case MSR_DEBUGCTL: /* branch records and stepping are not offered: what would turn them on is dropped */
        return (value & ~DEBUGCTL_KNOWN) == 0;
    case MSR_TSC_AUX:
        if (!svm_host.has_rdtscp || value > UINT32_MAX)
            return false;
        svm_tsc_aux_set(svm, (uint32_t)value);
        return true;
    default:
        return field_write(&svm->vmcb->save, index, value);
    }
}

static bool msr_read(struct svm_vcpu *svm, uint32_t index, uint64_t *value)
{
    const uint64_t *field = svm_msr_field(&svm->vmcb->save, index);

    if (field != NULL)
        *value = *field;
    else if (index == MSR_EFER)
        *value = svm->vmcb->save.efer & ~EFER_SVME;
    else if (index == MSR_DEBUGCTL)
        *value = 0;
    else if (index == MSR_TSC_AUX && svm_host.has_rdtscp)
        *value = svm->tsc_aux;
    else
        return false;
    return true;
}

bool svm_vcpu_msr(struct vcpu *vcpu, uint32_t index, bool write, uint64_t *value)
{
    return write ? msr_write(vcpu->virt, index, *value) : msr_read(vcpu->virt, index, value);
}

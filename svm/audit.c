/* SPDX-License-Identifier: Apache-2.0 */
/* audit.c: tell a person why VMRUN failed. */
#include "svm/audit.h"

#include "kernel/assert.h"

#define FINDINGS 8

unsigned svm_vcpu_audit(struct vcpu *vcpu)
{
    const struct svm_vcpu *svm = vcpu->virt;
    const struct vmcb *vmcb = svm->vmcb;
    struct finding findings[FINDINGS];
    unsigned state, control;

    state = svm_audit_state(&vmcb->save, findings, FINDINGS);
    finding_log(findings, FINDINGS, state, vcpu->index);
    control = svm_audit_control(&vmcb->control, &vmcb->save, findings, FINDINGS);
    finding_log(findings, FINDINGS, control, vcpu->index);
    if (!is_aligned(svm->vmcb_pa, PAGE_SIZE) || svm->vmcb_pa >> guest_cpu.physical_bits != 0) {
        log_line("vCPU %u: the VMCB's address is not a page of memory (APM Vol. 2 15.5): %lx", vcpu->index,
                 svm->vmcb_pa);
        control++;
    }
    log_line("vCPU %u: EXITCODE %lx CR0 %lx CR3 %lx CR4 %lx EFER %lx EVENTINJ %lx ASID %u", vcpu->index,
             vmcb->control.exit_code, vmcb->save.cr0, vmcb->save.cr3, vmcb->save.cr4, vmcb->save.efer,
             vmcb->control.event_injection, vmcb->control.asid);
    return state + control;
}

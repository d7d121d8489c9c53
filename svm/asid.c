/* SPDX-License-Identifier: Apache-2.0 */
/* asid.c: address space identifiers, given out per CPU in generations (APM Vol. 2 15.16).
 *
 * A vCPU keeps its ASID on a CPU as long as the CPU's generation lasts. A flush of everything takes a new generation
 * and goes on counting, so that no old translation is ever looked at again; when the numbers run out, the next entry
 * flushes the whole TLB and counting begins at 1 (0 is the host's). A vCPU that comes from another CPU takes a new ASID:
 * what it left here under its last one may be stale.
 */
#include "svm/svm.h"

void svm_asid_assign(struct svm_cpu *cpu, struct svm_vcpu *svm)
{
    struct vmcb_control *control = &svm->vmcb->control;

    if (cpu->next_asid >= svm_host.asid_count) {
        cpu->generation++;
        cpu->next_asid = 1;
        control->tlb_control = TLB_FLUSH_ALL;
    }
    control->asid = cpu->next_asid++;
    svm->generation = cpu->generation;
}

/* Drop this vCPU's own translations before its next entry: its paging mode was changed behind the processor's back. */
void svm_asid_flush(struct svm_vcpu *svm)
{
    if (svm_host.features & SVM_FEATURE_FLUSH_BY_ASID)
        svm->vmcb->control.tlb_control = TLB_FLUSH_GUEST;
    else
        svm->generation = 0;
}

/* No ASID given out so far on this CPU is used again. */
void svm_asid_void_all(struct svm_cpu *cpu)
{
    cpu->generation++;
}

/* VMRUN refused: whether it flushed what TLB_CONTROL asked for is not said, so the flush is asked for again. */
void svm_asid_entry_failed(struct svm_cpu *cpu, struct svm_vcpu *svm)
{
    svm->generation = 0;
    cpu->generation++;
    cpu->next_asid = svm_host.asid_count;
}

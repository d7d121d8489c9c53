/* SPDX-License-Identifier: Apache-2.0 */
/* svm.c: linked into a kernel of its own between everybody and svm_vcpu_enter(): the first guest that runs 64-bit code is
 * entered with each of its rules broken in turn, and then as if nothing had been.
 */
#include "kernel/string.h"
#include "svm/audit.h"
#include "tests/system/refused/refused.h"
#include "tests/unit/svm/broken_rules.h"

void __real_svm_vcpu_enter(struct vcpu *vcpu, struct virt_exit *exit);
void __wrap_svm_vcpu_enter(struct vcpu *vcpu, struct virt_exit *exit);

static unsigned audit(const struct vmcb *vmcb, struct finding *finding)
{
    unsigned count = svm_audit_state(&vmcb->save, finding, 1);

    return count != 0 ? count : svm_audit_control(&vmcb->control, &vmcb->save, finding, 1);
}

/* A refused entry leaves the host's state in the VMCB of some emulators, and voids the ASIDs. */
static void show(struct vcpu *vcpu, const struct broken *b)
{
    static struct vmcb good;
    static struct vcpu_page page;
    struct svm_vcpu *svm = vcpu->virt, saved = *svm;
    struct finding finding = { 0 };
    struct virt_exit exit;
    unsigned count;

    memcpy(&good, svm->vmcb, sizeof(good));
    memcpy(&page, vcpu->page, sizeof(page));
    (void)broken_apply(b, svm->vmcb);
    count = audit(svm->vmcb, &finding);
    __real_svm_vcpu_enter(vcpu, &exit);
    refused_report(b->rule, count, &finding, &exit);
    memcpy(svm->vmcb, &good, sizeof(good));
    memcpy(vcpu->page, &page, sizeof(page));
    *svm = saved;
    svm->generation = svm->cpu->generation;
}

void __wrap_svm_vcpu_enter(struct vcpu *vcpu, struct virt_exit *exit)
{
    static bool shown;
    struct svm_vcpu *svm = vcpu->virt;
    const struct vmcb *vmcb = svm->vmcb;

    if (!shown && (vmcb->save.efer & EFER_LMA) && (vmcb->save.cs.attributes & 0x200) && svm->special == 0 &&
        svm->generation == svm->cpu->generation && !(vmcb->control.event_injection & EVENT_VALID)) {
        shown = true;
        for (unsigned i = 0; i < ARRAY_SIZE(broken_rules); i++)
            if (refused_wanted(vcpu, i))
                show(vcpu, &broken_rules[i]);
        log_line("refused: that was all");
    }
    __real_svm_vcpu_enter(vcpu, exit);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* amd.c: svm/ for the tests of both backends. */
#include "tests/unit/svm/svm_fixture.h"

#include "tests/unit/virt/backend.h"

#define AMD_CPU 1u

static void start(void)
{
    fixture_host();
    svm_cpus[AMD_CPU] = (struct svm_cpu){ .generation = 1, .next_asid = 1 };
}

static unsigned audit(const struct vcpu *vcpu, struct finding *finding)
{
    const struct svm_vcpu *svm = vcpu->virt;

    return svm_audit_state(&svm->vmcb->save, finding, 1);
}

static unsigned audit_entry(struct vcpu *vcpu, struct finding *finding)
{
    struct svm_vcpu *svm = vcpu->virt;

    svm_asid_assign(&svm_cpus[AMD_CPU], svm);
    svm->vmcb->save.rflags = vcpu->page->rflags;
    svm_event_prepare(svm);
    if (svm_audit_state(&svm->vmcb->save, finding, 1) != 0)
        return 1;
    return svm_audit_control(&svm->vmcb->control, &svm->vmcb->save, finding, 1);
}

const struct backend amd = {
    .ops = &svm_ops,
    .cpu = AMD_CPU,
    .start = start,
    .audit = audit,
    .audit_entry = audit_entry,
};

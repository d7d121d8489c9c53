/* SPDX-License-Identifier: Apache-2.0 */
/* intel.c: vmx/ for the tests of both backends. */
#include "tests/unit/vmx/vmx_fixture.h"

#include "tests/unit/virt/backend.h"

static void start(void)
{
    fixture_host();
    fixture_cpu(0);
}

static unsigned audit(const struct vcpu *vcpu, struct finding *finding)
{
    const struct vmx_vcpu *vmx = vcpu->virt;
    struct vmx_guest g = { .page = *vcpu->page };

    vmx_open(vmx);
    vmx_guest_read(vmx, &g, 0);
    vmx_close(vmx);
    return vmx_audit_state(&g, finding, 1);
}

static unsigned audit_entry(struct vcpu *vcpu, struct finding *finding)
{
    struct vmx_vcpu *vmx = vcpu->virt;
    bool was_loaded = vmx->loaded;
    struct vmx_controls c;
    unsigned broken;

    if (!was_loaded)
        vmx_vcpu_load(vcpu);
    vmx_vpid_assign(vmx->cpu, vmx);
    vmx_event_prepare(vmx, vcpu->page->rflags);
    vmx_controls_read(vcpu, &c);
    broken = vmx_audit_controls(&c, finding, 1);
    if (broken == 0)
        broken = audit(vcpu, finding);
    vmx_write(VMCS_ENTRY_EVENT, 0); /* as an exit leaves it (SDM Vol. 3C 25.8.3) */
    if (!was_loaded)
        vmx_vcpu_unload(vcpu);
    return broken;
}

const struct backend intel = {
    .ops = &vmx_ops,
    .has_pdptes = true,
    .cpu = 0,
    .start = start,
    .audit = audit,
    .audit_entry = audit_entry,
};

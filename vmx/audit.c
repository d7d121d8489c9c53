/* SPDX-License-Identifier: Apache-2.0 */
/* audit.c: tell a person why a VM entry failed; and collect what the rules look at. */
#include "vmx/audit.h"

#include "kernel/assert.h"
#include "kernel/string.h"
#include "vmx/instructions.h"
#include "vmx/state_table.h"

#define FINDINGS 8

void vmx_guest_read(const struct vmx_vcpu *vmx, struct vmx_guest *g, uint32_t groups)
{
    for (unsigned i = 0; i < VMX_REGISTER_COUNT; i++) {
        const struct vmx_register *r = &vmx_registers[i];
        uint64_t value = vmx_read(r->field);

        if (!(r->group & groups))
            memcpy((char *)&g->page + r->page, &value, r->size);
    }
    g->page.rflags = (g->page.rflags & GUEST_RFLAGS) | RFLAGS_FIXED;
    if (!(groups & VCPU_GROUP_CONTROL)) {
        g->cr0 = vmx_read(VMCS_GUEST_CR0);
        g->page.cr3 = vmx_read(VMCS_GUEST_CR3);
        g->cr4 = vmx_read(VMCS_GUEST_CR4);
        g->page.efer = vmx_read(VMCS_GUEST_EFER);
        for (unsigned i = 0; i < 4; i++)
            g->page.pdpte[i] = vmx_read(VMCS_OF(VMCS_GUEST_PDPTE, i));
    }
    if (!(groups & VCPU_GROUP_EVENTS)) {
        g->event = vmx->injection;
        g->blocking = vmx->blocking;
        g->pending_debug = vmx_read(VMCS_PENDING_DEBUG);
    }
    g->debugctl = vmx_read(VMCS_GUEST_DEBUGCTL);
    g->link = vmx_read(VMCS_LINK);
    g->activity = (uint32_t)vmx_read(VMCS_ACTIVITY);
}

void vmx_controls_read(const struct vcpu *vcpu, struct vmx_controls *c)
{
    *c = (struct vmx_controls){
        .word = { [WORD_PIN] = (uint32_t)vmx_read(VMCS_PIN_CONTROLS),
                  [WORD_PRIMARY] = (uint32_t)vmx_read(VMCS_PRIMARY_CONTROLS),
                  [WORD_EXIT] = (uint32_t)vmx_read(VMCS_EXIT_CONTROLS),
                  [WORD_ENTRY] = (uint32_t)vmx_read(VMCS_ENTRY_CONTROLS),
                  [WORD_SECONDARY] = (uint32_t)vmx_read(VMCS_SECONDARY_CONTROLS) },
        .vpid = (uint32_t)vmx_read(VMCS_VPID),
        .tpr_threshold = (uint32_t)vmx_read(VMCS_TPR_THRESHOLD),
        .tpr = vcpu->lapic.reg[VLAPIC_REG_TPR].value,
        .msr_bitmap = vmx_read(VMCS_MSR_BITMAP),
        .virtual_apic = vmx_read(VMCS_VIRTUAL_APIC),
        .eptp = vmx_read(VMCS_EPTP),
        .event = vmx_read(VMCS_ENTRY_EVENT) | vmx_read(VMCS_ENTRY_ERROR) << EVENT_ERROR_SHIFT,
        .event_length = (uint32_t)vmx_read(VMCS_ENTRY_LENGTH),
        .guest_cr0 = vmx_read(VMCS_GUEST_CR0),
        .guest_efer = vmx_read(VMCS_GUEST_EFER),
        .cr3_targets = (uint32_t)vmx_read(VMCS_CR3_TARGETS),
        .msr_area = { { (uint32_t)vmx_read(VMCS_EXIT_MSR_STORES), vmx_read(VMCS_EXIT_MSR_STORE_AREA) },
                      { (uint32_t)vmx_read(VMCS_EXIT_MSR_LOADS), vmx_read(VMCS_EXIT_MSR_LOAD_AREA) },
                      { (uint32_t)vmx_read(VMCS_ENTRY_MSR_LOADS), vmx_read(VMCS_ENTRY_MSR_LOAD_AREA) } },
        .host_cr0 = vmx_read(VMCS_HOST_CR0),
        .host_cr3 = vmx_read(VMCS_HOST_CR3),
        .host_cr4 = vmx_read(VMCS_HOST_CR4),
        .host_efer = vmx_read(VMCS_HOST_EFER),
        .host_pat = vmx_read(VMCS_HOST_PAT),
        .host_rip = vmx_read(VMCS_HOST_RIP),
        .host_fs_base = vmx_read(VMCS_HOST_FS_BASE),
        .host_gs_base = vmx_read(VMCS_HOST_GS_BASE),
        .host_tr_base = vmx_read(VMCS_HOST_TR_BASE),
        .host_gdtr_base = vmx_read(VMCS_HOST_GDTR_BASE),
        .host_idtr_base = vmx_read(VMCS_HOST_IDTR_BASE),
        .host_sysenter_esp = vmx_read(VMCS_HOST_SYSENTER_ESP),
        .host_sysenter_eip = vmx_read(VMCS_HOST_SYSENTER_EIP),
    };
    for (unsigned i = 0; i < ARRAY_SIZE(c->host_selector); i++)
        c->host_selector[i] = (uint16_t)vmx_read(VMCS_OF(VMCS_HOST_SELECTOR, i));
}

/* RFLAGS and RIP as the entry had them: the page's. */
unsigned vmx_vcpu_audit(struct vcpu *vcpu)
{
    struct vmx_vcpu *vmx = vcpu->virt;
    struct finding findings[FINDINGS];
    struct vmx_controls c;
    struct vmx_guest g;
    unsigned controls, state;

    vmx_open(vmx);
    g.page = *vcpu->page;
    vmx_guest_read(vmx, &g, 0);
    vmx_controls_read(vcpu, &c);
    controls = vmx_audit_controls(&c, findings, FINDINGS);
    finding_log(findings, FINDINGS, controls, vcpu->index);
    state = vmx_audit_state(&g, findings, FINDINGS);
    finding_log(findings, FINDINGS, state, vcpu->index);
    log_line("vCPU %u: exit reason %lx, qualification %lx, instruction error %lu, CR0 %lx CR3 %lx CR4 %lx EFER %lx "
             "event %lx RIP %lx RFLAGS %lx",
             vcpu->index, vmx_read(VMCS_EXIT_REASON), vmx_read(VMCS_QUALIFICATION), vmx_read(VMCS_INSTRUCTION_ERROR),
             g.cr0, g.page.cr3, g.cr4, g.page.efer, c.event, g.page.rip, g.page.rflags);
    vmx_close(vmx);
    return controls + state;
}

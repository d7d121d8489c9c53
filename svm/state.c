/* SPDX-License-Identifier: Apache-2.0 */
/* state.c: groups of registers between the VMCB and the vCPU page.
 *
 * Setting goes through private copies: the page is shared with the VMM, so it is read once, the new state is checked
 * whole, and then takes the VMCB's place. The guest's PDPTEs are not state here: the processor reads them from memory
 * (APM Vol. 2 15.25.10), so they are given out as zero and not taken. The activity, pending NMIs and what vlapic
 * keeps are the kernel's.
 */
#include "kernel/string.h"
#include "svm/audit.h"
#include "svm/state_table.h"

/* Intercept what would show the host's bits of CR0 and CR4 where the guest has others, or miss a change of them. */
void svm_control_intercepts(struct svm_vcpu *svm)
{
    struct vmcb *vmcb = svm->vmcb;
    bool cr0 = (svm->cr0 ^ vmcb->save.cr0) & SVM_HOST_CR0, cr4 = (svm->cr4 ^ vmcb->save.cr4) & SVM_HOST_CR4;
    struct vmcb_control *control = &vmcb->control;

    control->intercept_cr_read = (uint16_t)((control->intercept_cr_read & ~0x11u) | (cr0 ? 1u : 0) | (cr4 ? 0x10u : 0));
    control->intercept_cr_write = (uint16_t)((control->intercept_cr_write & ~1u) | (cr0 ? 1u : 0));
}

static void get_control(const struct vcpu *vcpu, struct vcpu_page *page)
{
    const struct svm_vcpu *svm = vcpu->virt;
    const struct vmcb_save *save = &svm->vmcb->save;

    page->cr2 = save->cr2;
    page->cr3 = save->cr3;
    page->cr0 = (save->cr0 & ~SVM_HOST_CR0) | (svm->cr0 & SVM_HOST_CR0);
    page->cr4 = (save->cr4 & ~SVM_HOST_CR4) | (svm->cr4 & SVM_HOST_CR4);
    page->cr8 = vlapic_cr8_get(&vcpu->lapic);
    /* LMA by its definition: Bochs 2.7 clears it before the exit of the MOV to CR0 that would clear PG */
    page->efer = guest_efer_lma(save->efer, save->cr0) & ~EFER_SVME;
    page->xcr0 = vcpu->xcr0;
    page->pdpte[0] = page->pdpte[1] = page->pdpte[2] = page->pdpte[3] = 0;
}

static void get_debug(const struct svm_vcpu *svm, struct vcpu_page *page)
{
    memcpy(page->dr, svm->dr, sizeof svm->dr);
    page->dr[4] = page->dr[5] = 0;
    page->dr[6] = svm->vmcb->save.dr6;
    page->dr[7] = svm_host.is_tcg ? svm->dr7 : svm->vmcb->save.dr7;
}

static void get_events(const struct vcpu *vcpu, struct vcpu_page *page)
{
    const struct svm_vcpu *svm = vcpu->virt;
    const struct vmcb *vmcb = svm->vmcb;
    uint64_t queued = vmcb->control.event_injection;
    struct vcpu_events *event = &page->event;

    *event = (struct vcpu_events){
        .nmi_blocked = svm->nmi_blocked && guest_event_type(queued) != EVENT_TYPE_NMI,
        .nmi_pending = event->nmi_pending,
        .interrupt_shadow = (vmcb->control.interrupt_state & INTERRUPT_SHADOW) != 0,
        .activity = event->activity,
        .pending_debug = (uint32_t)svm->pending_debug,
        .deferred_type = vcpu->deferred_type,
        .deferred_vector = vcpu->deferred_vector,
    };
    guest_event_tell(queued, vmcb->save.cr2, vmcb->save.dr6, event);
}

/* RIP, RFLAGS and the general registers are in the page after every exit. */
void svm_vcpu_get(struct vcpu *vcpu, uint32_t groups)
{
    struct svm_vcpu *svm = vcpu->virt;
    struct vcpu_page *page = vcpu->page;

    svm_registers_save(svm, groups);
    if (groups & (VCPU_GROUP_SEGMENTS | VCPU_GROUP_CODE))
        svm_segments_get(&svm->vmcb->save, page, groups & VCPU_GROUP_SEGMENTS);
    if (groups & VCPU_GROUP_CONTROL)
        get_control(vcpu, page);
    if (groups & VCPU_GROUP_DEBUG)
        get_debug(svm, page);
    if (groups & VCPU_GROUP_EVENTS)
        get_events(vcpu, page);
    if (groups & VCPU_GROUP_MSRS) {
        for (unsigned i = 0; i < SVM_REGISTER_COUNT; i++)
            if (svm_registers[i].page != 0)
                *svm_page_field(page, i) = *svm_register_field(&svm->vmcb->save, i);
        page->msr[VCPU_MSR_SFMASK] &= UINT32_MAX; /* of the reserved bits QEMU keeps what a guest's WRMSR sets */
        page->msr[VCPU_MSR_PAT] = svm->pat;
        page->msr[VCPU_MSR_TSC_AUX] = svm->tsc_aux;
        page->msr[VCPU_MSR_TSC] = x86_rdtsc() + vcpu->tsc_offset;
        page->msr[VCPU_MSR_XSS] = 0;
    }
}

/* What the page, which has passed the audit, makes of the state-save area; what audit_mode() looks at is in both then. */
static void fill(struct vmcb_save *save, struct vcpu_page *page, uint32_t groups)
{
    const struct vcpu_events *event = &page->event;

    page->rflags = (page->rflags & GUEST_RFLAGS) | RFLAGS_FIXED;
    if (groups & VCPU_GROUP_SEGMENTS) {
        guest_segments_normalise(page);
        svm_segments_set(save, page);
    } else {
        svm_segments_get(save, page, true);
    }
    if (groups & VCPU_GROUP_CONTROL) {
        save->cr0 = (page->cr0 & ~SVM_HOST_CR0) | CR0_NE | CR0_ET;
        save->cr2 = page->cr2;
        save->cr3 = page->cr3;
        save->cr4 = page->cr4 | CR4_MCE;
        save->efer = guest_efer_lma(page->efer, page->cr0) | EFER_SVME;
    }
    page->efer = save->efer & ~EFER_SVME;
    if (groups & VCPU_GROUP_DEBUG) {
        save->dr6 = guest_dr6(page->dr[6]);
        save->dr7 = guest_dr7(page->dr[7]);
    }
    for (unsigned i = 0; i < SVM_REGISTER_COUNT && (groups & VCPU_GROUP_MSRS); i++)
        if (svm_registers[i].page != 0)
            *svm_register_field(save, i) = svm_page_value(page, i);
    if ((groups & VCPU_GROUP_EVENTS) && event->type == VCPU_EVENT_EXCEPTION) {
        save->cr2 = event->vector == VECTOR_PF ? event->payload : save->cr2;
        save->dr6 |= event->vector == VECTOR_DB ? event->payload & DR6_EVENTS : 0;
    }
}

/* A software interrupt or exception needs no queue: RIP stands on its instruction. */
static void commit_events(struct vcpu *vcpu, const struct vcpu_events *event, uint64_t injection)
{
    struct svm_vcpu *svm = vcpu->virt;
    struct vmcb_control *control = &svm->vmcb->control;

    svm_step_end(svm);
    vcpu_defer(vcpu, event->deferred_type, event->deferred_vector);
    control->event_injection = injection;
    control->interrupt_state = event->interrupt_shadow ? INTERRUPT_SHADOW : 0;
    svm->pending_debug = event->pending_debug & DR6_EVENTS;
    svm->special = (svm->special & SPECIAL_WINDOW) | (svm->pending_debug != 0 ? SPECIAL_WAITING : 0);
    svm_nmi_block(svm, event->type == VCPU_EVENT_NMI || (event->nmi_blocked && event->deferred_type != VCPU_EVENT_NMI));
}

/* What the guest has in its TLB was made under other rules. */
static bool paging_changed(const struct vmcb_save *a, const struct vmcb_save *b)
{
    return ((a->cr0 ^ b->cr0) & (CR0_PG | CR0_WP | CR0_PE)) || a->cr3 != b->cr3 || a->cr4 != b->cr4 ||
           a->efer != b->efer;
}

/* VMRUN's rules, and those that VT-x has for a state that VMRUN takes. */
static unsigned audit(const struct vmcb_save *save, const struct vcpu_page *page, uint64_t injection,
                      struct finding *finding)
{
    struct report report = report_begin("SDM Vol. 3C ", finding, 1);

    if (svm_audit_state(save, finding, 1) != 0 || svm_audit_event(injection, save, finding, 1) != 0)
        return 1;
    audit_mode(&report, page, save->cr0, injection);
    return report.count;
}

enum cl_status svm_vcpu_set(struct vcpu *vcpu, uint32_t groups)
{
    struct svm_vcpu *svm = vcpu->virt;
    struct vmcb *vmcb = svm->vmcb;
    struct vcpu_page page = *(const volatile struct vcpu_page *)vcpu->page;
    struct vmcb_save save = vmcb->save;
    const struct vcpu_events *event = &page.event;
    uint64_t injection = vmcb->control.event_injection;
    struct finding finding;

    if (audit_page(&page, groups, &finding, 1) != 0)
        return finding_refuse(&finding);
    fill(&save, &page, groups);
    if (groups & VCPU_GROUP_EVENTS)
        injection = guest_event_make(event->type, event->vector, event->has_error_code, event->error_code);
    if (audit(&save, &page, injection, &finding) != 0)
        return finding_refuse(&finding);

    if (paging_changed(&save, &vmcb->save))
        svm_asid_flush(svm);
    svm_registers_save(svm, groups);
    vmcb->save = save;
    if (groups & VCPU_GROUP_CONTROL) {
        svm->cr0 = page.cr0 | CR0_ET;
        svm->cr4 = page.cr4;
        vcpu->xcr0 = page.xcr0;
        if (page.cr8 != vlapic_cr8_get(&vcpu->lapic)) /* else TPR[3:0] stay as they are */
            vlapic_cr8_set(&vcpu->lapic, page.cr8);
        svm_control_intercepts(svm);
    }
    if (groups & VCPU_GROUP_DEBUG) {
        memcpy(svm->dr, page.dr, sizeof svm->dr);
        svm->dr7 = save.dr7;
        if (svm_host.is_tcg)
            vmcb->save.dr7 = DR7_FIXED;
    }
    if (groups & VCPU_GROUP_EVENTS)
        commit_events(vcpu, event, injection);
    if (groups & VCPU_GROUP_MSRS) {
        svm->pat = page.msr[VCPU_MSR_PAT];
        svm->tsc_aux = page.msr[VCPU_MSR_TSC_AUX];
        vcpu_set_tsc(vcpu, page.msr[VCPU_MSR_TSC]);
    }
    svm_registers_load(svm, groups);
    return CL_OK;
}

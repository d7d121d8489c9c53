/* SPDX-License-Identifier: Apache-2.0 */
/* state.c: groups of registers between the VMCB and the vCPU page.
 *
 * What both hold in the same form is a row of state_table.c. Setting goes through private copies: the page is shared with
 * the VMM, so it is read once, the new state is checked whole, and then takes the VMCB's place. The guest's PDPTEs are not state here: the processor reads them from memory
 * (APM Vol. 2 15.25.10), so they are given out as zero and not taken. The activity, pending NMIs and what vlapic
 * keeps are the kernel's.
 */
#include "kernel/assert.h"
#include "kernel/string.h"
#include "svm/audit.h"
#include "svm/state_table.h"

#define CR0_VALID (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG)
#define XCR0_X87 UINT64_C(1)
#define XCR0_SSE UINT64_C(2)
#define XCR0_AVX UINT64_C(4)
#define XCR0_BOUND UINT64_C(0x18)
#define XCR0_AVX512 UINT64_C(0xE0)

/* All that a set may change. */
struct candidate {
    struct vcpu_page page; /* as it was when the set began */
    struct vmcb_save save;
    uint64_t injection;
};

/* Intercept what would show the host's bits of CR0 and CR4 where the guest has others, or miss a change of them. */
void svm_control_intercepts(struct svm_vcpu *svm)
{
    struct vmcb *vmcb = svm->vmcb;
    bool cr0 = (svm->cr0 ^ vmcb->save.cr0) & SVM_HOST_CR0, cr4 = (svm->cr4 ^ vmcb->save.cr4) & SVM_HOST_CR4;
    struct vmcb_control *control = &vmcb->control;

    control->intercept_cr_read = (uint16_t)((control->intercept_cr_read & ~0x11u) | (cr0 ? 1u : 0) | (cr4 ? 0x10u : 0));
    control->intercept_cr_write = (uint16_t)((control->intercept_cr_write & ~1u) | (cr0 ? 1u : 0));
}

static uint64_t *page_field(struct vcpu_page *page, const struct svm_register *r)
{
    return (uint64_t *)((char *)page + r->page);
}

static void get_control(const struct vcpu *vcpu, struct vcpu_page *page)
{
    const struct svm_vcpu *svm = vcpu->virt;
    const struct vmcb_save *save = &svm->vmcb->save;

    page->cr2 = save->cr2;
    page->cr3 = save->cr3;
    page->cr0 = (save->cr0 & ~SVM_HOST_CR0) | (svm->cr0 & SVM_HOST_CR0);
    page->cr4 = (save->cr4 & ~SVM_HOST_CR4) | (svm->cr4 & SVM_HOST_CR4);
    page->cr8 = svm->vmcb->control.v_tpr & 0xF;
    page->efer = save->efer & ~EFER_SVME;
    page->xcr0 = vcpu->xcr0;
    page->pdpte[0] = page->pdpte[1] = page->pdpte[2] = page->pdpte[3] = 0;
}

static void get_debug(struct svm_vcpu *svm, struct vcpu_page *page)
{
    if (svm->loaded)
        svm_breakpoints_save(svm);
    memcpy(page->dr, svm->dr, sizeof svm->dr);
    page->dr[4] = page->dr[5] = 0;
    page->dr[6] = svm->vmcb->save.dr6;
    page->dr[7] = svm_host.is_tcg ? svm->dr7 : svm->vmcb->save.dr7;
}

static void get_events(const struct svm_vcpu *svm, struct vcpu_page *page)
{
    static const uint8_t types[8] = { [EVENT_TYPE_INTR] = VCPU_EVENT_INTERRUPT,
                                      [EVENT_TYPE_NMI] = VCPU_EVENT_NMI,
                                      [EVENT_TYPE_EXCEPTION] = VCPU_EVENT_EXCEPTION };
    const struct vmcb *vmcb = svm->vmcb;
    uint64_t queued = vmcb->control.event_injection;
    struct vcpu_events *event = &page->event;

    if (!(queued & EVENT_VALID) && (svm->special & SPECIAL_DEFERRED))
        queued = svm->deferred;
    *event = (struct vcpu_events){
        .nmi_blocked = svm->nmi_blocked,
        .nmi_pending = event->nmi_pending,
        .interrupt_shadow = (vmcb->control.interrupt_state & INTERRUPT_SHADOW) != 0,
        .activity = event->activity,
        .pending_debug = (uint32_t)svm->pending_debug,
    };
    if (!(queued & EVENT_VALID))
        return;
    event->type = types[(queued & EVENT_TYPE) >> EVENT_TYPE_SHIFT];
    event->vector = queued & EVENT_VECTOR;
    event->has_error_code = (queued & EVENT_ERROR_VALID) != 0;
    event->error_code = event->has_error_code ? (uint32_t)(queued >> EVENT_ERROR_SHIFT) : 0;
    if (event->type == VCPU_EVENT_EXCEPTION && event->vector == VECTOR_PF)
        event->payload = vmcb->save.cr2;
    if (event->type == VCPU_EVENT_EXCEPTION && event->vector == VECTOR_DB)
        event->payload = vmcb->save.dr6 & DR6_EVENTS;
}

/* RIP, RFLAGS and the general registers are in the page after every exit. */
void svm_vcpu_get(struct vcpu *vcpu, uint32_t groups)
{
    struct svm_vcpu *svm = vcpu->virt;
    struct vcpu_page *page = vcpu->page;

    if (groups & (VCPU_GROUP_SEGMENTS | VCPU_GROUP_CODE))
        svm_segments_get(&svm->vmcb->save, page, groups & VCPU_GROUP_SEGMENTS);
    if (groups & VCPU_GROUP_CONTROL)
        get_control(vcpu, page);
    if (groups & VCPU_GROUP_DEBUG)
        get_debug(svm, page);
    if (groups & VCPU_GROUP_EVENTS)
        get_events(svm, page);
    if (groups & VCPU_GROUP_MSRS) {
        for (unsigned i = 0; i < SVM_REGISTER_COUNT; i++)
            if (svm_registers[i].page != 0)
                *page_field(page, &svm_registers[i]) = *svm_register_field(&svm->vmcb->save, &svm_registers[i]);
        page->msr[VCPU_MSR_TSC_AUX] = svm->tsc_aux;
        page->msr[VCPU_MSR_TSC] = x86_rdtsc() + vcpu->tsc_offset;
        page->msr[VCPU_MSR_XSS] = 0;
    }
}

/* SDM Vol. 1 13.3. */
static bool xcr0_valid(uint64_t xcr0)
{
    uint64_t avx512 = xcr0 & XCR0_AVX512, bound = xcr0 & XCR0_BOUND;

    if (!(xcr0 & XCR0_X87) || (xcr0 & ~(xstate_mask | XCR0_X87)) != 0)
        return false;
    if ((xcr0 & XCR0_AVX) && !(xcr0 & XCR0_SSE))
        return false;
    return (avx512 == 0 || (avx512 == XCR0_AVX512 && (xcr0 & XCR0_AVX))) && (bound == 0 || bound == XCR0_BOUND);
}

static enum cl_status set_control(struct candidate *c)
{
    struct vcpu_page *p = &c->page;

    p->cr0 |= CR0_ET;
    if (p->cr0 & ~CR0_VALID)
        return refuse(CL_BAD_ARGUMENT, "CR0 %lx has reserved bits", p->cr0);
    if ((p->cr0 & CR0_PG) && !(p->cr0 & CR0_PE))
        return refuse(CL_BAD_ARGUMENT, "CR0 %lx: PG without PE", p->cr0);
    if ((p->cr0 & CR0_NW) && !(p->cr0 & CR0_CD))
        return refuse(CL_BAD_ARGUMENT, "CR0 %lx: NW without CD", p->cr0);
    if (p->cr4 & (~svm_host.cr4_valid | CR4_CET))
        return refuse(CL_BAD_ARGUMENT, "CR4 %lx has bits that are not offered", p->cr4);
    if (p->efer & (~svm_host.efer_valid | EFER_SVME))
        return refuse(CL_BAD_ARGUMENT, "EFER %lx has bits that are not offered", p->efer);
    if (p->cr8 > 15)
        return refuse(CL_BAD_ARGUMENT, "CR8 %lx is above 15", p->cr8);
    if (!xcr0_valid(p->xcr0))
        return refuse(CL_BAD_ARGUMENT, "XCR0 %lx is no set of components of this machine", p->xcr0);

    c->save.cr2 = p->cr2;
    c->save.cr3 = p->cr3;
    c->save.cr0 = (p->cr0 & ~SVM_HOST_CR0) | CR0_NE;
    c->save.cr4 = p->cr4 | CR4_MCE;
    c->save.efer = svm_efer_lma(p->efer, p->cr0) | EFER_SVME;
    if ((p->cr4 & CR4_PCIDE) && !(c->save.efer & EFER_LMA))
        return refuse(CL_BAD_ARGUMENT, "CR4 %lx: PCIDE outside long mode", p->cr4);
    return CL_OK;
}

/* A software interrupt or exception needs no queue: RIP stands on its instruction. */
static enum cl_status set_events(struct candidate *c)
{
    struct vcpu_events *event = &c->page.event;
    bool exception = event->type == VCPU_EVENT_EXCEPTION;

    if (event->type > VCPU_EVENT_SOFT_EXCEPTION)
        return refuse(CL_BAD_ARGUMENT, "there is no event of type %u", event->type);
    if (exception && (event->vector > 31 || event->vector == VECTOR_NMI))
        return refuse(CL_BAD_ARGUMENT, "vector %u is no exception", event->vector);
    if (exception && event->has_error_code && !svm_exception_has_error(event->vector))
        return refuse(CL_BAD_ARGUMENT, "exception %u has no error code", event->vector);

    c->injection = svm_event_make(event->type, event->vector, event->has_error_code, event->error_code);
    if (exception && event->vector == VECTOR_PF)
        c->save.cr2 = event->payload;
    if (exception && event->vector == VECTOR_DB)
        c->save.dr6 |= event->payload & DR6_EVENTS;
    return CL_OK;
}

/* Every check; the VMCB is untouched. */
static enum cl_status check(struct candidate *c, uint32_t groups)
{
    const uint64_t *msr = c->page.msr;
    struct svm_finding finding;

    for (unsigned i = 0; i < SVM_REGISTER_COUNT && (groups & VCPU_GROUP_MSRS); i++) {
        const struct svm_register *r = &svm_registers[i];

        if (r->page != 0 && !svm_register_write(&c->save, r, *page_field(&c->page, r)))
            return refuse(CL_BAD_ARGUMENT, "MSR %x cannot be %lx", r->msr, *page_field(&c->page, r));
    }
    if (groups & VCPU_GROUP_SEGMENTS)
        TRY(svm_segments_set(&c->save, &c->page));
    if (groups & VCPU_GROUP_CONTROL)
        TRY(set_control(c));
    if (groups & VCPU_GROUP_DEBUG) {
        c->save.dr6 = c->page.dr[6] | DR6_FIXED;
        c->save.dr7 = c->page.dr[7] | DR7_FIXED;
    }
    if ((groups & VCPU_GROUP_MSRS) && (msr[VCPU_MSR_TSC_AUX] > UINT32_MAX || msr[VCPU_MSR_XSS] != 0))
        return refuse(CL_BAD_ARGUMENT, "TSC_AUX %lx or XSS %lx cannot be", msr[VCPU_MSR_TSC_AUX], msr[VCPU_MSR_XSS]);
    if (groups & VCPU_GROUP_EVENTS)
        TRY(set_events(c));
    if (svm_audit_state(&c->save, &finding, 1) != 0)
        return refuse(CL_BAD_ARGUMENT, "%s (APM Vol. 2 %s): %lx", finding.rule, finding.section, finding.value);
    return CL_OK;
}

static void commit_events(struct svm_vcpu *svm, const struct candidate *c)
{
    const struct vcpu_events *event = &c->page.event;
    struct vmcb_control *control = &svm->vmcb->control;

    svm_step_end(svm);
    control->event_injection = c->injection;
    control->interrupt_state = event->interrupt_shadow ? INTERRUPT_SHADOW : 0;
    svm->pending_debug = event->pending_debug & DR6_EVENTS;
    svm->special &= SPECIAL_WINDOW;
    if (svm->pending_debug != 0)
        svm->special |= SPECIAL_DEBUG;
    svm_nmi_block(svm, event->nmi_blocked || event->type == VCPU_EVENT_NMI);
}

/* What the guest has in its TLB was made under other rules. */
static bool paging_changed(const struct vmcb_save *a, const struct vmcb_save *b)
{
    return ((a->cr0 ^ b->cr0) & (CR0_PG | CR0_WP | CR0_PE)) || a->cr3 != b->cr3 || a->cr4 != b->cr4 ||
           a->efer != b->efer;
}

enum cl_status svm_vcpu_set(struct vcpu *vcpu, uint32_t groups)
{
    struct svm_vcpu *svm = vcpu->virt;
    struct candidate c;

    if (!(groups & ~(uint32_t)VCPU_GROUP_RIP))
        return CL_OK;
    c.page = *(const volatile struct vcpu_page *)vcpu->page;
    c.save = svm->vmcb->save;
    TRY(check(&c, groups));

    if (paging_changed(&c.save, &svm->vmcb->save))
        svm_asid_flush(svm);
    svm->vmcb->save = c.save;
    if (groups & VCPU_GROUP_CONTROL) {
        svm->cr0 = c.page.cr0;
        svm->cr4 = c.page.cr4;
        vcpu->xcr0 = c.page.xcr0;
        svm->vmcb->control.v_tpr = (uint8_t)c.page.cr8;
        svm_control_intercepts(svm);
    }
    if (groups & VCPU_GROUP_DEBUG) {
        memcpy(svm->dr, c.page.dr, sizeof svm->dr);
        if (svm->loaded)
            svm_breakpoints_load(svm);
        if (svm_host.is_tcg) {
            svm->dr7 = c.save.dr7;
            svm->vmcb->save.dr7 = DR7_FIXED;
        }
    }
    if (groups & VCPU_GROUP_EVENTS)
        commit_events(svm, &c);
    if (groups & VCPU_GROUP_MSRS) {
        svm_tsc_aux_set(svm, (uint32_t)c.page.msr[VCPU_MSR_TSC_AUX]);
        vcpu->tsc_offset = c.page.msr[VCPU_MSR_TSC] - x86_rdtsc();
    }
    return CL_OK;
}

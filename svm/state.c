/* SPDX-License-Identifier: Apache-2.0 */
/* state.c: groups of registers between the VMCB and the vCPU page.
 *
 * Setting goes through a private copy: the page is shared with the VMM, so each value is read once, the copy is checked
 * whole, and then takes the VMCB's place. The guest's PDPTEs are not state here: the processor reads them from memory
 * (APM Vol. 2 15.25.10), so they are given out as zero and not taken. The activity, pending NMIs and what vlapic
 * keeps are the kernel's.
 */
#include "kernel/assert.h"
#include "svm/audit.h"

#define CR0_VALID (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG)
#define XCR0_X87 UINT64_C(1)
#define XCR0_SSE UINT64_C(2)
#define XCR0_AVX UINT64_C(4)
#define XCR0_BOUND UINT64_C(0x18)
#define XCR0_AVX512 UINT64_C(0xE0)

/* All that a set may change. */
struct candidate {
    struct vmcb_save save;
    uint64_t cr0, cr4, xcr0, tsc, cr8;
    uint64_t dr[4];
    uint64_t injection;
    uint64_t pending_debug;
    uint32_t tsc_aux;
    bool nmi_blocked, shadow;
};

static const uint32_t msr_index[VCPU_MSR_COUNT] = {
    [VCPU_MSR_STAR] = MSR_STAR,
    [VCPU_MSR_LSTAR] = MSR_LSTAR,
    [VCPU_MSR_CSTAR] = MSR_CSTAR,
    [VCPU_MSR_SFMASK] = MSR_SFMASK,
    [VCPU_MSR_KERNEL_GS_BASE] = MSR_KERNEL_GS_BASE,
    [VCPU_MSR_SYSENTER_CS] = MSR_SYSENTER_CS,
    [VCPU_MSR_SYSENTER_ESP] = MSR_SYSENTER_ESP,
    [VCPU_MSR_SYSENTER_EIP] = MSR_SYSENTER_EIP,
    [VCPU_MSR_PAT] = MSR_PAT,
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

static void get_control(const struct vcpu *vcpu, struct vcpu_page *page)
{
    const struct svm_vcpu *svm = vcpu->virt;
    const struct vmcb_save *save = &svm->vmcb->save;

    page->cr0 = (save->cr0 & ~SVM_HOST_CR0) | (svm->cr0 & SVM_HOST_CR0);
    page->cr2 = save->cr2;
    page->cr3 = save->cr3;
    page->cr4 = (save->cr4 & ~SVM_HOST_CR4) | (svm->cr4 & SVM_HOST_CR4);
    page->cr8 = svm->vmcb->control.v_tpr & 0xF;
    page->efer = save->efer & ~EFER_SVME;
    page->xcr0 = vcpu->xcr0;
    for (unsigned i = 0; i < ARRAY_SIZE(page->pdpte); i++)
        page->pdpte[i] = 0;
}

static void get_debug(struct svm_vcpu *svm, struct vcpu_page *page)
{
    if (svm->loaded) {
        svm->dr[0] = x86_read_dr0();
        svm->dr[1] = x86_read_dr1();
        svm->dr[2] = x86_read_dr2();
        svm->dr[3] = x86_read_dr3();
    }
    for (unsigned i = 0; i < 4; i++)
        page->dr[i] = svm->dr[i];
    page->dr[4] = page->dr[5] = 0;
    page->dr[6] = svm->vmcb->save.dr6;
    page->dr[7] = svm->vmcb->save.dr7;
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
    event->type = queued & EVENT_VALID ? types[(queued & EVENT_TYPE) >> EVENT_TYPE_SHIFT] : VCPU_EVENT_NONE;
    event->vector = event->type != VCPU_EVENT_NONE ? queued & EVENT_VECTOR : 0;
    event->has_error_code = event->type != VCPU_EVENT_NONE && (queued & EVENT_ERROR_VALID);
    event->error_code = event->has_error_code ? (uint32_t)(queued >> EVENT_ERROR_SHIFT) : 0;
    event->instruction_length = 0;
    event->payload = 0;
    if (event->type == VCPU_EVENT_EXCEPTION && event->vector == VECTOR_PF)
        event->payload = vmcb->save.cr2;
    if (event->type == VCPU_EVENT_EXCEPTION && event->vector == VECTOR_DB)
        event->payload = vmcb->save.dr6 & DR6_EVENTS;
    event->nmi_blocked = svm->nmi_blocked;
    event->interrupt_shadow = (vmcb->control.interrupt_state & INTERRUPT_SHADOW) != 0;
    event->pending_debug = (uint32_t)svm->pending_debug;
}

static void get_msrs(const struct vcpu *vcpu, struct vcpu_page *page)
{
    struct svm_vcpu *svm = vcpu->virt;

    for (unsigned i = 0; i < VCPU_MSR_COUNT; i++)
        page->msr[i] = msr_index[i] != 0 ? *svm_msr_field(&svm->vmcb->save, msr_index[i]) : 0;
    page->msr[VCPU_MSR_TSC_AUX] = svm->tsc_aux;
    page->msr[VCPU_MSR_TSC] = x86_rdtsc() + vcpu->tsc_offset;
}

/* RIP, RFLAGS and the general registers are in the page after every exit. */
void svm_vcpu_get(struct vcpu *vcpu, uint32_t groups)
{
    struct svm_vcpu *svm = vcpu->virt;

    if (groups & VCPU_GROUP_SEGMENTS)
        svm_segments_get(&svm->vmcb->save, vcpu->page);
    if (groups & VCPU_GROUP_CONTROL)
        get_control(vcpu, vcpu->page);
    if (groups & VCPU_GROUP_DEBUG)
        get_debug(svm, vcpu->page);
    if (groups & VCPU_GROUP_EVENTS)
        get_events(svm, vcpu->page);
    if (groups & VCPU_GROUP_MSRS)
        get_msrs(vcpu, vcpu->page);
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

static enum cl_status set_control(struct candidate *c, const struct vcpu_page *page)
{
    uint64_t efer = READ_ONCE(page->efer);

    c->cr0 = READ_ONCE(page->cr0) | CR0_ET;
    c->cr4 = READ_ONCE(page->cr4);
    c->xcr0 = READ_ONCE(page->xcr0);
    c->cr8 = READ_ONCE(page->cr8);
    if (c->cr0 & ~CR0_VALID)
        return refuse(CL_BAD_ARGUMENT, "CR0 %lx has reserved bits", c->cr0);
    if ((c->cr0 & CR0_PG) && !(c->cr0 & CR0_PE))
        return refuse(CL_BAD_ARGUMENT, "CR0 %lx: PG without PE", c->cr0);
    if ((c->cr0 & CR0_NW) && !(c->cr0 & CR0_CD))
        return refuse(CL_BAD_ARGUMENT, "CR0 %lx: NW without CD", c->cr0);
    if (c->cr4 & (~svm_host.cr4_valid | CR4_CET))
        return refuse(CL_BAD_ARGUMENT, "CR4 %lx has bits that are not offered", c->cr4);
    if (efer & (~svm_host.efer_valid | EFER_SVME))
        return refuse(CL_BAD_ARGUMENT, "EFER %lx has bits that are not offered", efer);
    if (c->cr8 > 15)
        return refuse(CL_BAD_ARGUMENT, "CR8 %lx is above 15", c->cr8);
    if (!xcr0_valid(c->xcr0))
        return refuse(CL_BAD_ARGUMENT, "XCR0 %lx is no set of components of this machine", c->xcr0);

    c->save.cr0 = (c->cr0 & ~SVM_HOST_CR0) | CR0_NE;
    c->save.cr2 = READ_ONCE(page->cr2);
    c->save.cr3 = READ_ONCE(page->cr3);
    c->save.cr4 = c->cr4 | CR4_MCE;
    c->save.efer = svm_efer_lma(efer, c->cr0) | EFER_SVME;
    if ((c->cr4 & CR4_PCIDE) && !(c->save.efer & EFER_LMA))
        return refuse(CL_BAD_ARGUMENT, "CR4 %lx: PCIDE outside long mode", c->cr4);
    return CL_OK;
}

static enum cl_status set_debug(struct candidate *c, const struct vcpu_page *page)
{
    for (unsigned i = 0; i < 4; i++)
        c->dr[i] = READ_ONCE(page->dr[i]);
    c->save.dr6 = READ_ONCE(page->dr[6]) | DR6_FIXED;
    c->save.dr7 = READ_ONCE(page->dr[7]) | DR7_FIXED;
    return CL_OK;
}

static enum cl_status set_msrs(struct candidate *c, const struct vcpu_page *page)
{
    for (unsigned i = 0; i < VCPU_MSR_COUNT; i++) {
        uint64_t value = READ_ONCE(page->msr[i]);
        bool address = i == VCPU_MSR_LSTAR || i == VCPU_MSR_CSTAR || i == VCPU_MSR_KERNEL_GS_BASE ||
                       i == VCPU_MSR_SYSENTER_ESP || i == VCPU_MSR_SYSENTER_EIP;

        if ((address && !svm_canonical(value)) || (i == VCPU_MSR_PAT && !svm_pat_valid(value)) ||
            (i == VCPU_MSR_TSC_AUX && value > UINT32_MAX) || (i == VCPU_MSR_XSS && value != 0))
            return refuse(CL_BAD_ARGUMENT, "msr[%u] cannot be %lx", i, value);
        if (msr_index[i] != 0)
            *svm_msr_field(&c->save, msr_index[i]) = value;
        else if (i == VCPU_MSR_TSC_AUX)
            c->tsc_aux = (uint32_t)value;
        else if (i == VCPU_MSR_TSC)
            c->tsc = value;
    }
    return CL_OK;
}

/* A software interrupt or exception needs no queue: RIP stands on its instruction. */
static enum cl_status set_events(struct candidate *c, const struct vcpu_page *page)
{
    struct vcpu_events event = *(const volatile struct vcpu_events *)&page->event;
    unsigned type;

    c->nmi_blocked = event.nmi_blocked;
    c->shadow = event.interrupt_shadow;
    c->pending_debug = event.pending_debug & DR6_EVENTS;
    c->injection = 0;
    switch (event.type) {
    case VCPU_EVENT_NONE:
    case VCPU_EVENT_SOFT_INTERRUPT:
    case VCPU_EVENT_SOFT_EXCEPTION:
        return CL_OK;
    case VCPU_EVENT_INTERRUPT:
        type = EVENT_TYPE_INTR;
        break;
    case VCPU_EVENT_NMI:
        type = EVENT_TYPE_NMI;
        event.vector = VECTOR_NMI;
        c->nmi_blocked = true;
        break;
    case VCPU_EVENT_EXCEPTION:
        type = EVENT_TYPE_EXCEPTION;
        if (event.vector > 31 || event.vector == VECTOR_NMI)
            return refuse(CL_BAD_ARGUMENT, "vector %u is no exception", event.vector);
        if (event.has_error_code && !svm_exception_has_error(event.vector))
            return refuse(CL_BAD_ARGUMENT, "exception %u has no error code", event.vector);
        break;
    default:
        return refuse(CL_BAD_ARGUMENT, "there is no event of type %u", event.type);
    }
    c->injection = EVENT_VALID | ((uint64_t)type << EVENT_TYPE_SHIFT) | event.vector;
    if (type == EVENT_TYPE_EXCEPTION && event.has_error_code)
        c->injection |= EVENT_ERROR_VALID | ((uint64_t)event.error_code << EVENT_ERROR_SHIFT);
    if (type == EVENT_TYPE_EXCEPTION && event.vector == VECTOR_PF)
        c->save.cr2 = event.payload;
    if (type == EVENT_TYPE_EXCEPTION && event.vector == VECTOR_DB)
        c->save.dr6 |= event.payload & DR6_EVENTS;
    return CL_OK;
}

/* Every check; the VMCB is untouched. */
static enum cl_status check(struct candidate *c, const struct vcpu_page *page, uint32_t groups)
{
    struct svm_finding finding;

    if (groups & VCPU_GROUP_SEGMENTS)
        TRY(svm_segments_set(&c->save, page));
    if (groups & VCPU_GROUP_CONTROL)
        TRY(set_control(c, page));
    if (groups & VCPU_GROUP_DEBUG)
        TRY(set_debug(c, page));
    if (groups & VCPU_GROUP_MSRS)
        TRY(set_msrs(c, page));
    if (groups & VCPU_GROUP_EVENTS)
        TRY(set_events(c, page));
    if (svm_audit_state(&c->save, &finding, 1) != 0)
        return refuse(CL_BAD_ARGUMENT, "%s (APM Vol. 2 %s): %lx", finding.rule, finding.section, finding.value);
    return CL_OK;
}

static void commit_debug(struct svm_vcpu *svm, const struct candidate *c)
{
    for (unsigned i = 0; i < 4; i++)
        svm->dr[i] = c->dr[i];
    if (!svm->loaded)
        return;
    x86_write_dr0(c->dr[0]);
    x86_write_dr1(c->dr[1]);
    x86_write_dr2(c->dr[2]);
    x86_write_dr3(c->dr[3]);
}

static void commit_events(struct svm_vcpu *svm, const struct candidate *c)
{
    struct vmcb_control *control = &svm->vmcb->control;

    svm_step_end(svm);
    control->event_injection = c->injection;
    control->interrupt_state = c->shadow ? INTERRUPT_SHADOW : 0;
    svm->pending_debug = c->pending_debug;
    svm->special &= SPECIAL_WINDOW;
    if (c->pending_debug != 0)
        svm->special |= SPECIAL_DEBUG;
    svm_nmi_block(svm, c->nmi_blocked);
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
    c.save = svm->vmcb->save;
    TRY(check(&c, vcpu->page, groups));

    if (paging_changed(&c.save, &svm->vmcb->save))
        svm_asid_flush(svm);
    svm->vmcb->save = c.save;
    if (groups & VCPU_GROUP_CONTROL) {
        svm->cr0 = c.cr0;
        svm->cr4 = c.cr4;
        vcpu->xcr0 = c.xcr0;
        svm->vmcb->control.v_tpr = (uint8_t)c.cr8;
        svm_control_intercepts(svm);
    }
    if (groups & VCPU_GROUP_DEBUG)
        commit_debug(svm, &c);
    if (groups & VCPU_GROUP_EVENTS)
        commit_events(svm, &c);
    if (groups & VCPU_GROUP_MSRS) {
        svm_tsc_aux_set(svm, c.tsc_aux);
        vcpu->tsc_offset = c.tsc - x86_rdtsc();
    }
    return CL_OK;
}

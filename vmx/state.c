/* SPDX-License-Identifier: Apache-2.0 */
/* state.c: groups of registers between the VMCS and the vCPU page.
 *
 * What both hold in the same form is a row of state_table.c, the segments among them: the normal form of abi/vcpu.h is
 * the VMCS's. Setting goes through a private copy: the page is shared with the VMM, so it is read once, and the new state
 * is checked whole, as the processor would at the entry, before any of it takes its place. The activity, pending NMIs and
 * what vlapic keeps are the kernel's.
 */
#include "kernel/assert.h"
#include "kernel/string.h"
#include "vmx/audit.h"
#include "vmx/instructions.h"
#include "vmx/state_table.h"

static bool pae_paging(const struct vcpu_page *page)
{
    return (page->cr0 & CR0_PG) && (page->cr4 & CR4_PAE) && !(page->efer & EFER_LMA);
}

static void get_registers(struct vcpu_page *page, uint32_t groups)
{
    for (unsigned i = 0; i < VMX_REGISTER_COUNT; i++) {
        const struct vmx_register *r = &vmx_registers[i];
        uint64_t value;

        if (!(r->group & groups))
            continue;
        value = vmx_read(r->field);
        memcpy((char *)page + r->page, &value, r->size);
    }
}

/* Whether a descriptor counted in pages no instruction shows once it is loaded: G is as the limit makes it. */
static void get_segments(struct vcpu_page *page)
{
    get_registers(page, VCPU_GROUP_SEGMENTS);
    guest_segments_normalise(page);
    for (unsigned i = 0; i < SEG_COUNT; i++)
        if (page->segment[i].limit <= LIMIT_BYTES_MAX)
            page->segment[i].attributes &= ~ATTR_GRANULAR;
}

/* VCPU_GROUP_CODE. */
static void get_code(struct vcpu_page *page)
{
    uint32_t cs = (uint32_t)vmx_read(VMCS_OF(VMCS_GUEST_ACCESS, SEG_CS));
    uint32_t ss = (uint32_t)vmx_read(VMCS_OF(VMCS_GUEST_ACCESS, SEG_SS));

    if (!(cs & SEG_ATTR_LONG) || !(vmx_read(VMCS_GUEST_EFER) & EFER_LMA)) {
        get_segments(page);
        return;
    }
    page->segment[SEG_CS].attributes = cs;
    page->segment[SEG_SS].attributes = ss & SEG_ATTR_UNUSABLE ? ss & (SEG_ATTR_UNUSABLE | ATTR_DPL) : ss;
    page->segment[SEG_FS].base = vmx_read(VMCS_OF(VMCS_GUEST_BASE, SEG_FS));
    page->segment[SEG_GS].base = vmx_read(VMCS_OF(VMCS_GUEST_BASE, SEG_GS));
}

static void get_control(const struct vcpu *vcpu, struct vcpu_page *page)
{
    const struct vmx_vcpu *vmx = vcpu->virt;

    page->cr0 = (vmx_read(VMCS_GUEST_CR0) & ~VMX_HOST_CR0) | (vmx_read(VMCS_CR0_SHADOW) & VMX_HOST_CR0);
    page->cr4 = (vmx_read(VMCS_GUEST_CR4) & VMX_GUEST_CR4) | (vmx_read(VMCS_CR4_SHADOW) & ~VMX_GUEST_CR4);
    page->cr2 = vmx->cr2;
    page->cr3 = vmx_read(VMCS_GUEST_CR3);
    page->cr8 = vlapic_cr8_get(&vcpu->lapic);
    page->efer = vmx_read(VMCS_GUEST_EFER);
    page->xcr0 = vcpu->xcr0;
    for (unsigned i = 0; i < 4; i++)
        page->pdpte[i] = pae_paging(page) ? vmx_read(VMCS_OF(VMCS_GUEST_PDPTE, i)) : 0;
}

static void get_debug(const struct vmx_vcpu *vmx, struct vcpu_page *page)
{
    memcpy(page->dr, vmx->dr, sizeof vmx->dr);
    page->dr[4] = page->dr[5] = 0;
    page->dr[6] = vmx->dr6;
}

static void get_events(const struct vcpu *vcpu, struct vcpu_page *page)
{
    const struct vmx_vcpu *vmx = vcpu->virt;
    uint64_t pending = vmx_read(VMCS_PENDING_DEBUG);
    struct vcpu_events *event = &page->event;

    if (!(pending & PENDING_ENABLED))
        pending &= DR6_BS;
    if (vmx->blocking & BLOCKED_SHADOW)
        pending &= ~DR6_BS;
    *event = (struct vcpu_events){
        .nmi_blocked = (vmx->blocking & BLOCKED_BY_NMI) != 0,
        .nmi_pending = event->nmi_pending,
        .interrupt_shadow = (vmx->blocking & BLOCKED_SHADOW) != 0,
        .activity = event->activity,
        .pending_debug = (uint32_t)((pending | vmx->pending_debug) & DR6_EVENTS),
        .deferred_type = vcpu->deferred_type,
        .deferred_vector = vcpu->deferred_vector,
    };
    guest_event_tell(vmx->injection, vmx->cr2, vmx->dr6, event);
}

/* RIP, RFLAGS and the general registers are in the page after every exit. */
void vmx_vcpu_get(struct vcpu *vcpu, uint32_t groups)
{
    struct vmx_vcpu *vmx = vcpu->virt;
    struct vcpu_page *page = vcpu->page;

    vmx_registers_save(vmx, groups);
    vmx_open(vmx);
    if (groups & (VCPU_GROUP_DEBUG | VCPU_GROUP_MSRS))
        get_registers(page, groups & (VCPU_GROUP_DEBUG | VCPU_GROUP_MSRS));
    if (groups & VCPU_GROUP_SEGMENTS)
        get_segments(page);
    else if (groups & VCPU_GROUP_CODE)
        get_code(page);
    if (groups & VCPU_GROUP_CONTROL)
        get_control(vcpu, page);
    if (groups & VCPU_GROUP_DEBUG)
        get_debug(vmx, page);
    if (groups & VCPU_GROUP_EVENTS)
        get_events(vcpu, page);
    if (groups & VCPU_GROUP_MSRS) {
        memcpy(page->msr, vmx->msr, sizeof vmx->msr);
        page->msr[VCPU_MSR_TSC_AUX] = vmx->tsc_aux;
        page->msr[VCPU_MSR_TSC] = x86_rdtsc() + vcpu->tsc_offset;
        page->msr[VCPU_MSR_XSS] = 0;
    }
    vmx_close(vmx);
}

/* What the page, which has passed the audit, makes of the guest-state area. */
static void fill(struct vmx_guest *g, uint32_t groups)
{
    struct vcpu_page *page = &g->page;
    const struct vcpu_events *event = &page->event;

    if (groups & VCPU_GROUP_SEGMENTS)
        guest_segments_normalise(page);
    if (groups & VCPU_GROUP_CONTROL) {
        g->cr0 = (page->cr0 & ~VMX_HOST_CR0) | CR0_NE | CR0_ET;
        g->cr4 = page->cr4 | VMX_SET_CR4;
        page->efer = guest_efer_lma(page->efer, page->cr0);
        if (!pae_paging(page))
            memset(page->pdpte, 0, sizeof page->pdpte);
    }
    if (groups & VCPU_GROUP_DEBUG) {
        page->dr[6] = guest_dr6(page->dr[6]);
        page->dr[7] = guest_dr7(page->dr[7]);
    }
    if (groups & VCPU_GROUP_EVENTS) {
        bool nmi_comes = event->type == VCPU_EVENT_NMI || event->deferred_type == VCPU_EVENT_NMI;

        g->event = guest_event_make(event->type, event->vector, event->has_error_code, event->error_code);
        g->blocking =
            (event->interrupt_shadow ? BLOCKED_BY_STI : 0) | (event->nmi_blocked && !nmi_comes ? BLOCKED_BY_NMI : 0);
        g->pending_debug = 0;
    }
    if ((g->blocking & BLOCKED_BY_STI) && !(page->rflags & RFLAGS_IF))
        g->blocking ^= BLOCKED_SHADOW;
    g->pending_debug = vmx_pending_step(g->blocking, page->rflags, g->pending_debug);
}

/* What the guest has in its TLB was made under other rules. */
static bool paging_changed(const struct vmx_guest *g)
{
    return ((vmx_read(VMCS_GUEST_CR0) ^ g->cr0) & (CR0_PG | CR0_WP | CR0_PE)) ||
           vmx_read(VMCS_GUEST_CR3) != g->page.cr3 || vmx_read(VMCS_GUEST_CR4) != g->cr4 ||
           vmx_read(VMCS_GUEST_EFER) != g->page.efer;
}

static void commit_control(struct vcpu *vcpu, const struct vmx_guest *g)
{
    struct vmx_vcpu *vmx = vcpu->virt;

    if (paging_changed(g))
        vmx_vpid_flush(vmx);
    vmx_write(VMCS_GUEST_CR0, g->cr0);
    vmx_write(VMCS_CR0_SHADOW, g->page.cr0 | CR0_ET);
    vmx_write(VMCS_GUEST_CR3, g->page.cr3);
    vmx_write(VMCS_GUEST_CR4, g->cr4);
    vmx_write(VMCS_CR4_SHADOW, g->page.cr4);
    vmx_efer_write(g->page.efer);
    for (unsigned i = 0; i < 4; i++)
        vmx_write(VMCS_OF(VMCS_GUEST_PDPTE, i), g->page.pdpte[i]);
    vmx->cr2 = g->page.cr2;
    if (g->page.cr8 != vlapic_cr8_get(&vcpu->lapic)) /* else TPR[3:0] stay as they are */
        vlapic_cr8_set(&vcpu->lapic, g->page.cr8);
    vcpu->xcr0 = g->page.xcr0;
}

/* A software interrupt or exception needs no queue: RIP stands on its instruction. */
static void commit_events(struct vcpu *vcpu, const struct vmx_guest *g)
{
    struct vmx_vcpu *vmx = vcpu->virt;
    const struct vcpu_events *event = &g->page.event;
    bool exception = event->type == VCPU_EVENT_EXCEPTION;

    vcpu_defer(vcpu, event->deferred_type, event->deferred_vector);
    vmx->injection = g->event;
    vmx->pending_debug = event->pending_debug & DR6_EVENTS;
    vmx->special = (g->event != 0 ? SPECIAL_INJECT : 0) | (vmx->pending_debug != 0 ? SPECIAL_WAITING : 0);
    vmx->cr2 = exception && event->vector == VECTOR_PF ? event->payload : vmx->cr2;
    vmx->dr6 |= exception && event->vector == VECTOR_DB ? event->payload & DR6_EVENTS : 0;
}

static void commit(struct vcpu *vcpu, const struct vmx_guest *g, uint32_t groups)
{
    struct vmx_vcpu *vmx = vcpu->virt;

    ASSERT(!vmx->live); /* ring 3 asks */
    vmx_registers_save(vmx, groups);
    if (groups & VCPU_GROUP_CONTROL)
        commit_control(vcpu, g);
    for (unsigned i = 0; i < VMX_REGISTER_COUNT; i++) {
        const struct vmx_register *r = &vmx_registers[i];
        uint64_t value = 0;

        memcpy(&value, (const char *)&g->page + r->page, r->size);
        if (r->group & groups)
            vmx_write(r->field, value);
    }
    vmx_write(VMCS_PENDING_DEBUG, g->pending_debug);
    if (groups & VCPU_GROUP_DEBUG) {
        memcpy(vmx->dr, g->page.dr, sizeof vmx->dr);
        vmx->dr6 = g->page.dr[6];
    }
    if (groups & VCPU_GROUP_EVENTS)
        commit_events(vcpu, g);
    vmx_block(vmx, g->blocking);
    if (groups & VCPU_GROUP_MSRS) {
        memcpy(vmx->msr, g->page.msr, sizeof vmx->msr);
        vmx->tsc_aux = g->page.msr[VCPU_MSR_TSC_AUX];
        vcpu_set_tsc(vcpu, g->page.msr[VCPU_MSR_TSC]);
    }
    vmx_registers_load(vmx, groups);
}

enum cl_status vmx_vcpu_set(struct vcpu *vcpu, uint32_t groups)
{
    struct vmx_vcpu *vmx = vcpu->virt;
    struct vmx_guest g = { .page = *(const volatile struct vcpu_page *)vcpu->page };
    struct finding finding;
    unsigned broken;

    if (audit_page(&g.page, groups, &finding, 1) != 0)
        return finding_refuse(&finding);
    vmx_open(vmx);
    vmx_guest_read(vmx, &g, groups);
    fill(&g, groups);
    broken = vmx_audit_state(&g, &finding, 1);
    if (broken == 0)
        commit(vcpu, &g, groups);
    vmx_close(vmx);
    return broken == 0 ? CL_OK : finding_refuse(&finding);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* vmx.c: linked into a kernel of its own between everybody and vmx_vcpu_enter(): the first guest that runs 64-bit code is
 * entered with each of its rules broken in turn, and then as if nothing had been.
 *
 * RFLAGS goes in through the vCPU page, which lets no reserved bit through: that rule cannot be shown.
 */
#include "kernel/string.h"
#include "tests/system/refused/refused.h"
#include "tests/unit/vmx/broken_rules.h"
#include "vmx/instructions.h"
#include "vmx/state_table.h"

void __real_vmx_vcpu_enter(struct vcpu *vcpu, struct virt_exit *exit);
void __wrap_vmx_vcpu_enter(struct vcpu *vcpu, struct virt_exit *exit);

static void write_event(uint64_t event)
{
    vmx_write(VMCS_ENTRY_EVENT, (uint32_t)event);
    vmx_write(VMCS_ENTRY_ERROR, event >> EVENT_ERROR_SHIFT);
}

/* The inverse of vmx_guest_read(). */
static void write_guest(const struct vmx_guest *g)
{
    for (unsigned i = 0; i < VMX_REGISTER_COUNT; i++) {
        const struct vmx_register *r = &vmx_registers[i];
        uint64_t value = 0;

        memcpy(&value, (const char *)&g->page + r->page, r->size);
        vmx_write(r->field, value);
    }
    vmx_write(VMCS_GUEST_CR0, g->cr0);
    vmx_write(VMCS_GUEST_CR3, g->page.cr3);
    vmx_write(VMCS_GUEST_CR4, g->cr4);
    vmx_write(VMCS_GUEST_EFER, g->page.efer);
    for (unsigned i = 0; i < 4; i++)
        vmx_write(VMCS_OF(VMCS_GUEST_PDPTE, i), g->page.pdpte[i]);
    vmx_write(VMCS_INTERRUPTIBILITY, g->blocking);
    vmx_write(VMCS_PENDING_DEBUG, g->pending_debug);
    vmx_write(VMCS_GUEST_DEBUGCTL, g->debugctl);
    vmx_write(VMCS_LINK, g->link);
    vmx_write(VMCS_ACTIVITY, g->activity);
    write_event(g->event);
}

/* The inverse of vmx_controls_read(). */
static void write_controls(const struct vmx_controls *c)
{
    static const uint16_t words[] = { VMCS_PIN_CONTROLS, VMCS_PRIMARY_CONTROLS, VMCS_EXIT_CONTROLS, VMCS_ENTRY_CONTROLS,
                                      VMCS_SECONDARY_CONTROLS };
    const struct vmx_setting rest[] = {
        { VMCS_VPID, c->vpid },
        { VMCS_CR3_TARGETS, c->cr3_targets },
        { VMCS_TPR_THRESHOLD, c->tpr_threshold },
        { VMCS_MSR_BITMAP, c->msr_bitmap },
        { VMCS_VIRTUAL_APIC, c->virtual_apic },
        { VMCS_EPTP, c->eptp },
        { VMCS_ENTRY_LENGTH, c->event_length },
        { VMCS_HOST_CR0, c->host_cr0 },
        { VMCS_HOST_CR3, c->host_cr3 },
        { VMCS_HOST_CR4, c->host_cr4 },
        { VMCS_HOST_EFER, c->host_efer },
        { VMCS_HOST_PAT, c->host_pat },
        { VMCS_HOST_RIP, c->host_rip },
        { VMCS_HOST_FS_BASE, c->host_fs_base },
        { VMCS_HOST_GS_BASE, c->host_gs_base },
        { VMCS_HOST_TR_BASE, c->host_tr_base },
        { VMCS_HOST_GDTR_BASE, c->host_gdtr_base },
        { VMCS_HOST_IDTR_BASE, c->host_idtr_base },
        { VMCS_HOST_SYSENTER_ESP, c->host_sysenter_esp },
        { VMCS_HOST_SYSENTER_EIP, c->host_sysenter_eip },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
        vmx_write(words[i], c->word[i]);
    for (unsigned i = 0; i < ARRAY_SIZE(rest); i++)
        vmx_write(rest[i].field, rest[i].value);
    for (unsigned i = 0; i < ARRAY_SIZE(c->host_selector); i++)
        vmx_write(VMCS_OF(VMCS_HOST_SELECTOR, i), c->host_selector[i]);
    write_event(c->event);
}

static const struct vcpu_segment byte_segment = { .selector = 0x10, .limit = 0xFFFF, .attributes = 0x93 };

static void show_guest(struct vcpu *vcpu, const struct vmx_guest *good, const struct broken *b)
{
    static struct vmx_guest bad;
    struct finding finding = { 0 };
    struct virt_exit exit;
    unsigned count;

    bad = *good;
    bad.page.segment[SEG_ES] = bad.page.segment[SEG_FS] = byte_segment; /* usable, and not of 4 GiB */
    broken_prepare(b, &bad);
    (void)broken_apply(b, &bad);
    count = vmx_audit_state(&bad, &finding, 1);
    write_guest(&bad);
    vcpu->page->rip = bad.page.rip;
    __real_vmx_vcpu_enter(vcpu, &exit);
    refused_report(b->rule, count, &finding, &exit);
}

static void show_controls(struct vcpu *vcpu, const struct vmx_controls *good, const struct broken *b)
{
    struct vmx_controls bad = *good;
    struct finding finding = { 0 };
    struct virt_exit exit;
    unsigned count;

    if (b->clear == PIN_VIRTUAL_NMI)
        bad.word[WORD_PRIMARY] |= PRIMARY_NMI_WINDOW;
    (void)broken_apply(b, &bad);
    count = vmx_audit_controls(&bad, &finding, 1);
    write_controls(&bad);
    __real_vmx_vcpu_enter(vcpu, &exit);
    refused_report(b->rule, count, &finding, &exit);
}

/* Everything that `show` changes, and the guest's way through an entry that was not refused, is undone. */
static void show(struct vcpu *vcpu, const struct broken *b, bool is_guest)
{
    static struct vmx_guest guest;
    static struct vcpu_page page;
    struct vmx_vcpu *vmx = vcpu->virt, saved = *vmx;
    struct vmx_controls own;

    memcpy(&page, vcpu->page, sizeof(page));
    memcpy(&guest.page, vcpu->page, sizeof(page));
    vmx_guest_read(vmx, &guest, 0);
    vmx_controls_read(vcpu, &own);
    own.event = 0;
    if (is_guest)
        show_guest(vcpu, &guest, b);
    else
        show_controls(vcpu, &own, b);
    write_guest(&guest);
    write_controls(&own);
    memcpy(vcpu->page, &page, sizeof(page));
    saved.live = vmx->live;
    saved.host_rsp = vmx->host_rsp; /* as the VMCS has it */
    *vmx = saved;
}

void __wrap_vmx_vcpu_enter(struct vcpu *vcpu, struct virt_exit *exit)
{
    static bool shown;
    struct vmx_vcpu *vmx = vcpu->virt;

    if (!shown && vmx->launched && vmx->special == 0 && vmx->blocking == 0 && vmx->generation == vmx->cpu->generation &&
        (vmx_read(VMCS_GUEST_EFER) & EFER_LMA) && (vmx_read(VMCS_OF(VMCS_GUEST_ACCESS, SEG_CS)) & SEG_ATTR_LONG)) {
        shown = true;
        for (unsigned i = 0; i < ARRAY_SIZE(in_long_mode); i++)
            if (refused_wanted(vcpu, i))
                show(vcpu, &in_long_mode[i], true);
        for (unsigned i = 0; i < ARRAY_SIZE(controls); i++)
            if (refused_wanted(vcpu, ARRAY_SIZE(in_long_mode) + i))
                show(vcpu, &controls[i], false);
        log_line("refused: that was all");
    }
    __real_vmx_vcpu_enter(vcpu, exit);
}

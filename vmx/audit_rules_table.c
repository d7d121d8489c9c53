/* SPDX-License-Identifier: Apache-2.0 */
/* audit_rules_table.c: the rules of VM entry, one line each: what is wrong, where the manual says so, when, the value.
 *
 * The order is that of SDM Vol. 3C 27.2 and 27.3. A rule is about one thing: one that presupposes another is written so
 * that breaking the other does not name it too. Rules on controls that no VMCS here sets are left out.
 */
#include "vmx/audit.h"
#include "vmx/state_table.h"

#define SELECTOR_LOCAL (1u << 2)
#define SELECTOR_RPL 3u
#define CR3_TARGETS_MAX 4u
#define MSR_ENTRY_BYTES 16u
#define TYPE_OTHER 7u
enum { ACTIVITY_HLT = 1, ACTIVITY_SHUTDOWN = 2, ACTIVITY_SIPI = 3 };
#define PDPTE_RESERVED UINT64_C(0x1E6)
#define DEBUGCTL_RESERVED UINT64_C(0xFFFFFFFFFFFF003C)
#define DEBUGCTL_BTF (UINT64_C(1) << 1)
#define PENDING_RESERVED UINT64_C(0xFFFFFFFFFFFEAFF0)
#define BLOCKING_RESERVED UINT32_C(0xFFFFFFE0)

#define EVENT_IS(event, type) (((event)&EVENT_VALID) && guest_event_type(event) == (type))

static bool no_page(uint64_t address)
{
    return !is_aligned(address, PAGE_SIZE) || address >> guest_cpu.physical_bits != 0;
}

/* Of MSRs: its last byte is within physical memory, too. */
static bool no_area(uint32_t count, uint64_t address)
{
    return count != 0 && (!is_aligned(address, MSR_ENTRY_BYTES) ||
                          (address + (uint64_t)count * MSR_ENTRY_BYTES - 1) >> guest_cpu.physical_bits != 0);
}

/* 27.2.1.1: execution controls. */
static void execution_rules(struct report *r, const struct vmx_controls *c)
{
    static const char *const words[5] = { [WORD_PIN] = "a pin-based control has a value that it cannot have",
                                          [WORD_PRIMARY] = "a primary control has a value that it cannot have",
                                          [WORD_EXIT] = "a VM-exit control has a value that it cannot have",
                                          [WORD_ENTRY] = "a VM-entry control has a value that it cannot have",
                                          [WORD_SECONDARY] = "a secondary control has a value that it cannot have" };
    uint32_t pin = c->word[WORD_PIN], primary = c->word[WORD_PRIMARY], secondary = c->word[WORD_SECONDARY];
    bool shadow = primary & PRIMARY_TPR_SHADOW, threshold = shadow && !(secondary & SECONDARY_VIRTUAL_INTERRUPTS);

    for (unsigned i = 0; i < 5; i++)
        rule(r, words[i], "27.2.1", (vmx_host.must[i] & ~c->word[i]) != 0 || (c->word[i] & ~vmx_host.may[i]) != 0,
             c->word[i]);
    rule(r, "the MSR bitmap is not a page of memory", "27.2.1.1",
         (primary & PRIMARY_MSR_BITMAP) && no_page(c->msr_bitmap), c->msr_bitmap);
    rule(r, "the virtual-APIC page is not a page of memory", "27.2.1.1", shadow && no_page(c->virtual_apic),
         c->virtual_apic);
    rule(r, "the TPR threshold has reserved bits", "27.2.1.1", threshold && c->tpr_threshold >> 4 != 0,
         c->tpr_threshold);
    rule(r, "the TPR threshold is above the guest's TPR", "27.2.1.1",
         threshold && (c->tpr_threshold & 15) > (c->tpr >> 4 & 15), c->tpr_threshold);
    rule(r, "the local APIC is virtualised without a TPR shadow", "27.2.1.1",
         (secondary & SECONDARY_ASSIST) != 0 && !shadow, secondary);
    rule(r, "virtual-interrupt delivery without exits of interrupts", "27.2.1.1",
         (secondary & SECONDARY_VIRTUAL_INTERRUPTS) && !(pin & PIN_INTERRUPT), secondary);
    rule(r, "virtual NMIs without NMI exits", "27.2.1.1", (pin & PIN_VIRTUAL_NMI) && !(pin & PIN_NMI), pin);
    rule(r, "NMI-window exits without virtual NMIs", "27.2.1.1",
         (primary & PRIMARY_NMI_WINDOW) && !(pin & PIN_VIRTUAL_NMI), primary);
    rule(r, "VPID is zero", "27.2.1.1", (secondary & SECONDARY_VPID) && c->vpid == 0, c->vpid);
    rule(r, "there are more than 4 CR3 targets", "27.2.1.1", c->cr3_targets > CR3_TARGETS_MAX, c->cr3_targets);
    rule(r, "the EPT memory type is not one that the processor has", "27.2.1.1",
         (secondary & SECONDARY_EPT) && (c->eptp & 7) != EPTP_WRITE_BACK &&
             ((c->eptp & 7) != 0 || !(vmx_host.may[WORD_EPT] & EPT_UNCACHEABLE)),
         c->eptp);
    rule(r, "the EPT has not 4 levels", "27.2.1.1", (secondary & SECONDARY_EPT) && (c->eptp >> 3 & 7) != 3, c->eptp);
    rule(r, "a reserved bit of EPTP is set", "27.2.1.1",
         (secondary & SECONDARY_EPT) && ((c->eptp & 0xF80) != 0 || c->eptp >> guest_cpu.physical_bits != 0 ||
                                         ((c->eptp & 0x40) && !(vmx_host.may[WORD_EPT] & EPT_ACCESSED_DIRTY))),
         c->eptp);
    rule(r, "unrestricted guest without EPT", "27.2.1.1",
         (secondary & SECONDARY_UNRESTRICTED) && !(secondary & SECONDARY_EPT), secondary);
}

/* 27.2.1.2, 27.2.1.3: exits and entries. */
static void transition_rules(struct report *r, const struct vmx_controls *c)
{
    static const char *const areas[3] = { "the area of MSRs to store at exits is no memory",
                                          "the area of MSRs to load at exits is no memory",
                                          "the area of MSRs to load at entries is no memory" };
    uint32_t exit = c->word[WORD_EXIT], entry = c->word[WORD_ENTRY];

    rule(r, "the preemption timer is saved and does not run", "27.2.1.2",
         (exit & EXIT_SAVE_TIMER) && !(c->word[WORD_PIN] & PIN_PREEMPTION_TIMER), exit);
    for (unsigned i = 0; i < ARRAY_SIZE(areas); i++)
        rule(r, areas[i], i < 2 ? "27.2.1.2" : "27.2.1.3", no_area(c->msr_area[i].count, c->msr_area[i].address),
             c->msr_area[i].address);
    rule(r, "an entry to SMM, or the end of its monitor, outside SMM", "27.2.1.3", (entry & ENTRY_SMM) != 0, entry);
    rule(r, "the host is not in 64-bit mode after an exit", "27.2.4", !(exit & EXIT_HOST_64), exit);
    rule(r, "EFER.LMA is not as the entry controls have it", "27.3.1.1",
         !(entry & ENTRY_GUEST_64) != !(c->guest_efer & EFER_LMA), c->guest_efer);
}

/* 27.2.1.3: the event to be injected. */
static void injection_rules(struct report *r, const struct vmx_controls *c)
{
    uint64_t event = c->event, vector = event & EVENT_VECTOR, type = guest_event_type(event);
    bool valid = event & EVENT_VALID, exception = EVENT_IS(event, EVENT_TYPE_EXCEPTION);
    bool protected_mode = (c->guest_cr0 & CR0_PE) || !(c->word[WORD_SECONDARY] & SECONDARY_UNRESTRICTED);
    bool has_error = event & EVENT_ERROR_VALID;
    bool wants_error = exception && protected_mode && guest_exception_has_error((unsigned)vector);
    bool software = valid && type >= EVENT_TYPE_SOFTWARE && type <= EVENT_TYPE_INT3;

    rule(r, "the event has a reserved type", "27.2.1.3",
         valid && (type == 1 || (type == TYPE_OTHER && !(vmx_host.may[WORD_PRIMARY] & PRIMARY_MTF))), event);
    rule(r, "the event is another one than a monitor trap", "27.2.1.3", EVENT_IS(event, TYPE_OTHER) && vector != 0,
         event);
    rule(r, "the event is an NMI with a vector other than 2", "27.2.1.3",
         EVENT_IS(event, EVENT_TYPE_NMI) && vector != VECTOR_NMI, event);
    rule(r, "the event is an exception with a vector above 31", "27.2.1.3", exception && vector > 31, event);
    rule(r, "the event has no error code, but its exception has", "27.2.1.3", wants_error && !has_error, event);
    rule(r, "the event has an error code that it cannot have", "27.2.1.3", valid && has_error && !wants_error, event);
    rule(r, "the event has reserved bits", "27.2.1.3", valid && (event & EVENT_RESERVED) != 0, event);
    rule(r, "the event's error code has more than 16 bits", "27.2.1.3",
         valid && has_error && event >> EVENT_ERROR_SHIFT >> 16 != 0, event);
    rule(r, "the event's instruction length is not 1 to 15", "27.2.1.3",
         software && (c->event_length == 0 || c->event_length > 15), c->event_length);
}

/* 27.2.2, 27.2.3, 27.2.4: the host, which is this kernel in 64-bit mode. */
static void host_rules(struct report *r, const struct vmx_controls *c)
{
    const uint64_t addresses[] = { c->host_fs_base,   c->host_gs_base,      c->host_tr_base,     c->host_gdtr_base,
                                   c->host_idtr_base, c->host_sysenter_esp, c->host_sysenter_eip };

    rule(r, "the host's CR0 has a bit that VMX operation does not allow", "27.2.2",
         ((vmx_host.cr0_must | CR0_PE | CR0_PG) & ~c->host_cr0) != 0 || c->host_cr0 >> 32 != 0, c->host_cr0);
    rule(r, "the host's CR4 has a bit that VMX operation does not allow", "27.2.2",
         (vmx_host.cr4_must & ~c->host_cr4) != 0 || (c->host_cr4 & ~vmx_host.cr4_may) != 0, c->host_cr4);
    rule(r, "the host's CR4.CET is set and CR0.WP is clear", "27.2.2",
         (c->host_cr4 & CR4_CET) && !(c->host_cr0 & CR0_WP), c->host_cr4);
    rule(r, "the host's CR3 is beyond physical memory", "27.2.2", c->host_cr3 >> guest_cpu.physical_bits != 0,
         c->host_cr3);
    rule(r, "the host's PAT has an unsupported type", "27.2.2", !guest_pat_valid(c->host_pat), c->host_pat);
    rule(r, "the host's EFER has a reserved bit", "27.2.2", (c->host_efer & ~guest_cpu.efer_valid) != 0, c->host_efer);
    rule(r, "the host's EFER is not of 64-bit mode", "27.2.2",
         (c->host_efer & (EFER_LMA | EFER_LME)) != (EFER_LMA | EFER_LME), c->host_efer);
    for (unsigned i = 0; i < ARRAY_SIZE(c->host_selector); i++)
        rule(r, "a host selector has RPL or TI", "27.2.3", (c->host_selector[i] & (SELECTOR_LOCAL | SELECTOR_RPL)) != 0,
             c->host_selector[i]);
    rule(r, "the host's CS is null", "27.2.3", c->host_selector[1] == 0, c->host_selector[1]);
    rule(r, "the host's TR is null", "27.2.3", c->host_selector[6] == 0, c->host_selector[6]);
    for (unsigned i = 0; i < ARRAY_SIZE(addresses); i++)
        rule(r, "a host address is not canonical", "27.2.3", !guest_canonical(addresses[i]), addresses[i]);
    rule(r, "the host's CR4.PAE is clear", "27.2.4", !(c->host_cr4 & CR4_PAE), c->host_cr4);
    rule(r, "the host's RIP is not canonical", "27.2.4", !guest_canonical(c->host_rip), c->host_rip);
}

unsigned vmx_audit_controls(const struct vmx_controls *c, struct finding *findings, unsigned capacity)
{
    struct report report = report_begin("SDM Vol. 3C ", findings, capacity);

    execution_rules(&report, c);
    transition_rules(&report, c);
    injection_rules(&report, c);
    host_rules(&report, c);
    return report.count;
}

/* 27.3.1.1: control registers, debug registers, MSRs. */
static void register_rules(struct report *r, const struct vmx_guest *g)
{
    const struct vcpu_page *p = &g->page;
    bool paging = g->cr0 & CR0_PG, long_mode = p->efer & EFER_LMA;

    rule(r, "CR0 has a bit that VMX operation does not allow", "27.3.1.1",
         (vmx_host.cr0_must & ~g->cr0) != 0 || g->cr0 >> 32 != 0, g->cr0);
    rule(r, "CR0.PG is set and CR0.PE is clear", "27.3.1.1", paging && !(g->cr0 & CR0_PE), g->cr0);
    rule(r, "CR4 has a bit that VMX operation does not allow", "27.3.1.1",
         (vmx_host.cr4_must & ~g->cr4) != 0 || (g->cr4 & ~vmx_host.cr4_may) != 0, g->cr4);
    rule(r, "CR4.CET is set and CR0.WP is clear", "27.3.1.1", (g->cr4 & CR4_CET) && !(g->cr0 & CR0_WP), g->cr4);
    rule(r, "DEBUGCTL has a reserved bit", "27.3.1.1", (g->debugctl & DEBUGCTL_RESERVED) != 0, g->debugctl);
    rule(r, "long mode without paging", "27.3.1.1", long_mode && !paging, g->cr0);
    rule(r, "long mode without CR4.PAE", "27.3.1.1", long_mode && !(g->cr4 & CR4_PAE), g->cr4);
    rule(r, "CR4.PCIDE is set outside long mode", "27.3.1.1", (g->cr4 & CR4_PCIDE) && !long_mode, g->cr4);
    rule(r, "a reserved bit of CR3 is set", "27.3.1.1", p->cr3 >> guest_cpu.physical_bits != 0, p->cr3);
    rule(r, "DR7[63:32] are not zero", "27.3.1.1", p->dr[7] >> 32 != 0, p->dr[7]);
    rule(r, "SYSENTER_ESP is not canonical", "27.3.1.1", !guest_canonical(p->msr[VCPU_MSR_SYSENTER_ESP]),
         p->msr[VCPU_MSR_SYSENTER_ESP]);
    rule(r, "SYSENTER_EIP is not canonical", "27.3.1.1", !guest_canonical(p->msr[VCPU_MSR_SYSENTER_EIP]),
         p->msr[VCPU_MSR_SYSENTER_EIP]);
    rule(r, "PAT has an unsupported type", "27.3.1.1", !guest_pat_valid(p->msr[VCPU_MSR_PAT]), p->msr[VCPU_MSR_PAT]);
    rule(r, "EFER has a reserved bit", "27.3.1.1", (p->efer & ~guest_cpu.efer_valid) != 0, p->efer);
    rule(r, "EFER.LMA is not EFER.LME although paging is on", "27.3.1.1",
         paging && !(p->efer & EFER_LMA) != !(p->efer & EFER_LME), p->efer);
}

/* 27.3.1.5: an event that may be injected in this activity state. */
static bool ends_activity(uint32_t activity, uint64_t event)
{
    unsigned type = guest_event_type(event), vector = event & EVENT_VECTOR;
    bool exception = type == EVENT_TYPE_EXCEPTION, machine_check = exception && vector == VECTOR_MC;

    if (activity == ACTIVITY_HLT)
        return type == EVENT_TYPE_INTR || type == EVENT_TYPE_NMI || (exception && vector == VECTOR_DB) ||
               machine_check || (type == TYPE_OTHER && vector == 0);
    if (activity == ACTIVITY_SHUTDOWN)
        return type == EVENT_TYPE_NMI || machine_check;
    return activity != ACTIVITY_SIPI;
}

/* 27.3.1.5, 27.3.1.6. */
static void activity_rules(struct report *r, const struct vmx_guest *g)
{
    const struct vcpu_page *p = &g->page;
    bool long_mode = p->efer & EFER_LMA, flag = p->rflags & RFLAGS_IF, shadow = g->blocking & BLOCKED_SHADOW;
    bool stepped = (p->rflags & RFLAGS_TF) && !(g->debugctl & DEBUGCTL_BTF), step = g->pending_debug & DR6_BS;

    rule(r, "the activity state does not exist", "27.3.1.5", g->activity > ACTIVITY_SIPI, g->activity);
    rule(r, "halted at a DPL of SS above 0", "27.3.1.5",
         g->activity == ACTIVITY_HLT && (p->segment[SEG_SS].attributes >> SEG_ATTR_DPL_SHIFT & 3) != 0, g->activity);
    rule(r, "not active in an interrupt shadow", "27.3.1.5", g->activity != 0 && shadow, g->activity);
    rule(r, "an event that does not end the activity state is injected", "27.3.1.5",
         (g->event & EVENT_VALID) && !ends_activity(g->activity, g->event), g->activity);
    rule(r, "the interruptibility state has reserved bits", "27.3.1.5", (g->blocking & BLOCKING_RESERVED) != 0,
         g->blocking);
    rule(r, "blocking by STI and by MOV SS at once", "27.3.1.5", (g->blocking & BLOCKED_SHADOW) == BLOCKED_SHADOW,
         g->blocking);
    rule(r, "blocking by STI and RFLAGS.IF is clear", "27.3.1.5", (g->blocking & BLOCKED_BY_STI) && !flag, g->blocking);
    rule(r, "an interrupt is injected in an interrupt shadow", "27.3.1.5",
         EVENT_IS(g->event, EVENT_TYPE_INTR) && shadow, g->blocking);
    rule(r, "an NMI is injected behind MOV SS", "27.3.1.5",
         EVENT_IS(g->event, EVENT_TYPE_NMI) && (g->blocking & BLOCKED_BY_MOV_SS), g->blocking);
    rule(r, "an NMI is injected while NMIs are blocked", "27.3.1.5",
         EVENT_IS(g->event, EVENT_TYPE_NMI) && (g->blocking & BLOCKED_BY_NMI), g->blocking);
    rule(r, "blocking by SMI outside SMM", "27.3.1.5", g->blocking & BLOCKED_BY_SMI, g->blocking);
    rule(r, "the pending debug exceptions have reserved bits", "27.3.1.5", (g->pending_debug & PENDING_RESERVED) != 0,
         g->pending_debug);
    rule(r, "in an interrupt shadow or halted, the pending single step is not as RFLAGS.TF and BTF have it", "27.3.1.5",
         (shadow || g->activity == ACTIVITY_HLT) && step != stepped, g->pending_debug);
    rule(r, "the VMCS link pointer is not a page of memory", "27.3.1.5", g->link != UINT64_MAX && no_page(g->link),
         g->link);
    for (unsigned i = 0; i < 4; i++)
        rule(r, "a PDPTE has a reserved bit", "27.3.1.6",
             (g->cr0 & CR0_PG) && (g->cr4 & CR4_PAE) && !long_mode && (p->pdpte[i] & 1) &&
                 ((p->pdpte[i] & PDPTE_RESERVED) != 0 || p->pdpte[i] >> guest_cpu.physical_bits != 0),
             p->pdpte[i]);
}

unsigned vmx_audit_state(const struct vmx_guest *g, struct finding *findings, unsigned capacity)
{
    struct report report = report_begin("SDM Vol. 3C ", findings, capacity);

    register_rules(&report, g);
    audit_mode(&report, &g->page, g->cr0, g->event);
    activity_rules(&report, g);
    return report.count;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* broken_rules.h: for each rule of VM entry, how to break it and no other in a guest that runs 64-bit code. For the unit
 * test of the auditor, and for the kernel that shows it to a processor (tests/system/refused).
 */
#ifndef CL_TESTS_UNIT_VMX_BROKEN_RULES_H
#define CL_TESTS_UNIT_VMX_BROKEN_RULES_H

#include "tests/unit/broken.h"
#include "vmx/audit.h"

#define GUEST(field) offsetof(struct vmx_guest, field), sizeof(((struct vmx_guest *)0)->field)
#define CONTROL(field) offsetof(struct vmx_controls, field), sizeof(((struct vmx_controls *)0)->field)
#define SEG(name, field) GUEST(page.segment[name].field)

/* A guest in long mode, ring 0. */
static const struct broken in_long_mode[] = {
    { "CR0 has a bit that VMX operation does not allow", GUEST(cr0), 0, CR0_NE },
    { "CR4 has a bit that VMX operation does not allow", GUEST(cr4), 0, CR4_VMXE },
    { "CR4 has a bit that VMX operation does not allow", GUEST(cr4), UINT64_C(1) << 40, 0 },
    { "CR0.PG is set and CR0.PE is clear", GUEST(cr0), 0, CR0_PE },
    { "DEBUGCTL has a reserved bit", GUEST(debugctl), 4, 0 },
    { "long mode without CR4.PAE", GUEST(cr4), 0, CR4_PAE },
    { "a reserved bit of CR3 is set", GUEST(page.cr3), UINT64_C(1) << 51, 0 },
    { "DR7[63:32] are not zero", GUEST(page.dr[7]), UINT64_C(1) << 32, 0 },
    { "SYSENTER_ESP is not canonical", GUEST(page.msr[VCPU_MSR_SYSENTER_ESP]), UINT64_C(1) << 50, 0 },
    { "SYSENTER_EIP is not canonical", GUEST(page.msr[VCPU_MSR_SYSENTER_EIP]), UINT64_C(1) << 50, 0 },
    { "PAT has an unsupported type", GUEST(page.msr[VCPU_MSR_PAT]), 2, 7 },
    { "EFER has a reserved bit", GUEST(page.efer), EFER_SVME, 0 },
    { "EFER.LMA is not EFER.LME although paging is on", GUEST(page.efer), 0, EFER_LME },
    { "CS: cannot be unusable", SEG(SEG_CS, attributes), SEG_ATTR_UNUSABLE, 0 },
    { "CS: another type of segment", SEG(SEG_CS, attributes), 0, 1 },
    { "CS: a data segment whose DPL is not zero", SEG(SEG_CS, attributes), 0x60, 8 },
    { "CS: the DPL is not SS's", SEG(SEG_CS, attributes), 0x20, 0 },
    { "CS: conforming, with a DPL above SS's", SEG(SEG_CS, attributes), 0x24, 0 },
    { "CS: both L and D are set in long mode", SEG(SEG_CS, attributes), SEG_ATTR_DEFAULT_BIG, 0 },
    { "CS: the base is above 4 GiB", SEG(SEG_CS, base), UINT64_C(1) << 32, 0 },
    { "SS: another type of segment", SEG(SEG_SS, attributes), 0, 2 },
    { "SS: the base is above 4 GiB", SEG(SEG_SS, base), UINT64_C(1) << 32, 0 },
    { "SS: another class of segment", SEG(SEG_SS, attributes), 0, 0x10 },
    { "SS: neither present nor unusable", SEG(SEG_SS, attributes), 0, SEG_ATTR_PRESENT },
    { "SS: reserved attributes are set", SEG(SEG_SS, attributes), 0x100, 0 },
    { "SS: the limit contradicts the G bit", SEG(SEG_SS, limit), 0, 0xFFF },
    { "ES: the limit contradicts the G bit", SEG(SEG_ES, limit), 0x100000, 0 },
    { "DS: not accessed", SEG(SEG_DS, attributes), 0, 1 },
    { "FS: code that cannot be read", SEG(SEG_FS, attributes), 8, 2 },
    { "ES: the base is above 4 GiB", SEG(SEG_ES, base), UINT64_C(1) << 32, 0 },
    { "FS: the base is not canonical", SEG(SEG_FS, base), UINT64_C(1) << 50, 0 },
    { "GS: the base is not canonical", SEG(SEG_GS, base), UINT64_C(1) << 50, 0 },
    { "TR: cannot be unusable", SEG(SEG_TR, attributes), SEG_ATTR_UNUSABLE, 0 },
    { "TR: not a busy TSS", SEG(SEG_TR, attributes), 0, 2 },
    { "TR: a 16-bit TSS in long mode", SEG(SEG_TR, attributes), 0, 8 },
    { "TR: the selector has TI set", SEG(SEG_TR, selector), 4, 0 },
    { "TR: the base is not canonical", SEG(SEG_TR, base), UINT64_C(1) << 50, 0 },
    { "LDTR: another type of segment", SEG(SEG_LDTR, attributes), 1, 0 },
    { "LDTR: the selector has TI set", SEG(SEG_LDTR, selector), 4, 0 },
    { "LDTR: the base is not canonical", SEG(SEG_LDTR, base), UINT64_C(1) << 50, 0 },
    { "GDTR's base is not canonical", GUEST(page.gdtr.base), UINT64_C(1) << 50, 0 },
    { "IDTR's base is not canonical", GUEST(page.idtr.base), UINT64_C(1) << 50, 0 },
    { "GDTR's limit is above FFFFh", GUEST(page.gdtr.limit), 0x10000, 0 },
    { "IDTR's limit is above FFFFh", GUEST(page.idtr.limit), 0x10000, 0 },
    { "RIP is not canonical", GUEST(page.rip), UINT64_C(1) << 50, 0 },
    { "RFLAGS has a reserved bit", GUEST(page.rflags), 8, 0 },
    { "RFLAGS.IF is clear and an interrupt is injected", GUEST(event), EVENT_VALID | 0x40, 0 },
    { "the activity state does not exist", GUEST(activity), 4, 0 },
    { "the interruptibility state has reserved bits", GUEST(blocking), 0x40, 0 },
    { "blocking by STI and RFLAGS.IF is clear", GUEST(blocking), BLOCKED_BY_STI, 0 },
    { "blocking by SMI outside SMM", GUEST(blocking), BLOCKED_BY_SMI, 0 },
    { "the pending debug exceptions have reserved bits", GUEST(pending_debug), 0x10, 0 },
    { "in an interrupt shadow or halted, the pending single step is not as RFLAGS.TF and BTF have it",
      GUEST(pending_debug), DR6_BS, 0 },
    { "the VMCS link pointer is not a page of memory", GUEST(link), 0, 1 },
};

/* What a rule presupposes, and that guest is not in. */
static inline void broken_prepare(const struct broken *b, struct vmx_guest *g)
{
    if (b->set == DR6_BS)
        g->blocking = BLOCKED_BY_MOV_SS;
}

static const struct broken controls[] = {
    { "a pin-based control has a value that it cannot have", CONTROL(word[WORD_PIN]), 0, 2 },
    { "a primary control has a value that it cannot have", CONTROL(word[WORD_PRIMARY]), 0, 2 },
    { "a VM-exit control has a value that it cannot have", CONTROL(word[WORD_EXIT]), 0, 1 },
    { "a VM-entry control has a value that it cannot have", CONTROL(word[WORD_ENTRY]), 0, 1 },
    { "a secondary control has a value that it cannot have", CONTROL(word[WORD_SECONDARY]), UINT64_C(1) << 31, 0 },
    { "the MSR bitmap is not a page of memory", CONTROL(msr_bitmap), 8, 0 },
    { "the virtual-APIC page is not a page of memory", CONTROL(virtual_apic), UINT64_C(1) << 51, 0 },
    { "the TPR threshold has reserved bits", CONTROL(tpr_threshold), 0x10, 0 },
    { "the TPR threshold is above the guest's TPR", CONTROL(tpr_threshold), 1, 0 },
    { "virtual NMIs without NMI exits", CONTROL(word[WORD_PIN]), 0, PIN_NMI },
    { "NMI-window exits without virtual NMIs", CONTROL(word[WORD_PIN]), 0, PIN_VIRTUAL_NMI },
    { "VPID is zero", CONTROL(vpid), 0, 0xFFFF },
    { "there are more than 4 CR3 targets", CONTROL(cr3_targets), 5, 0 },
    { "the EPT memory type is not one that the processor has", CONTROL(eptp), 0, 2 },
    { "the EPT has not 4 levels", CONTROL(eptp), 0, 8 },
    { "a reserved bit of EPTP is set", CONTROL(eptp), 0x80, 0 },
    { "unrestricted guest without EPT", CONTROL(word[WORD_SECONDARY]), 0, SECONDARY_EPT },
    { "the host is not in 64-bit mode after an exit", CONTROL(word[WORD_EXIT]), 0, EXIT_HOST_64 },
    { "EFER.LMA is not as the entry controls have it", CONTROL(word[WORD_ENTRY]), 0, ENTRY_GUEST_64 },
    { "the event has a reserved type", CONTROL(event), EVENT_VALID | 0x140, 0 },
    { "the event is an NMI with a vector other than 2", CONTROL(event), EVENT_VALID | 0x203, 0 },
    { "the event is an exception with a vector above 31", CONTROL(event), EVENT_VALID | 0x320, 0 },
    { "the event has no error code, but its exception has", CONTROL(event), EVENT_VALID | 0x30D, 0 },
    { "the event has an error code that it cannot have", CONTROL(event), EVENT_VALID | EVENT_ERROR_VALID | 0x306, 0 },
    { "the event has reserved bits", CONTROL(event), EVENT_VALID | 0x2306, 0 },
    { "the event's instruction length is not 1 to 15", CONTROL(event), EVENT_VALID | 0x480, 0 },
    { "the host's CR0 has a bit that VMX operation does not allow", CONTROL(host_cr0), 0, CR0_NE },
    { "the host's CR4 has a bit that VMX operation does not allow", CONTROL(host_cr4), 0, CR4_VMXE },
    { "the host's CR3 is beyond physical memory", CONTROL(host_cr3), UINT64_C(1) << 51, 0 },
    { "the host's PAT has an unsupported type", CONTROL(host_pat), 2, 7 },
    { "the host's EFER has a reserved bit", CONTROL(host_efer), EFER_SVME, 0 },
    { "the host's EFER is not of 64-bit mode", CONTROL(host_efer), 0, EFER_LMA },
    { "a host selector has RPL or TI", CONTROL(host_selector[2]), 3, 0 },
    { "the host's CS is null", CONTROL(host_selector[1]), 0, 0xFFFF },
    { "the host's TR is null", CONTROL(host_selector[6]), 0, 0xFFFF },
    { "a host address is not canonical", CONTROL(host_tr_base), 0, UINT64_C(1) << 50 },
    { "a host address is not canonical", CONTROL(host_sysenter_eip), UINT64_C(1) << 50, 0 },
    { "the host's CR4.PAE is clear", CONTROL(host_cr4), 0, CR4_PAE },
    { "the host's RIP is not canonical", CONTROL(host_rip), 0, UINT64_C(1) << 50 },
};

#endif

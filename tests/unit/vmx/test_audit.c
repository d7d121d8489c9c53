/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: vmx/audit.c vmx/audit_rules_table.c vmx/cpu.c vmx/enter.c vmx/event.c vmx/exit.c vmx/exit_table.c vmx/msr.c vmx/permissions.c vmx/probe.c vmx/probe_table.c vmx/reset_table.c vmx/state.c vmx/state_table.c vmx/vcpu.c vmx/vpid.c kernel/pagetable.c kernel/pagetable_formats_table.c kernel/pool.c kernel/guest_cpu.c kernel/guest_cpu_table.c kernel/audit.c kernel/audit_rules_table.c kernel/fake/fake_vmx.c kernel/fake/fake_assert.c kernel/fake/fake_account.c kernel/fake/fake_pool.c kernel/fake/fake_random.c */
/* test_audit.c: each rule of VM entry, broken on purpose, is named, and nothing else is but what it implies. */
#include <stdio.h>

#include "vmx_fixture.h"

#define GUEST(field) offsetof(struct vmx_guest, field), sizeof(((struct vmx_guest *)0)->field)
#define CONTROL(field) offsetof(struct vmx_controls, field), sizeof(((struct vmx_controls *)0)->field)
#define SEG(name, field) GUEST(page.segment[name].field)

struct broken {
    const char *rule;
    size_t offset;
    unsigned bytes;
    uint64_t set;
    uint64_t clear;
};

/* A guest in long mode, ring 0. */
static const struct broken in_long_mode[] = {
    { "CR0 has a bit that VMX operation does not allow", GUEST(cr0), 0, CR0_NE },
    { "CR4 has a bit that VMX operation does not allow", GUEST(cr4), 0, CR4_VMXE },
    { "CR4 has a bit that VMX operation does not allow", GUEST(cr4), UINT64_C(1) << 40, 0 },
    { "CR0.PG is set and CR0.PE is clear", GUEST(cr0), 0, CR0_PE },
    { "DEBUGCTL has a reserved bit", GUEST(debugctl), 4, 0 },
    { "long mode without CR4.PAE", GUEST(cr4), 0, CR4_PAE },
    { "a reserved bit of CR3 is set", GUEST(page.cr3), UINT64_C(1) << 45, 0 },
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
    { "the VMCS link pointer is not a page of memory", GUEST(link), 0, 1 },
};

static const struct broken controls[] = {
    { "a pin-based control has a value that it cannot have", CONTROL(word[WORD_PIN]), 0, 2 },
    { "a primary control has a value that it cannot have", CONTROL(word[WORD_PRIMARY]), 0, 2 },
    { "a VM-exit control has a value that it cannot have", CONTROL(word[WORD_EXIT]), 0, 1 },
    { "a VM-entry control has a value that it cannot have", CONTROL(word[WORD_ENTRY]), 0, 1 },
    { "a secondary control has a value that it cannot have", CONTROL(word[WORD_SECONDARY]), SECONDARY_VE, 0 },
    { "the MSR bitmap is not a page of memory", CONTROL(msr_bitmap), 8, 0 },
    { "the virtual-APIC page is not a page of memory", CONTROL(virtual_apic), UINT64_C(1) << 45, 0 },
    { "the TPR threshold has reserved bits", CONTROL(tpr_threshold), 0x10, 0 },
    { "the TPR threshold is above the guest's TPR", CONTROL(tpr_threshold), 1, 0 },
    { "virtual NMIs without NMI exits", CONTROL(word[WORD_PIN]), 0, PIN_NMI },
    { "NMI-window exits without virtual NMIs", CONTROL(word[WORD_PIN]), 0, PIN_VIRTUAL_NMI },
    { "VPID is zero", CONTROL(vpid), 0, 0xFFFF },
    { "the EPT memory type is not one that the processor has", CONTROL(eptp), 0, 2 },
    { "the EPT has not 4 levels", CONTROL(eptp), 0, 8 },
    { "a reserved bit of EPTP is set", CONTROL(eptp), 0x80, 0 },
    { "a reserved bit of EPTP is set", CONTROL(eptp), 0x40, 0 }, /* accessed and dirty bits, which it has not */
    { "unrestricted guest without EPT", CONTROL(word[WORD_SECONDARY]), 0, SECONDARY_EPT },
    { "the event has a reserved type", CONTROL(event), EVENT_VALID | 0x140, 0 },
    { "the event is an NMI with a vector other than 2", CONTROL(event), EVENT_VALID | 0x203, 0 },
    { "the event is an exception with a vector above 31", CONTROL(event), EVENT_VALID | 0x320, 0 },
    { "the event has no error code, but its exception has", CONTROL(event), EVENT_VALID | 0x30D, 0 },
    { "the event has an error code that it cannot have", CONTROL(event), EVENT_VALID | EVENT_ERROR_VALID | 0x306, 0 },
    { "the event has reserved bits", CONTROL(event), EVENT_VALID | 0x2306, 0 },
    { "the event's instruction length is not 1 to 15", CONTROL(event), EVENT_VALID | 0x480, 0 },
    { "the host's CR0 has a bit that VMX operation does not allow", CONTROL(host_cr0), 0, CR0_NE },
    { "the host's CR4 has a bit that VMX operation does not allow", CONTROL(host_cr4), 0, CR4_VMXE },
    { "the host's CR3 is beyond physical memory", CONTROL(host_cr3), UINT64_C(1) << 45, 0 },
    { "the host's PAT has an unsupported type", CONTROL(host_pat), 2, 7 },
    { "the host's EFER has a reserved bit", CONTROL(host_efer), EFER_SVME, 0 },
    { "the host's EFER is not of 64-bit mode", CONTROL(host_efer), 0, EFER_LMA },
    { "a host selector has RPL or TI", CONTROL(host_selector[2]), 3, 0 },
    { "the host's CS is null", CONTROL(host_selector[1]), 0, 0xFFFF },
    { "the host's TR is null", CONTROL(host_selector[6]), 0, 0xFFFF },
    { "a host address is not canonical", CONTROL(host_tr_base), UINT64_C(1) << 50, 0 },
    { "a host address is not canonical", CONTROL(host_sysenter_eip), UINT64_C(1) << 50, 0 },
    { "the host's CR4.PAE is clear", CONTROL(host_cr4), 0, CR4_PAE },
    { "the host's RIP is not canonical", CONTROL(host_rip), UINT64_C(1) << 50, 0 },
};

static void change(void *what, const struct broken *b)
{
    uint64_t value = 0;

    memcpy(&value, (char *)what + b->offset, b->bytes);
    value = (value & ~b->clear) | b->set;
    memcpy((char *)what + b->offset, &value, b->bytes);
}

static struct vmx_guest good_guest(struct fixture *f)
{
    struct vmx_guest g = { .page = *f->page };

    vmx_open(f->vmx);
    vmx_guest_read(f->vmx, &g, 0);
    vmx_close(f->vmx);
    return g;
}

static void names(const struct vmx_guest *g, const char *rule)
{
    struct finding finding;
    char words[128];
    unsigned count = vmx_audit_state(g, &finding, 1);

    if (count != 1)
        fail_msg("%u rules are named for: %s", count, rule);
    snprintf(words, sizeof words, "%s%s", finding.of, finding.rule);
    assert_string_equal(words, rule);
}

static void each_broken_rule_of_guest_state_is_named_and_no_other(void **state)
{
    struct fixture *f = *state;
    struct finding finding;
    struct vmx_guest good;

    fixture_long_mode(f);
    good = good_guest(f);
    assert_int_equal(vmx_audit_state(&good, &finding, 1), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(in_long_mode); i++) {
        struct vmx_guest bad = good;

        change(&bad, &in_long_mode[i]);
        names(&bad, in_long_mode[i].rule);
    }
}

static void each_broken_rule_of_the_controls_is_named_and_no_other(void **state)
{
    struct fixture *f = *state;
    struct finding finding;
    struct vmx_controls good;

    fixture_long_mode(f);
    vmx_host.must[WORD_PIN] &= ~(uint32_t)(PIN_NMI | PIN_VIRTUAL_NMI);
    vmx_vcpu_load(&f->vcpu);
    vmx_write(VMCS_VPID, 1);
    vmx_controls_read(f->vmx, &good);
    good.word[WORD_PRIMARY] |= PRIMARY_NMI_WINDOW;
    good.event = 0;
    assert_int_equal(vmx_audit_controls(&good, &finding, 1), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(controls); i++) {
        struct vmx_controls bad = good;
        unsigned count;

        if (strstr(controls[i].rule, "without NMI exits") != NULL)
            bad.word[WORD_PRIMARY] &= ~PRIMARY_NMI_WINDOW;
        change(&bad, &controls[i]);
        count = vmx_audit_controls(&bad, &finding, 1);
        if (count != 1)
            fail_msg("%u rules are named for: %s", count, controls[i].rule);
        assert_string_equal(finding.rule, controls[i].rule);
    }
}

static void rules_of_other_modes_are_named(void **state)
{
    struct fixture *f = *state;
    struct vmx_guest g, real;

    vmx_vcpu_get(&f->vcpu, VCPU_GROUP_ALL);
    real = good_guest(f);
    g = real;
    g.page.segment[SEG_SS].attributes |= 0x60;
    names(&g, "SS: the DPL is not zero in real mode, or with a data segment in CS");
    g = real;
    g.page.rip |= UINT64_C(1) << 32;
    names(&g, "RIP[63:32] are not zero outside 64-bit code");
    g = real;
    g.cr4 |= CR4_PCIDE;
    names(&g, "CR4.PCIDE is set outside long mode");
    g = real;
    g.page.efer = EFER_LMA | EFER_LME;
    g.cr4 |= CR4_PAE;
    names(&g, "long mode without paging");
    g = real;
    g.cr0 |= CR0_PE | CR0_PG;
    g.cr4 |= CR4_PAE;
    g.page.pdpte[2] = 0x1007;
    names(&g, "a PDPTE has a reserved bit");
    g = real;
    g.page.rflags |= RFLAGS_IF;
    g.blocking = BLOCKED_SHADOW;
    names(&g, "blocking by STI and by MOV SS at once");
    g.blocking = BLOCKED_BY_STI;
    g.event = EVENT_VALID | 0x40;
    names(&g, "an interrupt is injected in an interrupt shadow");
    g.blocking = BLOCKED_BY_MOV_SS;
    g.event = EVENT_VALID | 0x202;
    names(&g, "an NMI is injected behind MOV SS");
    g.blocking = BLOCKED_BY_NMI;
    names(&g, "an NMI is injected while NMIs are blocked");
}

static void virtual_8086_mode_has_rules_of_its_own(void **state)
{
    struct fixture *f = *state;
    struct finding finding;
    struct vmx_guest g;

    vmx_vcpu_get(&f->vcpu, VCPU_GROUP_ALL);
    g = good_guest(f);
    g.page.rflags |= RFLAGS_VM;
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        g.page.segment[i] =
            (struct vcpu_segment){ .selector = 0x100, .limit = 0xFFFF, .attributes = 0xF3, .base = 0x1000 };
    names(&g, "RFLAGS.VM is set in long mode or without CR0.PE");
    g.cr0 |= CR0_PE;
    assert_int_equal(vmx_audit_state(&g, &finding, 1), 0);
    g.page.segment[SEG_DS].base = 0x1010;
    names(&g, "DS: the base is not the selector times 16 in virtual-8086 mode");
    g.page.segment[SEG_DS].base = 0x1000;
    g.page.segment[SEG_DS].limit = 0xFFFE;
    names(&g, "DS: the limit is not FFFFh in virtual-8086 mode");
    g.page.segment[SEG_DS].limit = 0xFFFF;
    g.page.segment[SEG_DS].attributes = 0x93;
    names(&g, "DS: the attributes are not F3h in virtual-8086 mode");
}

static void a_vcpu_can_be_audited_wherever_it_is(void **state)
{
    struct fixture *f = *state;

    f->page->rip = UINT64_C(1) << 40;
    vmx_vcpu_load(&f->vcpu);
    vmx_write(VMCS_VPID, 1);
    assert_int_equal(vmx_vcpu_audit(&f->vcpu), 1);
    assert_int_equal(fake_vmcs_holder(f->vmx->vmcs_pa), 0);
    vmx_vcpu_unload(&f->vcpu);
    assert_int_equal(vmx_vcpu_audit(&f->vcpu), 1);
    assert_int_equal(fake_vmcs_holder(f->vmx->vmcs_pa), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VMX_TEST(each_broken_rule_of_guest_state_is_named_and_no_other),
        VMX_TEST(each_broken_rule_of_the_controls_is_named_and_no_other),
        VMX_TEST(rules_of_other_modes_are_named),
        VMX_TEST(virtual_8086_mode_has_rules_of_its_own),
        VMX_TEST(a_vcpu_can_be_audited_wherever_it_is),
    };

    fixture_filter();
    return cmocka_run_group_tests_name("vmx audit", tests, NULL, NULL);
}

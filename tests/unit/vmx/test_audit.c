/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: vmx/apic.c vmx/audit.c vmx/audit_rules_table.c vmx/cpu.c vmx/enter.c vmx/event.c vmx/exit.c vmx/exit_table.c vmx/msr.c vmx/permissions.c vmx/probe.c vmx/probe_table.c vmx/reset_table.c vmx/state.c vmx/state_table.c vmx/vcpu.c vmx/vpid.c kernel/vlapic.c kernel/pagetable.c kernel/pagetable_formats_table.c kernel/pool.c kernel/guest_cpu.c kernel/guest_cpu_table.c kernel/audit.c kernel/audit_rules_table.c kernel/fake/fake_vmx.c kernel/fake/fake_assert.c kernel/fake/fake_account.c kernel/fake/fake_pool.c kernel/fake/fake_random.c kernel/fake/fake_xstate.c */
/* test_audit.c: each rule of VM entry, broken on purpose, is named, and nothing else is but what it implies. */
#include <stdio.h>

#include "vmx_fixture.h"

#include "tests/unit/vmx/broken_rules.h"

#define KERNEL_ADDRESS UINT64_C(0xFFFFFFFF80000000)

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

        broken_prepare(&in_long_mode[i], &bad);
        (void)broken_apply(&in_long_mode[i], &bad);
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
    vmx_controls_read(&f->vcpu, &good);
    good.word[WORD_PRIMARY] |= PRIMARY_NMI_WINDOW;
    good.event = 0;
    good.host_tr_base = good.host_rip = KERNEL_ADDRESS;
    assert_int_equal(vmx_audit_controls(&good, &finding, 1), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(controls); i++) {
        struct vmx_controls bad = good;
        unsigned count;

        if (strstr(controls[i].rule, "without NMI exits") != NULL)
            bad.word[WORD_PRIMARY] &= ~PRIMARY_NMI_WINDOW;
        (void)broken_apply(&controls[i], &bad);
        count = vmx_audit_controls(&bad, &finding, 1);
        if (count != 1)
            fail_msg("%u rules are named for: %s", count, controls[i].rule);
        assert_string_equal(finding.rule, controls[i].rule);
    }
    good.eptp |= EPTP_ACCESSED_DIRTY; /* which this processor has not */
    assert_int_equal(vmx_audit_controls(&good, &finding, 1), 1);
    assert_string_equal(finding.rule, "a reserved bit of EPTP is set");
}

/* The other rules of controls are tried without it. */
static void broken_rules_of_a_virtualised_local_apic_are_named(void **state)
{
    static const struct broken broken[] = {
        { "the local APIC is virtualised without a TPR shadow", CONTROL(word[WORD_PRIMARY]), 0, PRIMARY_TPR_SHADOW },
        { "virtual-interrupt delivery without exits of interrupts", CONTROL(word[WORD_PIN]), 0, PIN_INTERRUPT },
    };
    struct fixture *f = *state;
    struct finding finding;
    struct vmx_controls good;

    fixture_long_mode(f);
    vmx_host.must[WORD_PIN] &= ~(uint32_t)PIN_INTERRUPT;
    vmx_host.must[WORD_PRIMARY] &= ~(uint32_t)PRIMARY_TPR_SHADOW;
    vmx_vcpu_load(&f->vcpu);
    vmx_controls_read(&f->vcpu, &good);
    good.host_tr_base = good.host_rip = KERNEL_ADDRESS;
    good.word[WORD_SECONDARY] |= SECONDARY_ASSIST;
    good.tpr_threshold = 15; /* which is not checked then */
    assert_int_equal(vmx_audit_controls(&good, &finding, 1), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(broken); i++) {
        struct vmx_controls bad = good;

        (void)broken_apply(&broken[i], &bad);
        assert_int_equal(vmx_audit_controls(&bad, &finding, 1), 1);
        assert_string_equal(finding.rule, broken[i].rule);
    }
}

static void names_control(const struct vmx_controls *c, const char *rule)
{
    struct finding finding;

    assert_int_equal(vmx_audit_controls(c, &finding, 1), 1);
    assert_string_equal(finding.rule, rule);
}

/* Rules about more than one field, and those on what no emulator here offers: no processor is shown them. */
static void rules_that_take_two_fields_to_break_are_named(void **state)
{
    static const char *const areas[] = { "the area of MSRs to store at exits is no memory",
                                         "the area of MSRs to load at exits is no memory",
                                         "the area of MSRs to load at entries is no memory" };
    struct fixture *f = *state;
    struct vmx_controls good, c;
    struct finding finding;

    fixture_long_mode(f);
    vmx_vcpu_load(&f->vcpu);
    vmx_controls_read(&f->vcpu, &good);
    good.event = 0;
    good.host_tr_base = good.host_rip = KERNEL_ADDRESS;
    for (unsigned i = 0; i < 3; i++) {
        c = good;
        c.msr_area[i].address = 8;
        assert_int_equal(vmx_audit_controls(&c, &finding, 1), 0); /* no MSRs, no area */
        c.msr_area[i].count = 2;
        names_control(&c, areas[i]);
        c.msr_area[i].address = (UINT64_C(1) << 40) - 16;
        names_control(&c, areas[i]);
        c.msr_area[i].count = 1;
        assert_int_equal(vmx_audit_controls(&c, &finding, 1), 0);
    }
    c = good;
    c.word[WORD_EXIT] |= EXIT_SAVE_TIMER;
    assert_int_equal(vmx_audit_controls(&c, &finding, 1), 0);
    c.word[WORD_PIN] &= ~PIN_PREEMPTION_TIMER;
    names_control(&c, "the preemption timer is saved and does not run");
    c = good;
    c.word[WORD_ENTRY] |= 1u << 10;
    names_control(&c, "an entry to SMM, or the end of its monitor, outside SMM");
    c = good;
    c.event = EVENT_VALID | 0x701;
    names_control(&c, "the event is another one than a monitor trap");
    vmx_host.may[WORD_PRIMARY] &= ~PRIMARY_MTF;
    c.event = EVENT_VALID | 0x700;
    names_control(&c, "the event has a reserved type");
    c = good;
    c.eptp &= ~UINT64_C(7);
    names_control(&c, "the EPT memory type is not one that the processor has");
    vmx_host.may[WORD_EPT] |= EPT_UNCACHEABLE;
    assert_int_equal(vmx_audit_controls(&c, &finding, 1), 0);
    c = good;
    vmx_host.cr4_may |= CR4_CET;
    c.host_cr4 |= CR4_CET;
    c.host_cr0 &= ~CR0_WP;
    names_control(&c, "the host's CR4.CET is set and CR0.WP is clear");
}

/* 27.3.1.5 */
static void what_is_not_active_takes_only_what_wakes_it(void **state)
{
    static const struct {
        uint32_t activity;
        uint64_t event;
        bool legal;
    } cases[] = {
        { 0, 0x306, true },  { 1, 0x40, true },   { 1, 0x202, true },  { 1, 0x301, true },  { 1, 0x312, true },
        { 1, 0x306, false }, { 1, 0x480, false }, { 1, 0x700, true },  { 2, 0x202, true },  { 2, 0x312, true },
        { 2, 0x301, false }, { 2, 0x40, false },  { 3, 0x202, false }, { 3, 0x312, false },
    };
    struct fixture *f = *state;
    struct finding finding;
    struct vmx_guest g;

    vmx_vcpu_get(&f->vcpu, VCPU_GROUP_ALL);
    g = good_guest(f);
    g.page.rflags |= RFLAGS_IF;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        g.activity = cases[i].activity;
        g.event = EVENT_VALID | cases[i].event;
        if (cases[i].legal)
            assert_int_equal(vmx_audit_state(&g, &finding, 1), 0);
        else
            names(&g, "an event that does not end the activity state is injected");
    }
    g.event = 0;
    g.activity = 1;
    g.blocking = BLOCKED_BY_MOV_SS;
    names(&g, "not active in an interrupt shadow");
    g.blocking = 0;
    g.cr0 |= CR0_PE;
    g.page.segment[SEG_SS].attributes |= 0x60;
    g.page.segment[SEG_CS].attributes |= 0x68; /* code of ring 3 */
    names(&g, "halted at a DPL of SS above 0");
}

static void rules_of_other_modes_are_named(void **state)
{
    static const struct vmx_guest waiting[] = { { .blocking = BLOCKED_BY_STI },
                                                { .blocking = BLOCKED_BY_MOV_SS },
                                                { .activity = 1 } };
    struct fixture *f = *state;
    struct finding finding;
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
    g = real;
    g.page.rflags |= RFLAGS_IF | RFLAGS_TF;
    assert_int_equal(vmx_audit_state(&g, &finding, 1), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(waiting); i++) {
        const char *rule =
            "in an interrupt shadow or halted, the pending single step is not as RFLAGS.TF and BTF have it";

        g.blocking = waiting[i].blocking;
        g.activity = waiting[i].activity;
        g.debugctl = 0;
        g.pending_debug = 0;
        names(&g, rule);
        g.pending_debug = DR6_BS;
        assert_int_equal(vmx_audit_state(&g, &finding, 1), 0);
        g.debugctl = 2; /* BTF: only branches are stepped */
        names(&g, rule);
        g.pending_debug = 0;
        assert_int_equal(vmx_audit_state(&g, &finding, 1), 0);
    }
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

    vmx_vcpu_load(&f->vcpu);
    assert_int_equal(vmx_vcpu_audit(&f->vcpu), 0);
    f->page->rip = UINT64_C(1) << 40;
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
        VMX_TEST(broken_rules_of_a_virtualised_local_apic_are_named),
        VMX_TEST(rules_that_take_two_fields_to_break_are_named),
        VMX_TEST(what_is_not_active_takes_only_what_wakes_it),
        VMX_TEST(rules_of_other_modes_are_named),
        VMX_TEST(virtual_8086_mode_has_rules_of_its_own),
        VMX_TEST(a_vcpu_can_be_audited_wherever_it_is),
    };

    fixture_filter();
    return cmocka_run_group_tests_name("vmx audit", tests, NULL, NULL);
}

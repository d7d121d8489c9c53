/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: svm/asid.c svm/audit.c svm/audit_rules_table.c svm/cpu.c svm/event.c svm/exit.c svm/exit_table.c svm/msr.c svm/permissions.c svm/probe.c svm/probe_table.c svm/reset_table.c svm/segment.c svm/state.c svm/state_table.c svm/vcpu.c kernel/vlapic.c kernel/pagetable.c kernel/pagetable_formats_table.c kernel/pool.c kernel/guest_cpu.c kernel/guest_cpu_table.c kernel/audit.c kernel/audit_rules_table.c kernel/fake/fake_assert.c kernel/fake/fake_account.c kernel/fake/fake_pool.c kernel/fake/fake_random.c */
/* test_audit.c: each rule of VMRUN, broken on purpose, is named, and nothing else is. */
#include "svm_fixture.h"

struct broken {
    const char *rule;
    size_t offset; /* of the field in the VMCB */
    unsigned bytes;
    uint64_t set;
    uint64_t clear;
};

#define CONTROL(field) offsetof(struct vmcb, control.field), sizeof(((struct vmcb *)0)->control.field)
#define SAVE(field) offsetof(struct vmcb, save.field), sizeof(((struct vmcb *)0)->save.field)

static const struct broken cases[] = {
    { "EFER.SVME is zero", SAVE(efer), 0, EFER_SVME },
    { "CR0.CD is zero and CR0.NW is set", SAVE(cr0), CR0_NW, 0 },
    { "CR0[63:32] are not zero", SAVE(cr0), UINT64_C(1) << 40, 0 },
    { "an MBZ bit of CR3 is set", SAVE(cr3), UINT64_C(1) << 45, 0 },
    { "an MBZ bit of CR4 is set", SAVE(cr4), CR4_LA57, 0 },
    { "DR6[63:32] are not zero", SAVE(dr6), UINT64_C(1) << 32, 0 },
    { "DR7[63:32] are not zero", SAVE(dr7), UINT64_C(1) << 63, 0 },
    { "an MBZ bit of EFER is set", SAVE(efer), UINT64_C(1) << 20, 0 },
    { "EFER.LME and CR0.PG are both set and CR4.PAE is zero", SAVE(cr4), 0, CR4_PAE },
    { "EFER.LME and CR0.PG are both set and CR0.PE is zero", SAVE(cr0), 0, CR0_PE },
    { "EFER.LME, CR0.PG, CR4.PAE, CS.L and CS.D are all set", SAVE(cs.attributes), 0x400, 0 },
    { "G_PAT has an unsupported type or a reserved bit", SAVE(g_pat), 2, 7 },
    { "the VMRUN intercept is clear", CONTROL(intercept_2), 0, INTERCEPT_VMRUN },
    { "the MSR permission map reaches beyond physical memory", CONTROL(msrpm_base), UINT64_C(0xFFFFFFF000), 0 },
    { "the I/O permission map reaches beyond physical memory", CONTROL(iopm_base), UINT64_C(0xFFFFFFE000), 0 },
    { "ASID is zero", CONTROL(asid), 0, UINT32_MAX },
    { "ASID is not below the processor's number of ASIDs", CONTROL(asid), FIXTURE_ASIDS, UINT32_MAX },
    { "EVENTINJ has a reserved type", CONTROL(event_injection), EVENT_VALID | 0x500, 0 },
    { "EVENTINJ is an exception with vector 2 or above 31", CONTROL(event_injection), EVENT_VALID | 0x302, 0 },
    { "EVENTINJ is an exception with vector 2 or above 31", CONTROL(event_injection), EVENT_VALID | 0x320, 0 },
    { "EVENTINJ is #BR in 64-bit mode", CONTROL(event_injection), EVENT_VALID | 0x305, 0 },
    { "an MBZ bit of nCR3 is set", CONTROL(nested_cr3), UINT64_C(1) << 50, 0 },
};

static unsigned audit(const struct vmcb *vmcb, struct finding *finding)
{
    unsigned count = svm_audit_state(&vmcb->save, finding, 1);

    if (count != 0)
        return count + svm_audit_control(&vmcb->control, &vmcb->save, NULL, 0);
    return svm_audit_control(&vmcb->control, &vmcb->save, finding, 1);
}

static void each_broken_rule_is_named_and_no_other(void **state)
{
    struct fixture *f = *state;
    struct vmcb good;
    struct finding finding;

    fixture_long_mode(f);
    f->vmcb->control.asid = 1;
    good = *f->vmcb;
    assert_int_equal(audit(&good, &finding), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct vmcb bad = good;
        uint64_t value = 0;

        memcpy(&value, (char *)&bad + cases[i].offset, cases[i].bytes);
        value = (value & ~cases[i].clear) | cases[i].set;
        memcpy((char *)&bad + cases[i].offset, &value, cases[i].bytes);
        if (audit(&bad, &finding) != 1)
            fail_msg("%u rules are named for: %s", audit(&bad, &finding), cases[i].rule);
        assert_string_equal(finding.rule, cases[i].rule);
        assert_int_equal(finding.value, value);
    }
}

static void cet_without_write_protection_is_named(void **state)
{
    struct fixture *f = *state;
    struct finding finding;

    guest_cpu.cr4_valid |= CR4_CET;
    f->vmcb->save.cr4 |= CR4_CET;
    assert_int_equal(svm_audit_state(&f->vmcb->save, &finding, 1), 1);
    assert_string_equal(finding.rule, "CR4.CET is set and CR0.WP is zero");
}

static void a_map_that_ends_with_memory_is_legal(void **state)
{
    struct fixture *f = *state;
    struct finding finding;

    f->vmcb->control.asid = 1;
    f->vmcb->control.msrpm_base = UINT64_C(0xFFFFFFE000);
    f->vmcb->control.iopm_base = UINT64_C(0xFFFFFFD000);
    assert_int_equal(audit(f->vmcb, &finding), 0);
}

static void the_reset_state_breaks_nothing_but_the_missing_asid(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(svm_vcpu_audit(&f->vcpu), 1);
    f->vmcb->control.asid = 1;
    assert_int_equal(svm_vcpu_audit(&f->vcpu), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SVM_TEST(each_broken_rule_is_named_and_no_other),
        SVM_TEST(cet_without_write_protection_is_named),
        SVM_TEST(a_map_that_ends_with_memory_is_legal),
        SVM_TEST(the_reset_state_breaks_nothing_but_the_missing_asid),
    };

    return cmocka_run_group_tests_name("svm audit", tests, NULL, NULL);
}

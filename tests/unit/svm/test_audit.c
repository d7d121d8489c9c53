/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: svm/asid.c svm/audit.c svm/audit_rules_table.c svm/cpu.c svm/event.c svm/exit.c svm/exit_table.c svm/msr.c svm/permissions.c svm/probe.c svm/probe_table.c svm/reset_table.c svm/segment.c svm/state.c svm/state_table.c svm/vcpu.c kernel/vlapic.c kernel/pagetable.c kernel/pagetable_formats_table.c kernel/pool.c kernel/guest_cpu.c kernel/guest_cpu_table.c kernel/audit.c kernel/audit_rules_table.c kernel/fake/fake_vmx.c kernel/fake/fake_assert.c kernel/fake/fake_account.c kernel/fake/fake_pool.c kernel/fake/fake_random.c kernel/fake/fake_xstate.c */
/* test_audit.c: each rule of VMRUN, broken on purpose, is named, and nothing else is. */
#include "svm_fixture.h"

#include "tests/unit/svm/broken_rules.h"

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
    good = *f->vmcb;
    assert_int_equal(audit(&good, &finding), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(broken_rules); i++) {
        struct vmcb bad = good;
        uint64_t value = broken_apply(&broken_rules[i], &bad);

        if (audit(&bad, &finding) != 1)
            fail_msg("%u rules are named for: %s", audit(&bad, &finding), broken_rules[i].rule);
        assert_string_equal(finding.rule, broken_rules[i].rule);
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

    f->vmcb->control.msrpm_base = UINT64_C(0xFFFFFFE000);
    f->vmcb->control.iopm_base = UINT64_C(0xFFFFFFD000);
    assert_int_equal(audit(f->vmcb, &finding), 0);
}

static void the_reset_state_breaks_no_rule(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(svm_vcpu_audit(&f->vcpu), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SVM_TEST(each_broken_rule_is_named_and_no_other),
        SVM_TEST(cet_without_write_protection_is_named),
        SVM_TEST(a_map_that_ends_with_memory_is_legal),
        SVM_TEST(the_reset_state_breaks_no_rule),
    };

    fixture_filter();
    return cmocka_run_group_tests_name("svm audit", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: svm/asid.c svm/audit.c svm/audit_rules_table.c svm/cpu.c svm/event.c svm/exit.c svm/exit_table.c svm/msr.c svm/permissions.c svm/probe.c svm/probe_table.c svm/reset_table.c svm/segment.c svm/state.c svm/state_table.c svm/vcpu.c kernel/vlapic.c kernel/pagetable.c kernel/pagetable_formats_table.c kernel/pool.c kernel/guest_cpu.c kernel/guest_cpu_table.c kernel/audit.c kernel/audit_rules_table.c kernel/fake/fake_vmx.c kernel/fake/fake_assert.c kernel/fake/fake_account.c kernel/fake/fake_pool.c kernel/fake/fake_random.c kernel/fake/fake_xstate.c */
/* test_permissions.c: which MSRs a guest reaches without an exit, and what it never does without one. */
#include "svm_fixture.h"

/* The manual's layout, written down a second time: APM Vol. 2 figure 15-2. */
static bool intercepted(const struct fixture *f, uint32_t index, bool write)
{
    const uint8_t *map = f->vm.virt;
    uint32_t bit = (index & 0x1FFF) * 2 + write;

    if (index >= 0xC0010000)
        bit += 0x1000 * 8;
    else if (index >= 0xC0000000)
        bit += 0x800 * 8;
    return map[bit / 8] & (1u << (bit % 8));
}

static bool is_switched(uint32_t index)
{
    return (index >= 0xC0000081 && index <= 0xC0000084) || (index >= 0xC0000100 && index <= 0xC0000102) ||
           (index >= 0x174 && index <= 0x176);
}

static void everything_exits_but_what_the_processor_switches(void **state)
{
    static const uint32_t first[] = { 0, 0xC0000000, 0xC0010000 };

    for (unsigned range = 0; range < 3; range++)
        for (uint32_t i = 0; i < 0x2000; i++) {
            assert_int_equal(intercepted(*state, first[range] + i, false), !is_switched(first[range] + i));
            assert_int_equal(intercepted(*state, first[range] + i, true), !is_switched(first[range] + i));
        }
}

/* DESIGN.md, "What a guest must never do to the host". */
static void what_a_guest_must_never_do_exits(void **state)
{
    const uint32_t first = INTERCEPT_INTR | INTERCEPT_NMI | INTERCEPT_INIT | INTERCEPT_INVD | INTERCEPT_HLT |
                           INTERCEPT_RDPMC | INTERCEPT_INVLPGA | INTERCEPT_IOIO_PROT | INTERCEPT_MSR_PROT |
                           INTERCEPT_CR0_SELECTIVE | INTERCEPT_SHUTDOWN;
    const uint32_t second = INTERCEPT_VMRUN | INTERCEPT_VMMCALL | INTERCEPT_VMLOAD | INTERCEPT_VMSAVE | INTERCEPT_STGI |
                            INTERCEPT_CLGI | INTERCEPT_SKINIT | INTERCEPT_WBINVD | INTERCEPT_MONITOR | INTERCEPT_MWAIT |
                            INTERCEPT_MWAIT_ARMED | INTERCEPT_XSETBV;
    const struct fixture *f = *state;
    const struct vmcb_control *control = &f->vmcb->control;

    assert_int_equal(control->intercept_1 & first, first);
    assert_int_equal(control->intercept_2 & second, second);
    assert_int_equal(control->intercept_exceptions, 1u << VECTOR_DB | 1u << VECTOR_AC | 1u << VECTOR_MC);
    assert_true(control->intercept_cr_write & 1u << 4);
    assert_int_equal(control->v_control & V_INTR_MASKING, V_INTR_MASKING);
    assert_int_equal(control->nested_control, NESTED_PAGING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SVM_TEST(what_a_guest_must_never_do_exits),
        SVM_TEST(everything_exits_but_what_the_processor_switches),
    };

    fixture_filter();
    return cmocka_run_group_tests_name("svm permissions", tests, NULL, NULL);
}

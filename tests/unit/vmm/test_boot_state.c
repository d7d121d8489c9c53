/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: vmm/boot_state.c */
/* test_boot_state.c: with what a vCPU begins: after power-on, and after INIT and SIPI (SDM Vol. 3A table 10-1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "vmm/boot_state.h"

static struct vcpu_page page;

static void a_started_cpu_begins_in_real_mode_at_the_page_of_the_sipi(void **state)
{
    (void)state;
    memset(&page, 0xa5, sizeof(page));
    page.dirty = 0;
    boot_state_sipi(&page, 0x9a);
    assert_int_equal(page.segment[SEG_CS].selector, 0x9a00);
    assert_int_equal(page.segment[SEG_CS].base, 0x9a000);
    assert_int_equal(page.rip, 0);
    assert_int_equal(page.rflags, 2);
    assert_int_equal(page.cr0, 0x60000010);
    assert_int_equal(page.cr4 | page.efer | page.cr3, 0);
    assert_int_equal(page.event.activity, VCPU_RUNNING);
    assert_int_equal(page.event.type, VCPU_EVENT_NONE);
    assert_int_equal(page.event.nmi_blocked, 0);
}

static void init_leaves_xcr0_and_the_msrs(void **state)
{
    (void)state;
    boot_state_reset(&page);
    page.xcr0 = 7;
    page.msr[VCPU_MSR_LSTAR] = 0x1234;
    page.msr[VCPU_MSR_TSC] = 5678;
    page.dirty = 0;
    boot_state_sipi(&page, 8);
    assert_int_equal(page.xcr0, 7);
    assert_int_equal(page.msr[VCPU_MSR_LSTAR], 0x1234);
    assert_int_equal(page.dirty & VCPU_GROUP_MSRS, 0); /* what the page has may be old */
    assert_int_equal(page.dirty | VCPU_GROUP_MSRS, VCPU_GROUP_ALL);
}

static void after_power_on_all_groups_are_set(void **state)
{
    (void)state;
    memset(&page, 0xa5, sizeof(page));
    page.dirty = 0;
    boot_state_reset(&page);
    assert_int_equal(page.dirty, VCPU_GROUP_ALL);
    assert_int_equal(page.segment[SEG_CS].base + page.rip, 0xfffffff0);
    assert_int_equal(page.xcr0, 1);
    assert_int_equal(page.msr[VCPU_MSR_LSTAR], 0);
    assert_true(page.msr[VCPU_MSR_TSC] == VCPU_TSC_UNCHANGED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_started_cpu_begins_in_real_mode_at_the_page_of_the_sipi),
        cmocka_unit_test(init_leaves_xcr0_and_the_msrs),
        cmocka_unit_test(after_power_on_all_groups_are_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

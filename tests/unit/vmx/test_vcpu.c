/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: vmx/apic.c vmx/audit.c vmx/audit_rules_table.c vmx/cpu.c vmx/enter.c vmx/event.c vmx/exit.c vmx/exit_table.c vmx/msr.c vmx/permissions.c vmx/probe.c vmx/probe_table.c vmx/reset_table.c vmx/state.c vmx/state_table.c vmx/vcpu.c vmx/vpid.c kernel/vlapic.c kernel/pagetable.c kernel/pagetable_formats_table.c kernel/pool.c kernel/guest_cpu.c kernel/guest_cpu_table.c kernel/audit.c kernel/audit_rules_table.c kernel/fake/fake_vmx.c kernel/fake/fake_assert.c kernel/fake/fake_account.c kernel/fake/fake_pool.c kernel/fake/fake_random.c kernel/fake/fake_xstate.c */
/* test_vcpu.c: a VMCS is on one CPU at a time, and what no VMCS holds is the guest's while it runs and the host's when
 * ring 3 does. */
#include "vmx_fixture.h"

static const uint32_t switched[] = { MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SFMASK, MSR_KERNEL_GS_BASE };

static void a_vmcs_is_on_no_cpu_until_it_is_loaded(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(fake_vmcs_holder(f->vmx->vmcs_pa), -1);
    vmx_vcpu_get(&f->vcpu, VCPU_GROUP_ALL);
    assert_int_equal(fake_vmcs_holder(f->vmx->vmcs_pa), -1);
    vmx_vcpu_load(&f->vcpu);
    assert_int_equal(fake_vmcs_holder(f->vmx->vmcs_pa), 0);
    vmx_vcpu_unload(&f->vcpu);
    assert_int_equal(fake_vmcs_holder(f->vmx->vmcs_pa), -1);
}

static void halt(void)
{
    vmx_write(VMCS_EXIT_REASON, EXIT_HLT);
    vmx_write(VMCS_INSTRUCTION_LENGTH, 1);
}

static void a_vcpu_that_moves_is_cleared_and_launched_anew(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;

    fake_vmx_guest = halt;
    for (unsigned i = 0; i < 4; i++) {
        fake_vmx_become(i % 2);
        vmx_vcpu_load(&f->vcpu);
        for (unsigned n = 0; n < 3; n++) {
            vmx_vcpu_enter(&f->vcpu, &exit);
            assert_int_equal(exit.kind, VIRT_EXIT_HLT);
            assert_int_equal(vmcs(f, VMCS_HOST_CR3), fake_vmx_cpus[i % 2].cr[3]);
            assert_int_equal(vmcs(f, VMCS_HOST_GS_BASE), (uint64_t)&cpus[i % 2]);
            assert_int_equal(vmcs(f, VMCS_HOST_TR_BASE), (uint64_t)&cpus[i % 2].tss);
        }
        assert_int_equal(vmcs(f, VMCS_VPID), 1 + i / 2); /* what it left here last time may be stale */
        vmx_vcpu_unload(&f->vcpu);
    }
}

static void state_can_be_changed_beside_another_vcpu_that_is_loaded(void **state)
{
    struct fixture *f = *state;
    struct vcpu other = f->vcpu;

    other.page = pool_take(f->account, PAGE_SIZE);
    assert_int_equal(vmx_vcpu_create(&other, f->account), CL_OK);
    cpus[0].vcpu = &other; /* as the kernel has it */
    vmx_vcpu_load(&other);
    fixture_long_mode(f);
    assert_int_equal(vmcs(f, VMCS_GUEST_CR3), 0x1000);
    assert_int_equal(fake_vmcs_holder(f->vmx->vmcs_pa), -1);
    assert_int_equal(vmx_read(VMCS_GUEST_CR3), 0); /* the other is current again */
    vmx_vcpu_unload(&other);
    cpus[0].vcpu = NULL;
    vmx_vcpu_destroy(&other, f->account);
    pool_give(f->account, other.page);
}

/* SWAPGS and MOV to CR2 do not exit. */
static void change_what_does_not_exit(void)
{
    *fake_vmx_msr(MSR_KERNEL_GS_BASE) = 0x7777;
    x86_write_cr2(0xBAD000);
    halt();
}

static void ring_3_finds_the_hosts_registers_and_the_guest_its_own(void **state)
{
    struct fixture *f = *state;
    uint64_t host[ARRAY_SIZE(switched)], value;
    struct virt_exit exit;

    for (unsigned i = 0; i < ARRAY_SIZE(switched); i++)
        host[i] = *fake_vmx_msr(switched[i]);
    vmx_vcpu_load(&f->vcpu);
    for (unsigned i = 0; i < ARRAY_SIZE(switched) - 1; i++) {
        value = 0x1000 + i;
        assert_true(vmx_vcpu_msr(&f->vcpu, switched[i], true, &value));
    }
    fake_vmx_guest = change_what_does_not_exit;
    vmx_vcpu_enter(&f->vcpu, &exit);
    for (unsigned i = 0; i < ARRAY_SIZE(switched) - 1; i++)
        assert_int_equal(*fake_vmx_msr(switched[i]), 0x1000 + i);
    assert_true(fake_vmx_cpus[0].limits_stale);

    cpus[0].gdt[SELECTOR_TSS / 8] = UINT64_C(0x8B) << 40;
    vmx_vcpu_park(&f->vcpu);
    for (unsigned i = 0; i < ARRAY_SIZE(switched); i++)
        assert_int_equal(*fake_vmx_msr(switched[i]), host[i]);
    assert_false(fake_vmx_cpus[0].limits_stale);
    x86_write_cr2(0); /* whatever the host does with it */
    vmx_vcpu_get(&f->vcpu, VCPU_GROUP_ALL);
    assert_int_equal(f->page->msr[VCPU_MSR_KERNEL_GS_BASE], 0x7777);
    assert_int_equal(f->page->msr[VCPU_MSR_LSTAR], 0x1001);
    assert_int_equal(f->page->cr2, 0xBAD000);

    fake_vmx_guest = halt;
    vmx_vcpu_enter(&f->vcpu, &exit);
    assert_int_equal(*fake_vmx_msr(MSR_KERNEL_GS_BASE), 0x7777);
    assert_int_equal(*fake_vmx_msr(MSR_SFMASK), 0x1003);
    assert_int_equal(x86_read_cr2(), 0xBAD000);
    cpus[0].gdt[SELECTOR_TSS / 8] |= UINT64_C(1) << 41;
    vmx_vcpu_unload(&f->vcpu);
    assert_int_equal(*fake_vmx_msr(MSR_LSTAR), host[1]);
    assert_false(f->vmx->live);
}

static void an_exit_that_the_kernel_serves_writes_no_msr(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;
    unsigned before;

    fake_vmx_guest = halt;
    vmx_vcpu_load(&f->vcpu);
    vmx_vcpu_enter(&f->vcpu, &exit);
    before = fake_vmx_cpus[0].msr_writes;
    for (unsigned i = 0; i < 10; i++)
        vmx_vcpu_enter(&f->vcpu, &exit);
    assert_int_equal(fake_vmx_cpus[0].msr_writes, before);
}

static void breakpoints_follow_their_vcpu(void **state)
{
    struct fixture *f = *state;

    f->page->dr[0] = 0x1000;
    f->page->dr[6] = DR6_FIXED | 1;
    f->page->dr[7] = 0x401;
    assert_int_equal(vmx_vcpu_set(&f->vcpu, VCPU_GROUP_DEBUG), CL_OK);
    vmx_vcpu_load(&f->vcpu);
    assert_int_equal(x86_read_dr0(), 0x1000);
    assert_int_equal(x86_read_dr6(), DR6_FIXED | 1);
    x86_write_dr3(0x3000);
    vmx_vcpu_unload(&f->vcpu);
    fake_vmx_become(1);
    vmx_vcpu_load(&f->vcpu);
    assert_int_equal(x86_read_dr3(), 0x3000);
    vmx_vcpu_get(&f->vcpu, VCPU_GROUP_DEBUG);
    assert_int_equal(f->page->dr[3], 0x3000);
    assert_int_equal(f->page->dr[7], 0x401);
}

static void cr8_and_the_tsc_offset_reach_the_guest(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;

    fake_vmx_guest = halt;
    f->vcpu.tsc_offset = 0x123456789;
    vmx_vcpu_get(&f->vcpu, VCPU_GROUP_CONTROL);
    f->page->cr8 = 9;
    assert_int_equal(vmx_vcpu_set(&f->vcpu, VCPU_GROUP_CONTROL), CL_OK);
    vmx_vcpu_load(&f->vcpu);
    vmx_vcpu_enter(&f->vcpu, &exit);
    assert_int_equal(vmcs(f, VMCS_TSC_OFFSET), 0x123456789);
    assert_int_equal(((uint32_t *)pool_virtual(hpa(vmcs(f, VMCS_VIRTUAL_APIC))))[0x80 / 4], 9 << 4);
    f->page->cr8 = 0;
    vmx_vcpu_get(&f->vcpu, VCPU_GROUP_CONTROL);
    assert_int_equal(f->page->cr8, 9);
}

static void without_a_tpr_shadow_cr8_is_the_vmms(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;

    vmx_vcpu_destroy(&f->vcpu, f->account);
    vmx_host.used[WORD_PRIMARY] &= ~PRIMARY_TPR_SHADOW;
    vmx_host.used[WORD_PRIMARY] |= PRIMARY_CR8_LOAD | PRIMARY_CR8_STORE;
    assert_int_equal(vmx_vcpu_create(&f->vcpu, f->account), CL_OK);
    f->vmx = f->vcpu.virt;
    vlapic_cr8_set(&f->vcpu.lapic, 9);
    fake_vmx_guest = halt;
    vmx_vcpu_load(&f->vcpu);
    vmx_vcpu_window(&f->vcpu, false, false, 5);
    vmx_vcpu_enter(&f->vcpu, &exit);
    vmx_vcpu_get(&f->vcpu, VCPU_GROUP_CONTROL);
    assert_int_equal(f->page->cr8, 9);
}

static void a_vcpu_that_cannot_be_paid_for_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct vcpu poor = f->vcpu;
    uint64_t spent = fake_account_spent(f->account, PURSE_KERNEL);

    for (unsigned pages = 0; pages < 2; pages++) {
        poor.virt = NULL;
        fake_account_limit(f->account, PURSE_KERNEL, spent + pages * PAGE_SIZE);
        assert_int_equal(vmx_vcpu_create(&poor, f->account), CL_NO_MEMORY);
        if (poor.virt != NULL)
            vmx_vcpu_destroy(&poor, f->account);
        assert_int_equal(fake_account_spent(f->account, PURSE_KERNEL), spent);
    }
    fake_account_limit(f->account, PURSE_KERNEL, UINT64_C(4) << 20);
}

static void vmxon_follows_the_feature_control_msr(void **state)
{
    (void)state;
    fake_vmx_become(2);
    *fake_vmx_msr(MSR_FEATURE_CONTROL) = FEATURE_CONTROL_LOCK;
    assert_int_equal(vmx_cpu_enable(), CL_UNSUPPORTED);
    assert_false(fake_vmx_cpus[2].on);
    *fake_vmx_msr(MSR_FEATURE_CONTROL) = 0; /* left open by the firmware */
    assert_int_equal(vmx_cpu_enable(), CL_OK);
    assert_int_equal(*fake_vmx_msr(MSR_FEATURE_CONTROL), FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX);
    assert_true(fake_vmx_cpus[2].on);
    assert_true(fake_vmx_cpus[2].cr[4] & CR4_VMXE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VMX_TEST(a_vmcs_is_on_no_cpu_until_it_is_loaded),
        VMX_TEST(a_vcpu_that_moves_is_cleared_and_launched_anew),
        VMX_TEST(state_can_be_changed_beside_another_vcpu_that_is_loaded),
        VMX_TEST(ring_3_finds_the_hosts_registers_and_the_guest_its_own),
        VMX_TEST(an_exit_that_the_kernel_serves_writes_no_msr),
        VMX_TEST(breakpoints_follow_their_vcpu),
        VMX_TEST(cr8_and_the_tsc_offset_reach_the_guest),
        VMX_TEST(without_a_tpr_shadow_cr8_is_the_vmms),
        VMX_TEST(a_vcpu_that_cannot_be_paid_for_leaves_nothing),
        VMX_TEST(vmxon_follows_the_feature_control_msr),
    };

    fixture_filter();
    return cmocka_run_group_tests_name("vmx vcpu", tests, NULL, NULL);
}

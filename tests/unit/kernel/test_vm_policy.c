/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: kernel/object.c kernel/object_table.c kernel/account.c kernel/domain.c kernel/memory.c kernel/mapping.c kernel/notification.c
 * kernel/thread.c kernel/timer.c kernel/time.c kernel/fake/fake_system.c kernel/vm.c kernel/doorbell.c kernel/vcpu.c
 * kernel/fake/fake_vcpu_run.c kernel/vcpu_exit.c kernel/vlapic.c kernel/irq.c kernel/frames.c kernel/pool.c kernel/pagetable.c
 * kernel/pagetable_formats_table.c kernel/sched.c kernel/heap.c kernel/cap.c kernel/fake/fake_machine.c
 * kernel/fake/fake_memory.c kernel/fake/fake_allocation.c kernel/fake/fake_virt.c kernel/fake/fake_xstate.c
 * kernel/fake/fake_assert.c kernel/fake/fake_pool.c kernel/fake/fake_random.c */
/* test_vm_policy.c: the tables that decide what a guest may see: sorted, bounded, fixed once a vCPU exists. */
#include "kernel_fixture.h"

static struct vm *vm;

static void begin(void)
{
    vm = new_vm(new_notification());
}

static enum cl_status add_leaf(uint32_t leaf, uint32_t subleaf, uint32_t flags, uint32_t value)
{
    struct vm_cpuid_entry entry = { .leaf = leaf, .subleaf = subleaf, .flags = flags, .eax = value };

    return vm_policy_cpuid(vm, vm->cpuid_count, 1, &entry);
}

static enum cl_status add_msr(uint32_t index, uint32_t action)
{
    struct vm_msr_entry entry = { .index = index, .action = action, .value = index };

    return vm_policy_msr(vm, vm->msr_count, 1, &entry);
}

static void an_empty_policy_has_nothing(void **state)
{
    (void)state;
    begin();
    static const uint32_t leaves[] = { 0, 1, 0x40000000, 0x80000000, 0xc0000000, UINT32_MAX };
    for (unsigned i = 0; i < ARRAY_SIZE(leaves); i++)
        assert_null(vm_cpuid_find(vm, leaves[i], 0));
    assert_null(vm_msr_find(vm, 0));
    assert_null(vm_msr_find(vm, UINT32_MAX));
}

static void a_leaf_without_subleaves_answers_for_all(void **state)
{
    (void)state;
    begin();
    assert_int_equal(add_leaf(7, 0, 0, 77), CL_OK);
    assert_int_equal(vm_cpuid_find(vm, 7, 0)->eax, 77);
    assert_int_equal(vm_cpuid_find(vm, 7, 5)->eax, 77);
    assert_null(vm_cpuid_find(vm, 6, 0));
    assert_null(vm_cpuid_find(vm, 8, 0));
    assert_null(vm_cpuid_find(vm, 7 + 32, 0));
}

static void a_subleaf_answers_for_itself_only(void **state)
{
    (void)state;
    begin();
    for (uint32_t subleaf = 0; subleaf < 6; subleaf += 2)
        assert_int_equal(add_leaf(4, subleaf, VM_CPUID_SUBLEAF, 40 + subleaf), CL_OK);
    for (uint32_t subleaf = 0; subleaf < 8; subleaf++) {
        const struct vm_cpuid_entry *entry = vm_cpuid_find(vm, 4, subleaf);
        assert_int_equal(entry != NULL, subleaf < 6 && subleaf % 2 == 0);
        if (entry != NULL)
            assert_int_equal(entry->eax, 40 + subleaf);
    }
}

/* Against a plain search, with leaves that collide in every way. */
static void every_leaf_is_found_wherever_it_stands(void **state)
{
    static const uint32_t bases[] = { 0, 0x40000000, 0x40000100, 0x80000000, 0xc0000000 };
    static struct vm_cpuid_entry model[VM_CPUID_MAX];

    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        unsigned count = 0;
        begin();
        for (unsigned base = 0; base < ARRAY_SIZE(bases); base++) {
            for (uint32_t leaf = bases[base]; leaf < bases[base] + 70 && count + 4 < VM_CPUID_MAX; leaf++) {
                uint32_t subleaves = (uint32_t)fake_random(4);
                bool by_subleaf = fake_random(2) != 0;
                if (fake_random(3) != 0)
                    continue;
                for (uint32_t subleaf = 0; subleaf < (by_subleaf ? subleaves : 1); subleaf++) {
                    model[count] = (struct vm_cpuid_entry){
                        .leaf = leaf, .subleaf = subleaf, .flags = by_subleaf ? VM_CPUID_SUBLEAF : 0, .ebx = count
                    };
                    count++;
                }
            }
        }
        if (count > 0)
            assert_int_equal(vm_policy_cpuid(vm, 0, count, model), CL_OK);
        for (unsigned base = 0; base < ARRAY_SIZE(bases); base++) {
            for (uint32_t leaf = bases[base]; leaf < bases[base] + 72; leaf++) {
                for (uint32_t subleaf = 0; subleaf < 5; subleaf++) {
                    const struct vm_cpuid_entry *found = vm_cpuid_find(vm, leaf, subleaf), *expected = NULL;
                    for (unsigned i = 0; i < count && expected == NULL; i++) {
                        if (model[i].leaf == leaf && (model[i].flags == 0 || model[i].subleaf == subleaf))
                            expected = &model[i];
                    }
                    assert_int_equal(found != NULL, expected != NULL);
                    if (found != NULL)
                        assert_int_equal(found->ebx, expected->ebx);
                }
            }
        }
        assert_int_equal(fake_destroy(&vm->object), CL_OK);
    }
}

static void entries_out_of_order_are_refused_and_change_nothing(void **state)
{
    (void)state;
    begin();
    assert_int_equal(add_leaf(4, 1, VM_CPUID_SUBLEAF, 0), CL_OK);
    assert_int_equal(add_leaf(4, 1, VM_CPUID_SUBLEAF, 1), CL_BAD_ARGUMENT);
    assert_int_equal(add_leaf(4, 0, VM_CPUID_SUBLEAF, 1), CL_BAD_ARGUMENT);
    assert_int_equal(add_leaf(3, 9, VM_CPUID_SUBLEAF, 1), CL_BAD_ARGUMENT);
    assert_int_equal(vm->cpuid_count, 1);
    assert_int_equal(vm_cpuid_find(vm, 4, 1)->eax, 0);
    assert_int_equal(add_msr(0x10, VM_MSR_FIXED), CL_OK);
    assert_int_equal(add_msr(0x10, VM_MSR_FIXED), CL_BAD_ARGUMENT);
    assert_int_equal(add_msr(0x0f, VM_MSR_FIXED), CL_BAD_ARGUMENT);
    assert_int_equal(add_msr(0x20, VM_MSR_WRITE_IGNORED + 1), CL_BAD_ARGUMENT);
    assert_int_equal(vm->msr_count, 1);
    assert_null(vm_msr_find(vm, 0x20));
}

static void entries_join_where_the_table_ends_and_within_it(void **state)
{
    static struct vm_cpuid_entry leaves[VM_CPUID_MAX + 1];
    static struct vm_msr_entry msrs[VM_MSR_MAX + 1];

    (void)state;
    begin();
    for (uint32_t i = 0; i <= VM_CPUID_MAX; i++)
        leaves[i].leaf = i;
    for (uint32_t i = 0; i <= VM_MSR_MAX; i++)
        msrs[i].index = i;
    assert_int_equal(vm_policy_cpuid(vm, 1, 1, leaves), CL_BAD_ARGUMENT);
    assert_int_equal(vm_policy_cpuid(vm, 0, 0, leaves), CL_BAD_ARGUMENT);
    assert_int_equal(vm_policy_cpuid(vm, 0, VM_CPUID_MAX + 1, leaves), CL_BAD_ARGUMENT);
    assert_int_equal(vm_policy_cpuid(vm, 0, UINT64_MAX, leaves), CL_BAD_ARGUMENT);
    assert_int_equal(vm_policy_cpuid(vm, 0, 100, leaves), CL_OK);
    assert_int_equal(vm_policy_cpuid(vm, 0, 1, leaves), CL_BAD_ARGUMENT);
    assert_int_equal(vm_policy_cpuid(vm, 100, 28, leaves + 100), CL_OK);
    assert_int_equal(vm_policy_cpuid(vm, 128, 1, leaves + 128), CL_BAD_ARGUMENT);
    assert_int_equal(vm_policy_msr(vm, 0, VM_MSR_MAX + 1, msrs), CL_BAD_ARGUMENT);
    assert_int_equal(vm_policy_msr(vm, 0, VM_MSR_MAX, msrs), CL_OK);
    assert_int_equal(vm_policy_msr(vm, VM_MSR_MAX, 1, msrs + VM_MSR_MAX), CL_BAD_ARGUMENT);
    for (uint32_t i = 0; i < VM_CPUID_MAX; i++)
        assert_int_equal(vm_cpuid_find(vm, i, 3)->leaf, i);
    for (uint32_t i = 0; i < VM_MSR_MAX; i++)
        assert_int_equal(vm_msr_find(vm, i)->index, i);
}

static void the_policy_is_fixed_once_a_vcpu_exists(void **state)
{
    struct domain *domain = fake_domain(fake_root);
    struct vcpu *vcpu;

    (void)state;
    begin();
    assert_int_equal(add_leaf(1, 0, 0, 1), CL_OK);
    assert_int_equal(vcpu_create(vm, fake_root, 0, VCPU_APIC_AUTO, domain, 0x700000, &vcpu), CL_OK);
    assert_int_equal(add_leaf(2, 0, 0, 1), CL_BUSY);
    assert_int_equal(add_msr(2, VM_MSR_FIXED), CL_BUSY);
}

static void a_vm_marks_its_own_flags_in_no_entry(void **state)
{
    (void)state;
    begin();
    assert_int_equal(add_leaf(2, 0, UINT32_MAX, 1), CL_OK);
    assert_int_equal(vm_cpuid_find(vm, 2, 0)->flags, VM_CPUID_SUBLEAF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_policy_has_nothing),
        TEST(a_leaf_without_subleaves_answers_for_all),
        TEST(a_subleaf_answers_for_itself_only),
        TEST(every_leaf_is_found_wherever_it_stands),
        TEST(entries_out_of_order_are_refused_and_change_nothing),
        TEST(entries_join_where_the_table_ends_and_within_it),
        TEST(the_policy_is_fixed_once_a_vcpu_exists),
        TEST(a_vm_marks_its_own_flags_in_no_entry),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

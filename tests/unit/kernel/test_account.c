/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: kernel/object.c kernel/object_table.c kernel/account.c kernel/domain.c kernel/memory.c kernel/mapping.c kernel/notification.c
 * kernel/thread.c kernel/timer.c kernel/time.c kernel/fake/fake_system.c kernel/vm.c kernel/doorbell.c kernel/vcpu.c
 * kernel/fake/fake_vcpu_run.c kernel/vcpu_exit.c kernel/vlapic.c kernel/irq.c kernel/frames.c kernel/pool.c kernel/pagetable.c
 * kernel/pagetable_formats_table.c kernel/sched.c kernel/heap.c kernel/cap.c kernel/fake/fake_machine.c
 * kernel/fake/fake_memory.c kernel/fake/fake_allocation.c kernel/fake/fake_virt.c kernel/fake/fake_xstate.c
 * kernel/fake/fake_assert.c kernel/fake/fake_pool.c kernel/fake/fake_random.c */
/* test_account.c: accounts: purses that cannot be overdrawn, and all comes back. */
#include "kernel_fixture.h"

#define KIB UINT64_C(1024)

static enum cl_status make_child(struct account *parent, uint64_t kernel, uint64_t memory, struct account **child)
{
    struct account_arguments arguments = { .kernel_bytes = kernel,
                                           .memory_bytes = memory,
                                           .affinity = AFFINITY_ALL,
                                           .scheduling_class = CLASS_FAIR,
                                           .weight = WEIGHT_DEFAULT };
    enum cl_status status = account_create(parent, &arguments, child);

    if (status != CL_OK && *child != NULL) {
        assert_int_equal(object_destroy(&(*child)->object), CL_OK);
        *child = NULL;
    }
    return status;
}

static void a_purse_cannot_be_overdrawn(void **state)
{
    struct account *account = fake_child_account(64 * KIB, 16 * PAGE_SIZE);
    static const uint64_t too_much[] = { 64 * KIB + 1, UINT64_C(1) << 63, UINT64_MAX, UINT64_MAX - 64 * KIB };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(too_much); i++) {
        assert_int_equal(account_charge(account, PURSE_KERNEL, too_much[i]), CL_NO_MEMORY);
        assert_int_equal(account->used[PURSE_KERNEL], 0);
    }
    assert_int_equal(account_charge(account, PURSE_KERNEL, 64 * KIB), CL_OK);
    assert_int_equal(account_charge(account, PURSE_KERNEL, 1), CL_NO_MEMORY);
    /* a charge that would run over the end of the counter is no smaller */
    for (unsigned i = 0; i < ARRAY_SIZE(too_much); i++)
        assert_int_equal(account_charge(account, PURSE_KERNEL, too_much[i]), CL_NO_MEMORY);
    assert_int_equal(account->used[PURSE_MEMORY], 0);
    account_refund(account, PURSE_KERNEL, 64 * KIB);
}

static void a_refund_of_more_than_was_charged_is_a_panic(void **state)
{
    struct account *account = fake_child_account(64 * KIB, 0);

    (void)state;
    assert_true(FAKE_PANICS(account_refund(account, PURSE_KERNEL, 1)));
    account->used[PURSE_KERNEL] = 0;
}

static void a_child_gets_what_its_parent_no_longer_has(void **state)
{
    struct account *parent = fake_child_account(256 * KIB, 64 * PAGE_SIZE), *child = NULL;
    struct memory *memory;

    (void)state;
    assert_int_equal(make_child(parent, 64 * KIB, 60 * PAGE_SIZE, &child), CL_OK);
    assert_int_equal(memory_create(parent, 5 * PAGE_SIZE, 0, &memory), CL_NO_MEMORY);
    assert_int_equal(memory_create(parent, 4 * PAGE_SIZE, 0, &memory), CL_OK);
    assert_int_equal(memory_create(child, 61 * PAGE_SIZE, 0, &memory), CL_NO_MEMORY);
    assert_int_equal(memory_create(child, 60 * PAGE_SIZE, 0, &memory), CL_OK);
}

static void a_child_larger_than_its_parent_is_refused_and_costs_nothing(void **state)
{
    struct account *parent = fake_child_account(256 * KIB, 64 * PAGE_SIZE), *child = NULL;

    (void)state;
    assert_int_equal(make_child(parent, 256 * KIB + 1, 0, &child), CL_NO_MEMORY);
    assert_int_equal(make_child(parent, UINT64_MAX, 0, &child), CL_NO_MEMORY);
    assert_int_equal(make_child(parent, 256 * KIB, 0, &child), CL_NO_MEMORY); /* nothing left for the object itself */
    assert_int_equal(make_child(parent, 0, 65 * PAGE_SIZE, &child), CL_NO_MEMORY);
    assert_string_not_equal(fake_refusal, "");
    assert_null(child);
    fake_all_leave();
    assert_int_equal(parent->used[PURSE_KERNEL], 0);
    assert_int_equal(parent->used[PURSE_MEMORY], 0);
    assert_int_equal(parent->object_count, 0);
}

static void the_root_account_stays(void **state)
{
    (void)state;
    assert_int_equal(account_destroy(&fake_root->object), CL_BAD_ARGUMENT);
}

static void an_account_takes_everything_it_paid_for_with_it(void **state)
{
    uint64_t pool = pool_free_bytes(), frames = frames_free();
    struct account *account = fake_child_account(1024 * KIB, 64 * PAGE_SIZE), *child = NULL;
    struct domain *domain = fake_domain(account);
    struct memory *memory = NULL;
    struct notification *notification = object_create(account, OBJECT_NOTIFICATION);
    static const char name[VM_NAME_MAX] = "guest";
    struct vm *vm = NULL;
    struct vcpu *vcpu = NULL;

    (void)state;
    assert_non_null(notification);
    fake_thread_run(fake_thread(domain, account, 0x600000, 1));
    assert_int_equal(make_child(account, 64 * KIB, 0, &child), CL_OK);
    assert_non_null(object_create(child, OBJECT_NOTIFICATION));
    assert_int_equal(memory_create(account, 20 * PAGE_SIZE, 0, &memory), CL_OK);
    assert_int_equal(map_all(memory, &domain->space, 0, 20 * PAGE_SIZE, 0x1000000), CL_OK);
    assert_int_equal(vm_create(account, name, notification, 0, &vm), CL_OK);
    assert_int_equal(vm_doorbell_add(vm, 0x80, 1, notification, 3), CL_OK);
    assert_int_equal(map_all(memory, &vm->space, 0, 20 * PAGE_SIZE, 0), CL_OK);
    assert_int_equal(vcpu_create(vm, account, 0, VCPU_APIC_AUTO, domain, 0x700000, &vcpu), CL_OK);
    cap_insert(domain, 1, &account->object, RIGHT_ALL);
    cap_insert(domain, 2, &domain->object, RIGHT_ALL);
    cap_insert(domain, 3, &vm->object, RIGHT_ALL);
    fake_account_end(account);
    for (unsigned i = 0; i < 20; i++)
        fake_all_leave();
    assert_int_equal(pool_free_bytes(), pool);
    assert_int_equal(frames_free(), frames);
    assert_int_equal(cpus[1].current == NULL, true);
}

static void a_husk_keeps_the_purse_until_its_last_capability_goes(void **state)
{
    struct domain *holder = fake_domain(fake_root);
    uint64_t used = fake_root->used[PURSE_KERNEL];
    struct account *account = fake_child_account(64 * KIB, 0);
    struct notification *notification = object_create(account, OBJECT_NOTIFICATION);

    (void)state;
    cap_insert(holder, 1, &notification->object, RIGHT_ALL);
    fake_account_end(account);
    assert_true(fake_root->used[PURSE_KERNEL] > used);
    cap_remove(holder, 1);
    for (unsigned i = 0; i < 4; i++)
        fake_all_leave();
    assert_int_equal(fake_root->used[PURSE_KERNEL], used);
}

static void real_time_authority_comes_back(void **state)
{
    struct account_arguments arguments = { .kernel_bytes = 64 * KIB,
                                           .affinity = AFFINITY_ALL,
                                           .scheduling_class = CLASS_REALTIME,
                                           .priority_max = 10,
                                           .budget_ns = 6000000,
                                           .period_ns = 10000000 };
    struct account *account = NULL, *second = NULL;

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        assert_int_equal(account_create(fake_root, &arguments, &account), CL_OK);
        assert_int_equal(account_create(fake_root, &arguments, &second), CL_NO_AUTHORITY);
        fake_account_end(account);
    }
}

/* The account is too small by one more allocation each time; whatever does not fit leaves nothing behind. */
static void an_account_too_small_for_a_call_is_as_before(void **state)
{
    static const char name[32] = "test";
    unsigned completed = 0;

    (void)state;
    for (uint64_t n = 1; completed < 5; n++) {
        struct account *account = fake_child_account(1024 * KIB, 64 * PAGE_SIZE);
        struct notification *events = object_create(account, OBJECT_NOTIFICATION);

        fake_all_leave();
        uint64_t used = account->used[PURSE_KERNEL];
        completed = 0;
        for (unsigned call = 0; call < 5; call++) {
            enum cl_status status = CL_OK;
            struct object *made = NULL;
            fake_allocations_fail_from(n);
            switch (call) {
            case 0:
                status = make_child(account, 64 * KIB, PAGE_SIZE, (struct account **)&made);
                break;
            case 1:
                status = domain_create(account, name, 4096, (struct domain **)&made);
                break;
            case 2:
                status = memory_create(account, PAGE_SIZE, 0, (struct memory **)&made);
                break;
            case 3:
                status = vm_create(account, name, events, 0, (struct vm **)&made);
                break;
            default:
                break;
            }
            fake_allocations_fail_from(0);
            assert_true(status == CL_OK || status == CL_NO_MEMORY);
            completed += status == CL_OK;
            /* what was made in vain is taken apart in one piece */
            if (made != NULL && status != CL_OK)
                assert_int_equal(object_destroy(made), CL_OK);
            else if (made != NULL)
                assert_int_equal(fake_destroy(made), CL_OK);
            for (unsigned i = 0; i < 4; i++)
                fake_all_leave();
            if (account->used[PURSE_KERNEL] != used)
                print_error("call %u, allocation %lu\n", call, n);
            assert_int_equal(account->used[PURSE_KERNEL], used);
            assert_int_equal(account->used[PURSE_MEMORY], 0);
        }
        fake_account_end(account);
    }
}

static void the_graveyard_needs_no_further_shootdown_to_empty(void **state)
{
    struct account *account = fake_child_account(1024 * KIB, 0);
    uint64_t used = account->used[PURSE_KERNEL];

    (void)state;
    for (unsigned i = 0; i < 30; i++)
        assert_non_null(object_create(account, OBJECT_NOTIFICATION));
    while (account->objects != NULL)
        assert_int_equal(object_destroy(container_of(account->objects, struct object, link)), CL_OK);
    for (uint32_t cpu = 0; cpu < CPUS; cpu++)
        (void)fake_cpu_leave(cpu);
    for (uint32_t cpu = 0; cpu < CPUS; cpu++)
        (void)fake_cpu_leave(cpu);
    assert_int_equal(account->used[PURSE_KERNEL], used);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_purse_cannot_be_overdrawn),
        TEST(a_refund_of_more_than_was_charged_is_a_panic),
        TEST(a_child_gets_what_its_parent_no_longer_has),
        TEST(a_child_larger_than_its_parent_is_refused_and_costs_nothing),
        TEST(the_root_account_stays),
        TEST(an_account_takes_everything_it_paid_for_with_it),
        TEST(a_husk_keeps_the_purse_until_its_last_capability_goes),
        TEST(real_time_authority_comes_back),
        TEST(an_account_too_small_for_a_call_is_as_before),
        TEST(the_graveyard_needs_no_further_shootdown_to_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

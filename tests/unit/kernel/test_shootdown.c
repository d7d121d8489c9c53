/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: kernel/object.c kernel/object_table.c kernel/account.c kernel/domain.c kernel/memory.c kernel/mapping.c kernel/notification.c
 * kernel/thread.c kernel/timer.c kernel/time.c kernel/fake/fake_system.c kernel/vm.c kernel/doorbell.c kernel/vcpu.c
 * kernel/fake/fake_vcpu_run.c kernel/vcpu_exit.c kernel/vlapic.c kernel/irq.c kernel/frames.c kernel/pool.c kernel/pagetable.c
 * kernel/pagetable_formats_table.c kernel/sched.c kernel/heap.c kernel/cap.c kernel/fake/fake_machine.c
 * kernel/fake/fake_memory.c kernel/fake/fake_allocation.c kernel/fake/fake_virt.c kernel/fake/fake_xstate.c
 * kernel/fake/fake_assert.c kernel/fake/fake_pool.c kernel/fake/fake_random.c */
/* test_shootdown.c: generations, kicks, and how long an object that was looked up stays. */
#include "kernel_fixture.h"

#define THREAD_PAGE UINT64_C(0x600000)

/* The guest does something that only its VMM can serve. */
static void leave_the_guest(struct vcpu *vcpu, struct virt_exit *exit)
{
    (void)vcpu;
    *exit = (struct virt_exit){ .kind = VIRT_EXIT_MEMORY };
}

static void a_generation_has_passed_when_every_cpu_has(void **state)
{
    uint64_t generation = shootdown_post();

    (void)state;
    assert_false(shootdown_passed(generation));
    for (uint32_t cpu = 0; cpu < CPUS; cpu++) {
        assert_false(shootdown_passed(generation));
        (void)fake_cpu_leave(cpu);
    }
    assert_true(shootdown_passed(generation));
    assert_false(shootdown_passed(generation + 1));
}

static void a_cpu_that_is_not_online_is_not_waited_for(void **state)
{
    (void)state;
    cpus[2].online = false;
    uint64_t generation = shootdown_post();
    assert_int_equal(fake_ipis(2), 0);
    (void)fake_cpu_leave(0);
    (void)fake_cpu_leave(1);
    assert_true(shootdown_passed(generation));
    cpus[2].online = true;
}

static void a_cpu_is_kicked_once_until_it_has_looked(void **state)
{
    (void)state;
    fake_all_leave();
    (void)fake_ipis(1);
    for (unsigned i = 0; i < 5; i++)
        (void)shootdown_post();
    assert_int_equal(fake_ipis(1), 1);
    (void)fake_cpu_leave(1);
    (void)shootdown_post();
    assert_int_equal(fake_ipis(1), 1);
    assert_int_equal(fake_ipis(0), 0); /* the one that posts sees its own word on its way out */
}

static void each_reason_for_attention_kicks_again(void **state)
{
    (void)state;
    fake_all_leave();
    (void)fake_ipis(1);
    cpu_attention(&cpus[1], ATTENTION_SHOOTDOWN);
    cpu_attention(&cpus[1], ATTENTION_GUEST);
    assert_int_equal(fake_ipis(1), 2);
}

static void posts_during_a_flush_are_not_counted_as_done(void **state)
{
    uint64_t first = shootdown_post();

    (void)state;
    (void)fake_cpu_leave(1);
    uint64_t second = shootdown_post();
    (void)fake_cpu_leave(0);
    (void)fake_cpu_leave(2);
    assert_true(shootdown_passed(first));
    assert_false(shootdown_passed(second));
    (void)fake_cpu_leave(1);
    assert_true(shootdown_passed(second));
}

static void a_flush_drops_host_and_guest_translations(void **state)
{
    struct domain *domain = fake_domain(fake_root);
    struct memory *memory = new_memory(2, 0);
    struct vm *vm = new_vm(new_notification());
    struct hpa host, guest;

    (void)state;
    fake_thread_run(fake_thread(domain, fake_root, THREAD_PAGE, 1));
    assert_int_equal(map_all(memory, &domain->space, 0, PAGE_SIZE, 0x1000000), CL_OK);
    assert_int_equal(map_all(memory, &vm->space, PAGE_SIZE, PAGE_SIZE, 0), CL_OK);
    fake_cpu_become(1);
    assert_true(fake_touch(0x1000000, &host));
    assert_true(fake_guest_touch(vm, 0, &guest));
    (void)shootdown_post();
    fake_cpu_become(0);
    assert_true(fake_is_reachable(host) && fake_is_reachable(guest));
    (void)fake_cpu_leave(1);
    assert_false(fake_is_reachable(host) || fake_is_reachable(guest));
}

/* CPU 1 is inside a system call: it has looked the object up and has not left the kernel yet. */
static void an_object_that_was_looked_up_is_not_freed_before_all_cpus_passed(void **state)
{
    struct notification *notification = new_notification();
    uint64_t free = pool_free_bytes();

    (void)state;
    fake_all_leave();
    assert_int_equal(object_destroy(&notification->object), CL_OK);
    for (unsigned i = 0; i < 20; i++) {
        (void)fake_cpu_leave(0);
        (void)fake_cpu_leave(2);
        graveyard_sweep();
    }
    assert_int_equal(pool_free_bytes(), free);
    assert_int_equal(notification->object.dead, 2); /* readable, and not garbage */
    (void)fake_cpu_leave(1);
    graveyard_sweep();
    assert_true(pool_free_bytes() > free);
}

static void the_last_reference_and_not_the_destruction_frees(void **state)
{
    struct notification *notification = new_notification();
    uint64_t free;

    (void)state;
    object_reference(&notification->object);
    free = pool_free_bytes();
    assert_int_equal(fake_destroy(&notification->object), CL_OK);
    fake_all_leave();
    assert_int_equal(pool_free_bytes(), free);
    object_drop(&notification->object);
    fake_all_leave();
    assert_true(pool_free_bytes() > free);
}

static void a_destroyed_object_stays_destroyed(void **state)
{
    struct notification *notification = new_notification();

    (void)state;
    object_reference(&notification->object);
    assert_int_equal(object_destroy(&notification->object), CL_OK);
    assert_int_equal(object_destroy(&notification->object), CL_OK);
    object_drop(&notification->object);
}

static void the_system_object_cannot_be_destroyed(void **state)
{
    struct object *system = object_create(NULL, OBJECT_SYSTEM);

    (void)state;
    assert_int_equal(object_destroy(system), CL_BAD_ARGUMENT);
    pool_give(NULL, system);
}

static void a_stopped_domain_kicks_the_cpus_that_run_it(void **state)
{
    struct domain *domain = fake_domain(fake_root);
    struct thread *thread = fake_thread(domain, fake_root, THREAD_PAGE, 1);

    (void)state;
    fake_thread_run(thread);
    (void)fake_ipis(1);
    (void)fake_ipis(2);
    assert_false(domain_stop(domain));
    assert_int_equal(fake_ipis(1), 1);
    assert_int_equal(fake_ipis(2), 0);
    assert_int_equal(fake_cpu_leave(1), FAKE_IDLE);
    assert_true(domain_stop(domain));
    thread_start(thread);
    assert_int_equal(fake_cpu_leave(1), FAKE_IDLE);
}

static void a_stopped_thread_leaves_its_cpu(void **state)
{
    struct domain *domain = fake_domain(fake_root);
    struct thread *thread = fake_thread(domain, fake_root, THREAD_PAGE, 2);

    (void)state;
    fake_thread_run(thread);
    (void)fake_ipis(2);
    assert_false(thread_stop(thread));
    assert_true(fake_ipis(2) >= 1);
    assert_int_equal(fake_cpu_leave(2), FAKE_IDLE);
    assert_true(thread_stop(thread));
    fake_thread_run(thread);
    assert_ptr_equal(cpus[2].current, thread);
}

/* The thread is back in ring 3 on CPU 1; the vCPU that it ran is still loaded there. */
static void a_loaded_vcpu_is_let_go_of_before_it_is_destroyed(void **state)
{
    struct domain *domain = fake_domain(fake_root);
    struct thread *thread = fake_thread(domain, fake_root, THREAD_PAGE, 1);
    struct notification *events = new_notification();
    struct vm *vm = new_vm(events);
    struct vcpu *vcpu = NULL;

    (void)state;
    assert_int_equal(vcpu_create(vm, fake_root, 0, VCPU_APIC_AUTO, domain, 0x700000, &vcpu), CL_OK);
    fake_thread_run(thread);
    fake_cpu_become(1);
    assert_int_equal(vcpu_run_begin(thread, vcpu, events, 0), CL_OK);
    fake_cpu_become(0);
    fake_guest = leave_the_guest;
    assert_int_equal(fake_cpu_leave(1), FAKE_RING3);
    assert_int_equal(vcpu->cpu, 1);
    assert_ptr_equal(cpus[1].vcpu, vcpu);
    (void)fake_ipis(1);
    assert_int_equal(object_destroy(&vcpu->object), CL_IN_PROGRESS);
    assert_int_equal(fake_ipis(1), 1);
    assert_int_equal(fake_vcpu(vcpu)->unloads, 0);
    assert_int_equal(fake_cpu_leave(1), FAKE_RING3);
    assert_int_equal(vcpu->cpu, VCPU_NOWHERE);
    assert_int_equal(fake_vcpu(vcpu)->unloads, 1);
    assert_int_equal(fake_destroy(&vcpu->object), CL_OK);
}

/* The CPU has left the guest and has not come to ring 3 when it is asked. */
static void the_registers_of_a_vcpu_go_home_before_it_is_let_go_of(void **state)
{
    struct domain *domain = fake_domain(fake_root);
    struct thread *thread = fake_thread(domain, fake_root, THREAD_PAGE, 1);
    struct notification *events = new_notification();
    struct vcpu *vcpu = NULL;

    (void)state;
    assert_int_equal(vcpu_create(new_vm(events), fake_root, 0, VCPU_APIC_AUTO, domain, 0x700000, &vcpu), CL_OK);
    fake_thread_run(thread);
    fake_cpu_become(1);
    assert_int_equal(vcpu_run_begin(thread, vcpu, events, 0), CL_OK);
    fake_guest = leave_the_guest;
    assert_int_equal(fake_cpu_leave(1), FAKE_RING3);
    xstate_switch(&cpus[1], vcpu->xstate, xstate_mask);
    cpus[1].vcpu->xcr0 = 1;
    vcpu_unload(&cpus[1]);
    assert_null(cpus[1].xstate);
    assert_int_equal(vcpu->xcr0, xstate_mask); /* what the guest has set last */
    fake_cpu_become(0);
}

static void a_thread_that_is_started_while_its_stop_is_under_way_runs(void **state)
{
    struct domain *domain = fake_domain(fake_root);
    struct thread *thread = fake_thread(domain, fake_root, THREAD_PAGE, 2);

    (void)state;
    fake_thread_run(thread);
    assert_false(thread_stop(thread));
    assert_int_equal(fake_cpu_leave(2), FAKE_IDLE);
    thread_start(thread);
    assert_int_equal(fake_cpu_leave(2), FAKE_RING3);
    assert_ptr_equal(cpus[2].current, thread);
}

/* Its runner was told to stop, has left its CPU, and nobody came back to complete the stop. */
static void a_vcpu_whose_runner_is_half_stopped_can_be_destroyed(void **state)
{
    struct domain *domain = fake_domain(fake_root);
    struct thread *thread = fake_thread(domain, fake_root, THREAD_PAGE, 1);
    struct notification *events = new_notification();
    struct vm *vm = new_vm(events);
    struct vcpu *vcpu = NULL;

    (void)state;
    assert_int_equal(vcpu_create(vm, fake_root, 0, VCPU_APIC_AUTO, domain, 0x700000, &vcpu), CL_OK);
    fake_thread_run(thread);
    fake_cpu_become(1);
    assert_int_equal(vcpu_run_begin(thread, vcpu, events, 0), CL_OK);
    fake_cpu_become(0);
    assert_false(thread_stop(thread));
    assert_int_equal(fake_cpu_leave(1), FAKE_IDLE);
    assert_ptr_equal(vcpu->runner, thread);
    assert_int_equal(fake_destroy(&vcpu->object), CL_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_generation_has_passed_when_every_cpu_has),
        TEST(a_cpu_that_is_not_online_is_not_waited_for),
        TEST(a_cpu_is_kicked_once_until_it_has_looked),
        TEST(each_reason_for_attention_kicks_again),
        TEST(posts_during_a_flush_are_not_counted_as_done),
        TEST(a_flush_drops_host_and_guest_translations),
        TEST(an_object_that_was_looked_up_is_not_freed_before_all_cpus_passed),
        TEST(the_last_reference_and_not_the_destruction_frees),
        TEST(a_destroyed_object_stays_destroyed),
        TEST(the_system_object_cannot_be_destroyed),
        TEST(a_stopped_domain_kicks_the_cpus_that_run_it),
        TEST(a_stopped_thread_leaves_its_cpu),
        TEST(a_loaded_vcpu_is_let_go_of_before_it_is_destroyed),
        TEST(the_registers_of_a_vcpu_go_home_before_it_is_let_go_of),
        TEST(a_thread_that_is_started_while_its_stop_is_under_way_runs),
        TEST(a_vcpu_whose_runner_is_half_stopped_can_be_destroyed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: kernel/object.c kernel/object_table.c kernel/account.c kernel/domain.c kernel/memory.c kernel/mapping.c kernel/notification.c
 * kernel/thread.c kernel/timer.c kernel/time.c kernel/fake/fake_system.c kernel/vm.c kernel/doorbell.c kernel/vcpu.c
 * kernel/fake/fake_vcpu_run.c kernel/vcpu_exit.c kernel/vlapic.c kernel/irq.c kernel/frames.c kernel/pool.c kernel/pagetable.c
 * kernel/pagetable_formats_table.c kernel/sched.c kernel/heap.c kernel/cap.c kernel/fake/fake_machine.c
 * kernel/fake/fake_memory.c kernel/fake/fake_allocation.c kernel/fake/fake_virt.c kernel/fake/fake_xstate.c
 * kernel/fake/fake_assert.c kernel/fake/fake_pool.c kernel/fake/fake_random.c */
/* test_mapping.c: what stands where, and that nobody reaches a frame after it went to somebody else. */
#include "kernel/hostmap.h"
#include "kernel_fixture.h"

#define BASE UINT64_C(0x10000000)
#define ALL_RIGHTS (PT_READ | PT_WRITE | PT_USER)
#define THREAD_PAGE UINT64_C(0x600000)

/* A domain with one thread on each CPU, running. */
static struct domain *domain_everywhere(void)
{
    struct domain *domain = fake_domain(fake_root);

    for (uint32_t cpu = 0; cpu < CPUS; cpu++)
        fake_thread_run(fake_thread(domain, fake_root, THREAD_PAGE + cpu * PAGE_SIZE, cpu));
    return domain;
}

static void touch_on(uint32_t cpu, uint64_t address, struct hpa *frame)
{
    fake_cpu_become(cpu);
    assert_true(fake_touch(address, frame));
    fake_cpu_become(0);
}

static void mappings_that_meet_are_refused(void **state)
{
    struct memory *memory = new_memory(8, 0);
    struct space *space = &fake_domain(fake_root)->space;
    uint64_t done;

    (void)state;
    assert_int_equal(map_all(memory, space, 0, 4 * PAGE_SIZE, BASE), CL_OK);
    for (int64_t pages = -3; pages <= 3; pages++) {
        uint64_t address = BASE + (uint64_t)pages * PAGE_SIZE;
        assert_int_equal(memory_map(memory, space, 0, 4 * PAGE_SIZE, address, PT_READ | PT_USER, &done), CL_OCCUPIED);
    }
    assert_int_equal(map_all(memory, space, 0, 4 * PAGE_SIZE, BASE - 4 * PAGE_SIZE), CL_OK);
    assert_int_equal(map_all(memory, space, 0, 4 * PAGE_SIZE, BASE + 4 * PAGE_SIZE), CL_OK);
}

static void a_mapping_lies_in_the_user_half_in_whole_pages(void **state)
{
    struct memory *memory = new_memory(8, 0);
    struct space *space = &fake_domain(fake_root)->space;
    uint64_t done;
    static const uint64_t bad[] = { 0,
                                    UINT64_C(0x7fffffff1000),
                                    UINT64_C(0x7fffffff0000),
                                    UINT64_C(0xffff800000000000),
                                    UINT64_C(0xfffffffffffff000),
                                    0x10001 };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_not_equal(memory_map(memory, space, 0, 2 * PAGE_SIZE, bad[i], ALL_RIGHTS, &done), CL_OK);
    assert_int_equal(memory_map(memory, space, 0, 0, BASE, ALL_RIGHTS, &done), CL_BAD_ARGUMENT);
    assert_int_equal(memory_map(memory, space, 7 * PAGE_SIZE, 2 * PAGE_SIZE, BASE, ALL_RIGHTS, &done), CL_BAD_ARGUMENT);
    assert_int_equal(memory_map(memory, space, -PAGE_SIZE, PAGE_SIZE, BASE, ALL_RIGHTS, &done), CL_BAD_ARGUMENT);
    assert_int_equal(space->mapping_count, 1); /* the info page */
}

static void a_space_has_a_limit_of_mappings(void **state)
{
    struct memory *memory = new_memory(1, 0);
    struct space *space = &fake_domain(fake_root)->space;
    uint64_t done, count = space->mapping_count;

    (void)state;
    for (; count < 512; count++)
        assert_int_equal(map_all(memory, space, 0, PAGE_SIZE, BASE + count * PAGE_SIZE), CL_OK);
    assert_int_equal(memory_map(memory, space, 0, PAGE_SIZE, 2 * BASE, ALL_RIGHTS, &done), CL_LIMIT);
}

static void unmap_flushes_every_cpu_that_may_hold_the_page(void **state)
{
    struct memory *memory = new_memory(4, 0);
    struct domain *domain = domain_everywhere();
    struct hpa frame;

    (void)state;
    assert_int_equal(map_all(memory, &domain->space, 0, 4 * PAGE_SIZE, BASE), CL_OK);
    for (uint32_t cpu = 0; cpu < CPUS; cpu++)
        touch_on(cpu, BASE, &frame);
    assert_true(fake_is_reachable(frame));
    for (uint32_t passed = 0; passed < CPUS; passed++) {
        /* not complete as long as one CPU has not passed */
        assert_int_equal(space_unmap(&domain->space, BASE), CL_IN_PROGRESS);
        assert_int_equal(fake_cpu_leave(passed), FAKE_RING3);
    }
    assert_false(fake_is_reachable(frame));
    assert_int_equal(space_unmap(&domain->space, BASE), CL_OK);
    assert_int_equal(space_unmap(&domain->space, BASE), CL_NOT_FOUND);
}

static void unmap_kicks_the_other_cpus(void **state)
{
    struct memory *memory = new_memory(4, 0);
    struct domain *domain = domain_everywhere();

    (void)state;
    assert_int_equal(map_all(memory, &domain->space, 0, PAGE_SIZE, BASE), CL_OK);
    fake_all_leave();
    for (uint32_t cpu = 0; cpu < CPUS; cpu++)
        (void)fake_ipis(cpu);
    assert_int_equal(space_unmap(&domain->space, BASE), CL_IN_PROGRESS);
    assert_int_equal(fake_ipis(0), 0);
    assert_int_equal(fake_ipis(1), 1);
    assert_int_equal(fake_ipis(2), 1);
    assert_int_equal(unmap_all(&domain->space, BASE), CL_OK);
}

static void a_frame_is_not_reused_while_a_cpu_reaches_it(void **state)
{
    struct memory *memory = new_memory(1, 0);
    struct domain *domain = domain_everywhere();
    uint64_t free = frames_free();
    struct hpa frame;

    (void)state;
    assert_int_equal(map_all(memory, &domain->space, 0, PAGE_SIZE, BASE), CL_OK);
    touch_on(1, BASE, &frame);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(object_destroy(&memory->object), CL_IN_PROGRESS);
        assert_int_equal(fake_cpu_leave(0), FAKE_RING3);
        assert_int_equal(fake_cpu_leave(2), FAKE_RING3);
        assert_int_equal(frames_free(), free - 1);
        assert_true(fake_is_reachable(frame));
    }
    assert_int_equal(fake_destroy(&memory->object), CL_OK);
    assert_int_equal(frames_free(), free);
}

static void unmap_flushes_the_guest_translations_of_every_cpu(void **state)
{
    struct memory *memory = new_memory(4, 0);
    struct vm *vm = new_vm(new_notification());
    struct hpa frame;

    (void)state;
    assert_int_equal(map_all(memory, &vm->space, 0, 4 * PAGE_SIZE, 0), CL_OK);
    for (uint32_t cpu = 0; cpu < CPUS; cpu++) {
        fake_cpu_become(cpu);
        assert_true(fake_guest_touch(vm, 2 * PAGE_SIZE, &frame));
    }
    fake_cpu_become(0);
    for (uint32_t passed = 0; passed < CPUS; passed++) {
        assert_int_equal(space_unmap(&vm->space, 0), CL_IN_PROGRESS);
        assert_true(fake_is_reachable(frame));
        (void)fake_cpu_leave(passed);
    }
    assert_false(fake_is_reachable(frame));
    assert_int_equal(space_unmap(&vm->space, 0), CL_OK);
}

static bool is_code(const struct vm *vm, uint64_t address, unsigned *shift)
{
    struct pt_leaf leaf;
    const uint64_t *entry = pt_get(&vm->space.pt, address, &leaf);

    assert_non_null(entry);
    *shift = leaf.page_shift;
    return *entry >> 63 == 0; /* the format of NPT */
}

/* Large pages may have their size changed by the guest under code that runs there: they are no code. */
static void guests_run_code_from_small_pages_where_larger_ones_are_dangerous(void **state)
{
    struct memory *memory = new_memory(3 * 512, MEMORY_LARGE);
    struct vm *vm = new_vm(new_notification());
    uint64_t done, free_bytes;
    unsigned shift;

    (void)state;
    pt_small_code = true;
    while (memory_map(memory, &vm->space, 0, 2 * LARGE_SIZE, BASE, PT_READ | PT_WRITE | PT_EXECUTE, &done) != CL_OK)
        ;
    assert_int_equal(map_all(memory, &vm->space, 2 * LARGE_SIZE, LARGE_SIZE, 2 * BASE), CL_OK);
    assert_false(is_code(vm, BASE, &shift));
    assert_int_equal(shift, LARGE_SHIFT);
    assert_int_equal(space_fetched(&vm->space, BASE + 5 * PAGE_SIZE + 7), CL_OK);
    assert_true(is_code(vm, BASE + 5 * PAGE_SIZE, &shift));
    assert_int_equal(shift, PAGE_SHIFT);
    assert_false(is_code(vm, BASE + LARGE_SIZE, &shift));
    assert_int_equal(shift, LARGE_SHIFT);

    free_bytes = pool_free_bytes();
    assert_int_equal(space_fetched(&vm->space, BASE + 6 * PAGE_SIZE), CL_OK); /* another CPU was first */
    assert_int_equal(pool_free_bytes(), free_bytes);
    assert_int_equal(space_fetched(&vm->space, 2 * BASE), CL_NOT_FOUND); /* no code at all */
    assert_int_equal(space_fetched(&vm->space, BASE - 1), CL_NOT_FOUND);
    assert_int_equal(space_fetched(&vm->space, 3 * BASE), CL_NOT_FOUND);
    assert_int_equal(unmap_all(&vm->space, BASE), CL_OK);
    assert_int_equal(space_fetched(&vm->space, BASE), CL_NOT_FOUND);
    pt_small_code = false;
}

static void an_idle_cpu_lets_go_of_the_last_domains_tables(void **state)
{
    struct domain *domain = fake_domain(fake_root);
    struct thread *thread = fake_thread(domain, fake_root, THREAD_PAGE, 1);
    struct hpa frame;

    (void)state;
    fake_thread_run(thread);
    assert_int_equal(fake_cr3(1), pt_root(&domain->space.pt).value);
    touch_on(1, THREAD_PAGE, &frame);
    assert_int_equal(fake_destroy(&thread->object), CL_OK);
    assert_int_equal(fake_destroy(&domain->object), CL_OK);
    fake_all_leave();
    assert_int_equal(fake_cr3(1), hostmap_root().value);
    assert_null(cpus[1].domain);
    assert_null(cpus[1].current);
    assert_false(fake_is_reachable(frame));
}

static void a_long_mapping_is_removed_in_pieces(void **state)
{
    struct memory *memory = new_memory(600, 0);
    struct space *space = &fake_domain(fake_root)->space;
    struct pt_leaf leaf;

    (void)state;
    assert_int_equal(map_all(memory, space, 0, 600 * PAGE_SIZE, BASE), CL_OK);
    assert_int_equal(space_unmap(space, BASE), CL_IN_PROGRESS);
    assert_false(pt_get(&space->pt, BASE, &leaf));
    assert_true(pt_get(&space->pt, BASE + 599 * PAGE_SIZE, &leaf));
    assert_int_equal(unmap_all(space, BASE), CL_OK);
    for (uint64_t i = 0; i < 600; i++)
        assert_false(pt_get(&space->pt, BASE + i * PAGE_SIZE, &leaf));
}

static void a_mapping_under_way_can_be_removed(void **state)
{
    struct memory *memory = new_memory(600, 0);
    struct space *space = &fake_domain(fake_root)->space;
    uint64_t done;

    (void)state;
    assert_int_equal(memory_map(memory, space, 0, 600 * PAGE_SIZE, BASE, ALL_RIGHTS, &done), CL_IN_PROGRESS);
    assert_int_equal(unmap_all(space, BASE), CL_OK);
    assert_int_equal(map_all(memory, space, 0, 600 * PAGE_SIZE, BASE), CL_OK);
}

static void an_address_is_occupied_until_its_unmap_is_complete(void **state)
{
    struct memory *memory = new_memory(4, 0);
    struct domain *domain = domain_everywhere();
    uint64_t done;

    (void)state;
    assert_int_equal(map_all(memory, &domain->space, 0, PAGE_SIZE, BASE), CL_OK);
    assert_int_equal(space_unmap(&domain->space, BASE), CL_IN_PROGRESS);
    assert_int_equal(memory_map(memory, &domain->space, 0, PAGE_SIZE, BASE, ALL_RIGHTS, &done), CL_OCCUPIED);
    assert_int_equal(unmap_all(&domain->space, BASE), CL_OK);
    assert_int_equal(map_all(memory, &domain->space, 0, PAGE_SIZE, BASE), CL_OK);
}

/* A random life of mappings, with CPUs that touch pages and pass whenever they like: the machine itself watches that
 * no frame is given back or scrubbed while it can be reached. */
static void random_mappings_never_leave_a_frame_reachable(void **state)
{
    struct domain *domain = domain_everywhere();
    struct vm *vm = new_vm(new_notification());
    struct memory *memory[4] = { 0 };
    struct hpa frame;
    uint64_t done;

    (void)state;
    for (unsigned step = 0; step < 6000; step++) {
        unsigned slot = (unsigned)fake_random(4);
        uint32_t cpu = (uint32_t)fake_random(CPUS);
        uint64_t address = BASE + slot * LARGE_SIZE;
        struct space *space = fake_random(2) != 0 ? &domain->space : &vm->space;
        switch (fake_random(7)) {
        case 0:
            if (memory[slot] == NULL)
                memory[slot] = new_memory(1 + fake_random(16), fake_random(2) != 0 ? MEMORY_LARGE : 0);
            break;
        case 1:
        case 2:
            if (memory[slot] != NULL && !memory[slot]->object.dead)
                (void)!memory_map(memory[slot], space, 0, memory[slot]->size_bytes, address, ALL_RIGHTS, &done);
            break;
        case 3:
            (void)!space_unmap(space, address);
            break;
        case 4:
            if (memory[slot] != NULL && object_destroy(&memory[slot]->object) == CL_OK)
                memory[slot] = NULL;
            break;
        case 5:
            fake_cpu_become(cpu);
            (void)fake_touch(address + fake_random(16) * PAGE_SIZE, &frame);
            (void)fake_guest_touch(vm, address + fake_random(16) * PAGE_SIZE, &frame);
            fake_cpu_become(0);
            break;
        default:
            (void)fake_cpu_leave(cpu);
            break;
        }
    }
    assert_int_equal(fake_stale_frames, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(mappings_that_meet_are_refused),
        TEST(a_mapping_lies_in_the_user_half_in_whole_pages),
        TEST(a_space_has_a_limit_of_mappings),
        TEST(unmap_flushes_every_cpu_that_may_hold_the_page),
        TEST(unmap_kicks_the_other_cpus),
        TEST(a_frame_is_not_reused_while_a_cpu_reaches_it),
        TEST(unmap_flushes_the_guest_translations_of_every_cpu),
        TEST(guests_run_code_from_small_pages_where_larger_ones_are_dangerous),
        TEST(an_idle_cpu_lets_go_of_the_last_domains_tables),
        TEST(a_long_mapping_is_removed_in_pieces),
        TEST(a_mapping_under_way_can_be_removed),
        TEST(an_address_is_occupied_until_its_unmap_is_complete),
        TEST(random_mappings_never_leave_a_frame_reachable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

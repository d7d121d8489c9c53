/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: kernel/object.c kernel/object_table.c kernel/account.c kernel/domain.c kernel/memory.c kernel/mapping.c kernel/notification.c
 * kernel/thread.c kernel/timer.c kernel/time.c kernel/fake/fake_system.c kernel/vm.c kernel/doorbell.c kernel/vcpu.c
 * kernel/fake/fake_vcpu_run.c kernel/vcpu_exit.c kernel/vlapic.c kernel/irq.c kernel/frames.c kernel/pool.c kernel/pagetable.c
 * kernel/pagetable_formats_table.c kernel/sched.c kernel/heap.c kernel/cap.c kernel/fake/fake_machine.c
 * kernel/fake/fake_memory.c kernel/fake/fake_allocation.c kernel/fake/fake_virt.c kernel/fake/fake_xstate.c
 * kernel/fake/fake_assert.c kernel/fake/fake_pool.c kernel/fake/fake_random.c */
/* test_memory.c: the life of memory objects: scrubbed once before anybody sees them, given back frame by frame. */
#include "kernel_fixture.h"

#define BASE UINT64_C(0x10000000)
#define ALL_RIGHTS (PT_READ | PT_WRITE | PT_USER)

static struct space *host_space(void)
{
    return &fake_domain(fake_root)->space;
}

static struct hpa frame_at(struct memory *memory, uint64_t offset)
{
    unsigned budget = 4;
    struct pt_leaf leaf;

    assert_int_equal(memory_frame(memory, offset, &budget, &leaf), CL_OK);
    return leaf.frame;
}

static void a_memory_is_whole_pages_within_the_account(void **state)
{
    struct memory *memory;

    (void)state;
    assert_int_equal(memory_create(fake_root, 0, 0, &memory), CL_BAD_ARGUMENT);
    assert_int_equal(memory_create(fake_root, 4097, 0, &memory), CL_BAD_ARGUMENT);
    assert_int_equal(memory_create(fake_root, UINT64_MAX - 4095, 0, &memory), CL_BAD_ARGUMENT);
    assert_int_equal(memory_create(fake_root, 4096, 8, &memory), CL_BAD_ARGUMENT);
    assert_int_equal(memory_create(fake_root, 4096, MEMORY_CONTIGUOUS, &memory), CL_UNSUPPORTED);
    assert_int_equal(memory_create(fake_root, (FAKE_RAM_FRAMES + 1) * PAGE_SIZE, 0, &memory), CL_NO_MEMORY);
    assert_string_not_equal(fake_refusal, "");
    assert_int_equal(fake_root->used[PURSE_MEMORY], 0);
}

static void a_new_memory_takes_no_frame_before_it_is_mapped(void **state)
{
    uint64_t before = frames_free();

    (void)state;
    (void)new_memory(100, 0);
    assert_int_equal(frames_free(), before);
    assert_int_equal(fake_root->used[PURSE_MEMORY], 100 * PAGE_SIZE);
}

static void a_mapping_makes_progress_of_four_scrubbed_frames_per_call(void **state)
{
    struct memory *memory = new_memory(10, 0);
    struct space *space = host_space();
    uint64_t done;

    (void)state;
    for (unsigned call = 1; call <= 2; call++) {
        assert_int_equal(memory_map(memory, space, 0, 10 * PAGE_SIZE, BASE, ALL_RIGHTS, &done), CL_IN_PROGRESS);
        assert_int_equal(done, call * 4 * PAGE_SIZE);
        assert_int_equal(fake_scrub_count, call * 4);
    }
    assert_int_equal(memory_map(memory, space, 0, 10 * PAGE_SIZE, BASE, ALL_RIGHTS, &done), CL_OK);
    assert_int_equal(done, 10 * PAGE_SIZE);
    assert_int_equal(fake_scrub_count, 10);
}

static void a_frame_is_scrubbed_once_however_often_it_is_mapped(void **state)
{
    struct memory *memory = new_memory(8, 0);
    struct space *space = host_space();
    struct pt_leaf leaf;

    (void)state;
    assert_int_equal(map_all(memory, space, 0, 8 * PAGE_SIZE, BASE), CL_OK);
    for (uint64_t offset = 0; offset < 8 * PAGE_SIZE; offset += PAGE_SIZE) {
        assert_true(pt_get(&space->pt, BASE + offset, &leaf));
        assert_int_equal(fake_frame_content(leaf.frame), 0);
        assert_int_equal(fake_frame_scrubs(leaf.frame), 1);
        fake_frame_write(leaf.frame, offset + 1);
    }
    assert_int_equal(map_all(memory, space, 0, 8 * PAGE_SIZE, 2 * BASE), CL_OK);
    assert_int_equal(unmap_all(space, BASE), CL_OK);
    assert_int_equal(map_all(memory, space, 0, 8 * PAGE_SIZE, BASE), CL_OK);
    assert_int_equal(fake_scrub_count, 8);
    assert_true(pt_get(&space->pt, 2 * BASE + 3 * PAGE_SIZE, &leaf));
    assert_int_equal(fake_frame_content(leaf.frame), 3 * PAGE_SIZE + 1);
}

static void a_frame_that_had_an_owner_is_scrubbed_for_the_next(void **state)
{
    struct space *space = host_space();
    struct pt_leaf leaf;
    uint64_t all = frames_free();

    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        struct memory *memory = new_memory(all, 0);
        assert_int_equal(map_all(memory, space, 0, all * PAGE_SIZE, BASE), CL_OK);
        for (uint64_t i = 0; i < all; i++) {
            assert_true(pt_get(&space->pt, BASE + i * PAGE_SIZE, &leaf));
            assert_int_equal(fake_frame_content(leaf.frame), 0);
            fake_frame_write(leaf.frame, FAKE_SECRET);
        }
        assert_int_equal(fake_destroy(&memory->object), CL_OK);
        assert_int_equal(frames_free(), all);
        assert_false(pt_get(&space->pt, BASE, &leaf));
    }
}

static void a_large_block_is_scrubbed_whole_before_any_of_it_is_mapped(void **state)
{
    struct memory *memory = new_memory(512 + 3, MEMORY_LARGE);
    struct space *space = host_space();
    enum cl_status status = CL_IN_PROGRESS;
    struct pt_leaf leaf;
    uint64_t done, calls = 0;

    (void)state;
    while (status == CL_IN_PROGRESS) {
        status = memory_map(memory, space, 0, 515 * PAGE_SIZE, LARGE_SIZE, ALL_RIGHTS, &done);
        calls++;
        if (fake_scrub_count < 512)
            assert_false(pt_get(&space->pt, LARGE_SIZE, &leaf));
    }
    assert_int_equal(status, CL_OK);
    assert_int_equal(fake_scrub_count, 515);
    assert_true(calls >= 515 / 4);
    assert_true(pt_get(&space->pt, LARGE_SIZE, &leaf));
    assert_int_equal(leaf.page_shift, LARGE_SHIFT);
    assert_true(pt_get(&space->pt, 2 * LARGE_SIZE, &leaf));
    assert_int_equal(leaf.page_shift, PAGE_SHIFT);
}

static void a_gib_is_mapped_by_one_page_where_the_cpu_has_such(void **state)
{
    struct memory *memory;
    struct space *space;
    struct pt_leaf leaf;

    (void)state;
    frames_give(hpa(FAKE_HUGE_BASE), HUGE_SHIFT);
    fake_root->limit[PURSE_MEMORY] += HUGE_SIZE;
    for (unsigned shift = LARGE_SHIFT; shift <= HUGE_SHIFT; shift += 9) {
        pt_largest_shift = shift;
        space = host_space(); /* tables that were made stay in the way of larger pages */
        fake_scrub_count = 0;
        memory = new_memory(HUGE_SIZE / PAGE_SIZE + 1, MEMORY_LARGE);
        assert_int_equal(map_all(memory, space, 0, HUGE_SIZE + PAGE_SIZE, HUGE_SIZE), CL_OK);
        assert_int_equal(fake_scrub_count, HUGE_SIZE / PAGE_SIZE + 1);
        assert_true(pt_get(&space->pt, 2 * HUGE_SIZE - PAGE_SIZE, &leaf));
        assert_int_equal(leaf.page_shift, shift);
        assert_int_equal(leaf.frame.value,
                         shift == HUGE_SHIFT ? FAKE_HUGE_BASE : FAKE_HUGE_BASE + HUGE_SIZE - LARGE_SIZE);
        assert_true(pt_get(&space->pt, 2 * HUGE_SIZE, &leaf));
        assert_int_equal(leaf.page_shift, PAGE_SHIFT);
        assert_int_equal(fake_destroy(&memory->object), CL_OK);
        assert_false(pt_get(&space->pt, HUGE_SIZE, &leaf));
        assert_int_equal(frames_free(), FAKE_RAM_FRAMES + HUGE_SIZE / PAGE_SIZE);
    }
    pt_largest_shift = LARGE_SHIFT;
    fake_root->limit[PURSE_MEMORY] -= HUGE_SIZE;
    assert_int_equal(frames_take(HUGE_SHIFT, false, &leaf.frame), CL_OK); /* the machine's end counts the others */
}

/* Each finds the other's block half scrubbed. */
static void two_who_map_different_blocks_in_turn_both_come_to_an_end(void **state)
{
    struct memory *memory = new_memory(1024, MEMORY_LARGE);
    struct space *one = host_space(), *two = host_space();
    enum cl_status first = CL_IN_PROGRESS, second = CL_IN_PROGRESS;
    uint64_t done;

    (void)state;
    for (unsigned call = 0; call < 600 && (first == CL_IN_PROGRESS || second == CL_IN_PROGRESS); call++) {
        if (first == CL_IN_PROGRESS)
            first = memory_map(memory, one, 0, LARGE_SIZE, LARGE_SIZE, ALL_RIGHTS, &done);
        if (second == CL_IN_PROGRESS)
            second = memory_map(memory, two, LARGE_SIZE, LARGE_SIZE, LARGE_SIZE, ALL_RIGHTS, &done);
    }
    assert_int_equal(first, CL_OK);
    assert_int_equal(second, CL_OK);
    assert_int_equal(fake_scrub_count, 1024);
}

static void a_large_block_at_an_odd_address_is_entered_in_small_pages(void **state)
{
    struct memory *memory = new_memory(512, MEMORY_LARGE);
    struct space *space = host_space();
    struct pt_leaf first, last;

    (void)state;
    assert_int_equal(map_all(memory, space, 0, LARGE_SIZE, LARGE_SIZE + PAGE_SIZE), CL_OK);
    assert_true(pt_get(&space->pt, LARGE_SIZE + PAGE_SIZE, &first));
    assert_true(pt_get(&space->pt, 2 * LARGE_SIZE, &last));
    assert_int_equal(first.page_shift, PAGE_SHIFT);
    assert_int_equal(last.frame.value - first.frame.value, LARGE_SIZE - PAGE_SIZE);
}

static void without_large_blocks_small_frames_serve(void **state)
{
    struct memory *filler = new_memory(FAKE_RAM_FRAMES - 512, 0);
    struct memory *hole = new_memory(1, 0);
    struct space *space = host_space();

    (void)state;
    (void)frame_at(hole, 0);
    assert_int_equal(map_all(filler, space, 0, (FAKE_RAM_FRAMES - 512) * PAGE_SIZE, BASE), CL_OK);
    assert_int_equal(fake_destroy(&hole->object), CL_OK);
    /* 512 frames are left, in more than one piece or not: the memory comes about either way */
    struct memory *memory = new_memory(512, MEMORY_LARGE);
    assert_int_equal(map_all(memory, space, 0, LARGE_SIZE, 16 * BASE), CL_OK);
    assert_int_equal(frames_free(), 0);
}

static void a_slice_is_a_window_on_its_parents_frames(void **state)
{
    struct memory *parent = new_memory(8, 0), *slice, *inner;

    (void)state;
    assert_int_equal(memory_slice(fake_root, parent, 2 * PAGE_SIZE, 4 * PAGE_SIZE, &slice), CL_OK);
    assert_int_equal(memory_slice(fake_root, slice, PAGE_SIZE, PAGE_SIZE, &inner), CL_OK);
    assert_int_equal(frame_at(inner, 0).value, frame_at(parent, 3 * PAGE_SIZE).value);
    assert_int_equal(fake_scrub_count, 1);
}

static void a_slice_outside_its_parent_is_refused(void **state)
{
    struct memory *parent = new_memory(8, 0), *slice;

    (void)state;
    assert_int_equal(memory_slice(fake_root, parent, 8 * PAGE_SIZE, PAGE_SIZE, &slice), CL_BAD_ARGUMENT);
    assert_int_equal(memory_slice(fake_root, parent, 7 * PAGE_SIZE, 2 * PAGE_SIZE, &slice), CL_BAD_ARGUMENT);
    assert_int_equal(memory_slice(fake_root, parent, PAGE_SIZE, -PAGE_SIZE, &slice), CL_BAD_ARGUMENT);
    assert_int_equal(memory_slice(fake_root, parent, 0, 0, &slice), CL_BAD_ARGUMENT);
    assert_int_equal(memory_slice(fake_root, parent, 1, PAGE_SIZE, &slice), CL_BAD_ARGUMENT);
    assert_null(parent->slices);
}

static void slices_die_with_their_parent_and_their_mappings_go(void **state)
{
    struct memory *parent = new_memory(8, 0), *slice, *inner;
    struct space *space = host_space();
    struct pt_leaf leaf;

    (void)state;
    assert_int_equal(memory_slice(fake_root, parent, 0, 4 * PAGE_SIZE, &slice), CL_OK);
    assert_int_equal(memory_slice(fake_root, slice, 0, PAGE_SIZE, &inner), CL_OK);
    object_reference(&slice->object);
    object_reference(&inner->object);
    assert_int_equal(map_all(inner, space, 0, PAGE_SIZE, BASE), CL_OK);
    assert_int_equal(fake_destroy(&parent->object), CL_OK);
    assert_int_equal(slice->object.dead, 2);
    assert_int_equal(inner->object.dead, 2);
    assert_false(pt_get(&space->pt, BASE, &leaf));
    assert_int_equal(space->mapping_count, 1); /* the info page */
    object_drop(&slice->object);
    object_drop(&inner->object);
}

static void a_slice_that_goes_leaves_its_parent_alone(void **state)
{
    struct memory *parent = new_memory(8, 0), *slice;
    struct space *space = host_space();
    struct pt_leaf leaf;

    (void)state;
    assert_int_equal(memory_slice(fake_root, parent, 0, 4 * PAGE_SIZE, &slice), CL_OK);
    assert_int_equal(map_all(parent, space, 0, 8 * PAGE_SIZE, BASE), CL_OK);
    assert_int_equal(fake_destroy(&slice->object), CL_OK);
    assert_null(parent->slices);
    assert_true(pt_get(&space->pt, BASE, &leaf));
}

static void memory_that_is_destroyed_leaves_every_space(void **state)
{
    struct memory *memory = new_memory(4, 0);
    struct space *one = host_space(), *two = host_space();
    struct vm *vm = new_vm(new_notification());
    struct pt_leaf leaf;

    (void)state;
    assert_int_equal(map_all(memory, one, 0, 4 * PAGE_SIZE, BASE), CL_OK);
    assert_int_equal(map_all(memory, two, 0, 4 * PAGE_SIZE, BASE), CL_OK);
    assert_int_equal(map_all(memory, &vm->space, 0, 4 * PAGE_SIZE, 0), CL_OK);
    assert_int_equal(fake_destroy(&memory->object), CL_OK);
    assert_false(pt_get(&one->pt, BASE, &leaf));
    assert_false(pt_get(&two->pt, BASE, &leaf));
    assert_false(pt_get(&vm->space.pt, 0, &leaf));
}

static void an_empty_machine_refuses_and_goes_on_when_memory_returns(void **state)
{
    struct memory *filler = new_memory(FAKE_RAM_FRAMES - 8, 0), *memory = new_memory(8, 0);
    struct space *space = host_space(), *other = host_space();
    struct hpa taken[6];
    uint64_t done;

    (void)state;
    assert_int_equal(map_all(filler, other, 0, (FAKE_RAM_FRAMES - 8) * PAGE_SIZE, BASE), CL_OK);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(frames_take(PAGE_SHIFT, false, &taken[i]), CL_OK);
    assert_int_equal(memory_map(memory, space, 0, 8 * PAGE_SIZE, BASE, ALL_RIGHTS, &done), CL_NO_MEMORY);
    assert_int_equal(fake_destroy(&filler->object), CL_OK);
    assert_int_equal(map_all(memory, space, 0, 8 * PAGE_SIZE, BASE), CL_OK);
    for (unsigned i = 0; i < 6; i++)
        frames_give(taken[i], PAGE_SHIFT);
}

/* Every call below allocates; each allocation is made to fail in turn. Whatever the calls say, nothing is lost: that
 * is what the end of the test checks. */
static enum cl_status make_and_map(struct memory **memory, struct space *space)
{
    uint64_t done;
    enum cl_status status = CL_IN_PROGRESS;

    if (memory_create(fake_root, 1030 * PAGE_SIZE, MEMORY_LARGE, memory) != CL_OK) {
        if (*memory != NULL)
            assert_int_equal(object_destroy(&(*memory)->object), CL_OK);
        *memory = NULL;
        return CL_NO_MEMORY;
    }
    while (status == CL_IN_PROGRESS)
        status = memory_map(*memory, space, 0, 1030 * PAGE_SIZE, UINT64_C(0x7f0000000000), ALL_RIGHTS, &done);
    return status;
}

static void each_allocation_may_fail_and_nothing_is_lost(void **state)
{
    bool complete = false;

    (void)state;
    for (uint64_t n = 1; !complete; n++) {
        struct domain *domain = fake_domain(fake_root);
        struct memory *memory = NULL;
        uint64_t free = frames_free();

        fake_allocations_fail_from(n);
        enum cl_status status = make_and_map(&memory, &domain->space);
        fake_allocations_fail_from(0);
        complete = status == CL_OK;
        assert_true(complete || status == CL_NO_MEMORY);
        /* with memory back, the same call goes on where it stopped */
        if (memory == NULL)
            assert_int_equal(memory_create(fake_root, 1030 * PAGE_SIZE, MEMORY_LARGE, &memory), CL_OK);
        if (!complete)
            assert_int_equal(map_all(memory, &domain->space, 0, 1030 * PAGE_SIZE, UINT64_C(0x7f0000000000)), CL_OK);
        assert_int_equal(fake_destroy(&memory->object), CL_OK);
        assert_int_equal(frames_free(), free);
        assert_int_equal(fake_destroy(&domain->object), CL_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_memory_is_whole_pages_within_the_account),
        TEST(a_new_memory_takes_no_frame_before_it_is_mapped),
        TEST(a_mapping_makes_progress_of_four_scrubbed_frames_per_call),
        TEST(a_frame_is_scrubbed_once_however_often_it_is_mapped),
        TEST(a_frame_that_had_an_owner_is_scrubbed_for_the_next),
        TEST(a_gib_is_mapped_by_one_page_where_the_cpu_has_such),
        TEST(a_large_block_is_scrubbed_whole_before_any_of_it_is_mapped),
        TEST(two_who_map_different_blocks_in_turn_both_come_to_an_end),
        TEST(a_large_block_at_an_odd_address_is_entered_in_small_pages),
        TEST(without_large_blocks_small_frames_serve),
        TEST(a_slice_is_a_window_on_its_parents_frames),
        TEST(a_slice_outside_its_parent_is_refused),
        TEST(slices_die_with_their_parent_and_their_mappings_go),
        TEST(a_slice_that_goes_leaves_its_parent_alone),
        TEST(memory_that_is_destroyed_leaves_every_space),
        TEST(an_empty_machine_refuses_and_goes_on_when_memory_returns),
        TEST(each_allocation_may_fail_and_nothing_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

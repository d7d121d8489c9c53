/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: kernel/frames.c kernel/pool.c kernel/fake/fake_assert.c kernel/fake/fake_account.c kernel/fake/fake_pool.c kernel/fake/fake_random.c */
/* test_frames.c: the frame allocator against a model that has one byte for each frame. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/fake/fake.h"
#include "kernel/frames.h"
#include "kernel/pool.h"

#define MIB UINT64_C(0x100000)
#define GIB UINT64_C(0x40000000)
#define BLOCK 512u /* frames in 2 MiB */

/* The model covers addresses around 4 GiB, which is where all RAM of the random machine lies. */
#define MODEL_BASE (4 * GIB - 192 * MIB)
#define MODEL_FRAMES (UINT64_C(384) * MIB / PAGE_SIZE)
#define BOUNDARY ((4 * GIB - MODEL_BASE) / PAGE_SIZE)
enum { NO_RAM, FREE, TAKEN_SMALL, TAKEN_LARGE };

static unsigned char model[MODEL_FRAMES];

static uint64_t model_index(struct hpa frame)
{
    assert_true(frame.value >= MODEL_BASE && is_aligned(frame.value, PAGE_SIZE));
    return (frame.value - MODEL_BASE) / PAGE_SIZE;
}

static struct hpa model_frame(uint64_t index)
{
    return hpa(MODEL_BASE + index * PAGE_SIZE);
}

static bool model_is_free(uint64_t index, uint64_t count)
{
    for (uint64_t i = index; i < index + count; i++) {
        if (i >= MODEL_FRAMES || model[i] != FREE)
            return false;
    }
    return true;
}

/* Is there a run of `count` free frames at this alignment, on one side of 4 GiB? */
static bool model_has(uint64_t count, uint64_t alignment, bool below_4gib)
{
    uint64_t end = below_4gib ? BOUNDARY : MODEL_FRAMES;

    for (uint64_t i = 0; i < end; i += alignment) {
        if (i < BOUNDARY && i + count > BOUNDARY)
            continue;
        if (i + count <= end && model_is_free(i, count))
            return true;
    }
    return false;
}

static void model_take(struct hpa frame, uint64_t count, unsigned char kind, bool below_4gib)
{
    uint64_t index = model_index(frame);

    assert_true(model_is_free(index, count));
    if (below_4gib)
        assert_true(index + count <= BOUNDARY);
    memset(model + index, kind, count);
}

static uint64_t model_free(void)
{
    uint64_t free_frames = 0;

    for (uint64_t i = 0; i < MODEL_FRAMES; i++)
        free_frames += model[i] == FREE;
    return free_frames;
}

static void add(uint64_t index, uint64_t count)
{
    frames_add(model_frame(index), count * PAGE_SIZE);
    memset(model + index, FREE, count);
}

static void create_machine(void)
{
    fake_pool_create(16 * MIB);
    frames_init(hpa(MODEL_BASE + MODEL_FRAMES * PAGE_SIZE - 1));
    memset(model, NO_RAM, sizeof model);
    add(3, 1000);
    add(1003, 517);
    add(10 * BLOCK, 3 * BLOCK + 1);
    add(BOUNDARY - 2 * BLOCK - 7, 2 * BLOCK + 7);
    add(BOUNDARY, 5 * BLOCK);
    add(BOUNDARY + 20 * BLOCK + 511, 1);
    add(MODEL_FRAMES - 700, 700);
}

static bool take_block(void)
{
    bool below = fake_random(3) == 0;
    unsigned shift = fake_random(8) == 0 ? LARGE_SHIFT : PAGE_SHIFT;
    uint64_t count = UINT64_C(1) << (shift - PAGE_SHIFT);
    struct hpa frame;

    if (frames_take(shift, below, &frame) != CL_OK) {
        assert_false(model_has(count, count, below));
        return false;
    }
    assert_true(is_aligned(frame.value, UINT64_C(1) << shift));
    model_take(frame, count, shift == LARGE_SHIFT ? TAKEN_LARGE : TAKEN_SMALL, below);
    return true;
}

/* Give something near a random place back, in the size in which it was taken. */
static void give_random(void)
{
    uint64_t start = fake_random(MODEL_FRAMES);

    for (uint64_t i = 0; i < MODEL_FRAMES; i++) {
        uint64_t index = (start + i) % MODEL_FRAMES;

        if (model[index] == TAKEN_SMALL) {
            frames_give(model_frame(index), PAGE_SHIFT);
            model[index] = FREE;
            return;
        }
        if (model[index] == TAKEN_LARGE) {
            index = align_down(index, BLOCK);
            frames_give(model_frame(index), LARGE_SHIFT);
            memset(model + index, FREE, BLOCK);
            return;
        }
    }
}

static void random_takes_and_gives_agree_with_the_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        fake_random_seed(seed);
        create_machine();
        uint64_t total = model_free();
        assert_int_equal(frames_total(), total);

        for (unsigned step = 0; step < 12000; step++) {
            uint64_t dice = fake_random(1000);

            if (dice < (step / 3000 % 2 == 0 ? 750u : 200u))
                (void)take_block();
            else
                give_random();
            if (step % 100 == 0)
                assert_int_equal(frames_free(), model_free());
        }
        while (frames_free() < total)
            give_random();
        assert_int_equal(model_free(), total);
        fake_pool_destroy();
    }
}

static void every_frame_can_be_taken_and_comes_back_whole(void **state)
{
    struct hpa frame;
    uint64_t blocks = 0;

    (void)state;
    create_machine();
    for (unsigned round = 0; round < 2; round++) {
        while (frames_take(PAGE_SHIFT, false, &frame) == CL_OK)
            model_take(frame, 1, TAKEN_SMALL, false);
        assert_int_equal(frames_free(), 0);
        assert_int_equal(model_free(), 0);
        assert_int_equal(frames_take(LARGE_SHIFT, false, &frame), CL_NO_MEMORY);
        for (uint64_t i = 0; i < MODEL_FRAMES; i++) {
            if (model[i] == TAKEN_SMALL) {
                frames_give(model_frame(i), PAGE_SHIFT);
                model[i] = FREE;
            }
        }
    }
    while (frames_take(LARGE_SHIFT, false, &frame) == CL_OK)
        blocks++;
    assert_int_equal(blocks, 1 + 3 + 2 + 5 + 1);
    fake_pool_destroy();
}

static void small_frames_come_from_broken_blocks_as_long_as_there_are_any(void **state)
{
    struct hpa first;
    struct hpa frame;

    (void)state;
    fake_pool_create(16 * MIB);
    frames_init(hpa(GIB));
    frames_add(hpa(256 * MIB), 64 * MIB);
    assert_int_equal(frames_take(PAGE_SHIFT, false, &first), CL_OK);
    for (unsigned i = 1; i < BLOCK; i++) {
        assert_int_equal(frames_take(PAGE_SHIFT, false, &frame), CL_OK);
        assert_int_equal(frame.value / LARGE_SIZE, first.value / LARGE_SIZE);
    }
    assert_int_equal(frames_take(PAGE_SHIFT, false, &frame), CL_OK);
    assert_int_not_equal(frame.value / LARGE_SIZE, first.value / LARGE_SIZE);
    frames_give(first, PAGE_SHIFT);
    frames_give(frame, PAGE_SHIFT);
    assert_int_equal(frames_take(PAGE_SHIFT, false, &frame), CL_OK);
    assert_int_equal(frame.value, first.value);
    fake_pool_destroy();
}

static void memory_below_4_gib_is_spared_until_there_is_no_other(void **state)
{
    struct hpa frame;

    (void)state;
    fake_pool_create(16 * MIB);
    frames_init(hpa(6 * GIB));
    frames_add(hpa(GIB), 2 * MIB);
    frames_add(hpa(5 * GIB), 4 * MIB);
    assert_int_equal(frames_take(LARGE_SHIFT, false, &frame), CL_OK);
    assert_int_equal(frame.value, 5 * GIB);
    assert_int_equal(frames_take(LARGE_SHIFT, true, &frame), CL_OK);
    assert_int_equal(frame.value, GIB);
    assert_int_equal(frames_take(PAGE_SHIFT, true, &frame), CL_NO_MEMORY);
    assert_non_null(strstr(fake_refusal, "below 4 GiB"));
    frames_give(frame, LARGE_SHIFT);
    assert_int_equal(frames_take(LARGE_SHIFT, false, &frame), CL_OK);
    assert_int_equal(frame.value, 5 * GIB + LARGE_SIZE);
    assert_int_equal(frames_take(LARGE_SHIFT, false, &frame), CL_OK);
    assert_int_equal(frame.value, GIB);
    fake_pool_destroy();
}

static void the_books_of_24_gib_take_less_than_a_mebibyte_and_a_half(void **state)
{
    struct hpa frame;

    (void)state;
    fake_pool_create(16 * MIB);
    uint64_t before = pool_free_bytes();
    frames_init(hpa(25 * GIB));
    frames_add(hpa(MIB), 3 * GIB - MIB);
    frames_add(hpa(4 * GIB), 21 * GIB);
    assert_int_equal(frames_free(), (24 * GIB - MIB) / PAGE_SIZE);
    assert_true(before - pool_free_bytes() < 3 * MIB / 2);
    for (uint64_t i = 0; i < 21 * 512; i++)
        assert_int_equal(frames_take(LARGE_SHIFT, false, &frame), CL_OK);
    assert_int_equal(frame.value, 25 * GIB - LARGE_SIZE);
    assert_int_equal(frames_take(LARGE_SHIFT, true, &frame), CL_OK);
    assert_int_equal(frame.value, LARGE_SIZE);
    fake_pool_destroy();
}

static void a_whole_gib_is_taken_as_one_and_spared_by_smaller_requests(void **state)
{
    struct hpa huge, frame;

    (void)state;
    fake_pool_create(16 * MIB);
    frames_init(hpa(8 * GIB));
    frames_add(hpa(GIB), GIB);
    frames_add(hpa(5 * GIB), 2 * GIB + 8 * MIB);
    /* the 8 MiB go first, then one of the two is broken, by small frames too */
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(frames_take(LARGE_SHIFT, false, &frame), CL_OK);
        assert_in_range(frame.value, 7 * GIB, 7 * GIB + 8 * MIB);
    }
    assert_int_equal(frames_take(PAGE_SHIFT, false, &frame), CL_OK);
    assert_int_equal(frames_take(HUGE_SHIFT, false, &huge), CL_OK);
    assert_true(huge.value == 5 * GIB || huge.value == 6 * GIB);
    assert_int_not_equal(huge.value, align_down(frame.value, GIB));
    assert_int_equal(frames_free(), (2 * GIB / PAGE_SIZE) - 1);
    assert_int_equal(frames_take(HUGE_SHIFT, true, &huge), CL_OK);
    assert_int_equal(huge.value, GIB);
    assert_int_equal(frames_take(HUGE_SHIFT, false, &huge), CL_NO_MEMORY);
    assert_non_null(strstr(fake_refusal, "1048576 KiB"));
    /* the broken one becomes whole again */
    frames_give(frame, PAGE_SHIFT);
    assert_int_equal(frames_take(HUGE_SHIFT, false, &huge), CL_OK);
    assert_int_equal(huge.value, align_down(frame.value, GIB));
    assert_int_equal(frames_take(PAGE_SHIFT, false, &frame), CL_NO_MEMORY);
    frames_give(huge, HUGE_SHIFT);
    assert_true(FAKE_PANICS(frames_give(huge, HUGE_SHIFT)));
    fake_pool_destroy();
}

static void what_was_not_taken_cannot_be_given(void **state)
{
    struct hpa frame;

    (void)state;
    create_machine();
    assert_int_equal(frames_take(PAGE_SHIFT, false, &frame), CL_OK);
    frames_give(frame, PAGE_SHIFT);
    assert_true(FAKE_PANICS(frames_give(frame, PAGE_SHIFT)));
    create_machine();
    assert_int_equal(frames_take(LARGE_SHIFT, false, &frame), CL_OK);
    frames_give(frame, PAGE_SHIFT);
    frame.value = align_down(frame.value, LARGE_SIZE);
    assert_true(FAKE_PANICS(frames_give(frame, LARGE_SHIFT)));
    create_machine();
    assert_true(FAKE_PANICS(frames_give(hpa(PAGE_SIZE), PAGE_SHIFT)));
    create_machine();
    assert_true(FAKE_PANICS(frames_give(hpa(64 * GIB), PAGE_SHIFT)));
    create_machine();
    assert_true(FAKE_PANICS(frames_give(hpa(MODEL_BASE + 5 * PAGE_SIZE), LARGE_SHIFT)));
    create_machine();
    assert_true(FAKE_PANICS(frames_add(model_frame(10), PAGE_SIZE)));
    fake_pool_destroy();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_takes_and_gives_agree_with_the_model),
        cmocka_unit_test(every_frame_can_be_taken_and_comes_back_whole),
        cmocka_unit_test(small_frames_come_from_broken_blocks_as_long_as_there_are_any),
        cmocka_unit_test(memory_below_4_gib_is_spared_until_there_is_no_other),
        cmocka_unit_test(the_books_of_24_gib_take_less_than_a_mebibyte_and_a_half),
        cmocka_unit_test(a_whole_gib_is_taken_as_one_and_spared_by_smaller_requests),
        cmocka_unit_test(what_was_not_taken_cannot_be_given),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

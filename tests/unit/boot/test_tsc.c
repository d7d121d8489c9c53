/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: boot/tsc.c */
/* test_tsc.c: the TSC of another CPU, which answers in steps while ours goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "boot/cpu.h"
#include "boot/tsc.h"

#define TICKS_EACH 20 /* between two readings of our TSC */
#define MSR_ADJUST 0x3B
#define MSR_TSC 0x10

static struct boot_start place;
static uint64_t now;
static int64_t skew;         /* of the other CPU's TSC */
static int64_t write_loses;  /* what it is behind when it has been written */
static unsigned slow_rounds; /* so many answers take long */
static unsigned delay, writes;
static bool is_deaf, is_fixed;

static void answer(void)
{
    if (place.msr != 0) {
        writes++;
        assert_true(place.msr == MSR_ADJUST || place.msr == MSR_TSC);
        if (!is_fixed)
            skew += place.add - (place.msr == MSR_TSC ? write_loses : 0);
    }
    place.tsc = now + (uint64_t)skew;
    place.answered = place.asked;
}

/* The seam: our reading lets time go by, and the other CPU do its part. */
uint64_t cpu_tsc(void)
{
    now += TICKS_EACH;
    if (place.asked == place.answered || is_deaf)
        return now;
    if (slow_rounds > 0 && delay++ < 1000)
        return now;
    slow_rounds -= slow_rounds > 0 ? 1 : 0;
    delay = 0;
    now += TICKS_EACH;
    answer();
    now += TICKS_EACH;
    return now;
}

static int setup(void **state)
{
    (void)state;
    memset(&place, 0, sizeof(place));
    now = 1000000000;
    skew = write_loses = 0;
    slow_rounds = delay = writes = 0;
    is_deaf = is_fixed = false;
    return 0;
}

static void assert_agrees(void)
{
    assert_in_range(skew + 100, 0, 200);
    assert_int_equal(place.msr, 0);
}

static void a_tsc_that_agrees_is_left_alone(void **state)
{
    int64_t ahead = 1;

    (void)state;
    assert_true(tsc_align(&place, MSR_ADJUST, 1000000, &ahead));
    assert_int_equal(ahead, 0);
    assert_int_equal(writes, 0);
}

static void a_tsc_that_is_ahead_or_behind_is_set(void **state)
{
    static const int64_t skews[] = { 5000, -5000, INT64_C(1) << 40, -(INT64_C(1) << 40) };

    for (unsigned i = 0; i < sizeof(skews) / sizeof(skews[0]); i++) {
        int64_t ahead = 0;

        setup(state);
        skew = skews[i];
        assert_true(tsc_align(&place, MSR_ADJUST, 1000000, &ahead));
        assert_in_range(ahead - skews[i] + 100, 0, 200);
        assert_int_equal(writes, 1);
        assert_agrees();
    }
}

static void what_writing_the_tsc_itself_loses_is_made_up(void **state)
{
    int64_t ahead;

    (void)state;
    skew = -123456;
    write_loses = 900;
    assert_true(tsc_align(&place, MSR_TSC, 1000000, &ahead));
    assert_agrees();
    assert_int_equal(writes, 2);
}

static void an_answer_that_takes_long_hides_no_difference(void **state)
{
    int64_t ahead;

    (void)state;
    skew = 3000; /* less than a slow round takes */
    slow_rounds = 7;
    assert_true(tsc_align(&place, MSR_ADJUST, 1000000, &ahead));
    assert_in_range(ahead, 2900, 3100);
    assert_agrees();
}

static void a_tsc_that_cannot_be_set_is_refused(void **state)
{
    int64_t ahead;

    (void)state;
    skew = 5000;
    is_fixed = true;
    assert_false(tsc_align(&place, MSR_ADJUST, 1000000, &ahead));
}

static void a_cpu_that_does_not_answer_is_refused(void **state)
{
    int64_t ahead;

    (void)state;
    is_deaf = true;
    assert_false(tsc_align(&place, MSR_ADJUST, 1000000, &ahead));
    assert_in_range(now - 1000000000, 1000000, 1100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_tsc_that_agrees_is_left_alone, setup),
        cmocka_unit_test_setup(a_tsc_that_is_ahead_or_behind_is_set, setup),
        cmocka_unit_test_setup(what_writing_the_tsc_itself_loses_is_made_up, setup),
        cmocka_unit_test_setup(an_answer_that_takes_long_hides_no_difference, setup),
        cmocka_unit_test_setup(a_tsc_that_cannot_be_set_is_refused, setup),
        cmocka_unit_test_setup(a_cpu_that_does_not_answer_is_refused, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: boot/cpu.c boot/clock.c boot/entropy.c boot/sha256.c boot/text.c */
/* test_machine.c: which CPUs are refused and with which words; calendar time; sentences; entropy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "boot/clock.h"
#include "boot/cpu.h"
#include "boot/entropy.h"

static const struct cpu_facts intel = {
    .long_mode = true,
    .nx = true,
    .vmx = true,
    .vmx_ept = true,
    .vmx_unrestricted = true,
};
static const struct cpu_facts amd = { .long_mode = true, .nx = true, .svm = true, .svm_nested_paging = true };

static void assert_refused(struct cpu_facts facts, const char *words)
{
    assert_int_equal(cpu_check(&facts), CL_UNSUPPORTED);
    if (strstr(refusal(), words) == NULL)
        fail_msg("expected \"%s\" in: %s", words, refusal());
}

static void capable_cpus_are_accepted(void **state)
{
    (void)state;
    assert_int_equal(cpu_check(&intel), CL_OK);
    assert_int_equal(cpu_check(&amd), CL_OK);
}

static void each_refusal_says_what_is_missing(void **state)
{
    struct cpu_facts f;

    (void)state;
    assert_refused((struct cpu_facts){ .long_mode = true, .nx = true }, "neither VT-x nor AMD-V");
    (f = intel, f.long_mode = false);
    assert_refused(f, "64-bit");
    (f = amd, f.nx = false);
    assert_refused(f, "NX");
    (f = intel, f.five_level = true);
    assert_refused(f, "five-level");
    (f = intel, f.vmx_locked_off = true);
    assert_refused(f, "VT-x is disabled in the firmware");
    (f = amd, f.svm_locked_off = true);
    assert_refused(f, "AMD-V is disabled in the firmware");
    (f = intel, f.vmx_ept = false);
    assert_refused(f, "EPT");
    (f = intel, f.vmx_unrestricted = false);
    assert_refused(f, "unrestricted");
    (f = amd, f.svm_nested_paging = false);
    assert_refused(f, "NPT");
}

static void calendar_times_become_unix_times(void **state)
{
    struct clock_time t = { .year = 1970, .month = 1, .day = 1, .zone_minutes = CLOCK_ZONE_UNKNOWN };

    (void)state;
    t.second = 1;
    assert_int_equal(clock_unix_ns(&t), 1000000000);
    t = (struct clock_time){ 2000, 2, 29, 12, 34, 56, 789, 0 };
    assert_int_equal(clock_unix_ns(&t), UINT64_C(951827696000000789));
    t = (struct clock_time){ 2026, 11, 22, 7, 0, 0, 0, -60 }; /* one hour east of Greenwich */
    assert_int_equal(clock_unix_ns(&t), UINT64_C(1795327200000000000));
    t = (struct clock_time){ 2100, 3, 1, 0, 0, 0, 0, 0 }; /* 2100 is no leap year */
    assert_int_equal(clock_unix_ns(&t), UINT64_C(4107542400000000000));
}

static void impossible_times_are_unknown(void **state)
{
    static const struct clock_time times[] = {
        { 1969, 12, 31, 0, 0, 0, 0, 0 },        { 2200, 1, 1, 0, 0, 0, 0, 0 },   { 2026, 0, 1, 0, 0, 0, 0, 0 },
        { 2026, 13, 1, 0, 0, 0, 0, 0 },         { 2026, 2, 29, 0, 0, 0, 0, 0 },  { 2100, 2, 29, 0, 0, 0, 0, 0 },
        { 2026, 1, 1, 24, 0, 0, 0, 0 },         { 2026, 1, 1, 0, 60, 0, 0, 0 },  { 2026, 1, 1, 0, 0, 60, 0, 0 },
        { 2026, 1, 1, 0, 0, 0, 1000000000, 0 }, { 1970, 1, 1, 0, 0, 0, 0, -60 },
    };

    (void)state;
    for (unsigned i = 0; i < sizeof times / sizeof times[0]; i++)
        assert_int_equal(clock_unix_ns(&times[i]), 0);
}

static void sentences_are_formatted_and_cut_off(void **state)
{
    char text[16];

    (void)state;
    assert_int_equal(text_format(text, sizeof text, "%s-%u-%x-%c%%", "ab", 0u, 0xbeefu, 'z'), 12);
    assert_string_equal(text, "ab-0-beef-z%");
    assert_int_equal(text_format(text, sizeof text, "%lu", UINT64_MAX), 15);
    assert_string_equal(text, "184467440737095");
    assert_int_equal(refuse(CL_BUSY, "%s", "why"), CL_BUSY);
    assert_string_equal(refusal(), "why");
}

static void entropy_differs_each_time_and_leaves_nothing_behind(void **state)
{
    static const uint8_t zero[32];
    struct sha256 pool;
    uint8_t a[32], b[32];

    (void)state;
    entropy_begin(&pool);
    entropy_stir(&pool, zero, sizeof zero);
    entropy_end(&pool, a);
    assert_memory_equal(pool.state, zero, sizeof pool.state);
    entropy_begin(&pool);
    entropy_stir(&pool, zero, sizeof zero);
    entropy_end(&pool, b);
    assert_memory_not_equal(a, b, sizeof a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(capable_cpus_are_accepted),
        cmocka_unit_test(each_refusal_says_what_is_missing),
        cmocka_unit_test(calendar_times_become_unix_times),
        cmocka_unit_test(impossible_times_are_unknown),
        cmocka_unit_test(sentences_are_formatted_and_cut_off),
        cmocka_unit_test(entropy_differs_each_time_and_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

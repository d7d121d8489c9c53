/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: kernel/lapic.c kernel/fake/fake_assert.c */
/* test_lapic.c: how the physical local APIC's timer is set, by memory (xAPIC) and by MSR (SDM Vol. 3A 11.5.4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "abi/vlapic_state.h"
#include "kernel/hostmap.h"
#include "kernel/lapic.h"
#include "kernel/time.h"
#include "kernel/x86.h"

#define MHZ UINT64_C(1000000)
#define TSC_HZ (2000 * MHZ)
#define TIMER_HZ (1000 * MHZ)
#define REPEAT (TIMER_HZ / LAPIC_REPEAT_HZ)

uint64_t tsc_hz = TSC_HZ;
static uint64_t now;
static uint32_t page[1024];
static uint64_t msr_written[2]; /* the last one's number and value */

uint64_t x86_rdtsc(void)
{
    return now;
}

uint64_t x86_rdmsr(uint32_t index)
{
    assert_int_equal(index, MSR_APIC_BASE);
    return VLAPIC_BASE_DEFAULT;
}

void x86_wrmsr(uint32_t index, uint64_t value)
{
    msr_written[0] = index;
    msr_written[1] = value;
}

void *hostmap_device(struct hpa base)
{
    assert_int_equal(base.value, VLAPIC_BASE_DEFAULT);
    return page;
}

static uint32_t reg(enum vlapic_register number)
{
    return page[number * 4];
}

static void begin(uint32_t features)
{
    struct boot_info boot = { .lapic_base = VLAPIC_BASE_DEFAULT, .lapic_timer_hz = TIMER_HZ };

    boot.info.features = features;
    memset(page, 0, sizeof(page));
    now = 5000;
    lapic_probe(&boot);
}

static void the_timer_is_set_to_the_deadlines_distance(void **state)
{
    (void)state;
    begin(0);
    lapic_enable();
    assert_int_equal(reg(VLAPIC_REG_LVT_TIMER), LVT_TIMER_MODE(TIMER_ONE_SHOT) | VECTOR_TIMER);
    assert_int_equal(reg(VLAPIC_REG_INITIAL_COUNT), 0);
    lapic_timer(now + TSC_HZ);
    assert_int_equal(reg(VLAPIC_REG_INITIAL_COUNT), TIMER_HZ + 1);
    lapic_timer(now - 1);
    assert_int_equal(reg(VLAPIC_REG_INITIAL_COUNT), 1);
    lapic_timer(now + 100 * TSC_HZ);
    assert_int_equal(reg(VLAPIC_REG_INITIAL_COUNT), UINT32_MAX);
}

static void a_timer_that_fired_once_is_left_alone(void **state)
{
    (void)state;
    begin(0);
    lapic_enable();
    lapic_timer(now + 100);
    page[VLAPIC_REG_INITIAL_COUNT * 4] = 77;
    lapic_timer_fired();
    assert_int_equal(reg(VLAPIC_REG_INITIAL_COUNT), 77);
}

static void where_interrupts_get_lost_the_timer_comes_again(void **state)
{
    (void)state;
    begin(0);
    lapic_repeat_timer();
    lapic_enable();
    assert_int_equal(reg(VLAPIC_REG_LVT_TIMER), LVT_TIMER_MODE(TIMER_PERIODIC) | VECTOR_TIMER);
    assert_in_range(reg(VLAPIC_REG_INITIAL_COUNT), REPEAT, REPEAT + 1);
    lapic_timer(now + TSC_HZ); /* too far away to be trusted to one interrupt */
    assert_in_range(reg(VLAPIC_REG_INITIAL_COUNT), REPEAT, REPEAT + 1);
    lapic_timer(now + TSC_HZ / 1000);
    assert_in_range(reg(VLAPIC_REG_INITIAL_COUNT), TIMER_HZ / 1000, TIMER_HZ / 1000 + REPEAT / 100);
    lapic_timer(now); /* not thousands of times before it is served */
    assert_in_range(reg(VLAPIC_REG_INITIAL_COUNT), REPEAT / 2000, REPEAT / 100);
    lapic_timer_fired();
    assert_in_range(reg(VLAPIC_REG_INITIAL_COUNT), REPEAT, REPEAT + 1);
}

static void a_deadline_timer_gets_the_deadline_itself(void **state)
{
    (void)state;
    begin(INFO_FEATURE_TSC_DEADLINE);
    lapic_repeat_timer(); /* it cannot repeat */
    lapic_enable();
    assert_int_equal(reg(VLAPIC_REG_LVT_TIMER), LVT_TIMER_MODE(TIMER_DEADLINE) | VECTOR_TIMER);
    lapic_timer(123456);
    assert_int_equal(msr_written[0], MSR_TSC_DEADLINE);
    assert_int_equal(msr_written[1], 123456);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_timer_is_set_to_the_deadlines_distance),
        cmocka_unit_test(a_timer_that_fired_once_is_left_alone),
        cmocka_unit_test(where_interrupts_get_lost_the_timer_comes_again),
        cmocka_unit_test(a_deadline_timer_gets_the_deadline_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

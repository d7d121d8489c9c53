/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: vmm/capsule.c vmm/bus.c vmm/machine.c vmm/irq.c vmm/pic8259.c vmm/ioapic.c vmm/uart16550.c vmm/pit8254.c
 * vmm/rtc.c vmm/pm.c vmm/i8042.c vmm/pvpanic.c vmm/debug_exit.c vmm/delay_ports.c tests/unit/vmm/crash_harness.c */
/* test_rtc.c: time, calendar, alarm and interrupts of the MC146818. */
#include "tests/unit/vmm/crash_harness.h"

#define B_SET 0x80
#define B_PIE 0x40
#define B_AIE 0x20
#define B_UIE 0x10

static unsigned get(struct fake *f, unsigned index)
{
    fake_out(f, 0x70, 1, index);
    return fake_in(f, 0x71, 1);
}

static void put(struct fake *f, unsigned index, unsigned value)
{
    fake_out(f, 0x70, 1, index);
    fake_out(f, 0x71, 1, value);
}

static bool irq8(struct fake *f)
{
    fake_out(f, 0xA0, 1, 0x0A);
    return fake_in(f, 0xA0, 1) & 1;
}

static void it_shows_the_wall_clock_in_bcd(void **unused)
{
    struct fake *f = fake_create(); /* 2023-11-14 22:13:20, a Tuesday */

    (void)unused;
    assert_int_equal(get(f, 0), 0x20);
    assert_int_equal(get(f, 2), 0x13);
    assert_int_equal(get(f, 4), 0x22);
    assert_int_equal(get(f, 6), 3);
    assert_int_equal(get(f, 7), 0x14);
    assert_int_equal(get(f, 8), 0x11);
    assert_int_equal(get(f, 9), 0x23);
    assert_int_equal(get(f, 0x32), 0x20);
    assert_int_equal(get(f, 0x0D), 0x80);
    fake_destroy(f);
}

static void binary_and_12_hours_are_choices(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    put(f, 0x0B, 0x06);
    assert_int_equal(get(f, 4), 22);
    assert_int_equal(get(f, 9), 23);
    put(f, 0x0B, 0x00);
    assert_int_equal(get(f, 4), 0x90); /* 10 p.m. */
    f->wall_ns += UINT64_C(2) * 3600 * 1000000000;
    assert_int_equal(get(f, 4), 0x12); /* midnight */
    assert_int_equal(get(f, 7), 0x15);
    fake_destroy(f);
}

static void a_guest_sets_its_own_time(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    put(f, 0x0B, B_SET | 0x02);
    put(f, 0, 0x58);
    put(f, 2, 0x59);
    put(f, 4, 0x23);
    put(f, 7, 0x28);
    put(f, 8, 0x02);
    put(f, 9, 0x24); /* a leap year */
    f->wall_ns += UINT64_C(5000000000);
    assert_int_equal(get(f, 0), 0x58);
    put(f, 0x0B, 0x02);
    assert_int_equal(get(f, 0), 0x58);
    f->wall_ns += UINT64_C(3000000000);
    assert_int_equal(get(f, 0), 0x01);
    assert_int_equal(get(f, 4), 0x00);
    assert_int_equal(get(f, 7), 0x29);
    assert_int_equal(get(f, 8), 0x02);
    assert_int_equal(get(f, 6), 5);
    fake_destroy(f);
}

static void the_periodic_interrupt_waits_to_be_read(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    fake_out(f, 0x4D1, 1, 0);
    put(f, 0x0A, 0x26); /* 1024 Hz */
    put(f, 0x0B, B_PIE | 0x02);
    fake_pass(f, 900000);
    assert_false(irq8(f));
    fake_pass(f, 100000);
    assert_true(irq8(f));
    assert_int_equal(get(f, 0x0C), 0xC0);
    assert_int_equal(get(f, 0x0C), 0);
    fake_pass(f, 1000000);
    assert_int_equal(get(f, 0x0C), 0xC0);
    fake_destroy(f);
}

static void the_update_interrupt_comes_each_second(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    f->wall_ns += 400000000;
    put(f, 0x0B, B_UIE | 0x02);
    fake_pass(f, 500000000);
    assert_false(irq8(f));
    fake_pass(f, 200000000);
    assert_true(irq8(f));
    assert_int_equal(get(f, 0x0C) & ~0x40u, 0x90); /* the periodic flag comes up by itself */
    fake_destroy(f);
}

static void an_update_is_not_missed_while_the_clock_runs(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    put(f, 0x0B, B_UIE | 0x02);
    f->now_ns += UINT64_C(1500000000);
    f->wall_ns += UINT64_C(1500000000);
    f->running = true;
    machine_timers(&f->machine, &f->tx);
    f->running = false;
    assert_true(irq8(f));
    fake_destroy(f);
}

static void update_in_progress_warns_before_the_second(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    assert_int_equal(get(f, 0x0A) & 0x80, 0);
    f->wall_ns += 999800000;
    assert_int_equal(get(f, 0x0A) & 0x80, 0x80);
    fake_destroy(f);
}

static void the_alarm_knows_wildcards(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    put(f, 1, 0x25);
    put(f, 3, 0xC0);
    put(f, 5, 0xFF);
    put(f, 0x0B, B_AIE | 0x02);
    fake_pass(f, 4500000000);
    assert_int_equal(get(f, 0x0C) & 0x20, 0);
    fake_pass(f, 1000000000);
    assert_true(irq8(f));
    assert_int_equal(get(f, 0x0C) & 0xA0, 0xA0);
    fake_destroy(f);
}

static void memory_is_kept_over_a_reset(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    put(f, 0x40, 0x99);
    put(f, 0x0B, 0x72);
    machine_reset(&f->machine, &f->tx);
    assert_int_equal(get(f, 0x40), 0x99);
    assert_int_equal(get(f, 0x0B), 0x02);
    fake_destroy(f);
}

static void nonsense_breaks_nothing(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    fake_storm_ports(f, 0x70, 2, 200000);
    f->wall_ns = 0;
    fake_storm_ports(f, 0x70, 2, 20000);
    fake_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_shows_the_wall_clock_in_bcd),
        cmocka_unit_test(binary_and_12_hours_are_choices),
        cmocka_unit_test(a_guest_sets_its_own_time),
        cmocka_unit_test(the_periodic_interrupt_waits_to_be_read),
        cmocka_unit_test(the_update_interrupt_comes_each_second),
        cmocka_unit_test(an_update_is_not_missed_while_the_clock_runs),
        cmocka_unit_test(update_in_progress_warns_before_the_second),
        cmocka_unit_test(the_alarm_knows_wildcards),
        cmocka_unit_test(memory_is_kept_over_a_reset),
        cmocka_unit_test(nonsense_breaks_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: vmm/capsule.c vmm/bus.c vmm/machine.c vmm/irq.c vmm/pic8259.c vmm/ioapic.c vmm/uart16550.c vmm/pit8254.c
 * vmm/rtc.c vmm/pm.c vmm/i8042.c vmm/pvpanic.c vmm/debug_exit.c vmm/delay_ports.c tests/unit/vmm/crash_harness.c */
/* test_pm.c: power button, sleep, timer, and the ports that end or reset a machine. */
#include "tests/unit/vmm/crash_harness.h"

#include "vmm/pm.h"

static uint64_t do_press(struct fake *f, void *argument)
{
    (void)argument;
    pm_power_button(f->machine.pm, &f->tx);
    return 0;
}

static bool sci(struct fake *f)
{
    fake_out(f, 0x4D1, 1, 0x02); /* level */
    fake_out(f, 0xA0, 1, 0x0A);
    return fake_in(f, 0xA0, 1) & 2;
}

static void the_power_button_interrupts_until_cleared(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    crash_quiet(f, do_press, NULL);
    assert_int_equal(fake_in(f, 0x600, 2), 0x100);
    assert_false(sci(f));
    fake_out(f, 0x602, 2, 0x100);
    assert_true(sci(f));
    fake_out(f, 0x600, 2, 0x100);
    assert_int_equal(fake_in(f, 0x600, 2), 0);
    assert_false(sci(f));
    fake_destroy(f);
}

static void s5_powers_off(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    assert_int_equal(fake_in(f, 0x604, 2), 1);
    fake_out(f, 0x604, 2, 0x2000 | 3 << 10);
    assert_int_equal(f->outside.requests, 0);
    fake_out(f, 0x604, 2, 5 << 10);
    fake_out(f, 0x604, 2, 0x2000 | 5 << 10);
    assert_int_equal(f->outside.request, MACHINE_POWER_OFF);
    fake_destroy(f);
}

static void the_reset_register_and_the_keyboard_controller_reset(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    fake_out(f, 0xCF9, 1, 0x02);
    assert_int_equal(f->outside.requests, 0);
    fake_out(f, 0xCF9, 1, 0x06);
    assert_int_equal(f->outside.request, MACHINE_RESET);
    fake_destroy(f);
    f = fake_create();
    assert_int_equal(fake_in(f, 0x64, 1) & 0x03, 0);
    fake_out(f, 0x64, 1, 0xD1);
    assert_int_equal(f->outside.requests, 0);
    fake_out(f, 0x64, 1, 0xFE);
    assert_int_equal(f->outside.request, MACHINE_RESET);
    fake_destroy(f);
}

static void the_timer_has_24_bits_at_3_58_mhz(void **unused)
{
    struct fake *f = fake_create();
    uint32_t first = fake_in(f, 0x608, 4);

    (void)unused;
    f->now_ns += 1000000;
    assert_in_range((fake_in(f, 0x608, 4) - first) & 0xFFFFFF, 3579, 3580);
    f->now_ns += UINT64_C(100000000000);
    assert_int_equal(fake_in(f, 0x608, 4) >> 24, 0);
    fake_destroy(f);
}

static void the_timer_interrupts_when_its_top_bit_changes(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    fake_out(f, 0x600, 2, 1);
    fake_out(f, 0x602, 2, 1);
    fake_pass(f, UINT64_C(2400000000));
    assert_true(sci(f));
    assert_int_equal(fake_in(f, 0x600, 2), 1);
    fake_destroy(f);
}

static void debug_exit_reports_its_value(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    fake_out(f, 0xF4, 4, 0x12345678);
    assert_int_equal(f->outside.request, MACHINE_DEBUG_EXIT);
    assert_int_equal(f->outside.request_value, 0x12345678);
    fake_destroy(f);
}

static void pvpanic_offers_and_reports(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    assert_int_equal(fake_in(f, 0x505, 1), 3);
    fake_out(f, 0x505, 1, 2);
    assert_int_equal(f->outside.requests, 0);
    fake_out(f, 0x505, 1, 1);
    assert_int_equal(f->outside.request, MACHINE_PANICKED);
    fake_destroy(f);
}

static void nonsense_breaks_nothing(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    fake_storm_ports(f, 0x600, 16, 50000);
    fake_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_power_button_interrupts_until_cleared),
        cmocka_unit_test(s5_powers_off),
        cmocka_unit_test(the_reset_register_and_the_keyboard_controller_reset),
        cmocka_unit_test(the_timer_has_24_bits_at_3_58_mhz),
        cmocka_unit_test(the_timer_interrupts_when_its_top_bit_changes),
        cmocka_unit_test(debug_exit_reports_its_value),
        cmocka_unit_test(pvpanic_offers_and_reports),
        cmocka_unit_test(nonsense_breaks_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

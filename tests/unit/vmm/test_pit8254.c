/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: vmm/capsule.c vmm/bus.c vmm/machine.c vmm/irq.c vmm/pic8259.c vmm/ioapic.c vmm/uart16550.c vmm/pit8254.c
 * vmm/rtc.c vmm/pm.c vmm/i8042.c vmm/pvpanic.c vmm/debug_exit.c vmm/delay_ports.c tests/unit/vmm/crash_harness.c */
/* test_pit8254.c: counting, modes, latches and interrupts of the 8254. */
#include "tests/unit/vmm/crash_harness.h"

#define TICK_NS(n) ((uint64_t)(n)*1000000000 / 1193182 + 1)

static unsigned count(struct fake *f, unsigned channel)
{
    unsigned low;

    fake_out(f, 0x43, 1, channel << 6);
    low = fake_in(f, (uint16_t)(0x40 + channel), 1);
    return low | fake_in(f, (uint16_t)(0x40 + channel), 1) << 8;
}

static void load(struct fake *f, unsigned channel, unsigned mode, unsigned value)
{
    fake_out(f, 0x43, 1, channel << 6 | 0x30 | mode << 1);
    fake_out(f, (uint16_t)(0x40 + channel), 1, value & 0xFF);
    fake_out(f, (uint16_t)(0x40 + channel), 1, value >> 8);
}

/* The 8259 sees the edges of interrupt 0; they are taken from its IRR. */
static unsigned edges(struct fake *f)
{
    unsigned irr;

    fake_out(f, 0x20, 1, 0x0A);
    irr = fake_in(f, 0x20, 1);
    fake_out(f, 0x20, 1, 0x11); /* forget them */
    return irr & 1;
}

static void mode_2_counts_down_and_reloads(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    load(f, 0, 2, 1000);
    assert_int_equal(count(f, 0), 1000);
    f->now_ns += TICK_NS(100);
    assert_int_equal(count(f, 0), 900);
    f->now_ns += TICK_NS(900);
    assert_in_range(count(f, 0), 998, 1000);
    fake_destroy(f);
}

static void the_periodic_interrupt_keeps_its_rate(void **unused)
{
    struct fake *f = fake_create();
    unsigned seen = 0;

    (void)unused;
    load(f, 0, 2, 11932); /* 100 Hz */
    (void)edges(f);
    for (unsigned i = 0; i < 100; i++) {
        fake_pass(f, 10000000);
        seen += edges(f);
    }
    assert_in_range(seen, 99, 100);
    fake_destroy(f);
}

static void missed_interrupts_become_one(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    load(f, 0, 3, 0);
    f->now_ns += UINT64_C(10000000000);
    machine_timers(&f->machine, &f->tx);
    assert_int_equal(edges(f), 1);
    assert_true(machine_deadline(&f->machine) > f->now_ns);
    machine_timers(&f->machine, &f->tx);
    assert_int_equal(edges(f), 0);
    fake_destroy(f);
}

static void mode_0_interrupts_once(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    load(f, 0, 0, 1193);
    fake_pass(f, 900000);
    assert_int_equal(edges(f), 0);
    fake_pass(f, 200000);
    assert_int_equal(edges(f), 1);
    fake_pass(f, 5000000000);
    assert_int_equal(edges(f), 0);
    assert_int_equal(machine_deadline(&f->machine), DEADLINE_NEVER);
    fake_destroy(f);
}

static void channel_2_runs_while_its_gate_is_open(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    fake_out(f, 0x61, 1, 0);
    load(f, 2, 0, 11932); /* as Linux calibrates: 10 ms */
    f->now_ns += 20000000;
    assert_int_equal(fake_in(f, 0x61, 1) & 0x20, 0);
    fake_out(f, 0x61, 1, 1);
    f->now_ns += 9000000;
    assert_int_equal(fake_in(f, 0x61, 1) & 0x20, 0);
    f->now_ns += 2000000;
    assert_int_equal(fake_in(f, 0x61, 1) & 0x21, 0x21);
    fake_out(f, 0x61, 1, 0xFE);
    assert_int_equal(fake_in(f, 0x61, 1) & 0x0F, 0x0E);
    fake_destroy(f);
}

static void read_back_latches_status_and_count(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    load(f, 0, 2, 500);
    fake_out(f, 0x43, 1, 0xC2);
    f->now_ns += TICK_NS(50);
    assert_int_equal(fake_in(f, 0x40, 1), 0xB4); /* output high, both bytes, mode 2 */
    assert_int_equal(fake_in(f, 0x40, 1) | fake_in(f, 0x40, 1) << 8, 500);
    fake_out(f, 0x43, 1, 0x34);
    fake_out(f, 0x43, 1, 0xE2);
    assert_int_equal(fake_in(f, 0x40, 1) & 0x40, 0x40); /* null count */
    fake_destroy(f);
}

static void bcd_counts_in_decimal(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    fake_out(f, 0x43, 1, 0x35);
    fake_out(f, 0x40, 1, 0x00);
    fake_out(f, 0x40, 1, 0x20); /* 2000 */
    f->now_ns += TICK_NS(1);
    assert_int_equal(count(f, 0), 0x1999);
    fake_destroy(f);
}

static void one_byte_access_reads_that_byte(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    fake_out(f, 0x43, 1, 0x24); /* high byte only, mode 2 */
    fake_out(f, 0x40, 1, 0x12);
    assert_int_equal(fake_in(f, 0x40, 1), 0x12);
    assert_int_equal(fake_in(f, 0x40, 1), 0x12);
    fake_destroy(f);
}

static void nonsense_breaks_nothing(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    fake_storm_ports(f, 0x40, 4, 100000);
    fake_storm_ports(f, 0x61, 1, 1000);
    fake_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mode_2_counts_down_and_reloads),
        cmocka_unit_test(the_periodic_interrupt_keeps_its_rate),
        cmocka_unit_test(missed_interrupts_become_one),
        cmocka_unit_test(mode_0_interrupts_once),
        cmocka_unit_test(channel_2_runs_while_its_gate_is_open),
        cmocka_unit_test(read_back_latches_status_and_count),
        cmocka_unit_test(bcd_counts_in_decimal),
        cmocka_unit_test(one_byte_access_reads_that_byte),
        cmocka_unit_test(nonsense_breaks_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

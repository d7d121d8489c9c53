/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: vmm/capsule.c vmm/bus.c vmm/machine.c vmm/irq.c vmm/pic8259.c vmm/ioapic.c vmm/uart16550.c vmm/pit8254.c
 * vmm/rtc.c vmm/pm.c vmm/i8042.c vmm/pvpanic.c vmm/debug_exit.c vmm/delay_ports.c tests/unit/vmm/crash_harness.c */
/* test_pic8259.c: priorities, end of interrupt, modes and edges of the 8259 pair. */
#include "tests/unit/vmm/crash_harness.h"

#include "vmm/irq.h"
#include "vmm/pic8259.h"

static uint64_t do_acknowledge(struct fake *f, void *argument)
{
    (void)argument;
    return pic8259_acknowledge(f->machine.pic, &f->tx);
}

static unsigned acknowledge(struct fake *f)
{
    return (unsigned)crash_exit(f, do_acknowledge, NULL);
}

struct line {
    unsigned irq;
    bool level;
};

static uint64_t do_line(struct fake *f, void *argument)
{
    const struct line *l = argument;

    irq_line_set(f->machine.irq, &f->tx, l->irq, l->level);
    return 0;
}

static void line(struct fake *f, unsigned irq, bool level)
{
    irq_line_set(f->machine.irq, &f->tx, irq, level);
}

static void initialise(struct fake *f, unsigned icw4)
{
    fake_out(f, 0x20, 1, 0x11);
    fake_out(f, 0xA0, 1, 0x11);
    fake_out(f, 0x21, 1, 0x20);
    fake_out(f, 0xA1, 1, 0x28);
    fake_out(f, 0x21, 1, 0x04);
    fake_out(f, 0xA1, 1, 0x02);
    fake_out(f, 0x21, 1, icw4);
    fake_out(f, 0xA1, 1, icw4);
    fake_out(f, 0x21, 1, 0);
    fake_out(f, 0xA1, 1, 0);
}

static unsigned in_service(struct fake *f, uint16_t port)
{
    fake_out(f, port, 1, 0x0B);
    return fake_in(f, port, 1);
}

static void the_lower_input_wins_and_blocks_until_eoi(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    initialise(f, 1);
    crash_quiet(f, do_line, &(struct line){ 5, true });
    assert_true(f->outside.extint);
    line(f, 3, true);
    assert_int_equal(acknowledge(f), 0x23);
    assert_false(f->outside.extint);
    assert_int_equal(in_service(f, 0x20), 0x08);
    line(f, 1, true);
    assert_int_equal(acknowledge(f), 0x21);
    fake_out(f, 0x20, 1, 0x20);
    assert_int_equal(in_service(f, 0x20), 0x08);
    fake_out(f, 0x20, 1, 0x63); /* specific */
    assert_int_equal(in_service(f, 0x20), 0);
    assert_true(f->outside.extint);
    assert_int_equal(acknowledge(f), 0x25);
    fake_destroy(f);
}

static void the_slave_comes_through_input_2(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    initialise(f, 1);
    line(f, 12, true);
    assert_int_equal(acknowledge(f), 0x2C);
    assert_int_equal(in_service(f, 0x20), 0x04);
    assert_int_equal(in_service(f, 0xA0), 0x10);
    line(f, 8, true); /* higher, but the master's input 2 is in service */
    assert_false(f->outside.extint);
    fake_out(f, 0xA0, 1, 0x20);
    assert_false(f->outside.extint);
    fake_out(f, 0x20, 1, 0x20);
    assert_true(f->outside.extint);
    assert_int_equal(acknowledge(f), 0x28);
    fake_destroy(f);
}

static void special_fully_nested_lets_the_slave_interrupt_itself(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    initialise(f, 0x11);
    line(f, 12, true);
    assert_int_equal(acknowledge(f), 0x2C);
    line(f, 8, true);
    assert_true(f->outside.extint);
    assert_int_equal(acknowledge(f), 0x28);
    fake_destroy(f);
}

static void an_edge_counts_once_a_level_while_it_lasts(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    initialise(f, 3); /* automatic EOI */
    line(f, 4, true);
    line(f, 4, true);
    assert_int_equal(acknowledge(f), 0x24);
    assert_false(f->outside.extint);
    line(f, 4, false);
    line(f, 4, true);
    assert_true(f->outside.extint);
    assert_int_equal(acknowledge(f), 0x24);
    fake_out(f, 0x4D0, 1, 0xFF);
    assert_int_equal(fake_in(f, 0x4D0, 1), 0xF8);
    line(f, 5, true);
    line(f, 4, false);
    assert_int_equal(acknowledge(f), 0x25);
    assert_true(f->outside.extint);
    line(f, 5, false);
    assert_false(f->outside.extint);
    fake_destroy(f);
}

static void a_request_that_vanished_is_spurious(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    initialise(f, 1);
    assert_int_equal(acknowledge(f), 0x27);
    assert_int_equal(in_service(f, 0x20), 0);
    fake_destroy(f);
}

static void special_mask_lets_lower_priorities_through(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    initialise(f, 1);
    line(f, 1, true);
    assert_int_equal(acknowledge(f), 0x21);
    line(f, 6, true);
    assert_false(f->outside.extint);
    fake_out(f, 0x21, 1, 0x02);
    fake_out(f, 0x20, 1, 0x68);
    assert_true(f->outside.extint);
    assert_int_equal(acknowledge(f), 0x26);
    fake_destroy(f);
}

static void rotation_makes_the_served_input_the_lowest(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    initialise(f, 1);
    line(f, 0, true);
    assert_int_equal(acknowledge(f), 0x20);
    fake_out(f, 0x20, 1, 0xA0);
    line(f, 0, false);
    line(f, 0, true);
    line(f, 7, true);
    assert_int_equal(acknowledge(f), 0x27);
    fake_destroy(f);
}

static void poll_acknowledges_by_reading(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    initialise(f, 1);
    line(f, 3, true);
    fake_out(f, 0x20, 1, 0x0C);
    assert_int_equal(fake_in(f, 0x20, 1), 0x83);
    assert_int_equal(in_service(f, 0x20), 0x08);
    assert_false(f->outside.extint);
    fake_destroy(f);
}

static void the_mask_withholds_but_remembers(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    initialise(f, 1);
    fake_out(f, 0x21, 1, 0xFF);
    line(f, 3, true);
    assert_false(f->outside.extint);
    assert_int_equal(fake_in(f, 0x21, 1), 0xFF);
    fake_out(f, 0x21, 1, 0xF7);
    assert_true(f->outside.extint);
    fake_destroy(f);
}

static void nonsense_breaks_nothing(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    fake_storm_ports(f, 0x20, 2, 20000);
    fake_storm_ports(f, 0xA0, 2, 20000);
    for (unsigned i = 0; i < 1000; i++) {
        line(f, i * 7 % 16, i & 1);
        (void)acknowledge(f);
        fake_storm_ports(f, 0x20, 2, 3);
        fake_storm_ports(f, 0x4D0, 2, 1);
    }
    fake_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lower_input_wins_and_blocks_until_eoi),
        cmocka_unit_test(the_slave_comes_through_input_2),
        cmocka_unit_test(special_fully_nested_lets_the_slave_interrupt_itself),
        cmocka_unit_test(an_edge_counts_once_a_level_while_it_lasts),
        cmocka_unit_test(a_request_that_vanished_is_spurious),
        cmocka_unit_test(special_mask_lets_lower_priorities_through),
        cmocka_unit_test(rotation_makes_the_served_input_the_lowest),
        cmocka_unit_test(poll_acknowledges_by_reading),
        cmocka_unit_test(the_mask_withholds_but_remembers),
        cmocka_unit_test(nonsense_breaks_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

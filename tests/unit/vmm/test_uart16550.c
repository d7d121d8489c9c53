/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: vmm/capsule.c vmm/bus.c vmm/machine.c vmm/irq.c vmm/pic8259.c vmm/ioapic.c vmm/uart16550.c vmm/pit8254.c
 * vmm/rtc.c vmm/pm.c vmm/i8042.c vmm/pvpanic.c vmm/debug_exit.c vmm/delay_ports.c tests/unit/vmm/crash_harness.c */
/* test_uart16550.c: registers, FIFOs, interrupts and flow of the serial port. */
#include "tests/unit/vmm/crash_harness.h"

#include "vmm/uart16550.h"

#define COM1 0x3F8
#define IRQ4 0x10u

static unsigned irq(struct fake *f)
{
    fake_out(f, 0x20, 1, 0x0A); /* the 8259's IRR */
    return fake_in(f, 0x20, 1) & IRQ4;
}

static uint64_t do_receive(struct fake *f, void *argument)
{
    const char *text = argument;

    return uart16550_receive(f->machine.uart, &f->tx, (const uint8_t *)text, strlen(text));
}

/* Level-trigger the line, so that IRR shows its level. */
static struct fake *prepare(void)
{
    struct fake *f = fake_create();

    fake_out(f, 0x4D0, 1, IRQ4);
    fake_out(f, COM1 + 4, 1, 0x0B);
    fake_out(f, COM1 + 2, 1, 0x07);
    return f;
}

static void bytes_go_out_in_order_and_once(void **unused)
{
    struct fake *f = prepare();

    (void)unused;
    for (const char *c = "hello"; *c != '\0'; c++)
        fake_out(f, COM1, 1, (uint8_t)*c);
    assert_int_equal(f->outside.serial_total, 5);
    assert_memory_equal(f->outside.serial, "hello", 5);
    assert_int_equal(fake_in(f, COM1 + 5, 1), 0x60);
    fake_destroy(f);
}

static void a_slow_listener_holds_the_transmitter_back(void **unused)
{
    struct fake *f = prepare();

    (void)unused;
    f->serial_room = 0;
    for (unsigned i = 0; i < 49; i++)
        fake_out(f, COM1, 1, 'a' + i % 26);
    assert_int_equal(fake_in(f, COM1 + 5, 1) & 0x60, 0);
    fake_out(f, COM1 + 1, 1, 0x02);
    assert_int_equal(irq(f), 0);
    for (unsigned i = 0; i < 100; i++)
        fake_out(f, COM1, 1, '!'); /* without waiting: what does not fit is lost */
    f->serial_room = 7;
    uart16550_drain(f->machine.uart, &f->tx);
    assert_int_equal(f->outside.serial_total, 64);
    assert_memory_equal(f->outside.serial, "abcdefg", 7);
    assert_int_equal(irq(f), IRQ4);
    assert_int_equal(fake_in(f, COM1 + 2, 1), 0xC2);
    assert_int_equal(irq(f), 0);
    fake_destroy(f);
}

static void received_bytes_interrupt_by_trigger_level_and_time_out(void **unused)
{
    struct fake *f = prepare();

    (void)unused;
    fake_out(f, COM1 + 2, 1, 0x41); /* trigger at 4 */
    fake_out(f, COM1 + 1, 1, 0x01);
    crash_quiet(f, do_receive, "abc");
    assert_int_equal(fake_in(f, COM1 + 2, 1), 0xCC);
    assert_int_equal(irq(f), IRQ4);
    crash_quiet(f, do_receive, "d");
    assert_int_equal(fake_in(f, COM1 + 2, 1), 0xC4);
    assert_int_equal(fake_in(f, COM1, 1), 'a');
    assert_int_equal(fake_in(f, COM1, 1), 'b');
    assert_int_equal(fake_in(f, COM1, 1), 'c');
    assert_int_equal(irq(f), IRQ4);
    assert_int_equal(fake_in(f, COM1, 1), 'd');
    assert_int_equal(irq(f), 0);
    assert_int_equal(fake_in(f, COM1 + 5, 1) & 1, 0);
    assert_int_equal(fake_in(f, COM1, 1), 0);
    fake_destroy(f);
}

static void a_full_receive_fifo_takes_no_more(void **unused)
{
    struct fake *f = prepare();

    (void)unused;
    assert_int_equal(do_receive(f, "0123456789abcdefXYZ"), 16);
    assert_int_equal(do_receive(f, "X"), 0);
    assert_int_equal(fake_in(f, COM1, 1), '0');
    assert_int_equal(do_receive(f, "XY"), 1);
    fake_out(f, COM1 + 2, 1, 0x03);
    assert_int_equal(fake_in(f, COM1 + 5, 1) & 1, 0);
    fake_out(f, COM1 + 2, 1, 0);
    assert_int_equal(do_receive(f, "XY"), 1);
    fake_destroy(f);
}

static void thre_interrupt_comes_when_enabled_and_after_each_byte(void **unused)
{
    struct fake *f = prepare();

    (void)unused;
    fake_out(f, COM1 + 1, 1, 0x02);
    assert_int_equal(irq(f), IRQ4);
    assert_int_equal(fake_in(f, COM1 + 2, 1), 0xC2);
    assert_int_equal(fake_in(f, COM1 + 2, 1), 0xC1);
    assert_int_equal(irq(f), 0);
    fake_out(f, COM1, 1, 'x');
    assert_int_equal(irq(f), IRQ4);
    fake_out(f, COM1 + 4, 1, 0x03); /* OUT2 off: no wire */
    assert_int_equal(irq(f), 0);
    fake_destroy(f);
}

static void loopback_joins_its_ends(void **unused)
{
    struct fake *f = prepare();

    (void)unused;
    fake_out(f, COM1 + 4, 1, 0x1A); /* RTS, OUT2 */
    assert_int_equal(fake_in(f, COM1 + 6, 1) & 0xF0, 0x90);
    fake_out(f, COM1, 1, 0x5A);
    assert_int_equal(fake_in(f, COM1, 1), 0x5A);
    assert_int_equal(f->outside.serial_total, 0);
    assert_int_equal(do_receive(f, "x"), 0);
    for (unsigned i = 0; i < 17; i++)
        fake_out(f, COM1, 1, i);
    assert_int_equal(fake_in(f, COM1 + 5, 1) & 0x03, 0x03); /* overrun */
    assert_int_equal(fake_in(f, COM1 + 5, 1) & 0x02, 0);
    fake_destroy(f);
}

static void the_divisor_hides_behind_dlab(void **unused)
{
    struct fake *f = prepare();

    (void)unused;
    fake_out(f, COM1 + 3, 1, 0x83);
    fake_out(f, COM1, 1, 0x34);
    fake_out(f, COM1 + 1, 1, 0x12);
    assert_int_equal(fake_in(f, COM1, 1), 0x34);
    assert_int_equal(fake_in(f, COM1 + 1, 1), 0x12);
    fake_out(f, COM1 + 3, 1, 0x03);
    assert_int_equal(fake_in(f, COM1 + 1, 1), 0);
    assert_int_equal(f->outside.serial_total, 0);
    fake_destroy(f);
}

static void nonsense_breaks_nothing(void **unused)
{
    struct fake *f = prepare();

    (void)unused;
    fake_storm_ports(f, COM1, 8, 50000);
    f->serial_room = 0;
    fake_storm_ports(f, COM1, 8, 50000);
    fake_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_out_in_order_and_once),
        cmocka_unit_test(a_slow_listener_holds_the_transmitter_back),
        cmocka_unit_test(received_bytes_interrupt_by_trigger_level_and_time_out),
        cmocka_unit_test(a_full_receive_fifo_takes_no_more),
        cmocka_unit_test(thre_interrupt_comes_when_enabled_and_after_each_byte),
        cmocka_unit_test(loopback_joins_its_ends),
        cmocka_unit_test(the_divisor_hides_behind_dlab),
        cmocka_unit_test(nonsense_breaks_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

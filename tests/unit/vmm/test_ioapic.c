/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: vmm/capsule.c vmm/bus.c vmm/machine.c vmm/irq.c vmm/pic8259.c vmm/ioapic.c vmm/uart16550.c vmm/pit8254.c
 * vmm/rtc.c vmm/pm.c vmm/i8042.c vmm/pvpanic.c vmm/debug_exit.c vmm/delay_ports.c tests/unit/vmm/crash_harness.c */
/* test_ioapic.c: messages, levels, remote IRR and end of interrupt of the IOAPIC. */
#include "tests/unit/vmm/crash_harness.h"

#include "vmm/ioapic.h"
#include "vmm/irq.h"

#define IOAPIC UINT64_C(0xFEC00000)
#define MASKED 0x10000u
#define LEVEL 0x8000u

static uint32_t get(struct fake *f, unsigned index)
{
    fake_write(f, IOAPIC, 4, index);
    return (uint32_t)fake_read(f, IOAPIC + 0x10, 4);
}

static void put(struct fake *f, unsigned index, uint32_t value)
{
    fake_write(f, IOAPIC, 4, index);
    fake_write(f, IOAPIC + 0x10, 4, value);
}

struct line {
    unsigned pin;
    bool level;
};

static uint64_t do_line(struct fake *f, void *argument)
{
    const struct line *l = argument;

    irq_line_set(f->machine.irq, &f->tx, l->pin, l->level);
    return 0;
}

static uint64_t do_eoi(struct fake *f, void *argument)
{
    uint64_t vectors[4] = { 0 };
    unsigned vector = *(unsigned *)argument;

    vectors[vector / 64] = UINT64_C(1) << vector % 64;
    ioapic_eoi(f->machine.ioapic, &f->tx, vectors);
    return 0;
}

static void line(struct fake *f, unsigned pin, bool level)
{
    crash_quiet(f, do_line, &(struct line){ pin, level });
}

static void eoi(struct fake *f, unsigned vector)
{
    crash_quiet(f, do_eoi, &vector);
}

static void it_identifies_itself(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    assert_int_equal(get(f, 1), 0x00170020);
    put(f, 0, 0xFFFFFFFF);
    assert_int_equal(get(f, 0), 0x0F000000);
    assert_int_equal(get(f, 0x10), MASKED);
    assert_int_equal(get(f, 0x40), 0);
    put(f, 0x40, 1);
    fake_destroy(f);
}

static void an_edge_is_one_message(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    put(f, 0x10 + 2 * 4 + 1, 3u << 24);
    put(f, 0x10 + 2 * 4, 0x41);
    line(f, 4, true);
    line(f, 4, true);
    assert_int_equal(f->outside.messages, 1);
    assert_int_equal(f->outside.message[0].address, 0xFEE03000);
    assert_int_equal(f->outside.message[0].data, 0x41);
    line(f, 4, false);
    line(f, 4, true);
    assert_int_equal(f->outside.messages, 2);
    fake_destroy(f);
}

static void an_edge_on_a_masked_pin_is_lost(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    put(f, 0x10 + 2 * 4, MASKED | 0x41);
    line(f, 4, true);
    put(f, 0x10 + 2 * 4, 0x41);
    assert_int_equal(f->outside.messages, 0);
    fake_destroy(f);
}

static void a_level_asks_again_after_eoi_while_it_is_high(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    put(f, 0x10 + 2 * 9, LEVEL | 0x900 | 0x51); /* logical, lowest priority */
    line(f, 9, true);
    assert_int_equal(f->outside.messages, 1);
    assert_int_equal(f->outside.message[0].address, 0xFEE0000C);
    assert_int_equal(f->outside.message[0].data, 0xC151);
    assert_true(get(f, 0x10 + 2 * 9) & 0x4000);
    line(f, 9, false);
    line(f, 9, true);
    assert_int_equal(f->outside.messages, 1);
    eoi(f, 0x52);
    assert_int_equal(f->outside.messages, 1);
    eoi(f, 0x51);
    assert_int_equal(f->outside.messages, 2);
    line(f, 9, false);
    eoi(f, 0x51);
    assert_int_equal(f->outside.messages, 2);
    assert_false(get(f, 0x10 + 2 * 9) & 0x4000);
    fake_destroy(f);
}

static void a_level_on_a_masked_pin_waits(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    put(f, 0x10 + 2 * 9, MASKED | LEVEL | 0x51);
    line(f, 9, true);
    assert_int_equal(f->outside.messages, 0);
    put(f, 0x10 + 2 * 9, LEVEL | 0x51);
    assert_int_equal(f->outside.messages, 1);
    fake_destroy(f);
}

static void remote_irr_cannot_be_written(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    put(f, 0x10 + 2 * 9, LEVEL | 0x4000 | 0x1000 | 0x51);
    assert_int_equal(get(f, 0x10 + 2 * 9), LEVEL | 0x51);
    line(f, 9, true);
    put(f, 0x10 + 2 * 9, LEVEL | 0x51);
    assert_int_equal(get(f, 0x10 + 2 * 9), LEVEL | 0x4000 | 0x51);
    put(f, 0x10 + 2 * 9, 0x51); /* edge-triggered: the old chips' way of clearing it */
    assert_int_equal(get(f, 0x10 + 2 * 9), 0x51);
    fake_write(f, IOAPIC + 0x40, 4, 0x51);
    fake_destroy(f);
}

static void a_shared_line_is_high_while_anyone_holds_it(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    put(f, 0x10 + 2 * 17, LEVEL | 0x61);
    irq_line_set(f->machine.rtc, &f->tx, 17, true);
    irq_line_set(f->machine.pm, &f->tx, 17, true);
    irq_line_set(f->machine.rtc, &f->tx, 17, false);
    eoi(f, 0x61);
    assert_int_equal(f->outside.messages, 2);
    irq_line_set(f->machine.pm, &f->tx, 17, false);
    eoi(f, 0x61);
    assert_int_equal(f->outside.messages, 2);
    irq_line_set(f->machine.pm, &f->tx, 24, true);
    irq_line_set(f->machine.pm, &f->tx, 2, true);
    fake_destroy(f);
}

static void isa_interrupt_0_is_pin_2(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    put(f, 0x10 + 2 * 2, 0x30);
    irq_line_set(f->machine.pit, &f->tx, 0, true);
    assert_int_equal(f->outside.messages, 1);
    assert_int_equal(f->outside.message[0].data, 0x30);
    fake_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_identifies_itself),
        cmocka_unit_test(an_edge_is_one_message),
        cmocka_unit_test(an_edge_on_a_masked_pin_is_lost),
        cmocka_unit_test(a_level_asks_again_after_eoi_while_it_is_high),
        cmocka_unit_test(a_level_on_a_masked_pin_waits),
        cmocka_unit_test(remote_irr_cannot_be_written),
        cmocka_unit_test(a_shared_line_is_high_while_anyone_holds_it),
        cmocka_unit_test(isa_interrupt_0_is_pin_2),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

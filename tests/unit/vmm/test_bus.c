/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: vmm/capsule.c vmm/bus.c vmm/machine.c vmm/irq.c vmm/pic8259.c vmm/ioapic.c vmm/uart16550.c vmm/pit8254.c
 * vmm/rtc.c vmm/pm.c vmm/i8042.c vmm/pvpanic.c vmm/debug_exit.c vmm/delay_ports.c tests/unit/vmm/crash_harness.c */
/* test_bus.c: dispatch: regions, splitting, absent ports, and its cost. */
#include "tests/unit/vmm/crash_harness.h"

static void absent_ports_read_as_ones_and_are_counted(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    assert_int_equal(fake_in(f, 0x1234, 1), 0xFF);
    assert_int_equal(fake_in(f, 0x1234, 2), 0xFFFF);
    assert_int_equal(fake_in(f, 0x1234, 4), 0xFFFFFFFF);
    assert_true(f->machine.bus.absent >= 3);
    fake_out(f, 0x1234, 4, 5);
    assert_int_equal(fake_read(f, 0xD0000000, 8), UINT64_MAX);
    assert_int_equal(fake_read(f, 0xD0000000, 1), 0xFF);
    fake_destroy(f);
}

static void absent_places_are_logged_with_their_count_and_more_and_more_rarely(void **unused)
{
    struct fake *f = fake_create();
    uint64_t count;

    (void)unused;
    fake_in(f, 0x1234, 1);
    assert_int_equal(f->logged, 1);
    assert_string_equal(f->last_log,
                        "nothing at port 1234: a 1-byte read gives all ones (accesses to nothing so far: 1)");
    for (unsigned i = 0; i < 1000; i++)
        fake_in(f, 0x2345, 1);
    assert_int_equal(f->logged, 1);

    f->now_ns += BUS_LOG_INTERVAL_MIN_NS;
    fake_out(f, 0x5678, 4, 0);
    assert_int_equal(f->logged, 2);
    count = f->machine.bus.absent;
    assert_true(count > 1000);
    assert_non_null(strstr(f->last_log, "nothing at port 5678: a 4-byte write is lost"));
    f->now_ns += BUS_LOG_INTERVAL_MIN_NS;
    fake_read(f, 0xD0000000, 8);
    assert_int_equal(f->logged, 2);

    /* a day of it, six times in a minute */
    for (unsigned i = 0; i < 6 * 24 * 60; i++) {
        f->now_ns += UINT64_C(10000000000);
        fake_in(f, 0x1234, 1);
    }
    assert_in_range(f->logged, 24, 36);
    fake_destroy(f);
}

static void wide_accesses_are_split_low_part_first(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    fake_out(f, 0x70, 2, 0x5540); /* index 40h, then data 55h */
    assert_int_equal(fake_in(f, 0x71, 1), 0x55);
    fake_out(f, 0x3FF, 1, 0xA7);
    assert_int_equal(fake_in(f, 0x3FE, 2) >> 8, 0xA7);
    fake_destroy(f);
}

static void overlapping_regions_are_refused(void **unused)
{
    struct fake *f = fake_create();
    struct bus *b = &f->machine.bus;

    (void)unused;
    assert_int_equal(bus_add_ports(b, f->machine.rtc, 0x3F0, 16, 1), CL_OCCUPIED);
    assert_int_equal(bus_add_ports(b, f->machine.rtc, 0x71, 1, 1), CL_OCCUPIED);
    assert_int_equal(bus_add_ports(b, f->machine.rtc, 0xFFFF, 2, 1), CL_BAD_ARGUMENT);
    assert_int_equal(bus_add_ports(b, f->machine.rtc, 0xFFFF, 1, 1), CL_OK);
    assert_int_equal(bus_add_memory(b, f->machine.rtc, UINT64_MAX, 2, 1), CL_BAD_ARGUMENT);
    fake_destroy(f);
}

static void the_whole_port_space_survives_a_storm(void **unused)
{
    struct fake *f = fake_create();

    (void)unused;
    fake_storm_ports(f, 0, 0x1000, 200000);
    fake_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_ports_read_as_ones_and_are_counted),
        cmocka_unit_test(absent_places_are_logged_with_their_count_and_more_and_more_rarely),
        cmocka_unit_test(wide_accesses_are_split_low_part_first),
        cmocka_unit_test(overlapping_regions_are_refused),
        cmocka_unit_test(the_whole_port_space_survives_a_storm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: vmm/capsule.c vmm/bus.c vmm/machine.c vmm/irq.c vmm/pic8259.c vmm/ioapic.c vmm/uart16550.c vmm/pit8254.c
 * vmm/rtc.c vmm/pm.c vmm/i8042.c vmm/pvpanic.c vmm/debug_exit.c vmm/delay_ports.c tests/unit/vmm/crash_harness.c
 * vmm/kvmclock.c */
/* test_kvmclock.c: the structures of the paravirtual clock in guest memory. */
#include "tests/unit/vmm/crash_harness.h"

#include "vmm/kvmclock.h"

static struct device *added;

static struct fake *prepare(uint64_t hz)
{
    struct fake *f = fake_create();

    assert_int_equal(kvmclock_add(&f->machine, hz, &added), CL_OK);
    return f;
}

struct write {
    uint32_t index;
    uint64_t value, tsc;
    bool known;
};

static uint64_t do_write(struct fake *f, void *argument)
{
    struct write *w = argument;

    w->known = kvmclock_msr_write(added, &f->tx, 1, w->index, w->value, w->tsc);
    return w->known;
}

static bool put(struct fake *f, uint32_t index, uint64_t value, uint64_t tsc)
{
    struct write w = { index, value, tsc, false };

    return crash_exit(f, do_write, &w) != 0;
}

static uint64_t number(const struct fake *f, unsigned address, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, f->ram + address, size);
    return value;
}

/* What a guest computes (Linux arch/x86/include/asm/pvclock.h describes the formula). */
static uint64_t guest_time(const struct fake *f, unsigned address, uint64_t tsc)
{
    uint64_t delta = tsc - number(f, address + 8, 8);
    int8_t shift = (int8_t)number(f, address + 28, 1);

    delta = shift < 0 ? delta >> -shift : delta << shift;
    return number(f, address + 16, 8) +
           (uint64_t)((unsigned __int128)delta * (uint32_t)number(f, address + 24, 4) >> 32);
}

static void system_time_is_the_tsc_in_nanoseconds(void **unused)
{
    static const uint64_t rates[] = { 100000000, 999999937, 1000000000, 2100000000, 5300000000, 32000 };

    (void)unused;
    for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct fake *f = prepare(rates[i]);
        uint64_t hour = rates[i] * 3600, time;

        assert_true(put(f, KVM_MSR_SYSTEM_TIME, 0x5001, 0));
        assert_int_equal(number(f, 0x5000, 4) % 2, 0);
        assert_true(number(f, 0x5000, 4) != 0);
        assert_int_equal(number(f, 0x5000 + 29, 1), 1);
        time = guest_time(f, 0x5000, hour);
        assert_in_range(time, UINT64_C(3600000000000) - 10000, UINT64_C(3600000000000) + 10000);
        fake_destroy(f);
    }
}

static void the_wall_clock_is_that_of_system_time_0(void **unused)
{
    struct fake *f = prepare(1000000000);

    (void)unused;
    assert_true(put(f, KVM_MSR_WALL_CLOCK, 0x6000, UINT64_C(20000000000)));
    assert_int_equal(number(f, 0x6000, 4) % 2, 0);
    assert_int_equal(number(f, 0x6004, 4), 1700000000 - 20);
    fake_destroy(f);
}

static void a_new_vmm_writes_it_again_with_an_even_version(void **unused)
{
    struct fake *f = prepare(1000000000);

    (void)unused;
    assert_true(put(f, KVM_MSR_SYSTEM_TIME_OLD, 0x5001, 0));
    memset(f->ram + 0x5000, 0xFF, 32);
    machine_derive(&f->machine, &f->tx);
    assert_int_equal(number(f, 0x5000, 4) % 2, 0);
    assert_int_equal(guest_time(f, 0x5000, 1000), 1000);
    fake_destroy(f);
}

static void bad_addresses_are_refused(void **unused)
{
    struct fake *f = prepare(1000000000);
    uint64_t value;

    (void)unused;
    assert_false(put(f, KVM_MSR_SYSTEM_TIME, FAKE_RAM_BYTES - 16 + 1, 0));
    assert_false(put(f, KVM_MSR_SYSTEM_TIME, 0x5003, 0));
    assert_false(put(f, KVM_MSR_WALL_CLOCK, UINT64_C(0xC0000000), 0));
    assert_true(put(f, KVM_MSR_SYSTEM_TIME, 0, 0));
    assert_false(kvmclock_msr_write(added, &f->tx, 64, KVM_MSR_SYSTEM_TIME, 0, 0));
    assert_false(kvmclock_msr_read(added, &f->tx, 64, KVM_MSR_SYSTEM_TIME, &value));
    fake_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(system_time_is_the_tsc_in_nanoseconds),
        cmocka_unit_test(the_wall_clock_is_that_of_system_time_0),
        cmocka_unit_test(a_new_vmm_writes_it_again_with_an_even_version),
        cmocka_unit_test(bad_addresses_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

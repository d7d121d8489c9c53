/* SPDX-License-Identifier: Apache-2.0 */
/* time.c: how fast is the TSC? Asked of a clock whose frequency is fixed by its specification. */
#include "kernel/time.h"

#include "kernel/assert.h"
#include "kernel/x86.h"

#define PM_TIMER_HZ 3579545u /* ACPI 6.4 4.8.2.1 */
#define SAMPLE_TRIES 8
#define PIT_HZ 1193182u
#define PIT_CHANNEL_2 0x42
#define PIT_COMMAND 0x43
#define PORT_B 0x61     /* bit 0: gate of channel 2, bit 1: speaker, bit 5: output of channel 2 */
#define MEASURE_HZ 100u /* a hundredth of a second: 28 ppm with the PM timer */

uint64_t tsc_hz;

struct sample {
    uint32_t pm_timer;
    uint64_t tsc; /* at that moment */
};

/* Of several tries the shortest: firmware, or a machine that emulates this one, may take the CPU away in between. */
static struct sample read_pm_timer(uint16_t port)
{
    struct sample best = { 0 };
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i < SAMPLE_TRIES; i++) {
        uint64_t before = x86_rdtsc();
        uint32_t value = x86_inl(port);
        uint64_t took = x86_rdtsc() - before;

        if (took < least) {
            least = took;
            best = (struct sample){ value, before + took / 2 };
        }
    }
    return best;
}

/* The counter is 24 bits wide at least; 0 when it does not move. */
static uint64_t measure_pm_timer(uint16_t port)
{
    uint32_t ticks = PM_TIMER_HZ / MEASURE_HZ, passed = 0;
    struct sample begin = read_pm_timer(port);

    for (uint64_t spins = 0; passed < ticks; spins++) {
        passed = (x86_inl(port) - begin.pm_timer) & 0xffffff;
        if (spins > 50000000 || (spins == 100000 && passed == 0))
            return 0;
    }
    struct sample end = read_pm_timer(port);
    return (end.tsc - begin.tsc) * PM_TIMER_HZ / ((end.pm_timer - begin.pm_timer) & 0xffffff);
}

/* 8254 channel 2, mode 0: the output rises when the count has run down. */
static uint64_t measure_pit(void)
{
    uint32_t count = PIT_HZ / MEASURE_HZ;
    uint8_t saved = x86_inb(PORT_B);

    x86_outb(PORT_B, (uint8_t)((saved & ~2u) | 1u));
    x86_outb(PIT_COMMAND, 0xb0); /* channel 2, both bytes, mode 0, binary */
    x86_outb(PIT_CHANNEL_2, (uint8_t)count);
    x86_outb(PIT_CHANNEL_2, (uint8_t)(count >> 8));

    uint64_t begin = x86_rdtsc();
    for (uint64_t spins = 0; (x86_inb(PORT_B) & 0x20) == 0; spins++) {
        if (spins > 50000000)
            return 0;
    }
    uint64_t passed = x86_rdtsc() - begin;
    x86_outb(PORT_B, saved);
    return passed * PIT_HZ / count;
}

void time_calibrate(uint16_t pm_timer_port)
{
    if (pm_timer_port != 0)
        tsc_hz = measure_pm_timer(pm_timer_port);
    if (tsc_hz == 0)
        tsc_hz = measure_pit();
    if (tsc_hz < 1000000)
        panic("neither the ACPI PM timer nor the 8254 counts: the speed of the TSC cannot be measured on this machine");
}

uint64_t time_from_ns(uint64_t ns)
{
    return x86_multiply_divide(ns, tsc_hz, 1000000000);
}

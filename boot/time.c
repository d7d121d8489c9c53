/* SPDX-License-Identifier: Apache-2.0 */
/* time.c: how fast is the TSC? Asked of a clock whose frequency is fixed by its specification. */
#include "boot/time.h"

#include "boot/cpu.h"
#include "boot/ports.h"

#define PM_TIMER_HZ 3579545u /* ACPI 6.4 4.8.2.1 */
#define SAMPLE_TRIES 8
#define SPINS_MAX 50000000u
#define PIT_HZ 1193182u
#define PIT_CHANNEL_2 0x42
#define PIT_COMMAND 0x43
#define PORT_B 0x61     /* bit 0: gate of channel 2, bit 1: speaker, bit 5: output of channel 2 */
#define MEASURE_HZ 100u /* a hundredth of a second: 28 ppm with the PM timer */

struct time_sample time_sample(uint32_t (*read)(uint64_t where), uint64_t where)
{
    struct time_sample best = { 0 };
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i < SAMPLE_TRIES; i++) {
        uint64_t before = cpu_tsc();
        uint32_t value = read(where);
        uint64_t took = cpu_tsc() - before;

        if (took < least) {
            least = took;
            best = (struct time_sample){ value, before + took / 2 };
        }
    }
    return best;
}

static uint32_t read_pm_timer(uint64_t port)
{
    return port_read32((uint16_t)port);
}

/* The counter is 24 bits wide at least; 0 when it does not move. */
static uint64_t measure_pm_timer(uint16_t port)
{
    uint32_t ticks = PM_TIMER_HZ / MEASURE_HZ, passed = 0;
    struct time_sample begin = time_sample(read_pm_timer, port);

    for (uint64_t spins = 0; passed < ticks; spins++) {
        passed = (read_pm_timer(port) - begin.counter) & 0xffffff;
        if (spins > SPINS_MAX || (spins == 100000 && passed == 0))
            return 0;
    }
    struct time_sample end = time_sample(read_pm_timer, port);
    return (end.tsc - begin.tsc) * PM_TIMER_HZ / ((end.counter - begin.counter) & 0xffffff);
}

/* 8254 channel 2, mode 0: the output rises when the count has run down. */
static uint64_t measure_pit(void)
{
    uint32_t count = PIT_HZ / MEASURE_HZ;
    uint8_t saved = port_read8(PORT_B);

    port_write8(PORT_B, (uint8_t)((saved & ~2u) | 1u));
    port_write8(PIT_COMMAND, 0xb0); /* channel 2, both bytes, mode 0, binary */
    port_write8(PIT_CHANNEL_2, (uint8_t)count);
    port_write8(PIT_CHANNEL_2, (uint8_t)(count >> 8));

    uint64_t begin = cpu_tsc();
    for (uint64_t spins = 0; (port_read8(PORT_B) & 0x20) == 0; spins++) {
        if (spins > SPINS_MAX)
            return 0;
    }
    uint64_t passed = cpu_tsc() - begin;
    port_write8(PORT_B, saved);
    return passed * PIT_HZ / count;
}

enum cl_status time_measure_tsc(uint16_t pm_timer_port, uint64_t *tsc_hz)
{
    uint64_t flags;

    __asm__ volatile("pushfq; pop %0; cli" : "=r"(flags) : : "memory");
    *tsc_hz = pm_timer_port != 0 ? measure_pm_timer(pm_timer_port) : 0;
    if (*tsc_hz == 0)
        *tsc_hz = measure_pit();
    if ((flags & (1u << 9)) != 0)
        __asm__ volatile("sti" : : : "memory");
    if (*tsc_hz < 1000000)
        return refuse(CL_UNSUPPORTED,
                      "Neither the ACPI PM timer nor the 8254 counts: the speed of the CPU's clock cannot "
                      "be measured on this machine.");
    return CL_OK;
}

void time_wait_us(uint64_t tsc_hz, uint64_t us)
{
    uint64_t begin = cpu_tsc();

    while (cpu_tsc() - begin < us * tsc_hz / 1000000)
        __asm__ volatile("pause");
}

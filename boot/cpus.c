/* SPDX-License-Identifier: Apache-2.0 */
/* cpus.c: starting the other CPUs, one after the other (SDM Vol. 3A 9.4.4). */
#include <string.h>

#include "boot/cpu.h"
#include "boot/interrupts.h"
#include "boot/time.h"
#include "boot/tsc.h"

#define START_TIMEOUT_MS 500
#define TSC_TIMEOUT_SECONDS 2

extern uint8_t trampoline_code[], trampoline_end[], trampoline_cr3[], trampoline_place[];

static struct boot_start places[BOOT_CPUS_MAX];

static void put_word(uint64_t page, const uint8_t *symbol, uint64_t value)
{
    memcpy((uint8_t *)page + (symbol - trampoline_code), &value, sizeof value);
}

static int start_one(uint64_t tsc_hz, uint64_t trampoline, uint32_t apic_id, const volatile struct boot_start *place)
{
    lapic_send(apic_id, IPI_INIT);
    time_wait_us(tsc_hz, 10000);
    for (unsigned i = 0; i < 2; i++) {
        lapic_send(apic_id, IPI_STARTUP | (uint32_t)(trampoline >> 12));
        time_wait_us(tsc_hz, 200);
    }
    for (unsigned ms = 0; ms < START_TIMEOUT_MS; ms++) {
        if (place->arrived != 0)
            return 1;
        time_wait_us(tsc_hz, 1000);
    }
    lapic_send(apic_id, IPI_INIT); /* one that comes late would run on memory that is somebody else's by then */
    return 0;
}

/* Off again if its time cannot be ours. */
static uint32_t share_time(struct boot_info *info, struct boot_cpu *cpu, volatile struct boot_start *place)
{
    if (tsc_align(place, cpu_tsc_msr(), TSC_TIMEOUT_SECONDS * info->info.tsc_hz, &cpu->tsc_ahead))
        return 1;
    lapic_send(cpu->apic_id, IPI_INIT);
    info->cpus_apart++;
    return 0;
}

void cpus_start(struct boot_info *info, uint64_t trampoline)
{
    uint32_t found = info->cpu_count;

    memcpy((void *)trampoline, trampoline_code, (size_t)(trampoline_end - trampoline_code));
    put_word(trampoline, trampoline_cr3, info->page_tables);
    info->cpu_count = 1;
    for (uint32_t i = 1; i < found; i++) {
        struct boot_cpu *cpu = &info->cpus[info->cpu_count];

        *cpu = (struct boot_cpu){ .apic_id = info->cpus[i].apic_id, .start = (uint64_t)(uintptr_t)&places[i] };
        put_word(trampoline, trampoline_place, cpu->start);
        if (start_one(info->info.tsc_hz, trampoline, cpu->apic_id, &places[i]))
            info->cpu_count += share_time(info, cpu, &places[i]);
    }
    info->cpus_absent = found - info->cpu_count;
    for (uint32_t i = 0; i < info->cpu_count; i++)
        info->info.apic_id[i] = info->cpus[i].apic_id;
    info->info.cpu_count = info->cpu_count;
}

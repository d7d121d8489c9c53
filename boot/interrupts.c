/* SPDX-License-Identifier: Apache-2.0 */
/* interrupts.c: 8259, IOAPIC (82093AA datasheet), local APIC (SDM Vol. 3A chapter 11). */
#include "boot/interrupts.h"

#include <stdbool.h>

#include "boot/ports.h"
#include "boot/time.h"

#define PIC_MASTER_DATA 0x21
#define PIC_SLAVE_DATA 0xA1

#define IOREGSEL 0
#define IOWIN 4 /* in 32-bit words */
#define IOAPIC_VERSION 1u
#define IOAPIC_REDIRECTION(pin) (0x10 + 2 * (pin))
#define IOAPIC_MASKED (1u << 16)
#define IOAPIC_PINS_MAX 240

#define MSR_APIC_BASE 0x1Bu
#define MSR_X2APIC_FIRST 0x800u
#define APIC_BASE_X2APIC (1u << 10)
#define APIC_BASE_ENABLE (1u << 11)

/* Registers: the offset in the page, divided by 16, is the x2APIC's number. */
enum {
    LAPIC_SVR = 0x0F,
    LAPIC_ICR = 0x30,
    LAPIC_ICR_HIGH = 0x31,
    LAPIC_LVT_TIMER = 0x32,
    LAPIC_INITIAL_COUNT = 0x38,
    LAPIC_CURRENT_COUNT = 0x39,
    LAPIC_DIVIDE = 0x3E,
};
#define SVR_ENABLE_SPURIOUS_FF 0x1FFu
#define LVT_MASKED (1u << 16)
#define DIVIDE_BY_1 0xBu
#define ICR_PENDING (1u << 12)

static volatile uint32_t *registers; /* NULL: x2APIC */

static void mask_ioapic(struct boot_ioapic *ioapic)
{
    volatile uint32_t *window = (volatile uint32_t *)ioapic->base;

    window[IOREGSEL] = IOAPIC_VERSION;
    ioapic->pins = (window[IOWIN] >> 16 & 0xFF) + 1;
    for (uint32_t pin = 0; pin < ioapic->pins && ioapic->pins <= IOAPIC_PINS_MAX; pin++) {
        window[IOREGSEL] = IOAPIC_REDIRECTION(pin);
        window[IOWIN] = IOAPIC_MASKED;
    }
}

void interrupts_mask(struct boot_info *info)
{
    uint32_t found = info->ioapic_count;

    info->ioapic_count = 0;
    for (uint32_t i = 0; i < found; i++) {
        struct boot_ioapic ioapic = info->ioapics[i];

        mask_ioapic(&ioapic);
        if (ioapic.pins <= IOAPIC_PINS_MAX) /* more is all ones: nothing answers there */
            info->ioapics[info->ioapic_count++] = ioapic;
    }
    if (info->has_8259) {
        port_write8(PIC_MASTER_DATA, 0xFF);
        port_write8(PIC_SLAVE_DATA, 0xFF);
    }
}

static uint32_t lapic_read(uint32_t reg)
{
    return registers == NULL ? (uint32_t)msr_read(MSR_X2APIC_FIRST + reg) : registers[4 * reg];
}

static void lapic_write(uint32_t reg, uint32_t value)
{
    if (registers == NULL)
        msr_write(MSR_X2APIC_FIRST + reg, value);
    else
        registers[4 * reg] = value;
}

static uint32_t read_count(uint64_t reg)
{
    return lapic_read((uint32_t)reg);
}

/* Against the TSC, for a thousandth of a second. */
static uint64_t measure_timer(uint64_t tsc_hz)
{
    lapic_write(LAPIC_DIVIDE, DIVIDE_BY_1);
    lapic_write(LAPIC_INITIAL_COUNT, UINT32_MAX);
    struct time_sample begin = time_sample(read_count, LAPIC_CURRENT_COUNT);
    time_wait_us(tsc_hz, 1000);
    struct time_sample end = time_sample(read_count, LAPIC_CURRENT_COUNT);
    lapic_write(LAPIC_INITIAL_COUNT, 0);
    return (uint64_t)(begin.counter - end.counter) * tsc_hz / (end.tsc - begin.tsc);
}

void lapic_begin(struct boot_info *info)
{
    bool x2apic = (info->info.features & INFO_FEATURE_X2APIC) != 0;
    uint64_t base = msr_read(MSR_APIC_BASE) | APIC_BASE_ENABLE;

    msr_write(MSR_APIC_BASE, base);
    if (x2apic)
        msr_write(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
    registers = x2apic ? NULL : (volatile uint32_t *)info->lapic_base;
    lapic_write(LAPIC_SVR, SVR_ENABLE_SPURIOUS_FF);
    lapic_write(LAPIC_INITIAL_COUNT, 0);
    lapic_write(LAPIC_LVT_TIMER, LVT_MASKED | 0xFF);
    info->lapic_timer_hz = measure_timer(info->info.tsc_hz);
}

void lapic_send(uint32_t apic_id, uint32_t command)
{
    if (registers == NULL) {
        /* the MSR write does not wait for earlier stores by itself (SDM Vol. 3A 11.12.3) */
        __asm__ volatile("mfence; lfence" : : : "memory");
        msr_write(MSR_X2APIC_FIRST + LAPIC_ICR, (uint64_t)apic_id << 32 | command);
        return;
    }
    for (unsigned i = 0; i < 100000 && (lapic_read(LAPIC_ICR) & ICR_PENDING) != 0; i++)
        __asm__ volatile("pause");
    lapic_write(LAPIC_ICR_HIGH, apic_id << 24);
    lapic_write(LAPIC_ICR, command);
}

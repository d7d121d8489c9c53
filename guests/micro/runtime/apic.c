/* SPDX-License-Identifier: Apache-2.0 */
/* apic.c: one set of calls for the xAPIC page and the x2APIC MSRs (SDM Vol. 3A 11.12.1). */
#include "apic.h"

static bool x2apic;

static void mask_everything(void)
{
    apic_write(APIC_SVR, APIC_SVR_ENABLE | APIC_SPURIOUS_VECTOR);
    apic_write(APIC_LVT_TIMER, APIC_LVT_MASKED);
    apic_write(APIC_LVT_LINT0, APIC_LVT_MASKED);
    apic_write(APIC_LVT_LINT1, APIC_LVT_MASKED);
    apic_write(APIC_LVT_ERROR, APIC_LVT_MASKED);
    apic_write(APIC_TIMER_INITIAL, 0);
    apic_write(APIC_TPR, 0);
}

void apic_enable_xapic(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE);

    /* x2APIC mode is left by way of "disabled" only (SDM Vol. 3A 11.12.5) */
    if (base & APIC_BASE_X2APIC)
        wrmsr(MSR_APIC_BASE, base & ~(APIC_BASE_ENABLE | APIC_BASE_X2APIC));
    wrmsr(MSR_APIC_BASE, (base & ~APIC_BASE_X2APIC) | APIC_BASE_ENABLE);
    x2apic = false;
    mask_everything();
}

bool apic_enable_x2apic(void)
{
    if (!(cpuid(1, 0).ecx & CPUID_1_ECX_X2APIC))
        return false;
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE);
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2APIC);
    x2apic = true;
    mask_everything();
    return true;
}

bool apic_in_x2apic(void)
{
    return x2apic;
}

uint32_t apic_read(enum apic_register offset)
{
    if (x2apic)
        return (uint32_t)rdmsr(MSR_X2APIC_FIRST + ((uint32_t)offset >> 4));
    return *(volatile uint32_t *)(APIC_PAGE + offset);
}

void apic_write(enum apic_register offset, uint32_t value)
{
    if (x2apic)
        wrmsr(MSR_X2APIC_FIRST + ((uint32_t)offset >> 4), value);
    else
        *(volatile uint32_t *)(APIC_PAGE + offset) = value;
}

void apic_eoi(void)
{
    apic_write(APIC_EOI, 0);
}

uint32_t apic_id(void)
{
    return x2apic ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24;
}

void apic_send(uint32_t destination, uint32_t low)
{
    if (x2apic) {
        wrmsr(MSR_X2APIC_FIRST + (APIC_ICR >> 4), (uint64_t)destination << 32 | low);
        return;
    }
    apic_write(APIC_ICR_HIGH, destination << 24);
    apic_write(APIC_ICR, low);
    for (unsigned i = 0; i < 1000000 && (apic_read(APIC_ICR) & APIC_ICR_BUSY); i++)
        cpu_pause();
}

bool apic_vector_bit(enum apic_register bank, uint8_t vector)
{
    enum apic_register word = (enum apic_register)((uint32_t)bank + (uint32_t)(vector / 32) * 0x10);

    return apic_read(word) >> (vector % 32) & 1;
}

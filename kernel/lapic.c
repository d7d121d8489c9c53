/* SPDX-License-Identifier: Apache-2.0 */
/* lapic.c: xAPIC by memory, x2APIC by MSR; TSC deadline where there is one, a counted one-shot elsewhere. */
#include "kernel/lapic.h"

#include "abi/vlapic_state.h"
#include "kernel/assert.h"
#include "kernel/hostmap.h"
#include "kernel/time.h"
#include "kernel/x86.h"

static volatile uint32_t *registers; /* NULL: x2APIC */
static enum timer_mode mode;
static uint64_t timer_hz;
static uint32_t longest = UINT32_MAX, shortest = 1; /* counts */

/* Registers of the physical APIC have the names and numbers of the virtual one's. */
static void write(enum vlapic_register reg, uint32_t value)
{
    if (registers == NULL)
        x86_wrmsr(MSR_X2APIC_FIRST + reg, value);
    else
        registers[reg * 4] = value;
}

void lapic_probe(const struct boot_info *boot)
{
    mode = (boot->info.features & INFO_FEATURE_TSC_DEADLINE) != 0 ? TIMER_DEADLINE : TIMER_ONE_SHOT;
    timer_hz = boot->lapic_timer_hz;
    if (mode != TIMER_DEADLINE && timer_hz == 0)
        panic("the local APIC timer does not count");
    if ((boot->info.features & INFO_FEATURE_X2APIC) == 0)
        registers = hostmap_device(hpa(boot->lapic_base));
}

/* The shortest period keeps a deadline that has passed from firing thousands of times before it is served. */
void lapic_repeat_timer(void)
{
    if (mode != TIMER_ONE_SHOT)
        return;
    mode = TIMER_PERIODIC;
    longest = (uint32_t)(timer_hz / LAPIC_REPEAT_HZ) + 1;
    shortest = longest / 1024 + 1;
}

void lapic_enable(void)
{
    uint64_t base = x86_rdmsr(MSR_APIC_BASE) | VLAPIC_BASE_ENABLE;

    x86_wrmsr(MSR_APIC_BASE, base);
    if (registers == NULL)
        x86_wrmsr(MSR_APIC_BASE, base | VLAPIC_BASE_X2APIC);
    write(VLAPIC_REG_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
    write(VLAPIC_REG_INITIAL_COUNT, 0);
    write(VLAPIC_REG_LVT_LINT0, LVT_MASKED);
    write(VLAPIC_REG_LVT_LINT1, ICR_DELIVERY(VLAPIC_NMI));
    write(VLAPIC_REG_LVT_ERROR, LVT_MASKED);
    write(VLAPIC_REG_TPR, 0);
    write(VLAPIC_REG_DIVIDE, DIVIDE_BY_1);
    write(VLAPIC_REG_LVT_TIMER, LVT_TIMER_MODE(mode) | VECTOR_TIMER);
    lapic_timer_fired();
    /* what the firmware left in service (its timer, perhaps) would block everything below it */
    for (unsigned i = 0; i < 8; i++)
        lapic_eoi();
}

void lapic_eoi(void)
{
    write(VLAPIC_REG_EOI, 0);
}

void lapic_ipi(uint32_t apic_id, uint32_t command)
{
    if (registers == NULL) {
        /* the MSR write does not wait for earlier stores by itself (SDM Vol. 3A 11.12.3) */
        __asm__ volatile("mfence; lfence" : : : "memory");
        x86_wrmsr(MSR_X2APIC_FIRST + VLAPIC_REG_ICR, (uint64_t)apic_id << 32 | ICR_ASSERT | command);
        return;
    }
    for (unsigned i = 0; i < 100000 && (registers[VLAPIC_REG_ICR * 4] & ICR_PENDING) != 0; i++)
        __builtin_ia32_pause();
    write(VLAPIC_REG_ICR_HIGH, apic_id << 24);
    write(VLAPIC_REG_ICR, ICR_ASSERT | command);
}

void lapic_timer(uint64_t deadline_tsc)
{
    uint64_t now = x86_rdtsc(), count;

    if (mode == TIMER_DEADLINE) {
        x86_wrmsr(MSR_TSC_DEADLINE, deadline_tsc);
        return;
    }
    /* longer than the counter: it fires early and is set again */
    count = x86_multiply_divide(deadline_tsc > now ? deadline_tsc - now : 0, timer_hz, tsc_hz);
    write(VLAPIC_REG_INITIAL_COUNT, count < longest - shortest ? (uint32_t)count + shortest : longest);
}

void lapic_timer_fired(void)
{
    if (mode == TIMER_PERIODIC)
        write(VLAPIC_REG_INITIAL_COUNT, longest);
}

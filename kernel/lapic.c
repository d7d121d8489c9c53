/* SPDX-License-Identifier: Apache-2.0 */
/* lapic.c: xAPIC by memory, x2APIC by MSR; TSC deadline where there is one, a counted one-shot elsewhere. */
#include "kernel/lapic.h"

#include "kernel/assert.h"
#include "kernel/hostmap.h"
#include "kernel/time.h"
#include "kernel/x86.h"

#define REGISTER_ID 0x20
#define REGISTER_TPR 0x80
#define REGISTER_EOI 0xb0
#define REGISTER_SVR 0xf0
#define REGISTER_ICR_LOW 0x300
#define REGISTER_ICR_HIGH 0x310
#define REGISTER_LVT_TIMER 0x320
#define REGISTER_LVT_THERMAL 0x330
#define REGISTER_LVT_PERF 0x340
#define REGISTER_LVT_LINT0 0x350
#define REGISTER_LVT_LINT1 0x360
#define REGISTER_LVT_ERROR 0x370
#define REGISTER_INITIAL_COUNT 0x380
#define REGISTER_CURRENT_COUNT 0x390
#define REGISTER_DIVIDE 0x3e0

#define LVT_MASKED (1u << 16)
#define LVT_TSC_DEADLINE (2u << 17)
#define SVR_ENABLE (1u << 8)
#define DIVIDE_BY_1 0xbu
#define ICR_PENDING (1u << 12)
#define ICR_ASSERT (1u << 14)
#define DELIVERY_NMI (4u << 8)
#define DELIVERY_INIT (5u << 8)
#define DELIVERY_STARTUP (6u << 8)
#define APIC_BASE_X2APIC (UINT64_C(1) << 10)
#define APIC_BASE_ENABLE (UINT64_C(1) << 11)

static volatile uint32_t *registers; /* NULL: x2APIC */
static bool x2apic, tsc_deadline;
static uint64_t timer_hz;

static uint32_t read(uint32_t offset)
{
    return x2apic ? (uint32_t)x86_rdmsr(MSR_X2APIC_FIRST + (offset >> 4)) : registers[offset / 4];
}

static void write(uint32_t offset, uint32_t value)
{
    if (x2apic)
        x86_wrmsr(MSR_X2APIC_FIRST + (offset >> 4), value);
    else
        registers[offset / 4] = value;
}

void lapic_probe(uint64_t base)
{
    struct x86_cpuid features = x86_cpuid(1, 0);

    x2apic = (features.ecx & (1u << 21)) != 0;
    tsc_deadline = (features.ecx & (1u << 24)) != 0;
    if (!x2apic)
        registers = hostmap_device(hpa(base), PAGE_SIZE, PT_UNCACHEABLE);
}

void lapic_enable(void)
{
    uint64_t base = x86_rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE;

    x86_wrmsr(MSR_APIC_BASE, base);
    if (x2apic)
        x86_wrmsr(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
    write(REGISTER_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
    write(REGISTER_INITIAL_COUNT, 0);
    write(REGISTER_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
    write(REGISTER_LVT_LINT0, LVT_MASKED);
    write(REGISTER_LVT_LINT1, DELIVERY_NMI);
    write(REGISTER_LVT_ERROR, LVT_MASKED);
    write(REGISTER_TPR, 0);
    write(REGISTER_DIVIDE, DIVIDE_BY_1);
    write(REGISTER_LVT_TIMER, tsc_deadline ? LVT_TSC_DEADLINE | VECTOR_TIMER : VECTOR_TIMER);
    /* what the firmware left in service (its timer, perhaps) would block everything below it */
    for (unsigned i = 0; i < 8; i++)
        lapic_eoi();
}

void lapic_calibrate(void)
{
    uint64_t begin, ticks;
    uint32_t start = UINT32_MAX;

    if (tsc_deadline)
        return;
    write(REGISTER_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
    write(REGISTER_INITIAL_COUNT, start);
    begin = x86_rdtsc();
    while (x86_rdtsc() - begin < tsc_hz / 1000)
        ;
    ticks = start - read(REGISTER_CURRENT_COUNT);
    timer_hz = ticks * tsc_hz / (x86_rdtsc() - begin);
    write(REGISTER_INITIAL_COUNT, 0);
    write(REGISTER_LVT_TIMER, VECTOR_TIMER);
    if (timer_hz == 0)
        panic("the local APIC timer does not count");
}

uint32_t lapic_id(void)
{
    return x2apic ? read(REGISTER_ID) : read(REGISTER_ID) >> 24;
}

void lapic_eoi(void)
{
    write(REGISTER_EOI, 0);
}

static void send(uint32_t apic_id, uint32_t command)
{
    if (x2apic) {
        /* the MSR write does not wait for earlier stores by itself (SDM Vol. 3A 11.12.3) */
        __asm__ volatile("mfence; lfence" : : : "memory");
        x86_wrmsr(MSR_X2APIC_FIRST + (REGISTER_ICR_LOW >> 4), (uint64_t)apic_id << 32 | command);
        return;
    }
    for (unsigned i = 0; i < 100000 && (read(REGISTER_ICR_LOW) & ICR_PENDING) != 0; i++)
        __builtin_ia32_pause();
    write(REGISTER_ICR_HIGH, apic_id << 24);
    write(REGISTER_ICR_LOW, command);
}

void lapic_ipi(uint32_t apic_id, uint8_t vector)
{
    send(apic_id, ICR_ASSERT | vector);
}

void lapic_nmi(uint32_t apic_id)
{
    send(apic_id, ICR_ASSERT | DELIVERY_NMI);
}

void lapic_init_ipi(uint32_t apic_id)
{
    send(apic_id, ICR_ASSERT | DELIVERY_INIT);
}

void lapic_startup_ipi(uint32_t apic_id, uint8_t page)
{
    send(apic_id, ICR_ASSERT | DELIVERY_STARTUP | page);
}

void lapic_timer(uint64_t deadline_tsc)
{
    if (tsc_deadline) {
        x86_wrmsr(MSR_TSC_DEADLINE, deadline_tsc == UINT64_MAX ? 0 : deadline_tsc);
        return;
    }
    uint64_t count = 0;
    if (deadline_tsc != UINT64_MAX) {
        uint64_t now = x86_rdtsc();
        uint64_t wait = deadline_tsc > now ? deadline_tsc - now : 0;
        /* longer than the counter: it fires early and is set again */
        count = x86_multiply_divide(wait, timer_hz, tsc_hz);
        count = count < UINT32_MAX ? count + 1 : UINT32_MAX;
    }
    write(REGISTER_INITIAL_COUNT, (uint32_t)count);
}

bool lapic_has_x2apic(void)
{
    return x2apic;
}

bool lapic_has_tsc_deadline(void)
{
    return tsc_deadline;
}

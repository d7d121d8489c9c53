/* SPDX-License-Identifier: Apache-2.0 */
/* lapic.c: xAPIC by memory, x2APIC by MSR; TSC deadline where there is one, a counted one-shot elsewhere. */
#include "kernel/lapic.h"

#include "abi/vlapic_state.h"
#include "kernel/apic_table.h"
#include "kernel/assert.h"
#include "kernel/hostmap.h"
#include "kernel/time.h"
#include "kernel/x86.h"

#define SAMPLE_TRIES 8

static volatile uint32_t *registers; /* NULL: x2APIC */
static bool x2apic, tsc_deadline;
static uint64_t timer_hz;

/* Registers of the physical APIC have the names and numbers of the virtual one's. */
static uint32_t read(enum vlapic_register reg)
{
    return x2apic ? (uint32_t)x86_rdmsr(MSR_X2APIC_FIRST + reg) : registers[reg * 4];
}

static void write(enum vlapic_register reg, uint32_t value)
{
    if (x2apic)
        x86_wrmsr(MSR_X2APIC_FIRST + reg, value);
    else
        registers[reg * 4] = value;
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
    uint64_t base = x86_rdmsr(MSR_APIC_BASE) | VLAPIC_BASE_ENABLE;

    x86_wrmsr(MSR_APIC_BASE, base);
    if (x2apic)
        x86_wrmsr(MSR_APIC_BASE, base | VLAPIC_BASE_X2APIC);
    write(VLAPIC_REG_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
    write(VLAPIC_REG_INITIAL_COUNT, 0);
    write(VLAPIC_REG_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
    write(VLAPIC_REG_LVT_LINT0, LVT_MASKED);
    write(VLAPIC_REG_LVT_LINT1, ICR_DELIVERY(VLAPIC_NMI));
    write(VLAPIC_REG_LVT_ERROR, LVT_MASKED);
    write(VLAPIC_REG_TPR, 0);
    write(VLAPIC_REG_DIVIDE, DIVIDE_BY_1);
    write(VLAPIC_REG_LVT_TIMER, tsc_deadline ? LVT_TIMER_MODE(TIMER_DEADLINE) | VECTOR_TIMER : VECTOR_TIMER);
    /* what the firmware left in service (its timer, perhaps) would block everything below it */
    for (unsigned i = 0; i < 8; i++)
        lapic_eoi();
}

/* The counter, and the TSC at that moment: the shortest of several tries, as in time.c. */
static uint32_t read_counter(uint64_t *tsc)
{
    uint64_t least = UINT64_MAX;
    uint32_t counter = 0;

    for (unsigned i = 0; i < SAMPLE_TRIES; i++) {
        uint64_t before = x86_rdtsc();
        uint32_t value = read(VLAPIC_REG_CURRENT_COUNT);
        uint64_t took = x86_rdtsc() - before;

        if (took < least) {
            least = took;
            counter = value;
            *tsc = before + took / 2;
        }
    }
    return counter;
}

void lapic_calibrate(void)
{
    uint64_t begin = 0, end = 0;
    uint32_t first, last;

    if (tsc_deadline)
        return;
    write(VLAPIC_REG_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
    write(VLAPIC_REG_INITIAL_COUNT, UINT32_MAX);
    first = read_counter(&begin);
    while (x86_rdtsc() - begin < tsc_hz / 1000)
        ;
    last = read_counter(&end);
    timer_hz = (uint64_t)(first - last) * tsc_hz / (end - begin);
    write(VLAPIC_REG_INITIAL_COUNT, 0);
    write(VLAPIC_REG_LVT_TIMER, VECTOR_TIMER);
    if (timer_hz == 0)
        panic("the local APIC timer does not count");
}

uint32_t lapic_id(void)
{
    return x2apic ? read(VLAPIC_REG_ID) : read(VLAPIC_REG_ID) >> 24;
}

void lapic_eoi(void)
{
    write(VLAPIC_REG_EOI, 0);
}

static void send(uint32_t apic_id, uint32_t command)
{
    if (x2apic) {
        /* the MSR write does not wait for earlier stores by itself (SDM Vol. 3A 11.12.3) */
        __asm__ volatile("mfence; lfence" : : : "memory");
        x86_wrmsr(MSR_X2APIC_FIRST + VLAPIC_REG_ICR, (uint64_t)apic_id << 32 | command);
        return;
    }
    for (unsigned i = 0; i < 100000 && (read(VLAPIC_REG_ICR) & ICR_PENDING) != 0; i++)
        __builtin_ia32_pause();
    write(VLAPIC_REG_ICR_HIGH, apic_id << 24);
    write(VLAPIC_REG_ICR, command);
}

void lapic_ipi(uint32_t apic_id, uint8_t vector)
{
    send(apic_id, ICR_ASSERT | vector);
}

void lapic_nmi(uint32_t apic_id)
{
    send(apic_id, ICR_ASSERT | ICR_DELIVERY(VLAPIC_NMI));
}

void lapic_init_ipi(uint32_t apic_id)
{
    send(apic_id, ICR_ASSERT | ICR_DELIVERY(VLAPIC_INIT));
}

void lapic_startup_ipi(uint32_t apic_id, uint8_t page)
{
    send(apic_id, ICR_ASSERT | ICR_DELIVERY(VLAPIC_SIPI) | page);
}

void lapic_timer(uint64_t deadline_tsc)
{
    bool never = deadline_tsc == UINT64_MAX;
    uint64_t now = x86_rdtsc(), count;

    if (tsc_deadline) {
        x86_wrmsr(MSR_TSC_DEADLINE, never ? 0 : deadline_tsc);
        return;
    }
    /* longer than the counter: it fires early and is set again */
    count = x86_multiply_divide(deadline_tsc > now ? deadline_tsc - now : 0, timer_hz, tsc_hz);
    count = count < UINT32_MAX ? count + 1 : UINT32_MAX;
    write(VLAPIC_REG_INITIAL_COUNT, never ? 0 : (uint32_t)count);
}

bool lapic_has_x2apic(void)
{
    return x2apic;
}

bool lapic_has_tsc_deadline(void)
{
    return tsc_deadline;
}

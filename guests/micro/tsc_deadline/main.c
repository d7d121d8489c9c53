/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: the APIC timer in TSC-deadline mode (SDM Vol. 3A 11.5.4.1). */
#include "apic.h"
#include "trap.h"

#define VECTOR_TIMER 0x41
#define MOST_TICKS 20000000000ull

/* Arm a deadline `ticks` ahead. Where the CPU is shared, the deadline may pass before the next instruction: further and
 * further ones are tried until one is read back before its time. Its interrupt may have come once for each try.
 */
static uint64_t arm_and_read_back(uint64_t ticks)
{
    uint64_t deadline, armed;

    for (;; ticks *= 2) {
        deadline = rdtsc() + ticks;
        wrmsr(MSR_TSC_DEADLINE, deadline);
        armed = rdmsr(MSR_TSC_DEADLINE);
        if (rdtsc() < deadline || ticks > MOST_TICKS)
            break;
        irq_window();
    }
    CHECK_EQUAL(armed, deadline, "an armed deadline");
    return deadline;
}

static void check_future(void)
{
    uint64_t deadline = arm_and_read_back(5000000);

    irq_log_clear();
    sti_hlt_cli();
    CHECK_EQUAL(irq_log.count, 1, "number of interrupts");
    CHECK(rdtsc() >= deadline, "the interrupt came before its deadline");
    CHECK_DEPARTURE("deadline-cleared", rdmsr(MSR_TSC_DEADLINE) == 0,
                    "the deadline behind its interrupt is %#lx, expected 0", rdmsr(MSR_TSC_DEADLINE));
}

static void check_past_and_zero(void)
{
    uint64_t deadline;

    irq_log_clear();
    wrmsr(MSR_TSC_DEADLINE, rdtsc() - 1);
    CHECK(irq_wait(1), "a deadline in the past raises no interrupt");
    wrmsr(MSR_TSC_DEADLINE, 1);
    CHECK(irq_wait(2), "deadline 1 raises no interrupt");

    deadline = arm_and_read_back(3000000);
    wrmsr(MSR_TSC_DEADLINE, 0);
    if (rdtsc() >= deadline) /* too late to take anything back: its interrupt may be pending */
        irq_window();
    irq_log_clear();
    interrupts_on();
    spin_ticks(10000000);
    interrupts_off();
    CHECK_EQUAL(irq_log.count, 0, "number of interrupts of a deadline that was taken back");
}

/* In this mode the initial count is ignored; leaving the mode disarms the deadline. */
static void check_modes(void)
{
    uint64_t deadline;

    irq_log_clear();
    apic_write(APIC_TIMER_INITIAL, 1000);
    CHECK_EQUAL(apic_read(APIC_TIMER_CURRENT), 0, "the current count in TSC-deadline mode");
    interrupts_on();
    spin_ticks(3000000);
    interrupts_off();
    CHECK_EQUAL(irq_log.count, 0, "number of interrupts of an initial count in TSC-deadline mode");

    deadline = arm_and_read_back(3000000);
    apic_write(APIC_LVT_TIMER, VECTOR_TIMER);
    if (rdtsc() >= deadline)
        irq_window();
    irq_log_clear();
    interrupts_on();
    spin_ticks(10000000);
    interrupts_off();
    CHECK_EQUAL(irq_log.count, 0, "number of interrupts of a deadline whose mode was left");
    CHECK_EQUAL(rdmsr(MSR_TSC_DEADLINE), 0, "the deadline in one-shot mode");
    wrmsr(MSR_TSC_DEADLINE, rdtsc() + 1000);
    CHECK_EQUAL(rdmsr(MSR_TSC_DEADLINE), 0, "a deadline written in one-shot mode");
}

static void check_many(void)
{
    for (uint64_t i = 0; i < 200; i++) {
        irq_log_clear();
        wrmsr(MSR_TSC_DEADLINE, rdtsc() + i * 101);
        sti_hlt_cli();
        if (!CHECK(irq_log.count == 1, "round %lu: %u interrupts", i, irq_log.count))
            return;
    }
}

void micro_main(void)
{
    if (!(cpuid(1, 0).ecx & CPUID_1_ECX_TSC_DEADLINE))
        micro_skip("CPUID does not announce TSC-deadline");
    micro_handle(VECTOR_TIMER, irq_log_apic);
    for (int round = 0; round < 2; round++) {
        if (round == 0)
            apic_enable_xapic();
        else if (!apic_enable_x2apic())
            break;
        apic_write(APIC_LVT_TIMER, APIC_LVT_TSC_DEADLINE | VECTOR_TIMER);
        check_future();
        check_past_and_zero();
        check_many();
        check_modes();
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: the timer of the local APIC wakes a halted CPU, once and periodically, and no wake-up is lost.
 *
 * SDM Vol. 3A 11.5.4 (APIC timer), Vol. 2A "HLT", Vol. 2B "STI" (interrupts stay off for one more instruction).
 */
#include "apic.h"
#include "trap.h"

#define VECTOR_TIMER 0x40

static void arm(uint32_t mode, uint32_t count)
{
    irq_log_clear();
    apic_write(APIC_TIMER_DIVIDE, APIC_TIMER_DIVIDE_BY_1);
    apic_write(APIC_LVT_TIMER, mode | VECTOR_TIMER);
    apic_write(APIC_TIMER_INITIAL, count);
}

static void check_one_shot(void)
{
    uint32_t first, second;

    arm(0, 0xFFFFFFF0u);
    first = apic_read(APIC_TIMER_CURRENT);
    spin_ticks(100000);
    second = apic_read(APIC_TIMER_CURRENT);
    CHECK(second < first, "the timer does not count down: %#x, then %#x", first, second);
    apic_write(APIC_TIMER_INITIAL, 0);
    CHECK_EQUAL(apic_read(APIC_TIMER_CURRENT), 0, "the current count of a stopped timer");

    arm(0, 1000000);
    sti_hlt_cli();
    CHECK_EQUAL(irq_log.count, 1, "number of one-shot interrupts");
    CHECK_EQUAL(apic_read(APIC_TIMER_CURRENT), 0, "the current count behind a one-shot");
    arm(APIC_LVT_MASKED, 1000);
    spin_ticks(1000000);
    irq_window();
    CHECK_EQUAL(irq_log.count, 0, "number of interrupts of a masked timer");
}

/* Counts from very short to longer: the interrupt arrives before STI, between STI and HLT, inside HLT. */
static void check_no_lost_wakeup(void)
{
    for (uint32_t i = 0; i < 300; i++) {
        arm(0, 1 + i * 97);
        sti_hlt_cli();
        if (!CHECK(irq_log.count == 1, "round %u: %u interrupts", i, irq_log.count))
            return;
    }
}

static void check_periodic(void)
{
    arm(APIC_LVT_PERIODIC, 1000000);
    while (irq_log.count < 10)
        sti_hlt_cli();
    apic_write(APIC_LVT_TIMER, APIC_LVT_MASKED);
    apic_write(APIC_TIMER_INITIAL, 0);
    irq_window();
    irq_log_clear();
    spin_ticks(10000000);
    irq_window();
    CHECK_EQUAL(irq_log.count, 0, "number of interrupts of a stopped periodic timer");
}

/* The instruction behind HLT is where the interrupt returns to. */
static void check_return_address(void)
{
    uint64_t behind;

    arm(0, 2000000);
    asm volatile("lea 1f(%%rip), %0; sti; hlt; 1: cli" : "=r"(behind) : : "memory");
    CHECK_EQUAL(irq_log.rip, behind, "return address of the interrupt that ended HLT");
}

static void check_all(void)
{
    micro_step("one-shot%s", apic_in_x2apic() ? " (x2APIC)" : "");
    check_one_shot();
    micro_step("short counts");
    check_no_lost_wakeup();
    micro_step("periodic");
    check_periodic();
    check_return_address();
}

void micro_main(void)
{
    micro_handle(VECTOR_TIMER, irq_log_apic);
    apic_enable_xapic();
    check_all();
    if (apic_enable_x2apic())
        check_all();
}

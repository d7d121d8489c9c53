/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: the local APIC's priorities, destinations and modes, in xAPIC and x2APIC mode.
 *
 * SDM Vol. 3A 11.6 (IPIs), 11.8 (priorities, IRR, ISR, EOI), 11.6.2 (destinations), 11.12 (x2APIC).
 */
#include "apic.h"
#include "trap.h"

#define LOW 0x31
#define MIDDLE 0x51
#define HIGH 0x71

static void self_ipi(uint8_t vector)
{
    apic_send(0, APIC_ICR_SELF | APIC_ICR_ASSERT | vector);
}

static void check_log(const uint8_t *expected, uint32_t count, const char *what)
{
    if (!CHECK(irq_log.count == count, "%s: %u interrupts, expected %u", what, irq_log.count, count))
        return;
    for (uint32_t i = 0; i < count; i++)
        CHECK(irq_log.vectors[i] == expected[i], "%s: interrupt %u is %#x, expected %#x", what, i, irq_log.vectors[i],
              expected[i]);
}

static void check_identity(void)
{
    uint32_t version = apic_read(APIC_VERSION);

    CHECK((version & 0xFF) >= 0x10 && (version & 0xFF) < 0x20, "version register %#x", version);
    CHECK((version >> 16 & 0xFF) >= 3, "%u LVT entries", (version >> 16 & 0xFF) + 1);
    CHECK(rdmsr(MSR_APIC_BASE) & APIC_BASE_BSP, "the only CPU is not the bootstrap processor");
}

/* What arrives while interrupts are off is delivered by priority, once each. */
static void check_order(void)
{
    static const uint8_t expected[] = { HIGH, MIDDLE, LOW };

    irq_log_clear();
    self_ipi(LOW);
    self_ipi(HIGH);
    self_ipi(MIDDLE);
    self_ipi(LOW);
    CHECK(apic_vector_bit(APIC_IRR, LOW) && apic_vector_bit(APIC_IRR, MIDDLE) && apic_vector_bit(APIC_IRR, HIGH),
          "IRR does not hold the three pending vectors");
    CHECK(!apic_vector_bit(APIC_TMR, LOW), "TMR calls an IPI level-triggered");
    irq_wait(3);
    irq_window();
    check_log(expected, 3, "three pending vectors");
    CHECK(!apic_vector_bit(APIC_IRR, LOW) && !apic_vector_bit(APIC_ISR, LOW), "IRR or ISR keep a vector behind EOI");
}

/* Without EOI a vector holds back those of its class and below, not those above. */
static void check_in_service(void)
{
    static const uint8_t first[] = { MIDDLE }, above[] = { MIDDLE, HIGH }, all[] = { MIDDLE, HIGH, LOW };

    irq_log_clear();
    micro_handle(MIDDLE, irq_log_only);
    self_ipi(MIDDLE);
    irq_wait(1);
    CHECK(apic_vector_bit(APIC_ISR, MIDDLE), "ISR lacks the vector in service");
    CHECK_EQUAL(apic_read(APIC_PPR), MIDDLE & 0xF0, "PPR with a vector in service");
    self_ipi(LOW);
    irq_window();
    check_log(first, 1, "a lower vector");
    self_ipi(HIGH);
    irq_window();
    check_log(above, 2, "a higher vector");
    apic_eoi();
    irq_window();
    check_log(all, 3, "the lower vector behind EOI");
    CHECK_EQUAL(apic_read(APIC_PPR), 0, "PPR with nothing in service");
    micro_handle(MIDDLE, irq_log_apic);
}

static void check_task_priority(void)
{
    static const uint8_t expected[] = { HIGH, MIDDLE };

    irq_log_clear();
    apic_write(APIC_TPR, 0x50);
    CHECK_EQUAL(read_cr8(), 5, "CR8 with TPR 50h");
    CHECK_EQUAL(apic_read(APIC_PPR), 0x50, "PPR with TPR 50h");
    self_ipi(MIDDLE);
    self_ipi(HIGH);
    irq_window();
    check_log(expected, 1, "TPR 50h");
    write_cr8(4);
    CHECK_EQUAL(apic_read(APIC_TPR), 0x40, "TPR with CR8 4");
    irq_window();
    check_log(expected, 2, "CR8 4");
    apic_write(APIC_TPR, 0);
}

/* A nested handler ends first. */
static void nesting_handler(struct micro_frame *frame)
{
    irq_log_only(frame);
    self_ipi(HIGH);
    irq_window();
    CHECK_EQUAL(irq_log.count, 2, "number of interrupts inside a handler");
    apic_eoi();
}

static void check_nesting(void)
{
    static const uint8_t expected[] = { LOW, HIGH };

    irq_log_clear();
    micro_handle(LOW, nesting_handler);
    self_ipi(LOW);
    irq_wait(2);
    check_log(expected, 2, "a nested interrupt");
    micro_handle(LOW, irq_log_apic);
}

static void expect_delivery(bool expected, uint32_t destination, uint32_t low, const char *what)
{
    irq_log_clear();
    apic_send(destination, low | APIC_ICR_ASSERT | LOW);
    irq_window();
    CHECK(irq_log.count == (expected ? 1 : 0), "%s: %u interrupts, expected %u", what, irq_log.count,
          expected ? 1u : 0u);
}

static void check_destinations(void)
{
    uint32_t id = apic_id(), logical;

    expect_delivery(true, id, 0, "physical destination");
    expect_delivery(false, id ^ 0x1, 0, "another physical destination");
    expect_delivery(true, apic_in_x2apic() ? 0xFFFFFFFFu : 0xFFu, 0, "physical broadcast");
    expect_delivery(true, 0, APIC_ICR_ALL, "all, self included");
    expect_delivery(false, 0, APIC_ICR_OTHERS, "all but self");
    if (apic_in_x2apic()) {
        logical = (id >> 4) << 16 | 1u << (id & 15);
        if (!CHECK_DEPARTURE("x2apic-ldr", apic_read(APIC_LDR) == logical, "LDR is %#x in x2APIC mode, expected %#x",
                             apic_read(APIC_LDR), logical))
            return;
        expect_delivery(true, logical, APIC_ICR_LOGICAL, "logical destination");
        expect_delivery(true, logical | 0xFFFF, APIC_ICR_LOGICAL, "all of the cluster");
        expect_delivery(false, logical ^ 3, APIC_ICR_LOGICAL, "the neighbour in the cluster");
        expect_delivery(false, logical + 0x10000, APIC_ICR_LOGICAL, "another cluster");
        return;
    }
    apic_write(APIC_DFR, 0xFFFFFFFFu);
    apic_write(APIC_LDR, 0x04000000u);
    expect_delivery(true, 0x04, APIC_ICR_LOGICAL, "flat logical destination");
    expect_delivery(true, 0xFF, APIC_ICR_LOGICAL, "flat logical broadcast");
    expect_delivery(false, 0x03, APIC_ICR_LOGICAL, "other flat logical destinations");
    expect_delivery(true, 0x06, APIC_ICR_LOGICAL | APIC_DELIVERY_LOWEST, "lowest priority");
    apic_write(APIC_DFR, 0x0FFFFFFFu);
    apic_write(APIC_LDR, 0x24000000u);
    expect_delivery(true, 0x2C, APIC_ICR_LOGICAL, "cluster destination");
    expect_delivery(false, 0x14, APIC_ICR_LOGICAL, "another cluster");
    expect_delivery(false, 0x23, APIC_ICR_LOGICAL, "the neighbours in the cluster");
    apic_write(APIC_DFR, 0xFFFFFFFFu);
}

/* Vectors 0–15 are illegal; the error register says so once it has been written. */
static void check_errors(void)
{
    apic_write(APIC_ESR, 0);
    apic_write(APIC_ESR, 0);
    CHECK_EQUAL(apic_read(APIC_ESR), 0, "ESR when cleared twice");
    apic_send(apic_id(), APIC_ICR_ASSERT | 0x05);
    apic_write(APIC_ESR, 0);
    CHECK_DEPARTURE("apic-error", apic_read(APIC_ESR) & (1u << 5 | 1u << 6), "ESR is %#x behind an IPI with vector 5",
                    apic_read(APIC_ESR));
    apic_write(APIC_ESR, 0);
}

static void check_software_disable(void)
{
    apic_write(APIC_LVT_ERROR, 0x60);
    apic_write(APIC_SVR, APIC_SPURIOUS_VECTOR);
    CHECK_DEPARTURE("apic-disable-masks", apic_read(APIC_LVT_ERROR) & APIC_LVT_MASKED,
                    "an LVT entry is not masked by clearing the APIC's software enable");
    apic_write(APIC_SVR, APIC_SVR_ENABLE | APIC_SPURIOUS_VECTOR);
    apic_write(APIC_LVT_ERROR, APIC_LVT_MASKED);
}

static void check_x2apic_rules(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE), value = 0;

    CHECK(base & APIC_BASE_X2APIC, "APIC_BASE does not show x2APIC mode");
    CHECK(!wrmsr_try(0x802, 0), "the APIC ID can be written");
    CHECK(!rdmsr_try(0x80E, &value), "there is a DFR in x2APIC mode");
    CHECK(!rdmsr_try(0x831, &value), "there is a high half of ICR in x2APIC mode");
    CHECK(!rdmsr_try(0x80B, &value), "EOI can be read");
    CHECK(!wrmsr_try(0x80B, 1), "EOI takes 1");
    CHECK(!wrmsr_try(0x808, 0x100), "TPR takes bit 8");
    CHECK(!rdmsr_try(0x8FF, &value), "the reserved MSR 8FFh can be read");
    CHECK(!wrmsr_try(MSR_APIC_BASE, base & ~APIC_BASE_X2APIC), "x2APIC mode can be left for xAPIC mode directly");
    CHECK(!wrmsr_try(MSR_APIC_BASE, base & ~APIC_BASE_ENABLE), "x2APIC mode goes without the enable bit");
    irq_log_clear();
    wrmsr(0x83F, MIDDLE);
    irq_window();
    CHECK(irq_log.count == 1 && irq_log.vectors[0] == MIDDLE, "SELF IPI delivers nothing");
}

static void check_all(void)
{
    micro_step("%s", apic_in_x2apic() ? "x2APIC" : "xAPIC");
    check_identity();
    check_order();
    check_in_service();
    check_task_priority();
    check_nesting();
    check_destinations();
    check_errors();
    check_software_disable();
}

void micro_main(void)
{
    micro_handle(LOW, irq_log_apic);
    micro_handle(MIDDLE, irq_log_apic);
    micro_handle(HIGH, irq_log_apic);
    apic_enable_xapic();
    check_all();
    if (!apic_enable_x2apic()) {
        micro_printf("micro: apic has no x2APIC to try\n");
        return;
    }
    check_all();
    check_x2apic_rules();
    apic_enable_xapic();
    if (CHECK_DEPARTURE("apic-enabled-again", apic_read(APIC_VERSION) != 0xFFFFFFFFu,
                        "the APIC page is dead behind x2APIC mode, \"disabled\" and xAPIC mode"))
        check_order();
}

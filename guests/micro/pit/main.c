/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: the 8254's channel 0 through the 8259s (virtual wire) and through the IOAPIC; counting, latching, channel 2.
 *
 * Intel 8254 and 8259A data sheets, 82093AA (IOAPIC), MultiProcessor Specification 1.4 §3.6.2.2 (virtual wire mode).
 * IRQ 0 is IOAPIC pin 2, as ACPI's interrupt source override has it on every PC.
 */
#include "apic.h"
#include "pc.h"
#include "trap.h"

#define VECTOR_PIN 0x52
#define PIN_TIMER 2
#define HZ_1000 (PIT_HZ / 1000)
#define ALL_MASKED 0xFFFF
#define ONLY_IRQ0 0xFFFE
#define PORT_SPEAKER 0x61
#define MOST_TICKS 6000000000ull

/* A request that is gone when the CPU asks for its vector comes as IRQ 7, without a bit in service: no EOI. */
static void spurious_handler(struct micro_frame *frame)
{
    (void)frame;
    CHECK(!(pic_in_service() & 0x80), "IRQ 7 is in service although nothing is wired to it");
}

/* Now and then QEMU asks for a vector although LINT0 was masked meanwhile, gets -2, and raises #GP for it. */
static void no_vector_handler(struct micro_frame *frame)
{
    CHECK_DEPARTURE("lint0-race", false, "#GP with the error code %#lx behind the masking of LINT0", frame->error);
}

static void check_interrupts(const char *what)
{
    irq_log_clear();
    pit_start(0, 2, HZ_1000);
    while (irq_log.count < 10)
        sti_hlt_cli();
    micro_step("%s: rate generator", what);

    outb(PIT_COMMAND, 0x30); /* channel 0 to mode 0: it stands still until it has a count */
    interrupts_on();
    spin_ticks(2000000); /* what is still on its way */
    interrupts_off();
    irq_log_clear();
    pit_start(0, 0, HZ_1000);
    while (irq_log.count < 1)
        sti_hlt_cli();
    interrupts_on();
    spin_ticks(20000000);
    interrupts_off();
    CHECK(irq_log.count == 1, "%s: mode 0 gives %u interrupts", what, irq_log.count);
    micro_step("%s: one-shot", what);
}

/* On a machine that is shared, a tick may be late. */
static bool wait_for_request(void)
{
    uint64_t start = rdtsc();

    while (rdtsc() - start < MOST_TICKS) {
        if (pic_requests() & 1)
            return true;
    }
    return false;
}

static void check_virtual_wire(void)
{
    pic_enable(ONLY_IRQ0);
    apic_write(APIC_LVT_LINT0, APIC_DELIVERY_EXTINT);
    check_interrupts("8259");

    /* masked at the 8259 the request waits; without EOI the next one does */
    pic_set_mask(ALL_MASKED);
    irq_window();
    irq_log_clear();
    pit_start(0, 2, HZ_1000);
    CHECK(wait_for_request(), "the 8259's IRR lacks IRQ 0");
    irq_window();
    CHECK_EQUAL(irq_log.count, 0, "number of interrupts through a masked 8259");
    micro_handle(PIC_VECTOR, irq_log_only);
    pic_set_mask(ONLY_IRQ0);
    irq_wait(1);
    CHECK(pic_in_service() & 1, "the 8259's ISR lacks IRQ 0");
    interrupts_on();
    spin_ticks(20000000);
    interrupts_off();
    CHECK_EQUAL(irq_log.count, 1, "number of interrupts before EOI");
    pic_eoi(PIC_VECTOR);
    CHECK(irq_wait(2), "no interrupt behind EOI");
    pic_eoi(PIC_VECTOR);
    micro_handle(PIC_VECTOR, irq_log_pic);

    /* masked at LINT0 */
    micro_handle(VECTOR_GP, no_vector_handler);
    apic_write(APIC_LVT_LINT0, APIC_DELIVERY_EXTINT | APIC_LVT_MASKED);
    irq_log_clear();
    interrupts_on();
    spin_ticks(20000000);
    interrupts_off();
    micro_handle(VECTOR_GP, NULL);
    CHECK_DEPARTURE("lint0-mask", irq_log.count == 0, "%u interrupts through a masked LINT0", irq_log.count);
    pic_set_mask(ALL_MASKED);
}

static void check_ioapic(void)
{
    ioapic_mask_all();
    ioapic_route(PIN_TIMER, VECTOR_PIN, (uint8_t)apic_id());
    CHECK_EQUAL(ioapic_read(0x10 + 2 * PIN_TIMER) & 0x1FFFF, VECTOR_PIN, "the pin's redirection entry");
    check_interrupts("IOAPIC");
    ioapic_mask_all();
}

/* A count of channel 2 takes 55 ms, for which a machine that is shared may stand still once, but not each time. */
static bool output_begins_low(void)
{
    for (unsigned i = 0; i < 20; i++) {
        pit_start(2, 0, 0);
        if (!(inb(PORT_SPEAKER) & 0x20))
            return true;
    }
    return false;
}

static void check_counting(void)
{
    uint16_t first, second;
    uint8_t status;

    pit_start(0, 2, 0);
    first = pit_read(0);
    spin_ticks(300000);
    second = pit_read(0);
    CHECK(first != second, "channel 0 does not count: %#x twice", first);

    outb(PIT_COMMAND, 0xC2); /* read-back: count and status of channel 0 */
    status = inb(PIT_CHANNEL0);
    CHECK_EQUAL(status & 0x3F, 0x34, "status of channel 0 in mode 2");
    (void)inb(PIT_CHANNEL0);
    (void)inb(PIT_CHANNEL0);

    /* channel 2: gate and output are bits 0 and 5 of port 61h */
    outb(PORT_SPEAKER, (uint8_t)((inb(PORT_SPEAKER) & ~3) | 1));
    CHECK(output_begins_low(), "channel 2's output is high before its count ends");
    for (unsigned i = 0; i < 10000000 && !(inb(PORT_SPEAKER) & 0x20); i++)
        cpu_pause();
    CHECK(inb(PORT_SPEAKER) & 0x20, "channel 2's output never goes high");
}

void micro_main(void)
{
    apic_enable_xapic();
    ioapic_mask_all();
    micro_handle(PIC_VECTOR, irq_log_pic);
    micro_handle(PIC_VECTOR + 7, spurious_handler);
    micro_handle(VECTOR_PIN, irq_log_apic);
    check_counting();
    check_virtual_wire();
    check_ioapic();
}

/* SPDX-License-Identifier: Apache-2.0 */
/* pc.c: the PC's old devices by their ports. Data sheets: Intel 8259A, 8254, 82093AA; NS16550A; MC146818. */
#include "pc.h"

#define PIC1_COMMAND 0x20u
#define PIC1_DATA 0x21u
#define PIC2_COMMAND 0xA0u
#define PIC2_DATA 0xA1u
#define PIC_EOI 0x20u
#define PIC_READ_IRR 0x0Au
#define PIC_READ_ISR 0x0Bu

#define UART_THR_EMPTY 0x20u

void serial_init(void)
{
    outb(COM1 + 1, 0x00); /* no interrupts */
    outb(COM1 + 3, 0x80);
    outb(COM1 + 0, 0x01); /* 115,200 baud */
    outb(COM1 + 1, 0x00);
    outb(COM1 + 3, 0x03); /* 8N1 */
    outb(COM1 + 2, 0x07); /* FIFOs on and empty */
    outb(COM1 + 4, 0x03);
}

void serial_put(char byte)
{
    for (unsigned i = 0; i < 1000000 && !(inb(COM1 + 5) & UART_THR_EMPTY); i++)
        cpu_pause();
    outb(COM1, (uint8_t)byte);
}

void pic_set_mask(uint16_t mask)
{
    outb(PIC1_DATA, (uint8_t)mask);
    outb(PIC2_DATA, (uint8_t)(mask >> 8));
}

void pic_enable(uint16_t mask)
{
    outb(PIC1_COMMAND, 0x11); /* ICW1: edge, cascade, ICW4 follows */
    outb(PIC2_COMMAND, 0x11);
    outb(PIC1_DATA, PIC_VECTOR);
    outb(PIC2_DATA, PIC_VECTOR + 8);
    outb(PIC1_DATA, 0x04); /* slave on IRQ 2 */
    outb(PIC2_DATA, 0x02);
    outb(PIC1_DATA, 0x01); /* 8086 mode, normal EOI */
    outb(PIC2_DATA, 0x01);
    pic_set_mask(mask);
}

static uint16_t pic_read(uint8_t which)
{
    outb(PIC1_COMMAND, which);
    outb(PIC2_COMMAND, which);
    return (uint16_t)(inb(PIC1_COMMAND) | inb(PIC2_COMMAND) << 8);
}

uint16_t pic_in_service(void)
{
    return pic_read(PIC_READ_ISR);
}

uint16_t pic_requests(void)
{
    return pic_read(PIC_READ_IRR);
}

void pic_eoi(uint8_t vector)
{
    if (vector >= PIC_VECTOR + 8)
        outb(PIC2_COMMAND, PIC_EOI);
    outb(PIC1_COMMAND, PIC_EOI);
}

void pit_start(uint8_t channel, uint8_t mode, uint16_t count)
{
    uint16_t port = (uint16_t)(PIT_CHANNEL0 + channel);

    outb(PIT_COMMAND, (uint8_t)(channel << 6 | 0x30 | mode << 1));
    outb(port, (uint8_t)count);
    outb(port, (uint8_t)(count >> 8));
}

uint16_t pit_read(uint8_t channel)
{
    uint16_t port = (uint16_t)(PIT_CHANNEL0 + channel);
    uint8_t low;

    outb(PIT_COMMAND, (uint8_t)(channel << 6)); /* latch */
    low = inb(port);
    return (uint16_t)(low | inb(port) << 8);
}

uint8_t rtc_read(uint8_t index)
{
    outb(RTC_INDEX, index);
    return inb(RTC_DATA);
}

void rtc_write(uint8_t index, uint8_t value)
{
    outb(RTC_INDEX, index);
    outb(RTC_DATA, value);
}

uint32_t ioapic_read(uint8_t index)
{
    *(volatile uint32_t *)IOAPIC_PAGE = index;
    return *(volatile uint32_t *)IOAPIC_DATA;
}

void ioapic_write(uint8_t index, uint32_t value)
{
    *(volatile uint32_t *)IOAPIC_PAGE = index;
    *(volatile uint32_t *)IOAPIC_DATA = value;
}

void ioapic_route(uint8_t pin, uint32_t low, uint8_t destination)
{
    uint8_t entry = (uint8_t)(0x10 + 2 * pin);

    ioapic_write(entry, IOAPIC_MASKED);
    ioapic_write((uint8_t)(entry + 1), (uint32_t)destination << 24);
    ioapic_write(entry, low);
}

void ioapic_mask_all(void)
{
    uint8_t last = (uint8_t)(ioapic_read(1) >> 16);

    for (uint8_t pin = 0; pin <= last && pin < 64; pin++)
        ioapic_write((uint8_t)(0x10 + 2 * pin), IOAPIC_MASKED);
}

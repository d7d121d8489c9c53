/* SPDX-License-Identifier: Apache-2.0 */
/* pc.h: the devices that every PC has: 16550, 8259, 8254, RTC, IOAPIC. */
#ifndef MICRO_PC_H
#define MICRO_PC_H

#include "cpu.h"

#define COM1 0x3F8u
#define COM1_SCRATCH (COM1 + 7)
#define PORT_DEBUG_EXIT 0xF4u
#define PORT_ABSENT 0x5F0u /* nothing answers in 0x5F0–0x5FF of any machine that we boot on */
#define PIC_VECTOR 0x20u   /* where pic_enable() puts IRQ 0–15 */

#define PIT_CHANNEL0 0x40u
#define PIT_CHANNEL2 0x42u
#define PIT_COMMAND 0x43u
#define PIT_HZ 1193182u

#define RTC_INDEX 0x70u
#define RTC_DATA 0x71u

#define IOAPIC_PAGE 0xFEC00000ull
#define IOAPIC_DATA (IOAPIC_PAGE + 0x10)
#define IOAPIC_MASKED (1u << 16)
#define IOAPIC_LEVEL (1u << 15)
#define IOAPIC_REMOTE (1u << 14)
#define IOAPIC_LOGICAL (1u << 11)

/* Initialise both 8259s with IRQ 0–15 at PIC_VECTOR, `mask` (bit = IRQ, 1 = masked) as their masks. */
void pic_enable(uint16_t mask);
void pic_set_mask(uint16_t mask);
/* In-service or request register of both, bit = IRQ. */
uint16_t pic_in_service(void);
uint16_t pic_requests(void);
/* Non-specific EOI for an interrupt with `vector` in PIC_VECTOR + 0–15. */
void pic_eoi(uint8_t vector);

/* Start 8254 channel 0 or 2 in `mode` with `count` (0 = 65,536); read its latched count. */
void pit_start(uint8_t channel, uint8_t mode, uint16_t count);
uint16_t pit_read(uint8_t channel);

uint8_t rtc_read(uint8_t index);
void rtc_write(uint8_t index, uint8_t value);

uint32_t ioapic_read(uint8_t index);
void ioapic_write(uint8_t index, uint32_t value);
/* Write redirection entry `pin`: `low` is its low half, `destination` an APIC ID or logical mask. */
void ioapic_route(uint8_t pin, uint32_t low, uint8_t destination);
void ioapic_mask_all(void);

/* Send one byte to COM1, waiting for its holding register (for a bounded time). */
void serial_put(char byte);
void serial_init(void);

#endif

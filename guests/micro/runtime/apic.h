/* SPDX-License-Identifier: Apache-2.0 */
/* apic.h: the local APIC in either mode, by the register offsets of the xAPIC page (SDM Vol. 3A 11.4.1, 11.12.1). */
#ifndef MICRO_APIC_H
#define MICRO_APIC_H

#include "cpu.h"

#define APIC_PAGE 0xFEE00000ull

#define APIC_BASE_BSP (1ull << 8)
#define APIC_BASE_X2APIC (1ull << 10)
#define APIC_BASE_ENABLE (1ull << 11)

enum apic_register {
    APIC_ID = 0x20,
    APIC_VERSION = 0x30,
    APIC_TPR = 0x80,
    APIC_PPR = 0xA0,
    APIC_EOI = 0xB0,
    APIC_LDR = 0xD0,
    APIC_DFR = 0xE0,
    APIC_SVR = 0xF0,
    APIC_ISR = 0x100,
    APIC_TMR = 0x180,
    APIC_IRR = 0x200,
    APIC_ESR = 0x280,
    APIC_ICR = 0x300,
    APIC_ICR_HIGH = 0x310,
    APIC_LVT_TIMER = 0x320,
    APIC_LVT_LINT0 = 0x350,
    APIC_LVT_LINT1 = 0x360,
    APIC_LVT_ERROR = 0x370,
    APIC_TIMER_INITIAL = 0x380,
    APIC_TIMER_CURRENT = 0x390,
    APIC_TIMER_DIVIDE = 0x3E0,
    APIC_SELF_IPI = 0x3F0, /* x2APIC only */
};

#define APIC_SVR_ENABLE (1u << 8)
#define APIC_LVT_MASKED (1u << 16)
#define APIC_LVT_PERIODIC (1u << 17)
#define APIC_LVT_TSC_DEADLINE (2u << 17)
#define APIC_DELIVERY_FIXED (0u << 8)
#define APIC_DELIVERY_LOWEST (1u << 8)
#define APIC_DELIVERY_NMI (4u << 8)
#define APIC_DELIVERY_EXTINT (7u << 8)
#define APIC_ICR_LOGICAL (1u << 11)
#define APIC_ICR_BUSY (1u << 12)
#define APIC_ICR_ASSERT (1u << 14)
#define APIC_ICR_SELF (1u << 18)
#define APIC_ICR_ALL (2u << 18)
#define APIC_ICR_OTHERS (3u << 18)
#define APIC_TIMER_DIVIDE_BY_1 0xBu
#define APIC_TIMER_DIVIDE_BY_16 0x3u
#define APIC_SPURIOUS_VECTOR 0xFFu

/* Enable the APIC in xAPIC mode, every LVT entry masked, TPR 0. May be called in any mode. */
void apic_enable_xapic(void);
/* The same in x2APIC mode; false where CPUID does not announce it. */
bool apic_enable_x2apic(void);
bool apic_in_x2apic(void);

uint32_t apic_read(enum apic_register offset);
void apic_write(enum apic_register offset, uint32_t value);
void apic_eoi(void);

/* This CPU's APIC ID, as the current mode writes it into a destination field. */
uint32_t apic_id(void);

/* Send an IPI: `low` is the low half of ICR; waits until an xAPIC says that it is delivered. */
void apic_send(uint32_t destination, uint32_t low);

/* The bit of `vector` in one of the three 256-bit registers APIC_ISR, APIC_TMR, APIC_IRR. */
bool apic_vector_bit(enum apic_register bank, uint8_t vector);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* apic_table.h: the bits in a local APIC's registers, the physical one's as well as the virtual one's: SDM Vol. 3A 11;
 * and the IOAPIC's.
 * The registers themselves are in abi/vlapic_state.h.
 */
#ifndef CL_KERNEL_APIC_TABLE_H
#define CL_KERNEL_APIC_TABLE_H

#include <stdint.h>

/* Host vectors. Devices get the rest from VECTOR_DEVICE_FIRST. */
#define VECTOR_DEVICE_FIRST 0x40
#define VECTOR_DEVICE_LAST 0xdf
#define VECTOR_TIMER 0xe0
#define VECTOR_KICK 0xe1
#define VECTOR_SPURIOUS 0xff

/* 11.4.4, figure 11-5 */
#define VLAPIC_BASE_DEFAULT UINT64_C(0xFEE00000)
#define VLAPIC_BASE_BSP (UINT64_C(1) << 8)
#define VLAPIC_BASE_X2APIC (UINT64_C(1) << 10)
#define VLAPIC_BASE_ENABLE (UINT64_C(1) << 11)

/* 11.5.1, figure 11-8 */
#define LVT_DELIVERY(lvt) (((lvt) >> 8) & 7)
#define LVT_PENDING (1u << 12)    /* delivery status: read-only */
#define LVT_REMOTE_IRR (1u << 14) /* read-only */
#define LVT_MASKED (1u << 16)
#define LVT_TIMER_MODE(mode) ((mode) << 17)
enum timer_mode { TIMER_ONE_SHOT = 0, TIMER_PERIODIC = 1, TIMER_DEADLINE = 2, TIMER_RESERVED = 3 };

/* 11.5.4, figure 11-10 */
#define DIVIDE_BY_1 0xBu

/* 11.6.1, figure 11-12 */
enum vlapic_delivery { /* of LVT, ICR and MSI alike */
                       VLAPIC_FIXED = 0,
                       VLAPIC_LOWEST_PRIORITY = 1,
                       VLAPIC_SMI = 2,
                       VLAPIC_NMI = 4,
                       VLAPIC_INIT = 5,
                       VLAPIC_SIPI = 6,
                       VLAPIC_EXTINT = 7,
};

enum vlapic_shorthand { VLAPIC_TO_DESTINATION = 0, VLAPIC_TO_SELF = 1, VLAPIC_TO_ALL = 2, VLAPIC_TO_OTHERS = 3 };
#define ICR_DELIVERY(mode) ((mode) << 8)
#define ICR_PENDING (1u << 12)
#define ICR_ASSERT (1u << 14)

/* 11.9, figure 11-23 */
#define SVR_ENABLE (1u << 8)

/* 11.5.3, figure 11-9 */
#define ESR_SEND_ILLEGAL (1u << 5)
#define ESR_RECEIVE_ILLEGAL (1u << 6)
#define ESR_ILLEGAL_REGISTER (1u << 7)
#define ESR_ALL 0xE0u
#define FIRST_LEGAL_VECTOR 16

/* 11.6.2.2 */
#define DFR_FLAT UINT32_MAX

/* 11.4.8: integrated APIC; the last LVT entry is number 5; no EOI broadcast suppression */
#define APIC_VERSION 0x00050014u

/* The IOAPIC: 82093AA datasheet 3.1, 3.2.4. The other bits of an entry are enum boot_pin's. */
#define IOREGSEL 0
#define IOWIN 4 /* in 32-bit words */
#define IOAPIC_REDIRECTION(pin) (0x10 + 2 * (pin))
#define IOAPIC_MASKED (1u << 16)

#endif

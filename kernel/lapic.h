/* SPDX-License-Identifier: Apache-2.0 */
/* lapic.h: the physical local APIC: end of interrupt, IPIs, the one-shot timer (SDM Vol. 3A ch. 11). */
#ifndef CL_KERNEL_LAPIC_H
#define CL_KERNEL_LAPIC_H

#include "kernel/types.h"

/* Host vectors. Devices get the rest from VECTOR_DEVICE_FIRST. */
#define VECTOR_DEVICE_FIRST 0x40
#define VECTOR_DEVICE_LAST 0xdf
#define VECTOR_TIMER 0xe0
#define VECTOR_KICK 0xe1
#define VECTOR_SPURIOUS 0xff

/* Map the registers and choose x2APIC where the CPU has it. Boot CPU, once. */
void lapic_probe(uint64_t base);
/* Enable this CPU's, everything masked, firmware's timer stopped. */
void lapic_enable(void);
/* Ticks of the timer per TSC tick; needs tsc_hz. Boot CPU. */
void lapic_calibrate(void);

uint32_t lapic_id(void);
void lapic_eoi(void);
void lapic_ipi(uint32_t apic_id, uint8_t vector);
void lapic_nmi(uint32_t apic_id);
void lapic_init_ipi(uint32_t apic_id);
void lapic_startup_ipi(uint32_t apic_id, uint8_t page);

/* Interrupt at `deadline_tsc` (now, if it has passed); ~0 stops the timer. */
void lapic_timer(uint64_t deadline_tsc);

bool lapic_has_x2apic(void);
bool lapic_has_tsc_deadline(void);

#endif

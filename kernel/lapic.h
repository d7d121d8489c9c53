/* SPDX-License-Identifier: Apache-2.0 */
/* lapic.h: the physical local APIC: end of interrupt, IPIs, the one-shot timer (SDM Vol. 3A ch. 11). */
#ifndef CL_KERNEL_LAPIC_H
#define CL_KERNEL_LAPIC_H

#include "abi/boot_info.h"
#include "kernel/apic_table.h"
#include "kernel/types.h"

/* Map the registers, or choose x2APIC where the CPU has it. Boot CPU, once. */
void lapic_probe(const struct boot_info *boot);
/* Enable this CPU's, everything masked, firmware's timer stopped. */
void lapic_enable(void);

void lapic_eoi(void);
/* Send the low half of an interrupt command, asserted: a vector, or ICR_DELIVERY(). */
void lapic_ipi(uint32_t apic_id, uint32_t command);

/* Interrupt at `deadline_tsc` (now, if it has passed); ~0 stops the timer. */
void lapic_timer(uint64_t deadline_tsc);

#endif

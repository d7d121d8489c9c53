/* SPDX-License-Identifier: Apache-2.0 */
/* lapic.h: the physical local APIC: end of interrupt, IPIs, the one-shot timer (SDM Vol. 3A ch. 11). */
#ifndef CL_KERNEL_LAPIC_H
#define CL_KERNEL_LAPIC_H

#include "abi/boot_info.h"
#include "kernel/apic_table.h"
#include "kernel/types.h"

/* Map the registers, or choose x2APIC where the CPU has it. Boot CPU, once. */
void lapic_probe(const struct boot_info *boot);
/* An interrupt may get lost on this machine (an emulator's fault, svm/probe.c): the timer repeats itself, and looks after
 * whatever else waits, LAPIC_REPEAT_HZ times a second at least. Boot CPU, before the first lapic_enable(). */
#define LAPIC_REPEAT_HZ 100u
void lapic_repeat_timer(void);
/* Enable this CPU's, everything masked, firmware's timer stopped. */
void lapic_enable(void);

void lapic_eoi(void);
/* Send the low half of an interrupt command, asserted: a vector, or ICR_DELIVERY(). */
void lapic_ipi(uint32_t apic_id, uint32_t command);

/* Interrupt at `deadline_tsc` (now, if it has passed). It may fire early. */
void lapic_timer(uint64_t deadline_tsc);
/* Its interrupt has come, and no other deadline is set yet. */
void lapic_timer_fired(void);

#endif

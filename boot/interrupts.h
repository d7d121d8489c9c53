/* SPDX-License-Identifier: Apache-2.0 */
/* interrupts.h: quiet before the kernel, and the local APIC as far as it takes to start CPUs. After boot services. */
#ifndef CL_BOOT_INTERRUPTS_H
#define CL_BOOT_INTERRUPTS_H

#include <stdint.h>

#include "abi/boot_info.h"

#define IPI_INIT 0x4500u    /* SDM Vol. 3A figure 11-12: level asserted, delivery mode INIT */
#define IPI_STARTUP 0x4600u /* ... and start-up; the low byte is the page */

/* Mask the 8259 pair and every pin of every IOAPIC, counting the pins; an IOAPIC that is not there leaves `info`. */
void interrupts_mask(struct boot_info *info);

/* Switch this CPU's local APIC on, as x2APIC where the CPU has it, with the firmware's timer stopped; measure how fast
 * the timer counts (0: not at all).
 */
void lapic_begin(struct boot_info *info);

/* Send `command`, the low half of the interrupt command register, to a CPU. */
void lapic_send(uint32_t apic_id, uint32_t command);

/* Start every other CPU of `info`, one after the other, on the page tables of `info`, and have their TSCs agree with this
 * one's; those that do not come within half a second, or whose TSC cannot be set, leave `info`. `trampoline` is a free page
 * below 1 MiB.
 */
void cpus_start(struct boot_info *info, uint64_t trampoline);

#endif

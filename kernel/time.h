/* SPDX-License-Identifier: Apache-2.0 */
/* time.h: the TSC's frequency, measured, and conversions. */
#ifndef CL_KERNEL_TIME_H
#define CL_KERNEL_TIME_H

#include "kernel/types.h"

extern uint64_t tsc_hz;

/* Measure the TSC against the ACPI PM timer at `pm_timer_port`, or the 8254 when there is none. CPUID 15h and 16h are
 * not believed: emulators tell stories there. Boot CPU, interrupts off; takes about 10 ms. */
void time_calibrate(uint16_t pm_timer_port);

uint64_t time_from_ns(uint64_t ns);

#endif

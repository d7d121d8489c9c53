/* SPDX-License-Identifier: Apache-2.0 */
/* time.h: the TSC's frequency, measured, and waiting by it. */
#ifndef CL_BOOT_TIME_H
#define CL_BOOT_TIME_H

#include <stdint.h>

#include "boot/text.h"

/* A counter read together with the TSC. */
struct time_sample {
    uint32_t counter;
    uint64_t tsc;
};

/* Read the counter at `read(where)` and the TSC at that moment: of several tries the shortest, because firmware, or a
 * machine that emulates this one, may take the CPU away in between.
 */
struct time_sample time_sample(uint32_t (*read)(uint64_t where), uint64_t where);

/* Measure the TSC against the ACPI PM timer at `pm_timer_port` (0: none), or the 8254 when there is none that counts.
 * CPUID 15h and 16h are not believed: emulators tell stories there. Takes about 10 ms, interrupts off. CL_UNSUPPORTED
 * with a sentence: neither counts.
 */
CL_MUST_CHECK enum cl_status time_measure_tsc(uint16_t pm_timer_port, uint64_t *tsc_hz);

/* Turn in a loop for `us` microseconds. */
void time_wait_us(uint64_t tsc_hz, uint64_t us);

#endif

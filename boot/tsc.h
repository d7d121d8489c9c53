/* SPDX-License-Identifier: Apache-2.0 */
/* tsc.h: one time for all CPUs: guests' vCPUs move between them, and must not see the TSC go back. */
#ifndef CL_BOOT_TSC_H
#define CL_BOOT_TSC_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/boot_info.h"

/* Compare the TSC of the CPU that waits at `place` (boot/trampoline.asm) with this CPU's, and set it where they differ by more
 * than the way from one to the other and back can hide: with MSR `msr`, IA32_TSC_ADJUST or, where there is none, the TSC
 * itself (SDM Vol. 3B 18.17.3). `*ahead`: by how many ticks it was ahead, 0 if they agreed. False: it cannot be set, or the CPU
 * has not answered for `patience` ticks; it must not be used.
 */
bool tsc_align(volatile struct boot_start *place, uint32_t msr, uint64_t patience, int64_t *ahead);

#endif

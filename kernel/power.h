/* SPDX-License-Identifier: Apache-2.0 */
/* power.h: the end: through the firmware's runtime services, on their own page table, on one CPU. */
#ifndef CL_KERNEL_POWER_H
#define CL_KERNEL_POWER_H

#include "abi/boot_info.h"

/* Add the kernel half, stacks included, to the loader's tables, on which the firmware is called in the end. Boot. */
void power_prepare(const struct boot_info *boot);

void power_off(void) __attribute__((noreturn));
void power_reset(void) __attribute__((noreturn));

#endif

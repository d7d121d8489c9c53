/* SPDX-License-Identifier: Apache-2.0 */
/* time.h: the TSC's frequency, and conversions. */
#ifndef CL_KERNEL_TIME_H
#define CL_KERNEL_TIME_H

#include "kernel/types.h"

extern uint64_t tsc_hz; /* measured by the loader */

uint64_t time_from_ns(uint64_t ns);

#endif

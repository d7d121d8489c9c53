/* SPDX-License-Identifier: Apache-2.0 */
/* rtc.h: the real-time clock and its battery-backed memory. */
#ifndef CL_VMM_RTC_H
#define CL_VMM_RTC_H

#include "vmm/machine.h"

enum cl_status rtc_add(struct machine *machine) CL_MUST_CHECK;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* pit8254.h: the interval timer, and port 61h, which gates and reads its channel 2. */
#ifndef CL_VMM_PIT8254_H
#define CL_VMM_PIT8254_H

#include "vmm/machine.h"

#define PIT_HZ 1193182u

enum cl_status pit8254_add(struct machine *machine) CL_MUST_CHECK;

#endif

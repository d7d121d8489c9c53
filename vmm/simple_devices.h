/* SPDX-License-Identifier: Apache-2.0 */
/* simple_devices.h: ports with next to no state: debug-exit, pvpanic, the keyboard controller's reset line. */
#ifndef CL_VMM_SIMPLE_DEVICES_H
#define CL_VMM_SIMPLE_DEVICES_H

#include "vmm/machine.h"

enum cl_status debug_exit_add(struct machine *machine) CL_MUST_CHECK;
enum cl_status pvpanic_add(struct machine *machine) CL_MUST_CHECK;
enum cl_status i8042_add(struct machine *machine) CL_MUST_CHECK;
enum cl_status delay_ports_add(struct machine *machine) CL_MUST_CHECK;

#endif

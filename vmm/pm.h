/* SPDX-License-Identifier: Apache-2.0 */
/* pm.h: ACPI power management: the PM1 block, the PM timer, the power button and the reset register. */
#ifndef CL_VMM_PM_H
#define CL_VMM_PM_H

#include "vmm/machine.h"

/* Register offsets in the block at PLATFORM_PORT_PM, as the FADT gives them. */
#define PM_EVENT 0u
#define PM_CONTROL 4u
#define PM_TIMER 8u
#define PM_LENGTH 12u
#define PM_SLEEP_S5 5u       /* SLP_TYP of \_S5 */
#define PM_RESET_VALUE 0x06u /* written to the reset register */

enum cl_status pm_add(struct machine *machine) CL_MUST_CHECK;

/* Press the power button. Not a step of an exit. */
void pm_power_button(struct device *device, struct capsule_tx *tx);

#endif

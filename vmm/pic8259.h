/* SPDX-License-Identifier: Apache-2.0 */
/* pic8259.h: the pair of interrupt controllers of a PC. */
#ifndef CL_VMM_PIC8259_H
#define CL_VMM_PIC8259_H

#include "vmm/machine.h"

enum cl_status pic8259_add(struct machine *machine) CL_MUST_CHECK;

/* Level of input `irq`, 0 to 15 but 2. */
void pic8259_line_set(struct device *device, struct capsule_tx *tx, unsigned irq, bool level);

/* The interrupt acknowledge cycle: the vector to inject; spurious interrupts give that of input 7. A step of the exit
 * that `tx` has begun. */
uint8_t pic8259_acknowledge(struct device *device, struct capsule_tx *tx);

#endif

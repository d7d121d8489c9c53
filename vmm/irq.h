/* SPDX-License-Identifier: Apache-2.0 */
/* irq.h: interrupt lines between devices and the two kinds of controllers. */
#ifndef CL_VMM_IRQ_H
#define CL_VMM_IRQ_H

#include "vmm/machine.h"

#define IRQ_LINES 24

enum cl_status irq_add(struct machine *machine) CL_MUST_CHECK;

/* Set what `device` contributes to line `irq`: 0 to 15 are ISA interrupts (8259 and IOAPIC; 0 is IOAPIC pin 2), 16 to
 * 23 IOAPIC pins only. A line is high while any device holds it. Called from derive(), under the device's lock; may be
 * repeated. A pulse is a call with false, then one with true. */
void irq_line_set(struct device *device, struct capsule_tx *tx, unsigned irq, bool level);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* ioapic.h: 24 interrupt inputs, each a message to the local APICs. */
#ifndef CL_VMM_IOAPIC_H
#define CL_VMM_IOAPIC_H

#include "vmm/machine.h"

enum cl_status ioapic_add(struct machine *machine) CL_MUST_CHECK;

/* Level of pin 0 to 23. */
void ioapic_line_set(struct device *device, struct capsule_tx *tx, unsigned pin, bool level);

/* Local APICs have seen the EOI of these level vectors: bit v % 64 of vectors[v / 64]. Lines that are still high ask
 * again. Not a step of an exit. */
void ioapic_eoi(struct device *device, struct capsule_tx *tx, const uint64_t vectors[4]);

#endif

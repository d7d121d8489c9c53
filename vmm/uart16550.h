/* SPDX-License-Identifier: Apache-2.0 */
/* uart16550.h: a serial port whose other end is the console service. */
#ifndef CL_VMM_UART16550_H
#define CL_VMM_UART16550_H

#include "vmm/machine.h"

/* Add COM1 (port 3F8h, interrupt 4). */
enum cl_status uart16550_add(struct machine *machine) CL_MUST_CHECK;

/* Bytes arrive from outside. Returns how many the receive FIFO took; the rest is to be offered again later. Not a step
 * of an exit. */
size_t uart16550_receive(struct device *device, struct capsule_tx *tx, const uint8_t *bytes, size_t length);

/* The outside may take bytes again that it refused before. */
void uart16550_drain(struct device *device, struct capsule_tx *tx);

#endif

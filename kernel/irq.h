/* SPDX-License-Identifier: Apache-2.0 */
/* irq.h: physical interrupts: an IOAPIC pin routed to a vector, bound to a notification bit. */
#ifndef CL_KERNEL_IRQ_H
#define CL_KERNEL_IRQ_H

#include "abi/boot_info.h"
#include "kernel/object.h"

struct notification;

struct irq {
    struct object object;
    uint32_t gsi;                /* [o] */
    uint32_t entry;              /* [o] low half of its redirection entry, unmasked */
    struct notification *target; /* [o] holds a reference */
    uint64_t bit;                /* [o] */
};

/* Map the IOAPICs, whose pins the loader has masked. Boot. */
void irq_probe(const struct boot_info *boot);

/* Bind the global system interrupt `gsi` (or ISA interrupt, by the firmware's overrides) to a bit. Structure lock.
 * CL_OCCUPIED, CL_LIMIT (no vector), CL_NOT_FOUND (no such pin). */
enum cl_status irq_create(struct account *account, uint32_t gsi, struct notification *target, unsigned bit,
                          struct irq **created) CL_MUST_CHECK;

/* Unmask a level interrupt again. */
void irq_acknowledge(struct irq *irq);

enum cl_status irq_destroy(struct object *object) CL_MUST_CHECK;

/* From the interrupt handler. */
void irq_arrived(uint8_t vector);

#endif

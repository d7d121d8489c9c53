/* SPDX-License-Identifier: Apache-2.0 */
/* irq.c: who holds which line, and the hand-over to the controllers.
 *
 * The holders of a line are a bit mask of device indices, so that a level-triggered line can be shared.
 */
#include "vmm/irq.h"
#include "vmm/ioapic.h"
#include "vmm/pic8259.h"

struct irq_state {
    uint64_t holders[IRQ_LINES];
};

static_assert(MACHINE_DEVICES_MAX <= 64, "a holder is a bit of a word");

static void irq_reset(struct device *device, struct capsule_tx *tx)
{
    struct irq_state *s = device->state;

    for (unsigned i = 0; i < IRQ_LINES; i++)
        CAPSULE_SET(tx, s->holders[i], 0);
}

static void propagate(struct machine *machine, struct capsule_tx *tx, unsigned irq, bool level)
{
    if (irq < 16 && machine->pic != NULL)
        pic8259_line_set(machine->pic, tx, irq, level);
    if (machine->ioapic != NULL)
        ioapic_line_set(machine->ioapic, tx, irq == 0 ? 2 : irq, level);
}

static void irq_derive(struct device *device, struct capsule_tx *tx)
{
    const struct irq_state *s = device->state;

    for (unsigned i = 0; i < IRQ_LINES; i++)
        if (i != 2) /* the cascade of the 8259s is no line */
            propagate(device->machine, tx, i, s->holders[i] != 0);
}

static const struct device_ops irq_ops = {
    .name = "irq", .version = 1, .state_size = sizeof(struct irq_state), .reset = irq_reset, .derive = irq_derive
};

enum cl_status irq_add(struct machine *machine)
{
    return machine_add(machine, &irq_ops, NULL, &machine->irq);
}

void irq_line_set(struct device *source, struct capsule_tx *tx, unsigned irq, bool level)
{
    struct machine *machine = source->machine;
    struct device *device = machine->irq;
    struct irq_state *s;
    uint64_t old, now, bit = UINT64_C(1) << source->index;

    if (device == NULL || irq >= IRQ_LINES || irq == 2)
        return;
    s = device->state;
    /* The caller's lock keeps its own bit as it is: nothing to do is found without taking this one. */
    if (((s->holders[irq] & bit) != 0) == level)
        return;
    device_lock(device);
    old = s->holders[irq];
    now = level ? old | bit : old & ~bit;
    if (now != old) {
        CAPSULE_SET(tx, s->holders[irq], now);
        capsule_commit_quietly(tx);
        if ((now != 0) != (old != 0))
            propagate(machine, tx, irq, now != 0);
    }
    device_unlock(device);
}

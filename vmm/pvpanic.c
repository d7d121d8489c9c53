/* SPDX-License-Identifier: Apache-2.0 */
/* pvpanic.c: a port by which a guest says that it has crashed (QEMU docs/specs/pvpanic). */
#include "vmm/simple_devices.h"

#define PVPANIC_PANICKED 1u
#define PVPANIC_CRASH_LOADED 2u
#define PVPANIC_EVENTS (PVPANIC_PANICKED | PVPANIC_CRASH_LOADED)

struct pvpanic_state {
    uint32_t events; /* written by the guest since its reset */
};

static void pvpanic_reset(struct device *device, struct capsule_tx *tx)
{
    struct pvpanic_state *s = device->state;

    CAPSULE_SET(tx, s->events, 0);
}

static uint32_t pvpanic_read(struct device *device, struct capsule_tx *tx, uint16_t port, unsigned size)
{
    (void)device;
    (void)tx;
    (void)port;
    (void)size;
    return PVPANIC_EVENTS;
}

static void pvpanic_write(struct device *device, struct capsule_tx *tx, uint16_t port, unsigned size, uint32_t value)
{
    struct pvpanic_state *s = device->state;

    (void)port;
    (void)size;
    CAPSULE_SET(tx, s->events, s->events | (value & PVPANIC_EVENTS));
}

static void pvpanic_derive(struct device *device, struct capsule_tx *tx)
{
    const struct pvpanic_state *s = device->state;

    (void)tx;
    if (s->events & PVPANIC_PANICKED)
        machine_request(device, MACHINE_PANICKED, s->events);
}

static const struct device_ops pvpanic_ops = { .name = "pvpanic",
                                               .version = 1,
                                               .state_size = sizeof(struct pvpanic_state),
                                               .reset = pvpanic_reset,
                                               .io_read = pvpanic_read,
                                               .io_write = pvpanic_write,
                                               .derive = pvpanic_derive };

enum cl_status pvpanic_add(struct machine *machine)
{
    struct device *device;

    TRY(machine_add(machine, &pvpanic_ops, NULL, &device));
    return bus_add_ports(&machine->bus, device, PLATFORM_PORT_PVPANIC, 1, 1);
}

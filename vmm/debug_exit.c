/* SPDX-License-Identifier: Apache-2.0 */
/* debug_exit.c: a port whose write ends the VM with a value, as QEMU's isa-debug-exit at F4h (docs/specs of QEMU). */
#include "vmm/simple_devices.h"

struct debug_exit_state {
    uint32_t written; /* 1: the VM has ended with `value` */
    uint32_t value;
};

static void debug_exit_reset(struct device *device, struct capsule_tx *tx)
{
    struct debug_exit_state *s = device->state;

    CAPSULE_SET(tx, s->written, 0);
    CAPSULE_SET(tx, s->value, 0);
}

static uint32_t debug_exit_read(struct device *device, struct capsule_tx *tx, uint16_t port, unsigned size)
{
    (void)device;
    (void)tx;
    (void)port;
    (void)size;
    return 0;
}

static void debug_exit_write(struct device *device, struct capsule_tx *tx, uint16_t port, unsigned size, uint32_t value)
{
    struct debug_exit_state *s = device->state;

    (void)port;
    (void)size;
    CAPSULE_SET(tx, s->value, value);
    CAPSULE_SET(tx, s->written, 1);
}

static void debug_exit_derive(struct device *device, struct capsule_tx *tx)
{
    const struct debug_exit_state *s = device->state;

    (void)tx;
    if (s->written)
        machine_request(device, MACHINE_DEBUG_EXIT, s->value);
}

static const struct device_ops debug_exit_ops = { .name = "debug-exit",
                                                  .version = 1,
                                                  .state_size = sizeof(struct debug_exit_state),
                                                  .reset = debug_exit_reset,
                                                  .io_read = debug_exit_read,
                                                  .io_write = debug_exit_write,
                                                  .derive = debug_exit_derive };

enum cl_status debug_exit_add(struct machine *machine)
{
    struct device *device;

    TRY(machine_add(machine, &debug_exit_ops, NULL, &device));
    return bus_add_ports(&machine->bus, device, PLATFORM_PORT_DEBUG_EXIT, 4, 4);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* i8042.c: what is left of the keyboard controller: its reset line.
 *
 * IBM PC AT Technical Reference, keyboard controller commands F0h to FFh: pulse the output port; bit 0 of it is the CPU's
 * reset. There is no keyboard: both buffers read as empty, and data as zero.
 */
#include "vmm/simple_devices.h"

#define STATUS_SYSTEM 0x04u
#define STATUS_UNLOCKED 0x10u

struct i8042_state {
    uint32_t reset_wanted;
};

static void i8042_reset(struct device *device, struct capsule_tx *tx)
{
    struct i8042_state *s = device->state;

    CAPSULE_SET(tx, s->reset_wanted, 0);
}

static uint32_t i8042_read(struct device *device, struct capsule_tx *tx, uint16_t port, unsigned size)
{
    (void)device;
    (void)tx;
    (void)size;
    return port == 0x64 ? STATUS_SYSTEM | STATUS_UNLOCKED : 0;
}

static void i8042_write(struct device *device, struct capsule_tx *tx, uint16_t port, unsigned size, uint32_t value)
{
    struct i8042_state *s = device->state;

    (void)size;
    if (port == 0x64 && (value & 0xF1) == 0xF0) /* bit 0 pulsed low */
        CAPSULE_SET(tx, s->reset_wanted, 1);
}

static void i8042_derive(struct device *device, struct capsule_tx *tx)
{
    const struct i8042_state *s = device->state;

    (void)tx;
    if (s->reset_wanted)
        machine_request(device, MACHINE_RESET, 0);
}

static const struct device_ops i8042_ops = { .name = "i8042",
                                             .version = 1,
                                             .state_size = sizeof(struct i8042_state),
                                             .reset = i8042_reset,
                                             .io_read = i8042_read,
                                             .io_write = i8042_write,
                                             .derive = i8042_derive };

enum cl_status i8042_add(struct machine *machine)
{
    struct device *device;

    TRY(machine_add(machine, &i8042_ops, NULL, &device));
    TRY(bus_add_ports(&machine->bus, device, 0x60, 1, 1));
    return bus_add_ports(&machine->bus, device, 0x64, 1, 1);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* delay_ports.c: ports that a PC's software uses for their delay: the diagnostics port 80h and the delay port EDh.
 *
 * Writes are lost and reads give all ones, as for absent ports; listed, because Linux writes to 80h so often that the
 * count of absent accesses would say nothing any more.
 */
#include "vmm/simple_devices.h"

static uint32_t delay_ports_read(struct device *device, struct capsule_tx *tx, uint16_t port, unsigned size)
{
    (void)device;
    (void)tx;
    (void)port;
    (void)size;
    return UINT32_MAX;
}

static void delay_ports_write(struct device *device, struct capsule_tx *tx, uint16_t port, unsigned size,
                              uint32_t value)
{
    (void)device;
    (void)tx;
    (void)port;
    (void)size;
    (void)value;
}

static const struct device_ops delay_ports_ops = {
    .name = "delay-ports", .version = 1, .io_read = delay_ports_read, .io_write = delay_ports_write
};

enum cl_status delay_ports_add(struct machine *machine)
{
    struct device *device;

    TRY(machine_add(machine, &delay_ports_ops, NULL, &device));
    TRY(bus_add_ports(&machine->bus, device, 0x80, 1, 4));
    return bus_add_ports(&machine->bus, device, 0xED, 1, 4);
}

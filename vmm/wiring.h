/* SPDX-License-Identifier: Apache-2.0 */
/* wiring.h: the PCI devices of a VM as its configuration wants them, and the channels behind them. */
#ifndef CL_VMM_WIRING_H
#define CL_VMM_WIRING_H

#include <cJSON.h>

#include "services/protocol/control.h"
#include "services/protocol/vmm.h"
#include "vmm/monitor.h"
#include "vmm/virtio_devices.h"

struct wiring {
    struct monitor *monitor;
    struct pci pci;
    struct virtio virtio;
    unsigned nics, disks;
    struct virtio_net nic[VMM_NICS_MAX];
    struct channel_end cable[VMM_NICS_MAX];
    struct virtio_block disk[VMM_DISKS_MAX];
    struct virtio_rng rng;
    struct virtio_console console;
    bool console_is_virtio; /* the console channel belongs to it, not to COM1 */
};

/* Add host bridge and devices to the machine, in an order that depends on the argument alone. CL_BAD_ARGUMENT: the
 * argument contradicts itself; CL_LIMIT: too many devices. */
enum cl_status wiring_build(struct wiring *wiring, struct monitor *monitor, const cJSON *argument) CL_MUST_CHECK;

/* Open the channels and plug them in. After the machine was reset or derived. */
enum cl_status wiring_connect(struct wiring *wiring, const cJSON *argument) CL_MUST_CHECK;

/* Fill in what the network cards have counted. */
void wiring_statistics(const struct wiring *wiring, struct control_statistics *statistics);

#endif

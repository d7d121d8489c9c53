/* SPDX-License-Identifier: Apache-2.0 */
/* machine.h: one virtual machine: its devices, buses, memory, and its way to the outside. */
#ifndef CL_VMM_MACHINE_H
#define CL_VMM_MACHINE_H

#include "vmm/bus.h"
#include "vmm/guest_memory.h"

#define MACHINE_DEVICES_MAX 40

struct machine {
    struct capsule *capsule;
    const struct host_ops *host;
    void *host_context;
    struct guest_memory memory;
    struct bus bus;
    unsigned devices;
    struct device device[MACHINE_DEVICES_MAX];
    struct device *irq, *pic, *ioapic, *uart, *pm, *pit, *rtc; /* set by those devices' *_add() */
    unsigned cpus;
    bool fresh; /* a section had to be made: the machine starts from its reset state */
};

/* Prepare an empty machine over `capsule` and `memory`. */
void machine_init(struct machine *machine, struct capsule *capsule, const struct guest_memory *memory,
                  const struct host_ops *host, void *host_context);

/* Add a device: finds or makes its section. `name` NULL: the kind's own. CL_LIMIT, or as capsule_section(). */
enum cl_status machine_add(struct machine *machine, const struct device_ops *ops, const char *name,
                           struct device **device) CL_MUST_CHECK;

/* Add all devices of the standard machine (not PCI's). */
enum cl_status machine_add_standard(struct machine *machine) CL_MUST_CHECK;

/* Reset every device. No vCPU may run. */
void machine_reset(struct machine *machine, struct capsule_tx *tx);

/* After an attach: make the outside agree with the state of all devices. */
void machine_derive(struct machine *machine, struct capsule_tx *tx);

/* Earliest deadline of all devices. */
uint64_t machine_deadline(struct machine *machine);

/* Run the timers of all devices whose deadline has come. */
void machine_timers(struct machine *machine, struct capsule_tx *tx);

static inline uint64_t machine_now(const struct device *device)
{
    return device->machine->host->now_ns(device->machine->host_context);
}

/* For derive(): tell the host when timer() is to run next. */
static inline void machine_announce_deadline(const struct device *device)
{
    uint64_t deadline = device->ops->deadline(device);

    if (deadline != DEADLINE_NEVER)
        device->machine->host->deadline(device->machine->host_context, deadline);
}

static inline void machine_request(const struct device *device, enum machine_request request, uint32_t value)
{
    device->machine->host->request(device->machine->host_context, request, value);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* machine.c: assembling a machine, and what is done to all devices together. */
#include "vmm/ioapic.h"
#include "vmm/irq.h"
#include "vmm/machine.h"
#include "vmm/pic8259.h"
#include "vmm/pit8254.h"
#include "vmm/pm.h"
#include "vmm/rtc.h"
#include "vmm/simple_devices.h"
#include "vmm/uart16550.h"

#define SPINS_BEFORE_YIELD 1000u

void device_lock_wait(struct device *device)
{
    const struct machine *m = device->machine;

    do {
        for (unsigned spins = 0; __atomic_load_n(&device->section->lock, __ATOMIC_RELAXED) != 0; spins++) {
            __builtin_ia32_pause();
            if (spins % SPINS_BEFORE_YIELD == SPINS_BEFORE_YIELD - 1)
                m->host->yield(m->host_context); /* the holder may wait for this CPU */
        }
    } while (__atomic_exchange_n(&device->section->lock, 1, __ATOMIC_ACQUIRE) != 0);
}

void machine_init(struct machine *machine, struct capsule *capsule, const struct guest_memory *memory,
                  const struct host_ops *host, void *host_context)
{
    memset(machine, 0, sizeof(*machine));
    machine->capsule = capsule;
    machine->memory = *memory;
    machine->host = host;
    machine->host_context = host_context;
    machine->bus.host = host;
    machine->bus.host_context = host_context;
    machine->bus.log_interval_ns = BUS_LOG_INTERVAL_MIN_NS;
    machine->cpus = 1;
}

enum cl_status machine_add(struct machine *machine, const struct device_ops *ops, const char *name,
                           struct device **device)
{
    struct device *d;
    bool created;

    if (machine->devices == MACHINE_DEVICES_MAX)
        return CL_LIMIT;
    d = &machine->device[machine->devices];
    TRY(capsule_section(machine->capsule, name != NULL ? name : ops->name, ops->version, ops->state_size, &d->section,
                        &created));
    d->ops = ops;
    d->machine = machine;
    d->state = capsule_section_state(machine->capsule, d->section);
    d->index = machine->devices++;
    machine->fresh = machine->fresh || created;
    *device = d;
    return CL_OK;
}

enum cl_status machine_add_standard(struct machine *machine)
{
    TRY(irq_add(machine));
    TRY(pic8259_add(machine));
    TRY(ioapic_add(machine));
    TRY(uart16550_add(machine));
    TRY(pit8254_add(machine));
    TRY(rtc_add(machine));
    TRY(pm_add(machine));
    TRY(i8042_add(machine));
    TRY(pvpanic_add(machine));
    TRY(debug_exit_add(machine));
    return delay_ports_add(machine);
}

void machine_reset(struct machine *machine, struct capsule_tx *tx)
{
    for (unsigned i = 0; i < machine->devices; i++) {
        struct device *d = &machine->device[i];

        if (d->ops->reset == NULL)
            continue;
        device_lock(d);
        d->ops->reset(d, tx);
        capsule_commit_quietly(tx);
        device_unlock(d);
    }
    machine_derive(machine, tx);
}

void machine_derive(struct machine *machine, struct capsule_tx *tx)
{
    for (unsigned i = 0; i < machine->devices; i++) {
        struct device *d = &machine->device[i];

        if (d->ops->derive == NULL)
            continue;
        device_lock(d);
        d->ops->derive(d, tx);
        device_unlock(d);
    }
}

uint64_t machine_deadline(struct machine *machine)
{
    uint64_t earliest = DEADLINE_NEVER;

    for (unsigned i = 0; i < machine->devices; i++) {
        struct device *d = &machine->device[i];
        uint64_t deadline;

        if (d->ops->deadline == NULL)
            continue;
        device_lock(d);
        deadline = d->ops->deadline(d);
        device_unlock(d);
        if (deadline < earliest)
            earliest = deadline;
    }
    return earliest;
}

void machine_timers(struct machine *machine, struct capsule_tx *tx)
{
    uint64_t now = machine->host->now_ns(machine->host_context);

    for (unsigned i = 0; i < machine->devices; i++) {
        struct device *d = &machine->device[i];

        if (d->ops->timer == NULL)
            continue;
        device_lock(d);
        if (d->ops->deadline(d) <= now) {
            d->ops->timer(d, tx, now);
            device_commit(d, tx);
        }
        device_unlock(d);
    }
}

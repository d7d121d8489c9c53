/* SPDX-License-Identifier: Apache-2.0 */
/* device.h: what a device model is: state in a section of the capsule, and operations on it.
 *
 * An operation runs under the device's lock and writes only through CAPSULE_SET on its own state; its caller commits.
 * Effects outside (interrupt lines, messages, bytes sent) belong into derive(), which runs after the commit, still
 * under the lock, computes them from the state alone, and may be repeated at any time.
 *
 * Lock order: a device, then the interrupt lines (irq.h), then the 8259s, then the IOAPIC. A device never takes another device's lock but
 * through irq_line_set() and machine.h.
 */
#ifndef CL_VMM_DEVICE_H
#define CL_VMM_DEVICE_H

#include "vmm/capsule.h"
#include "vmm/host.h"

#define DEADLINE_NEVER UINT64_MAX

struct machine;
struct device;

struct device_ops {
    const char *name; /* of the section too: at most 15 characters */
    uint32_t version; /* of the state's layout */
    uint32_t state_size;

    /* Bring the state to what it is at power-on. In a transaction. Required if there is state. */
    void (*reset)(struct device *device, struct capsule_tx *tx);
    /* Port access: `size` is 1, 2 or 4, never above the region's width; `port` is the full port number. */
    uint32_t (*io_read)(struct device *device, struct capsule_tx *tx, uint16_t port, unsigned size);
    void (*io_write)(struct device *device, struct capsule_tx *tx, uint16_t port, unsigned size, uint32_t value);
    /* Memory access: `offset` is relative to the region, `size` 1, 2, 4 or 8. */
    uint64_t (*mmio_read)(struct device *device, struct capsule_tx *tx, uint64_t offset, unsigned size);
    void (*mmio_write)(struct device *device, struct capsule_tx *tx, uint64_t offset, unsigned size, uint64_t value);
    /* Make the outside agree with the state. Opens transactions of its own. */
    void (*derive)(struct device *device, struct capsule_tx *tx);
    /* Nanoseconds (host_ops.now_ns) at which timer() wants to run; DEADLINE_NEVER. */
    uint64_t (*deadline)(const struct device *device);
    /* The deadline may have passed. In a transaction. */
    void (*timer)(struct device *device, struct capsule_tx *tx, uint64_t now_ns);
};

struct device {
    const struct device_ops *ops;
    struct machine *machine;
    void *state;                     /* bytes of its section */
    struct capsule_section *section; /* for the lock */
    unsigned index;                  /* in the machine: names it as a source of interrupt lines */
    void *context;                   /* of the wiring (which port of a kind this is); not state */
};

/* The slow path: spins, and lets others run if that takes long. */
void device_lock_wait(struct device *device);

/* Operations are short and never sleep. */
static inline void device_lock(struct device *device)
{
    if (__builtin_expect(__atomic_exchange_n(&device->section->lock, 1, __ATOMIC_ACQUIRE) != 0, 0))
        device_lock_wait(device);
}

static inline void device_unlock(struct device *device)
{
    __atomic_store_n(&device->section->lock, 0, __ATOMIC_RELEASE);
}

/* End an operation that no exit waits for, and let the outside follow if anything changed. The lock is held. */
static inline void device_commit(struct device *device, struct capsule_tx *tx)
{
    bool changed = tx->count != 0;

    capsule_commit_quietly(tx);
    if (changed && device->ops->derive != NULL)
        device->ops->derive(device, tx);
}

#endif

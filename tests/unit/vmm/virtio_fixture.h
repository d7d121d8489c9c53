/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_fixture.h: a machine with PCI and every virtio device, a driver for them, and their peers.
 *
 * The driver touches the machine as a guest does: ports, memory, nothing else. The fixture plays the kernel: doorbells
 * set bits, bits wake the device thread. fixture_crash() runs a step to its end, then again with a crash after each of
 * its stores, taken over by a new VMM that knows only capsule, guest memory and channels.
 */
#ifndef VIRTIO_FIXTURE_H
#define VIRTIO_FIXTURE_H

#include "tests/unit/vmm/crash_harness.h"
#include "vmm/virtio_devices.h"
#include "vmm/virtio_pci.h"

#define FIXTURE_RAM_BYTES (256u * 1024)
#define FIXTURE_CHANNEL_ENTRIES 32u
#define FIXTURE_DOORBELLS_MAX 64u
#define FIXTURE_LOG_BYTES 256
#define FIXTURE_IMAGE_BYTES (20u * 512 + 100)
#define FIXTURE_FIRST_BIT 8u
#define FIXTURE_CONSOLE_BIT 1u
#define FIXTURE_NET_BIT 56u

/* PCI slots, in the order of adding. */
enum { SLOT_BRIDGE, SLOT_NET, SLOT_CONSOLE, SLOT_BLOCK, SLOT_RNG, SLOT_COUNT };

struct fixture_doorbell {
    uint16_t port;
    unsigned width, bit;
};

/* One queue as the driver sees it; its parts lie in guest RAM. */
struct driver_queue {
    unsigned slot, index;
    uint16_t size;
    uint64_t desc, avail, used; /* guest-physical */
    uint16_t next_desc;         /* where the next chain is written */
    uint16_t added, seen;       /* chains made available, completions looked at */
    uint16_t port;              /* of the doorbell */
};

struct driver {
    unsigned slot;
    uint64_t common, isr, config; /* guest-physical addresses of the structures */
    uint64_t msix_table;
    uint64_t features;
    struct driver_queue queue[VIRTIO_QUEUES_MAX];
};

/* What a driver puts into a chain. */
struct driver_segment {
    uint64_t address;
    uint32_t length;
    bool writable;
};

struct fixture {
    struct fake *fake;
    struct pci pci;
    struct virtio virtio;
    struct virtio_net net;
    struct virtio_console console;
    struct virtio_block block;
    struct virtio_rng rng;
    struct channel_end net_end, console_end;     /* the devices' */
    struct channel_end switch_end, terminal_end; /* the peers' */
    uint8_t *net_memory, *console_memory;
    uint64_t net_bytes, console_bytes;
    uint8_t image[FIXTURE_IMAGE_BYTES];
    uint64_t kicked;   /* bits of the VMM's notification */
    unsigned notified; /* signals to peers */
    unsigned doorbells;
    struct fixture_doorbell doorbell[FIXTURE_DOORBELLS_MAX];
    unsigned logged;
    char last_log[FIXTURE_LOG_BYTES];
    struct host_ops host;
    struct driver driver[SLOT_COUNT];
    bool crash_exits; /* every guest access below is run with all crashes */
};

struct fixture *fixture_create(void);
void fixture_destroy(struct fixture *x);

/* A new VMM: everything but capsule, RAM and channels is forgotten and built again. */
void fixture_take_over(struct fixture *x);

/* All that survives a VMM, with what the driver and the outside know; and back to it, by a new VMM. */
struct fixture_world {
    uint8_t *capsule, *memory, *net, *console;
    struct fake_outside outside;
    uint64_t sequence;
    struct driver driver[SLOT_COUNT];
};

struct fixture_world *fixture_save(const struct fixture *x);
void fixture_restore(struct fixture *x, const struct fixture_world *world);

/* The device thread, until nothing is left to do. */
void fixture_run(struct fixture *x);

/* A step: RAM, doorbells, the device thread, and at most one exit. With all crashes; the machine is then as if it had
 * been done once. */
typedef void fixture_step(struct fixture *x, void *argument);
void fixture_crash(struct fixture *x, fixture_step *step, void *argument);

/* Guest accesses, each an exit of its own. */
uint32_t guest_in(struct fixture *x, uint16_t port, unsigned size);
void guest_out(struct fixture *x, uint16_t port, unsigned size, uint32_t value);
uint64_t guest_read(struct fixture *x, uint64_t address, unsigned size);
void guest_write(struct fixture *x, uint64_t address, unsigned size, uint64_t value);
uint32_t guest_config_read(struct fixture *x, unsigned slot, unsigned offset, unsigned size); /* CF8h */
void guest_config_write(struct fixture *x, unsigned slot, unsigned offset, unsigned size, uint32_t value);
uint32_t guest_ecam_read(struct fixture *x, unsigned slot, unsigned offset, unsigned size);
void guest_ecam_write(struct fixture *x, unsigned slot, unsigned offset, unsigned size, uint32_t value);

/* Find the device's structures by its capabilities, negotiate `features` beside VERSION_1, set all queues up with
 * `queue_size` entries and a vector each (data 40h + slot * 8 + queue; configuration changes: + 7), go. */
void driver_start(struct fixture *x, unsigned slot, uint64_t features, uint16_t queue_size);
uint8_t driver_status(struct fixture *x, unsigned slot);

/* Write a chain into the queue and make it available; returns its head. Does not ring. */
uint16_t driver_add(struct fixture *x, struct driver_queue *q, const struct driver_segment *segment, unsigned count);
/* Ring the doorbell if the device asked for it, or always. */
void driver_kick(struct fixture *x, struct driver_queue *q);
void driver_ring(struct fixture *x, struct driver_queue *q);
/* The next completion. False: there is none. */
bool driver_done(struct fixture *x, struct driver_queue *q, struct virtq_used_elem *element);

static inline uint8_t *ram(struct fixture *x, uint64_t address)
{
    return x->fake->ram + address;
}

/* Deterministic random numbers. */
static inline uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* bus.c: sorted tables, binary search, and the envelope of every device access: lock, operate, commit, derive. */
#include <inttypes.h>
#include <stdio.h>

#include "vmm/bus.h"

static enum cl_status space_add(struct bus_space *space, struct bus_region region)
{
    unsigned at = 0;

    if (space->count == BUS_REGIONS_MAX)
        return CL_LIMIT;
    if (region.last < region.first)
        return CL_BAD_ARGUMENT;
    while (at < space->count && space->region[at].first < region.first)
        at++;
    if ((at > 0 && space->region[at - 1].last >= region.first) ||
        (at < space->count && space->region[at].first <= region.last))
        return CL_OCCUPIED;
    memmove(&space->region[at + 1], &space->region[at], (space->count - at) * sizeof(region));
    space->region[at] = region;
    space->count++;
    return CL_OK;
}

enum cl_status bus_add_ports(struct bus *bus, struct device *device, uint16_t first, unsigned length, unsigned width)
{
    if (length == 0 || first + length > 0x10000u)
        return CL_BAD_ARGUMENT;
    return space_add(&bus->ports, (struct bus_region){ first, first + length - 1u, device, width });
}

enum cl_status bus_add_memory(struct bus *bus, struct device *device, uint64_t first, uint64_t length, unsigned width)
{
    if (length == 0)
        return CL_BAD_ARGUMENT;
    return space_add(&bus->memory, (struct bus_region){ first, first + length - 1, device, width });
}

/* Low bits tell ports apart, those of the page number devices in memory. */
static inline unsigned recent_place(uint64_t address)
{
    return (unsigned)(address ^ address >> 12) % BUS_RECENT;
}

static __attribute__((noinline)) const struct bus_region *space_search(struct bus_space *space, uint64_t address)
{
    const struct bus_region *base = space->region;
    unsigned count = space->count;

    while (count > 1) {
        unsigned half = count / 2;

        base = base[half].first <= address ? base + half : base;
        count -= half;
    }
    if (count != 1 || base->first > address || address > base->last)
        return NULL;
    __atomic_store_n(&space->recent[recent_place(address)], base, __ATOMIC_RELAXED);
    return base;
}

static inline const struct bus_region *space_find(struct bus_space *space, uint64_t address)
{
    const struct bus_region *recent = __atomic_load_n(&space->recent[recent_place(address)], __ATOMIC_RELAXED);

    if (recent != NULL && recent->first <= address && address <= recent->last)
        return recent;
    return space_search(space, address);
}

static uint64_t ones(unsigned size)
{
    return size == 8 ? UINT64_MAX : (UINT64_C(1) << size * 8) - 1;
}

/* The first one is logged, and then one in a while, with the count: a guest that probes all ports at its boot says
 * nothing by it, and one that does nothing else fills no log. */
static __attribute__((noinline, cold)) void note_absent(struct bus *bus, const char *kind, uint64_t address,
                                                        unsigned size, bool write)
{
    uint64_t count = __atomic_add_fetch(&bus->absent, 1, __ATOMIC_RELAXED);
    uint64_t now = bus->host->now_ns(bus->host_context), at = __atomic_load_n(&bus->log_at_ns, __ATOMIC_RELAXED);
    uint64_t interval = __atomic_load_n(&bus->log_interval_ns, __ATOMIC_RELAXED);
    char text[120];

    if (now < at ||
        !__atomic_compare_exchange_n(&bus->log_at_ns, &at, now + interval, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return;
    __atomic_store_n(&bus->log_interval_ns,
                     interval < BUS_LOG_INTERVAL_MAX_NS / 2 ? 2 * interval : BUS_LOG_INTERVAL_MAX_NS, __ATOMIC_RELAXED);
    (void)snprintf(text, sizeof(text),
                   "nothing at %s %" PRIx64 ": a %u-byte %s (accesses to nothing so far: %" PRIu64 ")", kind, address,
                   size, write ? "write is lost" : "read gives all ones", count);
    bus->host->log(bus->host_context, text);
}

/* Publish the access, let the outside follow if the state changed, release the device. */
static inline void finish(struct device *device, struct capsule_tx *tx, uint64_t value)
{
    bool changed = tx->count != 0;

    capsule_commit(tx, value);
    if (changed && device->ops->derive != NULL)
        device->ops->derive(device, tx);
    device_unlock(device);
}

uint32_t bus_io_read(struct bus *bus, struct capsule_tx *tx, uint16_t port, unsigned size)
{
    const struct bus_region *region = space_find(&bus->ports, port);
    uint64_t value;

    if (region != NULL && size > region->width) {
        unsigned half = size / 2;
        uint32_t low = bus_io_read(bus, tx, port, half);

        return low | bus_io_read(bus, tx, (uint16_t)(port + half), half) << half * 8;
    }
    if (capsule_replay(tx, &value))
        return (uint32_t)value;
    if (region == NULL || region->device->ops->io_read == NULL) {
        note_absent(bus, "port", port, size, false);
        capsule_commit(tx, ones(size));
        return (uint32_t)ones(size);
    }
    device_lock(region->device);
    value = region->device->ops->io_read(region->device, tx, port, size) & ones(size);
    finish(region->device, tx, value);
    return (uint32_t)value;
}

void bus_io_write(struct bus *bus, struct capsule_tx *tx, uint16_t port, unsigned size, uint32_t value)
{
    const struct bus_region *region = space_find(&bus->ports, port);
    uint64_t ignored;

    if (region != NULL && size > region->width) {
        unsigned half = size / 2;

        bus_io_write(bus, tx, port, half, value & (uint32_t)ones(half));
        bus_io_write(bus, tx, (uint16_t)(port + half), half, value >> half * 8);
        return;
    }
    if (capsule_replay(tx, &ignored))
        return;
    if (region == NULL || region->device->ops->io_write == NULL) {
        note_absent(bus, "port", port, size, true);
        capsule_commit(tx, 0);
        return;
    }
    device_lock(region->device);
    region->device->ops->io_write(region->device, tx, port, size, value & (uint32_t)ones(size));
    finish(region->device, tx, 0);
}

uint64_t bus_memory_read(struct bus *bus, struct capsule_tx *tx, uint64_t address, unsigned size)
{
    const struct bus_region *region = space_find(&bus->memory, address);
    uint64_t value;

    if (region != NULL && size > region->width) {
        unsigned half = size / 2;
        uint64_t low = bus_memory_read(bus, tx, address, half);

        return low | bus_memory_read(bus, tx, address + half, half) << half * 8;
    }
    if (capsule_replay(tx, &value))
        return value;
    if (region == NULL || region->device->ops->mmio_read == NULL) {
        note_absent(bus, "memory", address, size, false);
        capsule_commit(tx, ones(size));
        return ones(size);
    }
    device_lock(region->device);
    value = region->device->ops->mmio_read(region->device, tx, address - region->first, size) & ones(size);
    finish(region->device, tx, value);
    return value;
}

void bus_memory_write(struct bus *bus, struct capsule_tx *tx, uint64_t address, unsigned size, uint64_t value)
{
    const struct bus_region *region = space_find(&bus->memory, address);
    uint64_t ignored;

    if (region != NULL && size > region->width) {
        unsigned half = size / 2;

        bus_memory_write(bus, tx, address, half, value & ones(half));
        bus_memory_write(bus, tx, address + half, half, value >> half * 8);
        return;
    }
    if (capsule_replay(tx, &ignored))
        return;
    if (region == NULL || region->device->ops->mmio_write == NULL) {
        note_absent(bus, "memory", address, size, true);
        capsule_commit(tx, 0);
        return;
    }
    device_lock(region->device);
    region->device->ops->mmio_write(region->device, tx, address - region->first, size, value & ones(size));
    finish(region->device, tx, 0);
}

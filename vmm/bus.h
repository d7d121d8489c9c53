/* SPDX-License-Identifier: Apache-2.0 */
/* bus.h: from a port or a guest-physical address to the device that answers there. */
#ifndef CL_VMM_BUS_H
#define CL_VMM_BUS_H

#include "vmm/device.h"

#define BUS_REGIONS_MAX 48
#define BUS_LOG_INTERVAL_MIN_NS UINT64_C(10000000000)   /* between two lines about absent places; doubles with each */
#define BUS_LOG_INTERVAL_MAX_NS UINT64_C(3600000000000) /* up to this */
#define BUS_RECENT 32 /* a power of two: enough that two devices in use rarely share a place */

struct bus_region {
    uint64_t first;
    uint64_t last; /* inclusive */
    struct device *device;
    uint32_t width; /* widest access that the device takes, in bytes; wider ones are split, low part first */
};

struct bus_space {
    const struct bus_region *recent[BUS_RECENT]; /* [a] regions that answered, by bits of the address; NULL: not yet */
    unsigned count;
    struct bus_region region[BUS_REGIONS_MAX]; /* sorted by `first`, never overlapping */
};                                             /* [a] = atomic; the rest is set before vCPUs run */

struct bus {
    struct bus_space ports;
    struct bus_space memory;
    uint64_t absent;          /* accesses where nothing answers: reads give all ones, writes are lost */
    uint64_t log_at_ns;       /* [a] the next of them that comes at this time or later is logged */
    uint64_t log_interval_ns; /* [a] and then none for this long */
    const struct host_ops *host;
    void *host_context;
}; /* [a] = atomic; the rest is set before vCPUs run */

/* Add [first, first + length). While the machine is built. CL_OCCUPIED: overlaps a region; CL_LIMIT: table full. */
enum cl_status bus_add_ports(struct bus *bus, struct device *device, uint16_t first, unsigned length,
                             unsigned width) CL_MUST_CHECK;
enum cl_status bus_add_memory(struct bus *bus, struct device *device, uint64_t first, uint64_t length,
                              unsigned width) CL_MUST_CHECK;

/* One access of the exit that `tx` has begun: replayed if it was published before a crash. An access belongs to the
 * region that holds its first byte. Size 1, 2 or 4; for memory 8 too. */
uint32_t bus_io_read(struct bus *bus, struct capsule_tx *tx, uint16_t port, unsigned size);
void bus_io_write(struct bus *bus, struct capsule_tx *tx, uint16_t port, unsigned size, uint32_t value);
uint64_t bus_memory_read(struct bus *bus, struct capsule_tx *tx, uint64_t address, unsigned size);
void bus_memory_write(struct bus *bus, struct capsule_tx *tx, uint64_t address, unsigned size, uint64_t value);

#endif

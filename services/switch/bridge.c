/* SPDX-License-Identifier: Apache-2.0 */
/* bridge.c: the address table, and the decision for each frame (IEEE 802.1D §7.7 to 7.9, without spanning tree: there
 * are no loops among ports that are VMs). */
#include "services/switch/bridge.h"

#include <string.h>

#include "services/protocol/frame.h"

#define MAC_BYTES 6

void bridge_init(struct bridge *bridge)
{
    memset(bridge, 0, sizeof(*bridge));
}

static bool is_group(const uint8_t *mac)
{
    return (mac[0] & 1) != 0;
}

static bool is_fresh(const struct bridge_address *entry, uint64_t now_ns)
{
    return entry->used && now_ns - entry->seen_ns < BRIDGE_AGE_NS;
}

enum cl_status bridge_attach(struct bridge *bridge, uint32_t port, uint32_t network, const uint8_t mac[6])
{
    if (port >= SWITCH_PORTS_MAX)
        return CL_LIMIT;
    if (bridge->port[port].attached)
        return CL_OCCUPIED;
    if (is_group(mac))
        return CL_BAD_ARGUMENT;
    for (uint32_t i = 0; i < SWITCH_PORTS_MAX; i++) {
        const struct bridge_port *other = &bridge->port[i];
        if (other->attached && other->network == network && memcmp(other->mac, mac, MAC_BYTES) == 0)
            return CL_BAD_ARGUMENT;
    }
    bridge->port[port] = (struct bridge_port){ .attached = true, .network = network, .counters = { .port = port } };
    memcpy(bridge->port[port].mac, mac, MAC_BYTES);
    return CL_OK;
}

void bridge_detach(struct bridge *bridge, uint32_t port)
{
    if (port >= SWITCH_PORTS_MAX)
        return;
    bridge->port[port].attached = false;
    bridge->address[port].used = false;
}

/* Entry number = port number: a port speaks from one address only. */
static void learn(struct bridge *bridge, uint32_t port, uint64_t now_ns)
{
    struct bridge_address *entry = &bridge->address[port];

    memcpy(entry->mac, bridge->port[port].mac, MAC_BYTES);
    entry->network = bridge->port[port].network;
    entry->port = port;
    entry->seen_ns = now_ns;
    entry->used = true;
}

static uint64_t everyone_else(const struct bridge *bridge, uint32_t port)
{
    uint64_t ports = 0;

    for (uint32_t i = 0; i < SWITCH_PORTS_MAX; i++) {
        if (i != port && bridge->port[i].attached && bridge->port[i].network == bridge->port[port].network)
            ports |= UINT64_C(1) << i;
    }
    return ports;
}

uint64_t bridge_forward(struct bridge *bridge, uint32_t port, const uint8_t *frame, uint32_t length, uint64_t now_ns)
{
    struct bridge_port *from = &bridge->port[port];
    const uint8_t *destination = frame, *source = frame + MAC_BYTES;

    if (length < FRAME_BYTES_MIN || length > FRAME_BYTES_MAX) {
        from->counters.dropped_size++;
        return 0;
    }
    if (memcmp(source, from->mac, MAC_BYTES) != 0) {
        from->counters.dropped_spoofed++;
        return 0;
    }
    from->counters.in_frames++;
    from->counters.in_bytes += length;
    learn(bridge, port, now_ns);

    if (is_group(destination))
        return everyone_else(bridge, port);
    for (uint32_t i = 0; i < SWITCH_PORTS_MAX; i++) {
        const struct bridge_address *entry = &bridge->address[i];
        if (is_fresh(entry, now_ns) && entry->network == from->network &&
            memcmp(entry->mac, destination, MAC_BYTES) == 0)
            return entry->port == port ? 0 : UINT64_C(1) << entry->port;
    }
    from->counters.flooded++;
    return everyone_else(bridge, port);
}

void bridge_sent(struct bridge *bridge, uint32_t port, uint32_t length)
{
    bridge->port[port].counters.out_frames++;
    bridge->port[port].counters.out_bytes += length;
}

void bridge_full(struct bridge *bridge, uint32_t port)
{
    bridge->port[port].counters.dropped_full++;
}

enum cl_status bridge_counters(const struct bridge *bridge, uint32_t port, uint64_t now_ns,
                               struct switch_counters *counters)
{
    if (port >= SWITCH_PORTS_MAX || !bridge->port[port].attached)
        return CL_NOT_FOUND;
    *counters = bridge->port[port].counters;
    counters->addresses = 0;
    for (uint32_t i = 0; i < SWITCH_PORTS_MAX; i++) {
        if (is_fresh(&bridge->address[i], now_ns) && bridge->address[i].network == bridge->port[port].network)
            counters->addresses++;
    }
    return CL_OK;
}

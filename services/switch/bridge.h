/* SPDX-License-Identifier: Apache-2.0 */
/* bridge.h: what a learning switch decides: from whom a frame may come, and to which ports it goes. Pure.
 *
 * A port belongs to one network and may send only from its own address. Addresses are learned from what ports send and
 * forgotten after BRIDGE_AGE_NS; a frame for an address that is not known, or for a group, goes to every other port of
 * the network. Because a port has one address only, the table needs no more entries than there are ports.
 */
#ifndef CL_SERVICES_SWITCH_BRIDGE_H
#define CL_SERVICES_SWITCH_BRIDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/status.h"
#include "services/protocol/switch.h"

#define BRIDGE_AGE_NS (UINT64_C(300) * 1000 * 1000 * 1000)

struct bridge_port {
    bool attached;
    uint32_t network;
    uint8_t mac[6];
    struct switch_counters counters;
};

struct bridge_address {
    uint8_t mac[6];
    bool used;
    uint32_t network;
    uint32_t port;
    uint64_t seen_ns;
};

struct bridge {
    struct bridge_port port[SWITCH_PORTS_MAX];
    struct bridge_address address[SWITCH_PORTS_MAX];
};

void bridge_init(struct bridge *bridge);

/* A port joins. CL_LIMIT: there is no such number; CL_OCCUPIED: it is in use; CL_BAD_ARGUMENT: a group address, or one
 * that another port of the network has. */
CL_MUST_CHECK enum cl_status bridge_attach(struct bridge *bridge, uint32_t port, uint32_t network,
                                           const uint8_t mac[6]);

/* It leaves; what was learned from it is forgotten. */
void bridge_detach(struct bridge *bridge, uint32_t port);

/* A frame of `length` bytes came in at `port`, which is attached; `frame` is our own copy, of FRAME_BYTES_MIN bytes at
 * least if `length` says so. Learns, counts, and returns the ports that it goes to, as bits; 0: it is dropped. */
uint64_t bridge_forward(struct bridge *bridge, uint32_t port, const uint8_t *frame, uint32_t length, uint64_t now_ns);

/* It went out at `port`, or its ring was full. */
void bridge_sent(struct bridge *bridge, uint32_t port, uint32_t length);
void bridge_full(struct bridge *bridge, uint32_t port);

/* The port's counters, with the number of addresses that its network has learned. CL_NOT_FOUND: not attached. */
CL_MUST_CHECK enum cl_status bridge_counters(const struct bridge *bridge, uint32_t port, uint64_t now_ns,
                                             struct switch_counters *counters);

#endif

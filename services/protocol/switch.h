/* SPDX-License-Identifier: Apache-2.0 */
/* switch.h: what init (end A) and the switch (end B) say to each other.
 *
 * The region "setup" of the switch holds struct switch_start. Ports come and go with their VMs.
 */
#ifndef CL_SERVICES_PROTOCOL_SWITCH_H
#define CL_SERVICES_PROTOCOL_SWITCH_H

#include <assert.h>
#include <stdint.h>

#include "services/protocol/wire.h"

#define SWITCH_RING_ENTRIES 16u
#define SWITCH_MESSAGE_MAX 256u
#define SWITCH_PORTS_MAX 60u
#define SWITCH_NETWORKS_MAX 16u
#define SWITCH_PORT_NAME_MAX 40

#define SWITCH_EVENT_CONTROL (UINT64_C(1) << 0)
#define SWITCH_EVENT_PORT(i) (UINT64_C(1) << (1 + (i))) /* i below SWITCH_PORTS_MAX */

struct switch_start {
    struct wire control; /* this end is B */
};

enum switch_kind {
    SWITCH_ATTACH = 1,   /* struct switch_attach; answer SWITCH_DONE or SWITCH_REFUSED */
    SWITCH_DETACH = 2,   /* struct switch_port; the switch lets go of the channel before it answers SWITCH_DONE */
    SWITCH_COUNTERS = 3, /* struct switch_port; answer SWITCH_COUNTERS_ARE, or SWITCH_REFUSED: no such port */

    SWITCH_DONE = 32,
    SWITCH_REFUSED = 33,
    SWITCH_COUNTERS_ARE = 34, /* struct switch_counters */
};

struct switch_port {
    uint32_t port; /* number, chosen by init, below SWITCH_PORTS_MAX */
};

struct switch_attach {
    uint32_t port;
    uint32_t network; /* ports of different networks never hear each other */
    uint8_t mac[6];   /* the only source address that the port may send from */
    uint8_t reserved[2];
    struct wire wire; /* frame.h, this end is B */
};

/* "in" is from the VM into the switch. */
struct switch_counters {
    uint32_t port;
    uint32_t addresses; /* learned, of the whole network */
    uint64_t in_frames, in_bytes, out_frames, out_bytes;
    uint64_t dropped_size;    /* too short or too long */
    uint64_t dropped_spoofed; /* source address is not the port's */
    uint64_t dropped_full;    /* the ring towards the VM was full */
    uint64_t flooded;         /* frames in whose destination was not known */
};

static_assert(sizeof(struct switch_counters) <= SWITCH_MESSAGE_MAX, "one message");
static_assert(sizeof(struct switch_attach) <= SWITCH_MESSAGE_MAX, "one message");

#endif

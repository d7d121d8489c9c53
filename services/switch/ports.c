/* SPDX-License-Identifier: Apache-2.0 */
/* ports.c: take a frame, copy it once out of the sender's reach, hand it on. */
#include "services/switch/ports.h"

#include <string.h>

#include "lib/log.h"
#include "lib/syscall.h"
#include "services/protocol/frame.h"

enum cl_status ports_attach(struct ports *ports, const struct switch_attach *attach)
{
    struct link link;

    TRY(link_open(&link, &attach->wire));
    TRY(bridge_attach(&ports->bridge, attach->port, attach->network, attach->mac));
    ports->link[attach->port] = link;
    ports->broken_told[attach->port] = false;
    return CL_OK;
}

void ports_detach(struct ports *ports, uint32_t port)
{
    bridge_detach(&ports->bridge, port);
    if (port < SWITCH_PORTS_MAX)
        ports->link[port].open = false;
}

/* Put the frame into one port's ring; its peer is told of all of them at the end of the round. */
static void send(struct ports *ports, uint32_t port, const uint8_t *frame, uint32_t length)
{
    struct link *link = &ports->link[port];
    enum cl_status status;

    if (!link->open)
        return;
    status = channel_send(&link->end, frame, length, FRAME_ETHERNET, 0);
    if (status == CL_OK)
        bridge_sent(&ports->bridge, port, length);
    else
        bridge_full(&ports->bridge, port);
    if (status == CL_CORRUPT)
        link->open = false;
}

/* Up to PORTS_FRAMES_PER_TURN frames of one port. True: there may be more. */
static bool serve_port(struct ports *ports, uint32_t port, uint64_t now_ns)
{
    struct link *link = &ports->link[port];
    struct channel_descriptor descriptor;
    uint8_t frame[FRAME_BUFFER_BYTES];

    for (unsigned i = 0; i < PORTS_FRAMES_PER_TURN; i++) {
        enum cl_status status =
            link->open ? channel_receive(&link->end, &descriptor, frame, sizeof(frame)) : CL_NOT_FOUND;
        if (status == CL_CORRUPT)
            link->open = false;
        if (status == CL_NOT_FOUND || status == CL_CORRUPT)
            return false;
        if (status != CL_OK || descriptor.kind != FRAME_ETHERNET)
            descriptor.length = 0; /* too long, or nothing that we know: counted as a frame of a wrong size */
        uint64_t to = bridge_forward(&ports->bridge, port, frame, descriptor.length, now_ns);
        for (; to != 0; to &= to - 1)
            send(ports, (uint32_t)__builtin_ctzll(to), frame, descriptor.length);
    }
    return true;
}

/* Of the frames that wait for it, and of the room in its own ring. */
static void tell_peer(struct link *link)
{
    if (!link->open)
        return;
    bool frames = channel_publish(&link->end), room = channel_made_room(&link->end);
    if (frames || room)
        (void)!cl_notify(link->peer_slot, link->peer_bits);
}

static void tell_broken(struct ports *ports, uint32_t port)
{
    if (ports->bridge.port[port].attached && !ports->link[port].open && !ports->broken_told[port]) {
        ports->broken_told[port] = true;
        cl_log("port %u: its VMM wrote indices that cannot be; the port is dead until its VM is started again", port);
    }
}

bool ports_round(struct ports *ports, uint64_t now_ns)
{
    bool more = false;

    for (uint32_t i = 0; i < SWITCH_PORTS_MAX; i++) {
        if (ports->bridge.port[i].attached && serve_port(ports, i, now_ns))
            more = true;
    }
    for (uint32_t i = 0; i < SWITCH_PORTS_MAX; i++) {
        tell_peer(&ports->link[i]);
        tell_broken(ports, i);
    }
    return more;
}

bool ports_arm(struct ports *ports)
{
    bool busy = false;

    for (uint32_t i = 0; i < SWITCH_PORTS_MAX; i++) {
        if (ports->bridge.port[i].attached && link_arm(&ports->link[i]))
            busy = true;
    }
    return busy;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* link.h: a channel's end together with the bell of the peer: what a struct wire becomes when it is taken up. */
#ifndef CL_SERVICES_COMMON_LINK_H
#define CL_SERVICES_COMMON_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/channel.h"
#include "services/protocol/wire.h"

struct link {
    struct channel_end end;
    uint32_t peer_slot;
    uint64_t peer_bits;
    bool open; /* false: there is none, or the peer broke it: nothing is sent or received */
};

/* Take up one end. CL_NOT_FOUND: the wire leads nowhere. CL_CORRUPT: what lies there is no channel. */
CL_MUST_CHECK enum cl_status link_open(struct link *link, const struct wire *wire);

/* Send one message at once and ring. CL_BUSY: the ring is full. CL_NOT_FOUND: the link is not open. CL_CORRUPT: the
 * peer broke the channel; the link is closed. */
CL_MUST_CHECK enum cl_status link_send(struct link *link, uint32_t kind, uint32_t cookie, const void *message,
                                       uint32_t length);

/* The next message. As channel_receive(); messages that are too long are skipped. A peer that waits for room is rung.
 * CL_NOT_FOUND: there is none, or the link is not open. */
CL_MUST_CHECK enum cl_status link_receive(struct link *link, struct channel_descriptor *descriptor, void *message,
                                          uint32_t capacity);

/* Before sleeping. True: something is there, do not sleep. */
CL_MUST_CHECK bool link_arm(struct link *link);

#endif

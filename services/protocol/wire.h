/* SPDX-License-Identifier: Apache-2.0 */
/* wire.h: how init tells a program where one end of a channel is.
 *
 * The memory is already mapped and laid out (lib/channel.h), the peer's notification already in the program's table.
 * The program's own notification is the one named "events" in its start block; `own_bits` of it are set by the peer.
 * A message for the peer is announced by cl_notify(peer_slot, peer_bits).
 *
 * When a peer is gone for good the wire is named again by a "detach" message of the protocol that brought it; the
 * program stops touching the memory, answers, and init takes mapping and capability away.
 */
#ifndef CL_SERVICES_PROTOCOL_WIRE_H
#define CL_SERVICES_PROTOCOL_WIRE_H

#include <assert.h>
#include <stdint.h>

/* Names in the start block that every program which init starts finds there. */
#define WIRE_SLOT_EVENTS "events" /* the program's own notification */
#define WIRE_REGION_SETUP "setup" /* read-only: the program's own setup structure */

struct wire {
    uint64_t address; /* of the channel's memory in this program; 0: there is no such channel */
    uint64_t size_bytes;
    uint64_t own_bits;  /* of "events": the peer sets them */
    uint64_t peer_bits; /* of the peer's notification */
    uint32_t peer_slot; /* the peer's notification, RIGHT_SIGNAL */
    uint32_t side;      /* enum channel_side: which end this program is */
};

static_assert(sizeof(struct wire) == 40, "no padding");

#endif

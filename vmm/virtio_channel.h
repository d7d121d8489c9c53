/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_channel.h: a device's end of a channel, so that a crash neither loses nor doubles a message.
 *
 * The capsule holds how many messages were produced and taken. Buffers and descriptors are written before the commit,
 * where the peer does not look yet; the two indices in the channel follow the commit as absolute values. A new VMM
 * opens the channel, finds indices that lag behind the capsule's by at most one transaction, and lets them follow.
 */
#ifndef CL_VMM_VIRTIO_CHANNEL_H
#define CL_VMM_VIRTIO_CHANNEL_H

#include "lib/channel.h"
#include "vmm/virtio.h"

/* In the capsule. */
struct virtio_channel_state {
    uint32_t produced;
    uint32_t taken;
};

struct virtio_channel {
    struct virtio_channel_state *state;
    struct channel_end *end; /* NULL: not connected */
    uint32_t peer_slot;
    uint64_t peer_bits;
    uint64_t stalled_since_ns; /* 0: there was room at the last try; never 0 otherwise */
    bool dropping;             /* there was no room for too long */
};

enum virtio_room {
    VIRTIO_ROOM,      /* a message can be put */
    VIRTIO_ROOM_WAIT, /* later: the device is served again when the peer rings, or at the end of its patience */
    VIRTIO_ROOM_DROP  /* nobody takes what is sent: drop it */
};

/* Connect an opened end (CHANNEL_SIDE_A or B, lib/channel.h), whose peer is signalled by backend->notify(peer_slot,
 * peer_bits). In a transaction, under the device's lock. */
void virtio_channel_connect(struct virtio_device *device, struct virtio_channel *channel, struct capsule_tx *tx,
                            struct channel_end *end, uint32_t peer_slot, uint64_t peer_bits);

/* Is there room for a message? After `patience_ns` without any the answer changes from WAIT to DROP. */
enum virtio_room virtio_channel_room(struct virtio_device *device, struct virtio_channel *channel,
                                     uint64_t patience_ns);

/* Write one message of `length` bytes, `bytes` being what channel_buffer() gave. In a transaction; there is room. */
void virtio_channel_put(struct virtio_channel *channel, struct capsule_tx *tx, uint32_t length, uint32_t kind);

/* Take the next message. Its data stays valid until the next commit. False: there is none; `*again` says whether one
 * came at the last moment. In a transaction. */
bool virtio_channel_take(struct virtio_device *device, struct virtio_channel *channel, struct capsule_tx *tx,
                         struct channel_descriptor *message, bool *again);

/* After the commit: show the peer what was put and taken. */
void virtio_channel_derive(struct virtio_device *device, struct virtio_channel *channel);

#endif

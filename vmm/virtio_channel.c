/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_channel.c: room, messages, and the two indices that follow the capsule. */
#include "vmm/virtio_channel.h"

#define BEHIND_MAX (2 * VIRTIO_BATCH) /* messages between a commit and what the channel shows after a crash */

static void notify(const struct virtio_device *d, const struct virtio_channel *c)
{
    d->virtio->backend->notify(d->virtio->backend_context, c->peer_slot, c->peer_bits);
}

/* The peer has written what cannot be: the channel is of no use any more (lib/channel.h). */
static void give_up(struct virtio_device *d, struct virtio_channel *c)
{
    virtio_log(d, "the other end of its channel broke the protocol; disconnected");
    c->end = NULL;
}

void virtio_channel_connect(struct virtio_device *d, struct virtio_channel *c, struct capsule_tx *tx,
                            struct channel_end *end, uint32_t peer_slot, uint64_t peer_bits)
{
    c->end = end;
    c->peer_slot = peer_slot;
    c->peer_bits = peer_bits;
    c->stalled_since_ns = 0;
    c->dropping = false;
    /* A channel that is further away than a crash explains is another one. */
    if (c->state->produced - end->produced > BEHIND_MAX)
        CAPSULE_SET(tx, c->state->produced, end->produced);
    if (c->state->taken - end->taken > BEHIND_MAX)
        CAPSULE_SET(tx, c->state->taken, end->taken);
    capsule_commit_quietly(tx);
    virtio_channel_derive(d, c);
    end->taken = c->state->taken;
    notify(d, c); /* the signal for what was published may be what the crash took */
    d->virtio->backend->kick(d->virtio->backend_context, d->bits);
}

enum virtio_room virtio_channel_room(struct virtio_device *d, struct virtio_channel *c, uint64_t patience_ns)
{
    uint64_t now;
    uint32_t space;

    if (c->end == NULL)
        return VIRTIO_ROOM_DROP;
    if (channel_space(c->end, &space) != CL_OK) {
        give_up(d, c);
        return VIRTIO_ROOM_DROP;
    }
    if (space > 0) {
        c->stalled_since_ns = 0;
        c->dropping = false;
        return VIRTIO_ROOM;
    }
    if (c->dropping)
        return VIRTIO_ROOM_DROP;
    now = machine_now(d->device);
    if (c->stalled_since_ns == 0)
        c->stalled_since_ns = now | 1;
    if (now >= c->stalled_since_ns + patience_ns) {
        c->dropping = true;
        virtio_log(d, "nobody takes what it sends; dropped until somebody does");
        return VIRTIO_ROOM_DROP;
    }
    virtio_retry_after(d, c->stalled_since_ns + patience_ns - now);
    return VIRTIO_ROOM_WAIT;
}

void virtio_channel_put(struct virtio_channel *c, struct capsule_tx *tx, uint32_t length, uint32_t kind)
{
    uint32_t size;
    const uint8_t *buffer = channel_buffer(c->end, &size);

    /* room and length were checked, and the peer cannot take the room away: its index only frees */
    if (channel_put(c->end, (uint32_t)(buffer - c->end->send_pool), length, kind, 0) == CL_OK)
        CAPSULE_SET(tx, c->state->produced, c->end->produced);
    CAPSULE_STORED();
}

bool virtio_channel_take(struct virtio_device *d, struct virtio_channel *c, struct capsule_tx *tx,
                         struct channel_descriptor *message, bool *again)
{
    enum cl_status status;

    *again = false;
    if (c->end == NULL)
        return false;
    status = channel_take(c->end, message);
    if (status == CL_NOT_FOUND) {
        *again = channel_arm(c->end);
        return false;
    }
    if (status != CL_OK) {
        give_up(d, c);
        return false;
    }
    CAPSULE_SET(tx, c->state->taken, c->end->taken);
    return true;
}

void virtio_channel_derive(struct virtio_device *d, struct virtio_channel *c)
{
    bool tell = false;
    uint32_t space;

    if (c->end == NULL)
        return;
    if (c->end->published != c->state->produced) {
        c->end->produced = c->state->produced;
        tell = channel_publish(c->end);
        CAPSULE_STORED();
        /* The peer rings for room in a ring that it saw full. This one may have been full before it was shown. */
        if (c->stalled_since_ns != 0 && channel_space(c->end, &space) == CL_OK && space > 0)
            d->virtio->backend->kick(d->virtio->backend_context, d->bits);
    }
    if (c->end->released != c->state->taken) {
        c->end->taken = c->state->taken;
        channel_release(c->end);
        CAPSULE_STORED();
        tell = channel_made_room(c->end) || tell;
    }
    if (tell)
        notify(d, c);
}

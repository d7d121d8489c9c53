/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_net.c: network card (virtio 1.2 §5.1) without offloads: one buffer, one frame. */
#include "services/protocol/frame.h"
#include "vmm/virtio_devices.h"

#define NET_F_MTU (UINT64_C(1) << 3)
#define NET_F_MAC (UINT64_C(1) << 5)
#define NET_F_STATUS (UINT64_C(1) << 16)

#define QUEUE_RECEIVE 0u
#define QUEUE_TRANSMIT 1u
#define LINK_UP 1u
#define PATIENCE_NS UINT64_C(20000000) /* how long a guest waits for a switch that takes nothing */

/* §5.1.6: in front of every frame. */
struct net_header {
    uint8_t flags, gso_type;
    uint16_t header_length, gso_size, checksum_start, checksum_offset;
    uint16_t buffers;
};

static_assert(sizeof(struct net_header) == 12, "virtio 1.2 §5.1.6");

struct net_state {
    struct virtio_state virtio;
    struct virtio_channel_state channel;
    uint16_t link;
    uint16_t reserved[3];
};

static struct net_state *state_of(const struct virtio_net *net)
{
    return net->virtio.device->state;
}

static void net_config(const struct virtio_device *d, uint8_t config[VIRTIO_CONFIG_BYTES])
{
    const struct virtio_net *net = (const struct virtio_net *)d;
    const struct {
        uint8_t mac[6];
        uint16_t status, queue_pairs, mtu;
    } layout = { .mac = { net->mac[0], net->mac[1], net->mac[2], net->mac[3], net->mac[4], net->mac[5] },
                 .status = state_of(net)->link,
                 .queue_pairs = 1,
                 .mtu = net->mtu };

    memcpy(config, &layout, sizeof(layout));
}

/* One frame from the guest into the channel. */
static void send_frame(struct virtio_net *net, struct capsule_tx *tx, const struct virtqueue_chain *chain)
{
    uint32_t length = chain->out_bytes - (uint32_t)sizeof(struct net_header), capacity;

    virtqueue_read(chain, sizeof(struct net_header), channel_buffer(net->channel.end, &capacity), length);
    virtio_channel_put(&net->channel, tx, length, FRAME_ETHERNET);
    net->sent_frames++;
    net->sent_bytes += length;
}

static bool serve_transmit(struct virtio_net *net, struct capsule_tx *tx, const struct virtqueue *queue)
{
    struct virtio_device *d = &net->virtio;
    const struct virtqueue_chain *chain = &d->virtio->chain;

    for (unsigned n = 0; n < VIRTIO_BATCH; n++) {
        enum cl_status status = virtio_queue_next(d, tx, queue);
        enum virtio_room room = VIRTIO_ROOM_DROP;

        if (status != CL_OK)
            return status == CL_NOT_FOUND && virtqueue_arm(queue);
        if (chain->out_bytes >= sizeof(struct net_header) + FRAME_BYTES_MIN &&
            chain->out_bytes <= sizeof(struct net_header) + FRAME_BYTES_MAX)
            room = virtio_channel_room(d, &net->channel, PATIENCE_NS);
        if (room == VIRTIO_ROOM_WAIT)
            return false;
        if (room == VIRTIO_ROOM)
            send_frame(net, tx, chain);
        else
            net->dropped_sent++;
        virtqueue_complete(queue, tx, chain, 0);
    }
    return true;
}

/* One frame from the channel into the chain. */
static void receive_frame(struct virtio_net *net, struct capsule_tx *tx, const struct virtqueue *queue,
                          const struct channel_descriptor *frame)
{
    static const struct net_header header = { .buffers = 1 };
    const struct virtqueue_chain *chain = &net->virtio.virtio->chain;

    if (frame->length < FRAME_BYTES_MIN || frame->length > FRAME_BYTES_MAX ||
        frame->length > chain->in_bytes - sizeof(header)) {
        net->dropped_received++;
        return;
    }
    virtqueue_write(chain, 0, &header, sizeof(header));
    virtqueue_write(chain, sizeof(header), channel_data(net->channel.end, frame), frame->length);
    virtqueue_complete(queue, tx, chain, (uint32_t)sizeof(header) + frame->length);
    net->received_frames++;
    net->received_bytes += frame->length;
}

/* Frames stay in the channel while the guest gives no buffers; its next buffer rings the doorbell. */
static bool serve_receive(struct virtio_net *net, struct capsule_tx *tx, const struct virtqueue *queue)
{
    struct virtio_device *d = &net->virtio;

    for (unsigned n = 0; n < VIRTIO_BATCH; n++) {
        enum cl_status status = virtio_queue_next(d, tx, queue);
        struct channel_descriptor frame;
        bool again;

        if (status != CL_OK)
            return status == CL_NOT_FOUND && virtqueue_arm(queue);
        if (d->virtio->chain.in_bytes < sizeof(struct net_header)) {
            virtio_fail(d, tx, "a receive buffer smaller than a header");
            return false;
        }
        if (!virtio_channel_take(d, &net->channel, tx, &frame, &again))
            return again;
        receive_frame(net, tx, queue, &frame);
    }
    return true;
}

static bool net_serve(struct virtio_device *d, struct capsule_tx *tx, unsigned index)
{
    struct virtio_net *net = (struct virtio_net *)d;
    struct virtqueue queue;

    if (!virtio_queue_open(d, index, &queue))
        return false;
    return index == QUEUE_TRANSMIT ? serve_transmit(net, tx, &queue) : serve_receive(net, tx, &queue);
}

static void net_derive(struct virtio_device *d, struct capsule_tx *tx)
{
    (void)tx;
    virtio_channel_derive(d, &((struct virtio_net *)d)->channel);
}

static const struct virtio_ops net_ops = {
    .device = VIRTIO_DEVICE_OPS("virtio-net", 1, struct net_state),
    .id = 1,
    .class_code = 0x020000,
    .queues = 2,
    .queue_size = 256,
    .features = NET_F_MAC | NET_F_STATUS | NET_F_MTU,
    .config = net_config,
    .serve = net_serve,
    .derive = net_derive,
};

enum cl_status virtio_net_add(struct virtio *virtio, struct virtio_net *net, const char *name, const uint8_t mac[6],
                              uint16_t mtu, uint64_t bits)
{
    memset(net, 0, sizeof(*net));
    memcpy(net->mac, mac, sizeof(net->mac));
    net->mtu = mtu;
    TRY(virtio_add(virtio, &net->virtio, &net_ops, name, 0, bits));
    net->channel.state = &state_of(net)->channel;
    return CL_OK;
}

static void set_link(struct virtio_net *net, struct capsule_tx *tx, uint16_t link)
{
    if (state_of(net)->link == link)
        return;
    CAPSULE_SET(tx, state_of(net)->link, link);
    virtio_config_changed(&net->virtio, tx);
}

enum cl_status virtio_net_connect(struct virtio_net *net, struct capsule_tx *tx, struct channel_end *end,
                                  uint32_t peer_slot, uint64_t peer_bits)
{
    uint32_t capacity;

    (void)channel_buffer(end, &capacity);
    if (capacity < FRAME_BYTES_MAX)
        return CL_BAD_ARGUMENT;
    device_lock(net->virtio.device);
    virtio_channel_connect(&net->virtio, &net->channel, tx, end, peer_slot, peer_bits);
    set_link(net, tx, LINK_UP);
    device_commit(net->virtio.device, tx);
    device_unlock(net->virtio.device);
    return CL_OK;
}

void virtio_net_disconnect(struct virtio_net *net, struct capsule_tx *tx)
{
    device_lock(net->virtio.device);
    net->channel.end = NULL;
    set_link(net, tx, 0);
    device_commit(net->virtio.device, tx);
    device_unlock(net->virtio.device);
}

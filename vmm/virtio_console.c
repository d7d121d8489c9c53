/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_console.c: console (virtio 1.2 §5.3) with one port.
 *
 * Output is cut into messages of the channel's buffer size: how far into the guest's request it has come is state, as
 * is the input message at work, of which the guest's buffers may take a part.
 *
 * A driver that knows several ports gets input only once it has opened its one: until Linux has registered a port it
 * throws away what comes, buffers included, and is deaf from then on.
 */
#include "vmm/virtio_devices.h"

#define CONSOLE_F_MULTIPORT (UINT64_C(1) << 1)

#define QUEUE_RECEIVE 0u
#define QUEUE_TRANSMIT 1u
#define QUEUE_CONTROL_RECEIVE 2u
#define QUEUE_CONTROL_TRANSMIT 3u
#define INPUT_WORDS (STREAM_MESSAGE_MAX / 8)
#define INPUT_BATCH 4u /* messages of one transaction: each takes up to INPUT_WORDS entries of the undo log */
#define PORTS 1u

static_assert(INPUT_BATCH * (INPUT_WORDS + 6) < CAPSULE_LOG_ENTRIES, "input fits into one transaction");

/* §5.3.6.2; the driver gets PORT_ADD, CONSOLE_PORT and PORT_OPEN in the order of their numbers. */
enum control_event { DEVICE_READY = 0, PORT_ADD = 1, PORT_READY = 3, CONSOLE_PORT = 4, PORT_OPEN = 6 };

struct control_message {
    uint32_t port;
    uint16_t event, value;
};

static_assert(sizeof(struct control_message) == 8, "virtio 1.2 §5.3.6.2");

struct console_state {
    struct virtio_state virtio;
    struct virtio_channel_state channel;
    uint32_t sent;    /* bytes of the next output request that are in the channel already */
    uint32_t pending; /* control messages that the driver has yet to get: a bit for each event */
    uint32_t opened;  /* the driver has opened the port */
    uint32_t reserved;
    uint32_t input_first, input_count; /* bytes of `input` that the guest has, and that there are */
    uint64_t input[INPUT_WORDS];
};

static struct console_state *state_of(const struct virtio_device *d)
{
    return d->device->state;
}

static void console_reset(struct virtio_device *d, struct capsule_tx *tx)
{
    CAPSULE_SET(tx, state_of(d)->sent, 0);
    CAPSULE_SET(tx, state_of(d)->pending, 0);
    CAPSULE_SET(tx, state_of(d)->opened, 0);
}

static void console_config(const struct virtio_device *d, uint8_t config[VIRTIO_CONFIG_BYTES])
{
    const struct {
        uint16_t columns, rows;
        uint32_t ports, emergency_write;
    } layout = { .ports = PORTS };

    (void)d;
    memcpy(config, &layout, sizeof(layout));
}

/* Put the next piece of the request into the channel. */
static void send_piece(struct virtio_console *console, struct capsule_tx *tx, const struct virtqueue_chain *chain)
{
    struct console_state *s = state_of(&console->virtio);
    uint32_t capacity, length = chain->out_bytes - s->sent;
    void *buffer = channel_buffer(console->channel.end, &capacity);

    if (length > capacity)
        length = capacity;
    if (length > STREAM_MESSAGE_MAX)
        length = STREAM_MESSAGE_MAX;
    virtqueue_read(chain, s->sent, buffer, length);
    virtio_channel_put(&console->channel, tx, length, STREAM_BYTES);
    CAPSULE_SET(tx, s->sent, s->sent + length);
}

static bool serve_transmit(struct virtio_console *console, struct capsule_tx *tx, const struct virtqueue *queue)
{
    struct virtio_device *d = &console->virtio;
    struct console_state *s = state_of(d);
    const struct virtqueue_chain *chain = &d->virtio->chain;

    for (unsigned n = 0; n < VIRTIO_BATCH; n++) {
        enum cl_status status = virtio_queue_next(d, tx, queue);

        if (status != CL_OK)
            return status == CL_NOT_FOUND && virtqueue_arm(queue);
        if (s->sent < chain->out_bytes) {
            switch (virtio_channel_room(d, &console->channel, STREAM_PATIENCE_NS)) {
            case VIRTIO_ROOM:
                send_piece(console, tx, chain);
                break;
            case VIRTIO_ROOM_WAIT:
                return false;
            default:
                console->dropped_bytes += chain->out_bytes - s->sent;
                CAPSULE_SET(tx, s->sent, chain->out_bytes);
                break;
            }
        }
        if (s->sent >= chain->out_bytes) {
            virtqueue_complete(queue, tx, chain, 0);
            CAPSULE_SET(tx, s->sent, 0);
        }
    }
    return true;
}

/* Copy a message out of the channel: the peer may change it as long as it lies there. */
static void accept_message(struct virtio_console *console, struct capsule_tx *tx,
                           const struct channel_descriptor *message)
{
    struct console_state *s = state_of(&console->virtio);
    uint64_t words[INPUT_WORDS] = { 0 };

    if (message->kind != STREAM_BYTES || message->length > sizeof(words))
        return;
    memcpy(words, channel_data(console->channel.end, message), message->length);
    for (unsigned i = 0; i < (message->length + 7) / 8; i++)
        CAPSULE_SET(tx, s->input[i], words[i]);
    CAPSULE_SET(tx, s->input_first, 0);
    CAPSULE_SET(tx, s->input_count, message->length);
}

static bool serve_receive(struct virtio_console *console, struct capsule_tx *tx, const struct virtqueue *queue)
{
    struct virtio_device *d = &console->virtio;
    struct console_state *s = state_of(d);
    const struct virtqueue_chain *chain = &d->virtio->chain;

    if (virtio_negotiated(d, CONSOLE_F_MULTIPORT) && !s->opened)
        return false;
    for (unsigned n = 0; n < INPUT_BATCH; n++) {
        struct channel_descriptor message;
        enum cl_status status;
        uint32_t length;
        bool again;

        if (s->input_first >= s->input_count) {
            if (!virtio_channel_take(d, &console->channel, tx, &message, &again))
                return again;
            accept_message(console, tx, &message);
            continue;
        }
        status = virtio_queue_next(d, tx, queue);
        if (status != CL_OK)
            return status == CL_NOT_FOUND && virtqueue_arm(queue);
        length = virtqueue_write(chain, 0, (const uint8_t *)s->input + s->input_first, s->input_count - s->input_first);
        CAPSULE_SET(tx, s->input_first, s->input_first + length);
        virtqueue_complete(queue, tx, chain, length);
    }
    return true;
}

static void send_control(struct virtio_device *d, struct capsule_tx *tx, enum control_event event)
{
    CAPSULE_SET(tx, state_of(d)->pending, state_of(d)->pending | 1u << event);
}

static void obey(struct virtio_device *d, struct capsule_tx *tx, const struct control_message *message)
{
    if (message->event == DEVICE_READY && message->value == 1) {
        send_control(d, tx, PORT_ADD);
    } else if (message->port == 0 && message->event == PORT_READY && message->value == 1) {
        send_control(d, tx, CONSOLE_PORT);
        send_control(d, tx, PORT_OPEN);
    } else if (message->port == 0 && message->event == PORT_OPEN) {
        CAPSULE_SET(tx, state_of(d)->opened, message->value != 0);
    }
}

/* What the driver says; the queues before this one have to be looked at again, then. */
static bool serve_control_transmit(struct virtio_device *d, struct capsule_tx *tx, const struct virtqueue *queue)
{
    const struct virtqueue_chain *chain = &d->virtio->chain;

    for (unsigned n = 0; n < VIRTIO_BATCH; n++) {
        enum cl_status status = virtio_queue_next(d, tx, queue);
        struct control_message message;

        if (status != CL_OK)
            return status == CL_NOT_FOUND && (virtqueue_arm(queue) || n > 0);
        if (virtqueue_read(chain, 0, &message, sizeof(message)) == sizeof(message))
            obey(d, tx, &message);
        virtqueue_complete(queue, tx, chain, 0);
    }
    return true;
}

static bool serve_control_receive(struct virtio_device *d, struct capsule_tx *tx, const struct virtqueue *queue)
{
    struct console_state *s = state_of(d);

    while (s->pending != 0) {
        const struct control_message message = { .event = (uint16_t)__builtin_ctz(s->pending), .value = 1 };
        enum cl_status status = virtio_queue_next(d, tx, queue);

        if (status != CL_OK)
            return status == CL_NOT_FOUND && virtqueue_arm(queue);
        virtqueue_complete(queue, tx, &d->virtio->chain,
                           virtqueue_write(&d->virtio->chain, 0, &message, sizeof(message)));
        CAPSULE_SET(tx, s->pending, s->pending & (s->pending - 1));
    }
    return false;
}

static bool console_serve(struct virtio_device *d, struct capsule_tx *tx, unsigned index)
{
    struct virtio_console *console = (struct virtio_console *)d;
    struct virtqueue queue;

    if (!virtio_queue_open(d, index, &queue))
        return false;
    switch (index) {
    case QUEUE_RECEIVE:
        return serve_receive(console, tx, &queue);
    case QUEUE_TRANSMIT:
        return serve_transmit(console, tx, &queue);
    case QUEUE_CONTROL_RECEIVE:
        return serve_control_receive(d, tx, &queue);
    default:
        return serve_control_transmit(d, tx, &queue);
    }
}

static void console_derive(struct virtio_device *d, struct capsule_tx *tx)
{
    (void)tx;
    virtio_channel_derive(d, &((struct virtio_console *)d)->channel);
}

static const struct virtio_ops console_ops = {
    .device = VIRTIO_DEVICE_OPS("virtio-console", 2, struct console_state),
    .id = 3,
    .class_code = 0x078000,
    .queues = 2 + 2 * PORTS,
    .queue_size = 64,
    .features = CONSOLE_F_MULTIPORT,
    .reset = console_reset,
    .config = console_config,
    .serve = console_serve,
    .derive = console_derive,
};

enum cl_status virtio_console_add(struct virtio *virtio, struct virtio_console *console, const char *name,
                                  uint64_t bits)
{
    memset(console, 0, sizeof(*console));
    TRY(virtio_add(virtio, &console->virtio, &console_ops, name, 0, bits));
    console->channel.state = &state_of(&console->virtio)->channel;
    return CL_OK;
}

void virtio_console_connect(struct virtio_console *console, struct capsule_tx *tx, struct channel_end *end,
                            uint32_t peer_slot, uint64_t peer_bits)
{
    uint32_t capacity;

    (void)channel_buffer(end, &capacity);
    if (capacity == 0)
        return;
    device_lock(console->virtio.device);
    virtio_channel_connect(&console->virtio, &console->channel, tx, end, peer_slot, peer_bits);
    device_commit(console->virtio.device, tx);
    device_unlock(console->virtio.device);
}

void virtio_console_disconnect(struct virtio_console *console, struct capsule_tx *tx)
{
    device_lock(console->virtio.device);
    console->channel.end = NULL;
    device_commit(console->virtio.device, tx);
    device_unlock(console->virtio.device);
}

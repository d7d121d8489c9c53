/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_devices.h: the kinds of virtio devices: net, console, block, rng.
 *
 * Each is a structure that the machine's builder keeps, an add function, and what the outside may do to the device.
 * Functions with a transaction are no steps of an exit; they take the device's lock and commit.
 */
#ifndef CL_VMM_VIRTIO_DEVICES_H
#define CL_VMM_VIRTIO_DEVICES_H

#include "services/protocol/stream.h"
#include "vmm/virtio_channel.h"

/* Network card (virtio 1.2 §5.1): Ethernet frames to and from a channel (services/protocol/frame.h). */
struct virtio_net {
    struct virtio_device virtio;
    struct virtio_channel channel;
    uint8_t mac[6];
    uint16_t mtu;
    /* since the VMM was started; "sent" is from the guest. Written by the device thread */
    uint64_t sent_frames, sent_bytes, received_frames, received_bytes;
    uint64_t dropped_sent, dropped_received;
};

enum cl_status virtio_net_add(struct virtio *virtio, struct virtio_net *net, const char *name, const uint8_t mac[6],
                              uint16_t mtu, uint64_t bits) CL_MUST_CHECK;

/* Plug the cable in: the driver sees the link come up. CL_BAD_ARGUMENT: the channel's buffers are too small. */
enum cl_status virtio_net_connect(struct virtio_net *net, struct capsule_tx *tx, struct channel_end *end,
                                  uint32_t peer_slot, uint64_t peer_bits) CL_MUST_CHECK;
/* Pull it out. The channel is not touched any more. */
void virtio_net_disconnect(struct virtio_net *net, struct capsule_tx *tx);

/* Console (§5.3), one port: bytes to and from a channel (services/protocol/stream.h). */
struct virtio_console {
    struct virtio_device virtio;
    struct virtio_channel channel;
    uint64_t dropped_bytes; /* that nobody took */
};

enum cl_status virtio_console_add(struct virtio *virtio, struct virtio_console *console, const char *name,
                                  uint64_t bits) CL_MUST_CHECK;
/* A channel without buffers is left alone. */
void virtio_console_connect(struct virtio_console *console, struct capsule_tx *tx, struct channel_end *end,
                            uint32_t peer_slot, uint64_t peer_bits);
void virtio_console_disconnect(struct virtio_console *console, struct capsule_tx *tx);

/* Block device (§5.2): a read-only image in memory. */
struct virtio_block {
    struct virtio_device virtio;
    const uint8_t *image;
    uint64_t image_bytes; /* sectors behind the end of the last, partial one read as zeros */
    char id[20];          /* what the guest sees as serial number; padded with NULs */
};

enum cl_status virtio_block_add(struct virtio *virtio, struct virtio_block *block, const char *name, const void *image,
                                uint64_t image_bytes, const char *id) CL_MUST_CHECK;

/* Entropy source (§5.4). */
struct virtio_rng {
    struct virtio_device virtio;
};

enum cl_status virtio_rng_add(struct virtio *virtio, struct virtio_rng *rng, const char *name) CL_MUST_CHECK;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_rng.c: entropy source (virtio 1.2 §5.4). */
#include "vmm/virtio_devices.h"

#define PIECE 256u /* bytes given for one request: a driver that wants more asks again (§5.4.6.1) */

struct rng_state {
    struct virtio_state virtio;
};

static bool rng_serve(struct virtio_device *d, struct capsule_tx *tx, unsigned index)
{
    const struct virtqueue_chain *chain = &d->virtio->chain;
    struct virtqueue queue;

    if (!virtio_queue_open(d, index, &queue))
        return false;
    for (unsigned n = 0; n < VIRTIO_BATCH; n++) {
        enum cl_status status = virtio_queue_next(d, tx, &queue);
        uint8_t bytes[PIECE];
        uint32_t length = PIECE;

        if (status != CL_OK)
            return status == CL_NOT_FOUND && virtqueue_arm(&queue);
        if (length > d->virtio->chain.in_bytes)
            length = d->virtio->chain.in_bytes;
        if (length == 0) {
            virtio_fail(d, tx, "a request for no random bytes");
            return false;
        }
        d->virtio->backend->entropy(d->virtio->backend_context, bytes, length);
        virtqueue_write(chain, 0, bytes, length);
        explicit_bzero(bytes, sizeof(bytes));
        virtqueue_complete(&queue, tx, chain, length);
    }
    return true;
}

static const struct virtio_ops rng_ops = {
    .device = VIRTIO_DEVICE_OPS("virtio-rng", 1, struct rng_state),
    .id = 4,
    .class_code = 0x00FF00,
    .queues = 1,
    .queue_size = 16,
    .serve = rng_serve,
};

enum cl_status virtio_rng_add(struct virtio *virtio, struct virtio_rng *rng, const char *name)
{
    memset(rng, 0, sizeof(*rng));
    return virtio_add(virtio, &rng->virtio, &rng_ops, name, 0, 0);
}

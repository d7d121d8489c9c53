/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_block.c: read-only block device over an image in memory (virtio 1.2 §5.2). */
#include "vmm/virtio_devices.h"

#define BLOCK_F_SIZE_MAX (UINT64_C(1) << 1)
#define BLOCK_F_SEG_MAX (UINT64_C(1) << 2)
#define BLOCK_F_RO (UINT64_C(1) << 5)
#define BLOCK_F_BLK_SIZE (UINT64_C(1) << 6)
#define BLOCK_F_FLUSH (UINT64_C(1) << 9)

#define TYPE_IN 0u
#define TYPE_OUT 1u
#define TYPE_FLUSH 4u
#define TYPE_GET_ID 8u
#define STATUS_OK 0u
#define STATUS_IOERR 1u
#define STATUS_UNSUPP 2u

#define SECTOR 512u
#define SEGMENT_BYTES_MAX 8192u
#define SEGMENTS_MAX 32u
#define REQUEST_BYTES_MAX (SEGMENT_BYTES_MAX * SEGMENTS_MAX)

/* §5.2.6 */
struct block_request {
    uint32_t type;
    uint32_t reserved;
    uint64_t sector;
};

struct block_state {
    struct virtio_state virtio;
};

static uint64_t capacity(const struct virtio_block *block)
{
    return block->image_bytes / SECTOR + (block->image_bytes % SECTOR != 0);
}

static void block_config(const struct virtio_device *d, uint8_t config[VIRTIO_CONFIG_BYTES])
{
    const struct virtio_block *block = (const struct virtio_block *)d;
    const struct {
        uint64_t capacity;
        uint32_t size_max, seg_max;
        uint16_t cylinders;
        uint8_t heads, sectors;
        uint32_t block_size;
    } layout = {
        .capacity = capacity(block), .size_max = SEGMENT_BYTES_MAX, .seg_max = SEGMENTS_MAX, .block_size = SECTOR
    };

    memcpy(config, &layout, sizeof(layout));
}

static uint8_t read_sectors(const struct virtio_block *block, const struct virtqueue_chain *chain, uint64_t sector,
                            uint32_t length)
{
    uint64_t from, present;

    if (length == 0 || length % SECTOR != 0 || length > REQUEST_BYTES_MAX || sector >= capacity(block) ||
        length / SECTOR > capacity(block) - sector)
        return STATUS_IOERR;
    from = sector * SECTOR;
    present = block->image_bytes - from;
    if (present > length)
        present = length;
    virtqueue_write(chain, 0, block->image + from, (uint32_t)present);
    virtqueue_write_zeros(chain, (uint32_t)present, length - (uint32_t)present);
    return STATUS_OK;
}

/* One request; `*data` becomes the bytes that were read. The status is the last byte that the device may write. */
static uint8_t perform(const struct virtio_block *block, const struct virtqueue_chain *chain, uint32_t *data)
{
    uint32_t room = chain->in_bytes - 1;
    struct block_request request;
    uint8_t status;

    *data = 0;
    if (virtqueue_read(chain, 0, &request, sizeof(request)) != sizeof(request))
        return STATUS_IOERR;
    switch (request.type) {
    case TYPE_IN:
        status = read_sectors(block, chain, request.sector, room);
        *data = status == STATUS_OK ? room : 0;
        return status;
    case TYPE_OUT:
        return STATUS_IOERR; /* §5.2.6.1: a read-only device fails writes */
    case TYPE_FLUSH:
        return STATUS_OK;
    case TYPE_GET_ID:
        *data = virtqueue_write(chain, 0, block->id, room < sizeof(block->id) ? room : (uint32_t)sizeof(block->id));
        return STATUS_OK;
    default:
        return STATUS_UNSUPP;
    }
}

static bool block_serve(struct virtio_device *d, struct capsule_tx *tx, unsigned index)
{
    const struct virtio_block *block = (const struct virtio_block *)d;
    const struct virtqueue_chain *chain = &d->virtio->chain;
    struct virtqueue queue;
    uint32_t copied = 0;

    if (!virtio_queue_open(d, index, &queue))
        return false;
    for (unsigned n = 0; n < VIRTIO_BATCH && copied < REQUEST_BYTES_MAX; n++) {
        enum cl_status found = virtio_queue_next(d, tx, &queue);
        uint32_t data;
        uint8_t status;

        if (found != CL_OK)
            return found == CL_NOT_FOUND && virtqueue_arm(&queue);
        if (chain->in_bytes == 0) {
            virtio_fail(d, tx, "a request without a status byte");
            return false;
        }
        status = perform(block, chain, &data);
        virtqueue_write(chain, chain->in_bytes - 1, &status, 1);
        virtqueue_complete(&queue, tx, chain, data + 1);
        copied += data;
    }
    return true;
}

static const struct virtio_ops block_ops = {
    .device = VIRTIO_DEVICE_OPS("virtio-block", 1, struct block_state),
    .id = 2,
    .class_code = 0x018000,
    .queues = 1,
    .queue_size = 128,
    .features = BLOCK_F_SIZE_MAX | BLOCK_F_SEG_MAX | BLOCK_F_RO | BLOCK_F_BLK_SIZE | BLOCK_F_FLUSH,
    .config = block_config,
    .serve = block_serve,
};

enum cl_status virtio_block_add(struct virtio *virtio, struct virtio_block *block, const char *name, const void *image,
                                uint64_t image_bytes, const char *id)
{
    memset(block, 0, sizeof(*block));
    block->image = image;
    block->image_bytes = image_bytes;
    memcpy(block->id, id, strnlen(id, sizeof(block->id)));
    return virtio_add(virtio, &block->virtio, &block_ops, name, 0, 0);
}

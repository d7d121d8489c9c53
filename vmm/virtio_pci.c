/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_pci.c: registers of the transport: features, status, queue set-up, notification. */
#include "vmm/virtio_pci.h"

#define VENDOR 0x1AF4u
#define DEVICE_BASE 0x1040u /* §4.1.2.1 */
#define SUBSYSTEM 0x1100u
#define REVISION 1u

static uint32_t ones(unsigned size)
{
    return size >= 4 ? UINT32_MAX : (1u << size * 8) - 1;
}

/* §4.1.4: vendor capability with length, type, BAR, offset and length of the structure. */
static unsigned add_capability(struct pci_function *f, unsigned type, unsigned bytes, unsigned bar, uint32_t offset,
                               uint32_t length)
{
    unsigned at = pci_capability_add(f, PCI_CAP_VENDOR, bytes);

    f->initial[at / 4] |= bytes << 16 | type << 24;
    f->initial[at / 4 + 1] = bar;
    f->initial[at / 4 + 2] = offset;
    f->initial[at / 4 + 3] = length;
    return at;
}

void virtio_pci_init(struct virtio_device *d)
{
    struct pci_function *f = &d->function;
    struct pci_identity identity = {
        .vendor = VENDOR,
        .device = (uint16_t)(DEVICE_BASE + d->ops->id),
        .subsystem_vendor = VENDOR,
        .subsystem = SUBSYSTEM,
        .class_code = d->ops->class_code,
        .revision = REVISION,
        .interrupt_pin = true,
        .bar = {
            [VIRTIO_PCI_NOTIFY_BAR] = { PCI_BAR_IO, VIRTIO_PCI_NOTIFY_BYTES },
            [VIRTIO_PCI_REGISTER_BAR] = { PCI_BAR_MEMORY32, VIRTIO_PCI_REGISTER_BYTES },
        },
    };
    unsigned at;

    pci_function_init(f, d->device, &identity);
    (void)add_capability(f, VIRTIO_PCI_CAP_COMMON_CFG, 16, VIRTIO_PCI_REGISTER_BAR, VIRTIO_PCI_COMMON,
                         VIRTIO_PCI_COMMON_BYTES);
    at = add_capability(f, VIRTIO_PCI_CAP_NOTIFY_CFG, 20, VIRTIO_PCI_NOTIFY_BAR, 0,
                        d->ops->queues * VIRTIO_PCI_NOTIFY_MULTIPLIER);
    f->initial[at / 4 + 4] = VIRTIO_PCI_NOTIFY_MULTIPLIER;
    (void)add_capability(f, VIRTIO_PCI_CAP_ISR_CFG, 16, VIRTIO_PCI_REGISTER_BAR, VIRTIO_PCI_ISR, 1);
    if (d->ops->config != NULL)
        (void)add_capability(f, VIRTIO_PCI_CAP_DEVICE_CFG, 16, VIRTIO_PCI_REGISTER_BAR, VIRTIO_PCI_DEVICE,
                             VIRTIO_CONFIG_BYTES);
    at = add_capability(f, VIRTIO_PCI_CAP_PCI_CFG, 20, 0, 0, 0);
    f->writable[at / 4 + 1] = 0xFF; /* BAR */
    f->writable[at / 4 + 2] = UINT32_MAX;
    f->writable[at / 4 + 3] = UINT32_MAX;
    f->window_capability = at;
    pci_msix_add(f, d->ops->queues + 1, VIRTIO_PCI_REGISTER_BAR, VIRTIO_PCI_MSIX_TABLE, VIRTIO_PCI_MSIX_PBA);
}

void virtio_pci_reset(struct virtio_device *d, struct capsule_tx *tx)
{
    struct virtio_state *s = d->state;

    CAPSULE_SET(tx, s->driver_features, 0);
    CAPSULE_SET(tx, s->device_feature_select, 0);
    CAPSULE_SET(tx, s->driver_feature_select, 0);
    CAPSULE_SET(tx, s->config_vector, PCI_NO_VECTOR);
    CAPSULE_SET(tx, s->queue_select, 0);
    CAPSULE_SET(tx, s->status, 0);
    CAPSULE_SET(tx, s->isr, 0);
    for (unsigned i = 0; i < d->ops->queues; i++) {
        struct virtqueue_state *q = &s->queue[i];

        CAPSULE_SET(tx, q->desc, 0);
        CAPSULE_SET(tx, q->avail, 0);
        CAPSULE_SET(tx, q->used, 0);
        CAPSULE_SET(tx, q->size, d->ops->queue_size);
        CAPSULE_SET(tx, q->vector, PCI_NO_VECTOR);
        CAPSULE_SET(tx, q->enabled, 0);
        CAPSULE_SET(tx, q->avail_index, 0);
        CAPSULE_SET(tx, q->used_index, 0);
        CAPSULE_SET(tx, q->signalled, 0);
    }
    if (d->ops->reset != NULL)
        d->ops->reset(d, tx);
}

static struct virtqueue_state *selected_queue(const struct virtio_device *d)
{
    return d->state->queue_select < d->ops->queues ? &d->state->queue[d->state->queue_select] : NULL;
}

static uint32_t half(uint64_t value, unsigned which)
{
    return which == 0 ? (uint32_t)value : which == 1 ? (uint32_t)(value >> 32) : 0;
}

/* The aligned word of the common configuration that holds `offset`. */
static uint32_t common_word(const struct virtio_device *d, unsigned offset)
{
    const struct virtio_state *s = d->state;
    const struct virtqueue_state *q = selected_queue(d);

    switch (offset & ~3u) {
    case VIRTIO_COMMON_DEVICE_FEATURE_SELECT:
        return s->device_feature_select;
    case VIRTIO_COMMON_DEVICE_FEATURE:
        return half(d->features, s->device_feature_select);
    case VIRTIO_COMMON_DRIVER_FEATURE_SELECT:
        return s->driver_feature_select;
    case VIRTIO_COMMON_DRIVER_FEATURE:
        return half(s->driver_features, s->driver_feature_select);
    case VIRTIO_COMMON_CONFIG_VECTOR:
        return s->config_vector | d->ops->queues << 16;
    case VIRTIO_COMMON_STATUS:
        return s->status | (uint32_t)s->generation << 8 | (uint32_t)s->queue_select << 16;
    default:
        break;
    }
    if (q == NULL) /* a size of 0 says that there is no such queue */
        return (offset & ~3u) == VIRTIO_COMMON_QUEUE_SIZE ? PCI_NO_VECTOR << 16 : 0;
    switch (offset & ~3u) {
    case VIRTIO_COMMON_QUEUE_SIZE:
        return q->size | (uint32_t)q->vector << 16;
    case VIRTIO_COMMON_QUEUE_ENABLE:
        return q->enabled | (uint32_t)s->queue_select << 16;
    case VIRTIO_COMMON_QUEUE_DESC:
        return half(q->desc, 0);
    case VIRTIO_COMMON_QUEUE_DESC + 4:
        return half(q->desc, 1);
    case VIRTIO_COMMON_QUEUE_DRIVER:
        return half(q->avail, 0);
    case VIRTIO_COMMON_QUEUE_DRIVER + 4:
        return half(q->avail, 1);
    case VIRTIO_COMMON_QUEUE_DEVICE:
        return half(q->used, 0);
    case VIRTIO_COMMON_QUEUE_DEVICE + 4:
        return half(q->used, 1);
    default:
        return 0;
    }
}

/* §2.1, §3.1.1: bits are only added; features are accepted or not; 0 resets. */
static void write_status(struct virtio_device *d, struct capsule_tx *tx, uint8_t value)
{
    struct virtio_state *s = d->state;
    uint8_t status = s->status | (value & (uint8_t)~VIRTIO_STATUS_NEEDS_RESET);

    if (value == 0) {
        virtio_pci_reset(d, tx);
        return;
    }
    if (!(s->status & VIRTIO_STATUS_FEATURES_OK) && status & VIRTIO_STATUS_FEATURES_OK &&
        (s->driver_features & ~d->features || !virtio_negotiated(d, VIRTIO_F_VERSION_1)))
        status &= (uint8_t)~VIRTIO_STATUS_FEATURES_OK;
    if (!(status & VIRTIO_STATUS_FEATURES_OK))
        status &= (uint8_t)~VIRTIO_STATUS_DRIVER_OK;
    CAPSULE_SET(tx, s->status, status);
}

static void write_driver_features(struct virtio_device *d, struct capsule_tx *tx, uint32_t value)
{
    struct virtio_state *s = d->state;
    unsigned shift = s->driver_feature_select * 32;

    if (s->driver_feature_select > 1 || s->status & VIRTIO_STATUS_FEATURES_OK)
        return;
    CAPSULE_SET(tx, s->driver_features,
                (s->driver_features & ~(UINT64_C(0xFFFFFFFF) << shift)) | (uint64_t)value << shift);
}

static uint16_t valid_vector(const struct virtio_device *d, uint32_t value)
{
    return (uint16_t)(value < d->function.msix_vectors ? value : PCI_NO_VECTOR);
}

static void enable_queue(struct virtio_device *d, struct capsule_tx *tx, struct virtqueue_state *q, uint32_t value)
{
    const char *fault;

    if (value != 1 || q->enabled) /* a queue is disabled by a reset only */
        return;
    fault = virtqueue_check(q, &d->virtio->machine->memory);
    if (fault != NULL)
        virtio_fail(d, tx, fault);
    else
        CAPSULE_SET(tx, q->enabled, 1);
}

static void write_queue_address(struct virtqueue_state *q, struct capsule_tx *tx, unsigned offset, uint32_t value)
{
    uint64_t *field = offset < VIRTIO_COMMON_QUEUE_DRIVER   ? &q->desc
                      : offset < VIRTIO_COMMON_QUEUE_DEVICE ? &q->avail
                                                            : &q->used;
    unsigned shift = (offset & 4) * 8;

    if (!q->enabled)
        CAPSULE_SET(tx, *field, (*field & ~(UINT64_C(0xFFFFFFFF) << shift)) | (uint64_t)value << shift);
}

static void write_queue(struct virtio_device *d, struct capsule_tx *tx, unsigned offset, unsigned size, uint32_t value)
{
    struct virtqueue_state *q = selected_queue(d);

    if (q == NULL)
        return;
    if (size == 4 && offset % 4 == 0 && offset >= VIRTIO_COMMON_QUEUE_DESC && offset < VIRTIO_PCI_COMMON_BYTES)
        write_queue_address(q, tx, offset, value);
    if (size != 2)
        return;
    switch (offset) {
    case VIRTIO_COMMON_QUEUE_SIZE:
        if (!q->enabled)
            CAPSULE_SET(tx, q->size, value);
        break;
    case VIRTIO_COMMON_QUEUE_VECTOR:
        CAPSULE_SET(tx, q->vector, valid_vector(d, value));
        break;
    case VIRTIO_COMMON_QUEUE_ENABLE:
        enable_queue(d, tx, q, value);
        break;
    default:
        break;
    }
}

/* Accesses of another width than the field's break §4.1.3.1 and are lost. */
static void write_common(struct virtio_device *d, struct capsule_tx *tx, unsigned offset, unsigned size, uint32_t value)
{
    struct virtio_state *s = d->state;

    switch (offset << 4 | size) {
    case VIRTIO_COMMON_DEVICE_FEATURE_SELECT << 4 | 4:
        CAPSULE_SET(tx, s->device_feature_select, value);
        break;
    case VIRTIO_COMMON_DRIVER_FEATURE_SELECT << 4 | 4:
        CAPSULE_SET(tx, s->driver_feature_select, value);
        break;
    case VIRTIO_COMMON_DRIVER_FEATURE << 4 | 4:
        write_driver_features(d, tx, value);
        break;
    case VIRTIO_COMMON_CONFIG_VECTOR << 4 | 2:
        CAPSULE_SET(tx, s->config_vector, valid_vector(d, value));
        break;
    case VIRTIO_COMMON_STATUS << 4 | 1:
        write_status(d, tx, (uint8_t)value);
        break;
    case VIRTIO_COMMON_QUEUE_SELECT << 4 | 2:
        CAPSULE_SET(tx, s->queue_select, value);
        break;
    default:
        write_queue(d, tx, offset, size, value);
        break;
    }
}

static uint32_t read_device_config(const struct virtio_device *d, uint32_t offset, unsigned size)
{
    uint8_t config[VIRTIO_CONFIG_BYTES] = { 0 };
    uint32_t value = 0;

    if (d->ops->config == NULL || offset >= VIRTIO_CONFIG_BYTES || size > VIRTIO_CONFIG_BYTES - offset)
        return ones(size);
    d->ops->config(d, config);
    memcpy(&value, config + offset, size);
    return value;
}

uint64_t virtio_pci_mmio_read(struct device *device, struct capsule_tx *tx, uint64_t offset, unsigned size)
{
    struct virtio_device *d = device->context;
    uint8_t isr;

    if (offset < VIRTIO_PCI_COMMON + VIRTIO_PCI_COMMON_BYTES)
        return common_word(d, (unsigned)offset) >> offset % 4 * 8;
    if (offset == VIRTIO_PCI_ISR) { /* reading acknowledges (§4.1.4.5) */
        isr = d->state->isr;
        CAPSULE_SET(tx, d->state->isr, 0);
        return isr;
    }
    if (offset >= VIRTIO_PCI_DEVICE && offset < VIRTIO_PCI_MSIX_TABLE)
        return read_device_config(d, (uint32_t)offset - VIRTIO_PCI_DEVICE, size);
    return ones(size);
}

/* Device configuration space has nothing to write in the kinds that there are. */
void virtio_pci_mmio_write(struct device *device, struct capsule_tx *tx, uint64_t offset, unsigned size, uint64_t value)
{
    if (offset < VIRTIO_PCI_COMMON + VIRTIO_PCI_COMMON_BYTES)
        write_common(device->context, tx, (unsigned)offset, size, (uint32_t)value);
}

uint32_t virtio_pci_io_read(struct device *device, struct capsule_tx *tx, uint16_t port, unsigned size)
{
    (void)device;
    (void)tx;
    (void)port;
    return ones(size);
}

/* A doorbell that came as an exit: of another width, through configuration space, or before it was registered. */
void virtio_pci_io_write(struct device *device, struct capsule_tx *tx, uint16_t port, unsigned size, uint32_t value)
{
    const struct virtio_device *d = device->context;
    unsigned queue = port / VIRTIO_PCI_NOTIFY_MULTIPLIER;

    (void)tx;
    (void)size;
    (void)value;
    if (queue < d->ops->queues)
        d->virtio->backend->kick(d->virtio->backend_context, UINT64_C(1) << (d->first_bit + queue));
}

static void move_doorbells(struct virtio_device *d, uint16_t port, bool add)
{
    const struct virtio *v = d->virtio;

    for (unsigned i = 0; i < d->ops->queues; i++) {
        uint16_t at = (uint16_t)(port + i * VIRTIO_PCI_NOTIFY_MULTIPLIER);
        uint32_t bit = 1u << i;

        if (add == ((d->doorbells & bit) != 0))
            continue;
        if (v->backend->doorbell(v->backend_context, at, VIRTIO_PCI_DOORBELL_WIDTH, d->first_bit + i, add) == CL_OK)
            d->doorbells ^= bit;
    }
}

void virtio_pci_derive_doorbells(struct virtio_device *d)
{
    uint64_t address;
    uint16_t port = pci_bar_address(&d->function, VIRTIO_PCI_NOTIFY_BAR, &address) ? (uint16_t)address : 0;

    if (port != d->port) {
        move_doorbells(d, d->port, false);
        d->doorbells = 0;
        d->port = port;
    }
    if (port != 0)
        move_doorbells(d, port, true);
}

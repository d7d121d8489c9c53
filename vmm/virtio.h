/* SPDX-License-Identifier: Apache-2.0 */
/* virtio.h: what all virtio devices of a machine have in common.
 *
 * A device is a PCI function (virtio_pci.c: registers, features, status), up to four virtqueues, and a kind that serves
 * them (struct virtio_ops). Registers are touched by vCPU threads in exits; queues are served by one device thread, in
 * virtio_service(), when doorbells or channels have set bits of the VMM's notification. Both hold the device's lock.
 */
#ifndef CL_VMM_VIRTIO_H
#define CL_VMM_VIRTIO_H

#include "vmm/backend.h"
#include "vmm/pci.h"
#include "vmm/virtqueue.h"

#define VIRTIO_DEVICES_MAX 16u
#define VIRTIO_QUEUES_MAX 4u
#define VIRTIO_CONFIG_BYTES 64u
#define VIRTIO_BATCH 16u /* requests of one transaction */

/* Device status (virtio 1.2 §2.1). */
#define VIRTIO_STATUS_ACKNOWLEDGE 1u
#define VIRTIO_STATUS_DRIVER 2u
#define VIRTIO_STATUS_DRIVER_OK 4u
#define VIRTIO_STATUS_FEATURES_OK 8u
#define VIRTIO_STATUS_NEEDS_RESET 64u
#define VIRTIO_STATUS_FAILED 128u

#define VIRTIO_ISR_QUEUE 1u
#define VIRTIO_ISR_CONFIG 2u

/* First in the section of every virtio device. */
struct virtio_state {
    struct pci_state pci;
    uint64_t driver_features;
    uint32_t device_feature_select, driver_feature_select;
    uint16_t config_vector, queue_select;
    uint8_t status, isr, generation, reserved;
    uint32_t faults; /* times that the driver broke the specification */
    uint32_t reserved2;
    struct virtqueue_state queue[VIRTIO_QUEUES_MAX];
};

struct virtio;
struct virtio_device;

/* What a kind of device adds. */
struct virtio_ops {
    struct device_ops device; /* VIRTIO_DEVICE_OPS(name, version, state) */
    uint16_t id;              /* virtio device ID (§5) */
    uint32_t class_code;
    unsigned queues;
    uint16_t queue_size; /* largest */
    uint64_t features;   /* beside those of the transport */
    /* Bring the kind's own state to what it is after a device reset. In a transaction. */
    void (*reset)(struct virtio_device *device, struct capsule_tx *tx);
    /* Fill in device configuration space. */
    void (*config)(const struct virtio_device *device, uint8_t config[VIRTIO_CONFIG_BYTES]);
    /* Serve one queue for at most VIRTIO_BATCH requests, in a transaction. True: there is more to do now. */
    bool (*serve)(struct virtio_device *device, struct capsule_tx *tx, unsigned queue);
    /* Make the kind's own outside (channels) agree with its state. */
    void (*derive)(struct virtio_device *device, struct capsule_tx *tx);
};

/* The wiring of one device; the first field of each kind's own. */
struct virtio_device {
    struct virtio *virtio;
    const struct virtio_ops *ops;
    struct device *device;
    struct virtio_state *state;
    struct pci_function function;
    uint64_t features;  /* offered */
    unsigned first_bit; /* doorbell of queue n is bit first_bit + n */
    uint64_t bits;      /* all that concern this device */
    uint16_t port;      /* of the doorbells; 0: nowhere */
    uint32_t doorbells; /* queues whose doorbell is registered */
    bool running;       /* as derive() last saw it */
    uint64_t retry_ns;  /* serve again at this time */
};

/* All virtio devices of a machine. */
struct virtio {
    struct machine *machine;
    struct pci *pci;
    const struct backend_ops *backend;
    void *backend_context;
    unsigned next_bit, end_bit; /* free for doorbells */
    unsigned devices;
    struct virtio_device *device[VIRTIO_DEVICES_MAX];
    struct virtqueue_chain chain; /* the device thread's */
};

/* Prepare for devices; doorbells use bits [first_bit, end_bit) of the VMM's notification. */
void virtio_init(struct virtio *virtio, struct pci *pci, const struct backend_ops *backend, void *backend_context,
                 unsigned first_bit, unsigned end_bit);

/* Add a device of kind `ops` as section `name`. `bits`: of the VMM's notification, set by others for this device.
 * `features` are offered beside the kind's own. CL_LIMIT, or as machine_add(). */
enum cl_status virtio_add(struct virtio *virtio, struct virtio_device *device, const struct virtio_ops *ops,
                          const char *name, uint64_t features, uint64_t bits) CL_MUST_CHECK;

/* Serve the devices that `bits` concern, each for a bounded piece. Returns the bits to come back with at once.
 * For the device thread alone. Not a step of an exit. */
uint64_t virtio_service(struct virtio *virtio, struct capsule_tx *tx, uint64_t bits);

/* For kinds. All under the device's lock. */

/* The driver broke the specification: log it, stop the device, ask for a reset (§2.1.2). In a transaction. */
void virtio_fail(struct virtio_device *device, struct capsule_tx *tx, const char *why);

/* Device configuration space has changed: tell the driver (§2.5). In a transaction. */
void virtio_config_changed(struct virtio_device *device, struct capsule_tx *tx);

/* Open queue `queue` if the driver has enabled it. */
bool virtio_queue_open(struct virtio_device *device, unsigned queue, struct virtqueue *opened) CL_MUST_CHECK;

/* Look at the queue's next chain (virtio->chain). CL_NOT_FOUND: none; CL_CORRUPT: the device has failed. */
enum cl_status virtio_queue_next(struct virtio_device *device, struct capsule_tx *tx,
                                 const struct virtqueue *queue) CL_MUST_CHECK;

/* Serve the device again after `delay_ns`. */
void virtio_retry_after(struct virtio_device *device, uint64_t delay_ns);

/* A line in the log that begins with the machine's device name. */
void virtio_log(const struct virtio_device *device, const char *text);

/* True if the device may touch guest memory: a driver has set it up and nothing has gone wrong. */
bool virtio_running(const struct virtio_device *device);

static inline bool virtio_negotiated(const struct virtio_device *device, uint64_t feature)
{
    return (device->state->driver_features & feature) != 0;
}

/* The functions behind VIRTIO_DEVICE_OPS. */
void virtio_reset(struct device *device, struct capsule_tx *tx);
uint32_t virtio_pci_io_read(struct device *device, struct capsule_tx *tx, uint16_t port, unsigned size);
void virtio_pci_io_write(struct device *device, struct capsule_tx *tx, uint16_t port, unsigned size, uint32_t value);
uint64_t virtio_pci_mmio_read(struct device *device, struct capsule_tx *tx, uint64_t offset, unsigned size);
void virtio_pci_mmio_write(struct device *device, struct capsule_tx *tx, uint64_t offset, unsigned size,
                           uint64_t value);
void virtio_derive(struct device *device, struct capsule_tx *tx);
uint64_t virtio_deadline(const struct device *device);
void virtio_timer(struct device *device, struct capsule_tx *tx, uint64_t now_ns);

#define VIRTIO_DEVICE_OPS(device_name, layout, state)                                                                  \
    {                                                                                                                  \
        .name = (device_name), .version = (layout), .state_size = sizeof(state), .reset = virtio_reset,                \
        .io_read = virtio_pci_io_read, .io_write = virtio_pci_io_write, .mmio_read = virtio_pci_mmio_read,             \
        .mmio_write = virtio_pci_mmio_write, .derive = virtio_derive, .deadline = virtio_deadline,                     \
        .timer = virtio_timer                                                                                          \
    }

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* virtio.c: adding devices, serving their queues, and what follows a commit. */
#include "vmm/virtio.h"
#include "vmm/virtio_pci.h"

#include <stdio.h>

#define LOG_BYTES 160
#define FAULTS_LOGGED_EACH 8u /* later ones only at powers of two: the driver decides how often it breaks rules */

void virtio_init(struct virtio *v, struct pci *pci, const struct backend_ops *backend, void *backend_context,
                 unsigned first_bit, unsigned end_bit)
{
    assert(first_bit <= end_bit && end_bit <= 64);
    memset(v, 0, sizeof(*v));
    v->machine = pci->machine;
    v->pci = pci;
    v->backend = backend;
    v->backend_context = backend_context;
    v->next_bit = first_bit;
    v->end_bit = end_bit;
}

enum cl_status virtio_add(struct virtio *v, struct virtio_device *d, const struct virtio_ops *ops, const char *name,
                          uint64_t features, uint64_t bits)
{
    assert(ops->queues <= VIRTIO_QUEUES_MAX && ops->queue_size <= VIRTQUEUE_SIZE_MAX);
    if (v->devices == VIRTIO_DEVICES_MAX || v->next_bit + ops->queues > v->end_bit)
        return CL_LIMIT;
    d->virtio = v;
    d->ops = ops;
    d->features = VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC | ops->features | features;
    d->first_bit = v->next_bit;
    d->bits = bits | ((UINT64_C(1) << ops->queues) - 1) << d->first_bit;
    d->port = 0;
    d->doorbells = 0;
    d->running = false;
    d->retry_ns = DEADLINE_NEVER;
    TRY(machine_add(v->machine, &ops->device, name, &d->device));
    d->device->context = d;
    d->state = d->device->state;
    virtio_pci_init(d);
    TRY(pci_function_add(v->pci, &d->function));
    v->next_bit += ops->queues;
    v->device[v->devices++] = d;
    return CL_OK;
}

void virtio_log(const struct virtio_device *d, const char *text)
{
    const struct machine *machine = d->virtio->machine;
    char line[LOG_BYTES];

    snprintf(line, sizeof(line), "%.*s: %s", CAPSULE_NAME_MAX, d->device->section->name, text);
    machine->host->log(machine->host_context, line);
}

void virtio_config_changed(struct virtio_device *d, struct capsule_tx *tx)
{
    struct virtio_state *s = d->state;

    CAPSULE_SET(tx, s->generation, s->generation + 1);
    if (!(s->status & VIRTIO_STATUS_DRIVER_OK))
        return;
    CAPSULE_SET(tx, s->isr, s->isr | VIRTIO_ISR_CONFIG);
    pci_msix_raise(&d->function, tx, s->config_vector);
}

void virtio_fail(struct virtio_device *d, struct capsule_tx *tx, const char *why)
{
    struct virtio_state *s = d->state;
    uint32_t faults = s->faults + 1;
    char text[LOG_BYTES];

    CAPSULE_SET(tx, s->faults, faults);
    CAPSULE_SET(tx, s->status, s->status | VIRTIO_STATUS_NEEDS_RESET);
    virtio_config_changed(d, tx);
    if (faults > FAULTS_LOGGED_EACH && (faults & (faults - 1)) != 0)
        return;
    snprintf(text, sizeof(text), "the driver gave %s; stopped until it resets the device (fault %u)", why,
             (unsigned)faults);
    virtio_log(d, text);
}

bool virtio_running(const struct virtio_device *d)
{
    uint8_t status = d->state->status;

    return status & VIRTIO_STATUS_DRIVER_OK && !(status & (VIRTIO_STATUS_NEEDS_RESET | VIRTIO_STATUS_FAILED)) &&
           pci_command(&d->function) & PCI_COMMAND_MASTER;
}

bool virtio_queue_open(struct virtio_device *d, unsigned queue, struct virtqueue *opened)
{
    return d->state->queue[queue].enabled &&
           virtqueue_open(opened, &d->state->queue[queue], &d->virtio->machine->memory, d->state->driver_features) ==
               CL_OK;
}

enum cl_status virtio_queue_next(struct virtio_device *d, struct capsule_tx *tx, const struct virtqueue *queue)
{
    enum cl_status status = virtqueue_next(queue, &d->virtio->chain);

    if (status == CL_CORRUPT)
        virtio_fail(d, tx, d->virtio->chain.fault);
    return status;
}

void virtio_retry_after(struct virtio_device *d, uint64_t delay_ns)
{
    d->retry_ns = machine_now(d->device) + delay_ns;
    machine_announce_deadline(d->device);
}

uint64_t virtio_deadline(const struct device *device)
{
    const struct virtio_device *d = device->context;

    return d->retry_ns;
}

void virtio_timer(struct device *device, struct capsule_tx *tx, uint64_t now)
{
    struct virtio_device *d = device->context;

    (void)tx;
    (void)now;
    d->retry_ns = DEADLINE_NEVER;
    d->virtio->backend->kick(d->virtio->backend_context, d->bits);
}

void virtio_reset(struct device *device, struct capsule_tx *tx)
{
    struct virtio_device *d = device->context;

    pci_function_reset(&d->function, tx);
    virtio_pci_reset(d, tx);
}

/* Completed requests become visible, then the interrupt for them is decided on and remembered as decided. */
static void derive_queues(struct virtio_device *d, struct capsule_tx *tx)
{
    struct virtio_state *s = d->state;

    for (unsigned i = 0; i < d->ops->queues; i++) {
        struct virtqueue queue;

        if (!virtio_queue_open(d, i, &queue))
            continue;
        if (virtqueue_publish(&queue)) {
            if (pci_msix_enabled(&d->function))
                pci_msix_raise(&d->function, tx, s->queue[i].vector);
            else
                CAPSULE_SET(tx, s->isr, s->isr | VIRTIO_ISR_QUEUE);
        }
        CAPSULE_SET(tx, s->queue[i].signalled, s->queue[i].used_index);
        capsule_commit_quietly(tx);
    }
}

void virtio_derive(struct device *device, struct capsule_tx *tx)
{
    struct virtio_device *d = device->context;
    bool running = virtio_running(d);

    virtio_pci_derive_doorbells(d);
    if (d->ops->derive != NULL)
        d->ops->derive(d, tx);
    if (d->state->status & VIRTIO_STATUS_DRIVER_OK && pci_command(&d->function) & PCI_COMMAND_MASTER)
        derive_queues(d, tx);
    pci_function_derive(&d->function, tx, d->state->isr != 0);
    if (running && !d->running) /* just set up, or served by another VMM before: every queue counts as kicked */
        d->virtio->backend->kick(d->virtio->backend_context, d->bits);
    d->running = running;
}

/* One bounded piece of each queue, each a transaction of its own. */
static bool serve(struct virtio_device *d, struct capsule_tx *tx)
{
    bool more = false;

    device_lock(d->device);
    for (unsigned i = 0; i < d->ops->queues && virtio_running(d); i++) {
        if (d->ops->serve(d, tx, i))
            more = true;
        device_commit(d->device, tx);
    }
    more = more && virtio_running(d);
    device_unlock(d->device);
    return more;
}

uint64_t virtio_service(struct virtio *v, struct capsule_tx *tx, uint64_t bits)
{
    uint64_t again = 0;

    for (unsigned i = 0; i < v->devices; i++)
        if (bits & v->device[i]->bits && serve(v->device[i], tx))
            again |= v->device[i]->bits;
    return again;
}

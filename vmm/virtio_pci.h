/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_pci.h: the transport of virtio 1.2 §4.1, without the transitional half.
 *
 * BAR 0 (I/O) holds one doorbell port for each queue, BAR 1 (memory) everything else.
 */
#ifndef CL_VMM_VIRTIO_PCI_H
#define CL_VMM_VIRTIO_PCI_H

#include "vmm/virtio.h"

#define VIRTIO_PCI_NOTIFY_BAR 0u
#define VIRTIO_PCI_REGISTER_BAR 1u
#define VIRTIO_PCI_NOTIFY_MULTIPLIER 4u
#define VIRTIO_PCI_NOTIFY_BYTES (VIRTIO_PCI_NOTIFY_MULTIPLIER * VIRTIO_QUEUES_MAX)
#define VIRTIO_PCI_DOORBELL_WIDTH 2u /* a driver writes the queue's number, 16 bits (§4.1.5.2) */

/* Offsets in BAR 1. */
#define VIRTIO_PCI_COMMON 0x0000u
#define VIRTIO_PCI_COMMON_BYTES 56u
#define VIRTIO_PCI_ISR 0x1000u
#define VIRTIO_PCI_DEVICE 0x2000u
#define VIRTIO_PCI_MSIX_TABLE 0x3000u
#define VIRTIO_PCI_MSIX_PBA 0x3800u
#define VIRTIO_PCI_REGISTER_BYTES 0x4000u

/* cfg_type of the capabilities (§4.1.4). */
#define VIRTIO_PCI_CAP_COMMON_CFG 1u
#define VIRTIO_PCI_CAP_NOTIFY_CFG 2u
#define VIRTIO_PCI_CAP_ISR_CFG 3u
#define VIRTIO_PCI_CAP_DEVICE_CFG 4u
#define VIRTIO_PCI_CAP_PCI_CFG 5u

/* Offsets in the common configuration structure (§4.1.4.3). */
#define VIRTIO_COMMON_DEVICE_FEATURE_SELECT 0u
#define VIRTIO_COMMON_DEVICE_FEATURE 4u
#define VIRTIO_COMMON_DRIVER_FEATURE_SELECT 8u
#define VIRTIO_COMMON_DRIVER_FEATURE 12u
#define VIRTIO_COMMON_CONFIG_VECTOR 16u
#define VIRTIO_COMMON_NUM_QUEUES 18u
#define VIRTIO_COMMON_STATUS 20u
#define VIRTIO_COMMON_GENERATION 21u
#define VIRTIO_COMMON_QUEUE_SELECT 22u
#define VIRTIO_COMMON_QUEUE_SIZE 24u
#define VIRTIO_COMMON_QUEUE_VECTOR 26u
#define VIRTIO_COMMON_QUEUE_ENABLE 28u
#define VIRTIO_COMMON_QUEUE_NOTIFY_OFF 30u
#define VIRTIO_COMMON_QUEUE_DESC 32u
#define VIRTIO_COMMON_QUEUE_DRIVER 40u
#define VIRTIO_COMMON_QUEUE_DEVICE 48u

/* Give the device's function its identity, BARs and capabilities. */
void virtio_pci_init(struct virtio_device *device);

/* Put features, status, queues and vectors back to where they are after a device reset (§2.4). In a transaction. */
void virtio_pci_reset(struct virtio_device *device, struct capsule_tx *tx);

/* Doorbells follow BAR 0. From derive(). */
void virtio_pci_derive_doorbells(struct virtio_device *device);

#endif

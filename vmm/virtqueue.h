/* SPDX-License-Identifier: Apache-2.0 */
/* virtqueue.h: split virtqueues (virtio 1.2 §2.7), the device's side, against drivers that lie.
 *
 * A request is taken and completed by one transaction: virtqueue_next() looks at the next chain and changes nothing,
 * virtqueue_complete() moves both indices in the capsule. The used element is written before the commit, where the
 * driver does not look yet; the used index follows the commit, in virtqueue_publish(), and is stored as an absolute
 * value, so that storing it again does no harm. A crash before the commit leaves the request to be taken again, one
 * after it leaves it done: nothing is lost or done twice.
 *
 * Every word of the rings is read once and checked before it is used. What breaks the specification gives CL_CORRUPT and
 * a reason; the device then asks for a reset.
 */
#ifndef CL_VMM_VIRTQUEUE_H
#define CL_VMM_VIRTQUEUE_H

#include "vmm/capsule.h"
#include "vmm/guest_memory.h"

#define VIRTQUEUE_SIZE_MAX 256u
#define VIRTQUEUE_SEGMENTS_MAX 256u /* of one chain */

#define VIRTIO_F_INDIRECT_DESC (UINT64_C(1) << 28)
#define VIRTIO_F_EVENT_IDX (UINT64_C(1) << 29)
#define VIRTIO_F_VERSION_1 (UINT64_C(1) << 32)

#define VIRTQ_DESC_F_NEXT 1u
#define VIRTQ_DESC_F_WRITE 2u
#define VIRTQ_DESC_F_INDIRECT 4u
#define VIRTQ_AVAIL_F_NO_INTERRUPT 1u

struct virtq_desc {
    uint64_t address;
    uint32_t length;
    uint16_t flags;
    uint16_t next;
};

struct virtq_used_elem {
    uint32_t id;
    uint32_t length;
};

static_assert(sizeof(struct virtq_desc) == 16, "virtio 1.2 §2.7.5");
static_assert(sizeof(struct virtq_used_elem) == 8, "virtio 1.2 §2.7.8");

/* In the capsule. */
struct virtqueue_state {
    uint64_t desc, avail, used; /* guest-physical */
    uint16_t size;
    uint16_t vector;
    uint16_t enabled;
    uint16_t avail_index; /* chains taken */
    uint16_t used_index;  /* chains completed */
    uint16_t signalled;   /* used index up to which the driver's wish for an interrupt was looked at */
    uint16_t reserved[2];
};

/* A queue while it is served: where its parts are. Made anew for every round. */
struct virtqueue {
    struct virtqueue_state *state;
    const struct guest_memory *memory;
    uint64_t features; /* negotiated */
    const uint8_t *desc;
    uint8_t *avail;
    uint8_t *used;
};

struct virtqueue_segment {
    uint8_t *bytes;
    uint32_t length;
};

/* A chain, checked: `out` segments that the device reads, then `in` segments that it writes. Their contents change at
 * the driver's will. */
struct virtqueue_chain {
    uint16_t head;
    unsigned out, in;
    uint32_t out_bytes, in_bytes;
    const char *fault; /* with CL_CORRUPT: which rule was broken */
    struct virtqueue_segment segment[VIRTQUEUE_SEGMENTS_MAX];
};

/* NULL if the queue can be enabled as it is set up, else which rule it breaks (§2.7: alignments, sizes, RAM). */
const char *virtqueue_check(const struct virtqueue_state *state, const struct guest_memory *memory);

/* Get at an enabled queue. CL_CORRUPT: it is not as virtqueue_check() wants it. */
enum cl_status virtqueue_open(struct virtqueue *queue, struct virtqueue_state *state, const struct guest_memory *memory,
                              uint64_t features) CL_MUST_CHECK;

/* Look at the next chain. CL_NOT_FOUND: there is none. CL_CORRUPT: chain->fault. */
enum cl_status virtqueue_next(const struct virtqueue *queue, struct virtqueue_chain *chain) CL_MUST_CHECK;

/* The chain that virtqueue_next() gave is done, `written` bytes were written to it. In a transaction. */
void virtqueue_complete(const struct virtqueue *queue, struct capsule_tx *tx, const struct virtqueue_chain *chain,
                        uint32_t written);

/* Before sleeping: ask for a doorbell at the next chain. True: one has come meanwhile, do not sleep (§2.7.10). */
bool virtqueue_arm(const struct virtqueue *queue) CL_MUST_CHECK;

/* Let the driver see what is completed. True: it wants an interrupt for it (§2.7.7). May be repeated. After the commit. */
bool virtqueue_publish(const struct virtqueue *queue) CL_MUST_CHECK;

/* Copy up to `length` bytes from offset `offset` of the readable part, or into the writable part. Returns how many. */
uint32_t virtqueue_read(const struct virtqueue_chain *chain, uint32_t offset, void *to, uint32_t length);
uint32_t virtqueue_write(const struct virtqueue_chain *chain, uint32_t offset, const void *from, uint32_t length);
/* Fill `length` bytes of the writable part with zeros. */
uint32_t virtqueue_write_zeros(const struct virtqueue_chain *chain, uint32_t offset, uint32_t length);

#endif

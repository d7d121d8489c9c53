/* SPDX-License-Identifier: Apache-2.0 */
/* virtqueue.c: walking descriptor chains and moving the two indices. */
#include "vmm/virtqueue.h"

#define AVAIL_FLAGS 0u
#define AVAIL_INDEX 2u
#define AVAIL_RING 4u
#define USED_INDEX 2u
#define USED_RING 4u

#define DESC_ALIGN 16u
#define AVAIL_ALIGN 2u
#define USED_ALIGN 4u

/* Words of the rings are touched through these alone: the driver writes at the same time. Rings are aligned in guest
 * memory, which is mapped by whole pages, so the words are aligned here. */
static uint16_t load16(const uint8_t *at)
{
    return __atomic_load_n((const uint16_t *)(const void *)at, __ATOMIC_ACQUIRE);
}

static void store16(uint8_t *at, uint16_t value)
{
    __atomic_store_n((uint16_t *)(void *)at, value, __ATOMIC_RELEASE);
}

/* A copy of one descriptor; the barrier keeps the compiler from looking at the original again. */
static struct virtq_desc load_desc(const uint8_t *table, unsigned index)
{
    struct virtq_desc desc;

    memcpy(&desc, table + (size_t)index * sizeof(desc), sizeof(desc));
    __asm__ volatile("" : : : "memory");
    return desc;
}

static uint64_t desc_bytes(unsigned size)
{
    return (uint64_t)size * sizeof(struct virtq_desc);
}

/* Both rings end with an event index, whether it is used or not. */
static uint64_t avail_bytes(unsigned size)
{
    return AVAIL_RING + 2u * (uint64_t)size + 2;
}

static uint64_t used_bytes(unsigned size)
{
    return USED_RING + sizeof(struct virtq_used_elem) * (uint64_t)size + 2;
}

static uint8_t *used_event(const struct virtqueue *q)
{
    return q->avail + AVAIL_RING + 2u * (size_t)q->state->size;
}

static uint8_t *avail_event(const struct virtqueue *q)
{
    return q->used + USED_RING + sizeof(struct virtq_used_elem) * q->state->size;
}

const char *virtqueue_check(const struct virtqueue_state *s, const struct guest_memory *memory)
{
    if (s->size == 0 || s->size > VIRTQUEUE_SIZE_MAX || (s->size & (s->size - 1)) != 0)
        return "the queue's size is no power of two up to 256";
    if (s->desc % DESC_ALIGN != 0 || s->avail % AVAIL_ALIGN != 0 || s->used % USED_ALIGN != 0)
        return "a part of the queue is misaligned";
    if (guest_memory_at(memory, s->desc, desc_bytes(s->size)) == NULL ||
        guest_memory_at(memory, s->avail, avail_bytes(s->size)) == NULL ||
        guest_memory_at(memory, s->used, used_bytes(s->size)) == NULL)
        return "a part of the queue is not in RAM";
    return NULL;
}

enum cl_status virtqueue_open(struct virtqueue *q, struct virtqueue_state *state, const struct guest_memory *memory,
                              uint64_t features)
{
    if (!state->enabled || virtqueue_check(state, memory) != NULL)
        return CL_CORRUPT;
    q->state = state;
    q->memory = memory;
    q->features = features;
    q->desc = guest_memory_at(memory, state->desc, desc_bytes(state->size));
    q->avail = guest_memory_at(memory, state->avail, avail_bytes(state->size));
    q->used = guest_memory_at(memory, state->used, used_bytes(state->size));
    return CL_OK;
}

static enum cl_status fault(struct virtqueue_chain *chain, const char *why)
{
    chain->fault = why;
    return CL_CORRUPT;
}

static enum cl_status add_segment(const struct virtqueue *q, struct virtqueue_chain *chain,
                                  const struct virtq_desc *desc)
{
    bool writable = (desc->flags & VIRTQ_DESC_F_WRITE) != 0;
    uint32_t *total = writable ? &chain->in_bytes : &chain->out_bytes;
    struct virtqueue_segment *segment = &chain->segment[chain->out + chain->in];

    /* systems exist whose indirect tables are longer than the queue, against §2.7.5.3.1 */
    if (chain->out + chain->in == (q->features & VIRTIO_F_INDIRECT_DESC ? VIRTQUEUE_SEGMENTS_MAX : q->state->size))
        return fault(chain, "a chain that is too long, or runs in a circle");
    if (desc->length == 0)
        return fault(chain, "a descriptor of no bytes");
    if (!writable && chain->in > 0)
        return fault(chain, "a readable descriptor behind a writable one");
    if (__builtin_add_overflow(*total, desc->length, total))
        return fault(chain, "a chain of more than 4 GiB");
    segment->bytes = guest_memory_at(q->memory, desc->address, desc->length);
    segment->length = desc->length;
    if (segment->bytes == NULL)
        return fault(chain, "a descriptor that is not in RAM");
    if (writable)
        chain->in++;
    else
        chain->out++;
    return CL_OK;
}

/* Follow a chain through `table` from `index`. An indirect table may end the chain (§2.7.5.3.1). */
static enum cl_status walk(const struct virtqueue *q, struct virtqueue_chain *chain, const uint8_t *table,
                           unsigned entries, unsigned index, bool indirect)
{
    for (;;) {
        struct virtq_desc desc;

        if (index >= entries)
            return fault(chain, "a descriptor index beyond its table");
        desc = load_desc(table, index);
        if (desc.flags & VIRTQ_DESC_F_INDIRECT) {
            const uint8_t *inner = guest_memory_at(q->memory, desc.address, desc.length);

            if (!(q->features & VIRTIO_F_INDIRECT_DESC))
                return fault(chain, "an indirect table without the feature");
            if (indirect)
                return fault(chain, "an indirect table in an indirect table");
            if (desc.flags & VIRTQ_DESC_F_NEXT)
                return fault(chain, "an indirect table with a successor");
            if (desc.length == 0 || desc.length % sizeof(desc) != 0)
                return fault(chain, "an indirect table of a broken length");
            if (inner == NULL)
                return fault(chain, "an indirect table that is not in RAM");
            return walk(q, chain, inner, desc.length / (unsigned)sizeof(desc), 0, true);
        }
        TRY(add_segment(q, chain, &desc));
        if (!(desc.flags & VIRTQ_DESC_F_NEXT))
            return CL_OK;
        index = desc.next;
    }
}

enum cl_status virtqueue_next(const struct virtqueue *q, struct virtqueue_chain *chain)
{
    const struct virtqueue_state *s = q->state;
    uint16_t waiting = (uint16_t)(load16(q->avail + AVAIL_INDEX) - s->avail_index);

    chain->out = chain->in = 0;
    chain->out_bytes = chain->in_bytes = 0;
    chain->fault = NULL;
    if (waiting == 0)
        return CL_NOT_FOUND;
    if (waiting > s->size)
        return fault(chain, "an available index beyond the queue");
    chain->head = load16(q->avail + AVAIL_RING + 2u * (size_t)(s->avail_index & (s->size - 1)));
    return walk(q, chain, q->desc, s->size, chain->head, false);
}

void virtqueue_complete(const struct virtqueue *q, struct capsule_tx *tx, const struct virtqueue_chain *chain,
                        uint32_t written)
{
    struct virtqueue_state *s = q->state;
    struct virtq_used_elem element = { .id = chain->head, .length = written };

    memcpy(q->used + USED_RING + sizeof(element) * (s->used_index & (s->size - 1u)), &element, sizeof(element));
    CAPSULE_STORED();
    CAPSULE_SET(tx, s->avail_index, s->avail_index + 1);
    CAPSULE_SET(tx, s->used_index, s->used_index + 1);
}

bool virtqueue_arm(const struct virtqueue *q)
{
    if (q->features & VIRTIO_F_EVENT_IDX)
        store16(avail_event(q), q->state->avail_index);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return load16(q->avail + AVAIL_INDEX) != q->state->avail_index;
}

bool virtqueue_publish(const struct virtqueue *q)
{
    const struct virtqueue_state *s = q->state;
    uint16_t event;

    store16(q->used + USED_INDEX, s->used_index);
    CAPSULE_STORED();
    if (s->signalled == s->used_index)
        return false;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!(q->features & VIRTIO_F_EVENT_IDX))
        return !(load16(q->avail + AVAIL_FLAGS) & VIRTQ_AVAIL_F_NO_INTERRUPT);
    event = load16(used_event(q));
    return (uint16_t)(s->used_index - event - 1) < (uint16_t)(s->used_index - s->signalled);
}

/* What happens to the bytes under [offset, offset + length) of a part of the chain. */
enum direction { FROM_CHAIN, TO_CHAIN, ZEROS };

static uint32_t transfer(const struct virtqueue_chain *chain, unsigned first, unsigned count, uint32_t offset,
                         uint8_t *bytes, uint32_t length, enum direction direction)
{
    uint32_t done = 0;

    for (unsigned i = first; i < first + count && done < length; i++) {
        const struct virtqueue_segment *segment = &chain->segment[i];
        uint32_t part;

        if (offset >= segment->length) {
            offset -= segment->length;
            continue;
        }
        part = segment->length - offset;
        if (part > length - done)
            part = length - done;
        switch (direction) {
        case FROM_CHAIN:
            memcpy(bytes + done, segment->bytes + offset, part);
            break;
        case TO_CHAIN:
            memcpy(segment->bytes + offset, bytes + done, part);
            break;
        default:
            memset(segment->bytes + offset, 0, part);
            break;
        }
        done += part;
        offset = 0;
    }
    return done;
}

uint32_t virtqueue_read(const struct virtqueue_chain *chain, uint32_t offset, void *to, uint32_t length)
{
    return transfer(chain, 0, chain->out, offset, to, length, FROM_CHAIN);
}

uint32_t virtqueue_write(const struct virtqueue_chain *chain, uint32_t offset, const void *from, uint32_t length)
{
    return transfer(chain, chain->out, chain->in, offset, (uint8_t *)(uintptr_t)from, length, TO_CHAIN);
}

uint32_t virtqueue_write_zeros(const struct virtqueue_chain *chain, uint32_t offset, uint32_t length)
{
    return transfer(chain, chain->out, chain->in, offset, NULL, length, ZEROS);
}

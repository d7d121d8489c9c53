/* SPDX-License-Identifier: Apache-2.0 */
/* channel.c: rings in memory that somebody else writes to, too. */
#include "lib/channel.h"

#include <string.h>

#define CHANNEL_PAGE_BYTES UINT64_C(4096)
#define RING_ALIGN_BYTES UINT64_C(64)

/* Words that the peer writes or reads at the same time are touched through these alone, each once per decision. */
static uint32_t load(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void store(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static bool entries_valid(uint32_t entries)
{
    return entries != 0 && entries <= CHANNEL_ENTRIES_MAX && (entries & (entries - 1)) == 0;
}

static uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

static uint64_t ring_bytes(uint32_t entries)
{
    return round_up(sizeof(struct channel_ring) + entries * sizeof(struct channel_descriptor), RING_ALIGN_BYTES);
}

/* The layout: header, rings, and the pools from the next page on. */
static uint64_t pools_at(uint32_t entries)
{
    return round_up(sizeof(struct channel_header) + 2 * ring_bytes(entries), CHANNEL_PAGE_BYTES);
}

uint64_t channel_size_bytes(uint32_t entries, const uint32_t pool_size[2])
{
    if (!entries_valid(entries))
        return 0;
    uint64_t size = pools_at(entries) + round_up(pool_size[0], RING_ALIGN_BYTES) + pool_size[1];
    return size <= UINT32_MAX ? round_up(size, CHANNEL_PAGE_BYTES) : 0;
}

enum cl_status channel_create(void *memory, uint64_t size_bytes, uint32_t entries, const uint32_t pool_size[2])
{
    uint64_t needed = channel_size_bytes(entries, pool_size);
    struct channel_header *header = memory;

    if (needed == 0 || needed > size_bytes)
        return CL_BAD_ARGUMENT;
    *header = (struct channel_header){ .magic = CHANNEL_MAGIC, .version = CHANNEL_VERSION, .ring_entries = entries };
    for (unsigned i = 0; i < 2; i++) {
        header->ring_offset[i] = (uint32_t)(sizeof(*header) + i * ring_bytes(entries));
        header->pool_size[i] = pool_size[i];
        struct channel_ring *ring = (struct channel_ring *)((uint8_t *)memory + header->ring_offset[i]);
        ring->produced = 0;
        ring->consumed = 0;
        ring->notify_at = 1; /* the first message is always announced */
    }
    header->pool_offset[0] = (uint32_t)pools_at(entries);
    header->pool_offset[1] = (uint32_t)(header->pool_offset[0] + round_up(pool_size[0], RING_ALIGN_BYTES));
    return CL_OK;
}

/* Whether [offset, offset + length) lies in the memory behind the header. */
static bool range_valid(uint64_t size_bytes, uint64_t offset, uint64_t length)
{
    return offset >= sizeof(struct channel_header) && offset <= size_bytes && length <= size_bytes - offset;
}

static bool ranges_overlap(uint64_t a, uint64_t a_length, uint64_t b, uint64_t b_length)
{
    return a < b + b_length && b < a + a_length;
}

static bool header_valid(const struct channel_header *header, uint64_t size_bytes)
{
    uint64_t offset[4], length[4];

    if (header->magic != CHANNEL_MAGIC || header->version != CHANNEL_VERSION || !entries_valid(header->ring_entries))
        return false;
    for (unsigned i = 0; i < 2; i++) {
        if (header->ring_offset[i] % RING_ALIGN_BYTES != 0)
            return false;
        offset[i] = header->ring_offset[i];
        length[i] = ring_bytes(header->ring_entries);
        offset[2 + i] = header->pool_offset[i];
        length[2 + i] = header->pool_size[i];
    }
    for (unsigned i = 0; i < 4; i++) {
        if (!range_valid(size_bytes, offset[i], length[i]))
            return false;
        for (unsigned j = 0; j < i; j++) {
            if (ranges_overlap(offset[i], length[i], offset[j], length[j]))
                return false;
        }
    }
    return true;
}

enum cl_status channel_open(struct channel_end *end, void *memory, uint64_t size_bytes, enum channel_side side)
{
    struct channel_header header;
    uint8_t *base = memory;
    unsigned own = side, peer = 1 - own;

    if (size_bytes < sizeof(header))
        return CL_CORRUPT;
    /* a copy: the peer may write to the header after the check, to no effect */
    memcpy(&header, memory, sizeof(header));
    __asm__ volatile("" ::: "memory");
    if (!header_valid(&header, size_bytes))
        return CL_CORRUPT;

    *end = (struct channel_end){
        .send_ring = (struct channel_ring *)(base + header.ring_offset[own]),
        .send_pool = base + header.pool_offset[own],
        .send_pool_size = header.pool_size[own],
        .receive_ring = (struct channel_ring *)(base + header.ring_offset[peer]),
        .receive_pool = base + header.pool_offset[peer],
        .receive_pool_size = header.pool_size[peer],
        .entries = header.ring_entries,
    };
    end->produced = end->published = load(&end->send_ring->produced);
    end->taken = end->released = end->relieved = load(&end->receive_ring->consumed);
    if (end->produced - load(&end->send_ring->consumed) > end->entries ||
        load(&end->receive_ring->produced) - end->taken > end->entries)
        return CL_CORRUPT;
    return CL_OK;
}

enum cl_status channel_space(const struct channel_end *end, uint32_t *space)
{
    uint32_t used = end->produced - load(&end->send_ring->consumed);

    if (used > end->entries)
        return CL_CORRUPT;
    *space = end->entries - used;
    return CL_OK;
}

void *channel_buffer(const struct channel_end *end, uint32_t *size_bytes)
{
    *size_bytes = end->send_pool_size / end->entries;
    return end->send_pool + (size_t)(end->produced & (end->entries - 1)) * *size_bytes;
}

enum cl_status channel_put(struct channel_end *end, uint32_t offset, uint32_t length, uint32_t kind, uint32_t cookie)
{
    uint32_t space;

    if (offset > end->send_pool_size || length > end->send_pool_size - offset)
        return CL_BAD_ARGUMENT;
    TRY(channel_space(end, &space));
    if (space == 0)
        return CL_BUSY;
    end->send_ring->descriptor[end->produced & (end->entries - 1)] =
        (struct channel_descriptor){ .offset = offset, .length = length, .kind = kind, .cookie = cookie };
    end->produced++;
    return CL_OK;
}

enum cl_status channel_send(struct channel_end *end, const void *message, uint32_t length, uint32_t kind,
                            uint32_t cookie)
{
    uint32_t space, size_bytes;
    uint8_t *buffer = channel_buffer(end, &size_bytes);

    if (length > size_bytes)
        return CL_LIMIT;
    /* the buffer is the consumer's until the descriptor is free */
    TRY(channel_space(end, &space));
    if (space == 0)
        return CL_BUSY;
    if (length > 0)
        memcpy(buffer, message, length);
    return channel_put(end, (uint32_t)(buffer - end->send_pool), length, kind, cookie);
}

bool channel_publish(struct channel_end *end)
{
    uint32_t old = end->published, new = end->produced;

    if (new == old)
        return false;
    store(&end->send_ring->produced, new);
    end->published = new;
    /* the consumer arms and then looks at `produced`; we write `produced` and then look whether it is armed */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return new - load(&end->send_ring->notify_at) < new - old;
}

enum cl_status channel_take(struct channel_end *end, struct channel_descriptor *descriptor)
{
    const struct channel_descriptor *shared = &end->receive_ring->descriptor[end->taken & (end->entries - 1)];
    uint32_t waiting = load(&end->receive_ring->produced) - end->taken;

    if (waiting == 0)
        return CL_NOT_FOUND;
    if (waiting > end->entries)
        return CL_CORRUPT;
    descriptor->offset = load(&shared->offset);
    descriptor->length = load(&shared->length);
    descriptor->kind = load(&shared->kind);
    descriptor->cookie = load(&shared->cookie);
    if (descriptor->offset > end->receive_pool_size || descriptor->length > end->receive_pool_size - descriptor->offset)
        return CL_CORRUPT;
    end->taken++;
    return CL_OK;
}

const void *channel_data(const struct channel_end *end, const struct channel_descriptor *descriptor)
{
    return end->receive_pool + descriptor->offset;
}

void channel_release(struct channel_end *end)
{
    end->released = end->taken;
    store(&end->receive_ring->consumed, end->released);
}

enum cl_status channel_receive(struct channel_end *end, struct channel_descriptor *descriptor, void *message,
                               uint32_t capacity)
{
    enum cl_status status = CL_OK;

    TRY(channel_take(end, descriptor));
    if (descriptor->length > capacity)
        status = CL_LIMIT;
    else if (descriptor->length > 0)
        memcpy(message, channel_data(end, descriptor), descriptor->length);
    channel_release(end);
    return status;
}

/* A sender found the ring full at one of the positions between the last call and now: then `produced` is a whole ring
 * ahead of that position. Either it saw our `consumed` after all, or we see its `produced` here. */
bool channel_made_room(struct channel_end *end)
{
    uint32_t before = end->relieved;

    if (before == end->released)
        return false;
    end->relieved = end->released;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return load(&end->receive_ring->produced) - before >= end->entries;
}

bool channel_arm(struct channel_end *end)
{
    store(&end->receive_ring->notify_at, end->taken + 1);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return load(&end->receive_ring->produced) != end->taken;
}

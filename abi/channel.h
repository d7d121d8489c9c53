/* SPDX-License-Identifier: Apache-2.0 */
/* channel.h: the one way in which two programs talk: rings in a shared memory object plus two notifications.
 *
 * A channel has two ends, A and B, and two rings of descriptors, one in each direction, over one data pool. Indices
 * run freely (modulo 2^32) and are masked by the reader. Each end trusts nothing that the other writes: it keeps its
 * own copy of its own index, masks, checks lengths and offsets against the pool, and copies before it checks.
 *
 * A producer writes descriptors, then `produced` (release), then signals the peer if the consumer's `notify_at` was
 * passed, as in virtio's event index. A consumer that goes to sleep sets `notify_at` = its consumed index + 1, then
 * looks once more (full fence between the two).
 */
#ifndef CL_ABI_CHANNEL_H
#define CL_ABI_CHANNEL_H

#include <assert.h>
#include <stdint.h>

#define CHANNEL_MAGIC 0x6c436843u
#define CHANNEL_VERSION 1

struct channel_descriptor {
    uint32_t offset; /* into the data pool of the ring's producer */
    uint32_t length;
    uint32_t kind;   /* protocol's own */
    uint32_t cookie; /* comes back with the answer, where the protocol has answers */
};

/* One direction. Producer's and consumer's words are on cache lines of their own. */
struct channel_ring {
    _Alignas(64) uint32_t produced; /* written by the producer */
    _Alignas(64) uint32_t consumed; /* written by the consumer */
    uint32_t notify_at;             /* written by the consumer: signal me when `produced` passes this */
    _Alignas(64) struct channel_descriptor descriptor[];
};

/* At offset 0 of the memory object; laid out by init, which alone decides the sizes. */
struct channel_header {
    uint32_t magic;
    uint32_t version;
    uint32_t ring_entries;   /* of each ring, a power of two */
    uint32_t ring_offset[2]; /* [0]: A to B, [1]: B to A */
    uint32_t pool_offset[2]; /* data of what A produces, of what B produces */
    uint32_t pool_size[2];
    uint32_t reserved[7];
};

static_assert(sizeof(struct channel_header) == 64, "one cache line");

#endif

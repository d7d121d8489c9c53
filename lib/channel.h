/* SPDX-License-Identifier: Apache-2.0 */
/* channel.h: one end of a channel (abi/channel.h), safe against whatever the other end writes.
 *
 * Each end has a private copy of everything that it decides by: sizes (checked once, when the channel is opened), its
 * own indices, and each descriptor before it is looked at. What the peer may still do is to fill the pool and the rings
 * with nonsense and to be slow; an index of its that cannot be is CL_CORRUPT, and the channel is to be given up.
 *
 * An end is used by one thread at a time; sending and receiving touch different fields and may be two threads.
 *
 *     sender:    channel_send() …;            if (channel_publish(end)) cl_notify(peer, bit);
 *     receiver:  do while (channel_receive() == CL_OK) …;
 *                if (channel_made_room(end))  cl_notify(peer, bit);
 *                while (channel_arm(end));    cl_wait(own, deadline, &bits);
 *
 * A sender that finds the ring full publishes what it has put, tries once more, and then sleeps: the receiver rings when
 * there is room.
 */
#ifndef CL_LIB_CHANNEL_H
#define CL_LIB_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/channel.h"
#include "abi/status.h"

#define CHANNEL_ENTRIES_MAX 32768u

enum channel_side { CHANNEL_SIDE_A = 0, CHANNEL_SIDE_B = 1 };

struct channel_end {
    /* sending */
    struct channel_ring *send_ring;
    uint8_t *send_pool;
    uint32_t send_pool_size;
    uint32_t produced;  /* descriptors written so far */
    uint32_t published; /* of them, the peer was shown */

    /* receiving */
    struct channel_ring *receive_ring;
    const uint8_t *receive_pool;
    uint32_t receive_pool_size;
    uint32_t taken;    /* descriptors copied out so far */
    uint32_t released; /* of them, the peer may reuse */
    uint32_t relieved; /* of them, those that channel_made_room() has accounted for */

    uint32_t entries; /* of each ring, a power of two */
};

/* Bytes of memory, in whole pages, for a channel of this shape. `entries`: a power of two up to CHANNEL_ENTRIES_MAX;
 * pool sizes in bytes, [0] for what A produces. 0: no such shape can be. */
uint64_t channel_size_bytes(uint32_t entries, const uint32_t pool_size[2]);

/* Lay a channel out in zeroed memory; for init, which alone decides the shape, and does it before either end has the
 * memory. CL_BAD_ARGUMENT: no such shape, or it does not fit. */
CL_MUST_CHECK enum cl_status channel_create(void *memory, uint64_t size_bytes, uint32_t entries,
                                            const uint32_t pool_size[2]);

/* Open one end of the channel in `memory`, which the peer may be writing to. Indices are taken up where they stand, so
 * that an end that was started again goes on with what came after.
 *
 * CL_CORRUPT: header, offsets, sizes or indices cannot be. */
CL_MUST_CHECK enum cl_status channel_open(struct channel_end *end, void *memory, uint64_t size_bytes,
                                          enum channel_side side);

/* Free descriptors of the sending ring. CL_CORRUPT: the peer's index cannot be. */
CL_MUST_CHECK enum cl_status channel_space(const struct channel_end *end, uint32_t *space);

/* The buffer that belongs to the next descriptor when the pool is cut into as many equal pieces as the ring has
 * entries: free whenever that descriptor is. */
void *channel_buffer(const struct channel_end *end, uint32_t *size_bytes);

/* Write one descriptor; the peer sees it after channel_publish(). `offset` and `length` lie in the own pool.
 *
 * CL_BUSY: the ring is full. CL_BAD_ARGUMENT: outside the pool. CL_CORRUPT as above. */
CL_MUST_CHECK enum cl_status channel_put(struct channel_end *end, uint32_t offset, uint32_t length, uint32_t kind,
                                         uint32_t cookie);

/* Copy a message into the next buffer (channel_buffer) and write its descriptor. CL_LIMIT: longer than the buffer. */
CL_MUST_CHECK enum cl_status channel_send(struct channel_end *end, const void *message, uint32_t length, uint32_t kind,
                                          uint32_t cookie);

/* Show the peer all that was put. True: it asked to be notified, do it now. */
CL_MUST_CHECK bool channel_publish(struct channel_end *end);

/* Copy the next descriptor out, checked against the peer's pool. Its data stays the peer's: see channel_data().
 *
 * CL_NOT_FOUND: nothing there. CL_CORRUPT: an index or a descriptor cannot be. */
CL_MUST_CHECK enum cl_status channel_take(struct channel_end *end, struct channel_descriptor *descriptor);

/* The data of a taken descriptor, up to channel_release(). The peer can change it at any moment: copy before checking. */
const void *channel_data(const struct channel_end *end, const struct channel_descriptor *descriptor);

/* Let the peer reuse everything that was taken. */
void channel_release(struct channel_end *end);

/* Take one message, copy it out and release it. `*descriptor` says kind, cookie and length.
 *
 * CL_NOT_FOUND, CL_CORRUPT as above. CL_LIMIT: longer than `capacity`; it was dropped. */
CL_MUST_CHECK enum cl_status channel_receive(struct channel_end *end, struct channel_descriptor *descriptor,
                                             void *message, uint32_t capacity);

/* After receiving or releasing, once for any number of messages. True: since the last call the ring was full, and now it
 * is not; the peer may be sleeping until there is room, notify it. */
CL_MUST_CHECK bool channel_made_room(struct channel_end *end);

/* Before sleeping: ask the peer for a notification. True: something came meanwhile, do not sleep. An index of the
 * peer's that cannot be counts as something: the next channel_take() will say so. */
CL_MUST_CHECK bool channel_arm(struct channel_end *end);

#endif

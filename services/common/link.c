/* SPDX-License-Identifier: Apache-2.0 */
/* link.c: sending, receiving and ringing. */
#include "services/common/link.h"

#include "lib/syscall.h"

enum cl_status link_open(struct link *link, const struct wire *wire)
{
    *link = (struct link){ .peer_slot = wire->peer_slot, .peer_bits = wire->peer_bits };
    if (wire->address == 0)
        return CL_NOT_FOUND;
    TRY(channel_open(&link->end, (void *)wire->address, wire->size_bytes, (enum channel_side)wire->side));
    link->open = true;
    return CL_OK;
}

enum cl_status link_send(struct link *link, uint32_t kind, uint32_t cookie, const void *message, uint32_t length)
{
    enum cl_status status;

    if (!link->open)
        return CL_NOT_FOUND;
    status = channel_send(&link->end, message, length, kind, cookie);
    if (status == CL_CORRUPT)
        link->open = false;
    TRY(status);
    /* a bell that cannot be rung belongs to a peer that is gone: init says so in its own way */
    if (channel_publish(&link->end))
        (void)!cl_notify(link->peer_slot, link->peer_bits);
    return CL_OK;
}

enum cl_status link_receive(struct link *link, struct channel_descriptor *descriptor, void *message, uint32_t capacity)
{
    enum cl_status status;

    if (!link->open)
        return CL_NOT_FOUND;
    do
        status = channel_receive(&link->end, descriptor, message, capacity);
    while (status == CL_LIMIT);
    if (status == CL_CORRUPT)
        link->open = false;
    if (channel_made_room(&link->end))
        (void)!cl_notify(link->peer_slot, link->peer_bits);
    return status;
}

bool link_arm(struct link *link)
{
    return link->open && channel_arm(&link->end);
}

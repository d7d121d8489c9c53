/* SPDX-License-Identifier: Apache-2.0 */
/* backend.h: what virtio devices ask of the world outside, beside host.h: doorbells, wake-ups, random bytes.
 *
 * Every effect may be asked for again after a crash, and a repetition does no harm.
 */
#ifndef CL_VMM_BACKEND_H
#define CL_VMM_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/status.h"

struct backend_ops {
    /* From now on a write of `width` bytes to `port` only sets bit `bit` of the VMM's notification (add), or no longer
     * does. Adding what is already there with the same bit succeeds, and so does removing what is not there; whatever
     * an earlier VMM left is gone before the first call. Refused (CL_OCCUPIED, CL_LIMIT): such writes come to the
     * VMM as exits, which works too. Called under a device's lock. */
    enum cl_status (*doorbell)(void *context, uint16_t port, unsigned width, unsigned bit, bool add);
    /* Set these bits of the VMM's own notification: virtio_service() is called with them soon. */
    void (*kick)(void *context, uint64_t bits);
    /* Signal the other end of a channel. `peer` is what the wiring of that channel says (struct virtio_channel). */
    void (*notify)(void *context, uint32_t peer_slot, uint64_t peer_bits);
    /* Bytes that nobody can foresee. */
    void (*entropy)(void *context, void *bytes, size_t length);
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_entropy.h: random bytes for guests: a generator fed by a seed, RDSEED, RDRAND and the time stamp counter.
 *
 * ChaCha20 (RFC 8439 §2.3) as a generator that replaces its key with every use, so that bytes given away earlier cannot
 * be worked out from what is in memory now. Fresh hardware randomness is mixed into every use where the CPU has it;
 * none of the sources alone has to be trusted. For one thread at a time.
 */
#ifndef CL_VMM_VIRTIO_ENTROPY_H
#define CL_VMM_VIRTIO_ENTROPY_H

#include <stddef.h>
#include <stdint.h>

#define VIRTIO_ENTROPY_SEED_BYTES 32u

struct virtio_entropy {
    uint32_t key[8];
    uint64_t uses;
};

/* Start from `seed`, which nobody else uses: the start block's. */
void virtio_entropy_init(struct virtio_entropy *entropy, const uint8_t seed[VIRTIO_ENTROPY_SEED_BYTES]);

void virtio_entropy_bytes(struct virtio_entropy *entropy, void *bytes, size_t length);

/* One block of ChaCha20: 16 words out of key, block counter and nonce. */
void virtio_entropy_block(const uint32_t key[8], uint32_t counter, const uint32_t nonce[3], uint32_t out[16]);

#endif

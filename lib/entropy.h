/* SPDX-License-Identifier: Apache-2.0 */
/* entropy.h: random bytes: a generator fed by a seed, RDSEED, RDRAND and the time stamp counter. getrandom() is its one
 * user in a program: init takes other programs' seeds from there, a VMM what its guest's virtio-rng gives.
 *
 * ChaCha20 (RFC 8439 §2.3) as a generator that replaces its key with every use, so that bytes given away earlier cannot
 * be worked out from what is in memory now. Fresh hardware randomness is mixed into every use where the CPU has it;
 * none of the sources alone has to be trusted. For one thread at a time.
 */
#ifndef CL_LIB_ENTROPY_H
#define CL_LIB_ENTROPY_H

#include <stddef.h>
#include <stdint.h>

#define ENTROPY_SEED_BYTES 32u

struct entropy {
    uint32_t key[8];
    uint64_t uses;
};

/* Start from `seed`, which no other program has: the start block's. */
void entropy_init(struct entropy *entropy, const uint8_t seed[ENTROPY_SEED_BYTES]);

void entropy_bytes(struct entropy *entropy, void *bytes, size_t length);

/* One block of ChaCha20: 16 words out of key, block counter and nonce. */
void entropy_block(const uint32_t key[8], uint32_t counter, const uint32_t nonce[3], uint32_t out[16]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* sha256.c: the compression function of FIPS 180-4 §6.2 and the padding of §5.1.1. */
#include "boot/sha256.h"

#include <string.h>

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t rotate_right(uint32_t value, unsigned bits)
{
    return (value >> bits) | (value << (32 - bits));
}

static inline uint32_t load_big_endian(const uint8_t *bytes)
{
    uint32_t value;

    __builtin_memcpy(&value, bytes, sizeof value); /* a load, where memcpy() would be a call of the loader's own */
    return __builtin_bswap32(value);
}

/* A boot spends more time here than anywhere else in the loader, and most of all in an emulator, which feels every
 * instruction. So rotations that the standard has side by side stand inside one another, and instead of words moving
 * from one variable to the next, the variables change their places from round to round. */
static inline void mix(uint32_t a, uint32_t b, uint32_t c, uint32_t *d, uint32_t e, uint32_t f, uint32_t g, uint32_t *h,
                       uint32_t constant, uint32_t word)
{
    uint32_t sum1 = rotate_right(rotate_right(rotate_right(e, 14) ^ e, 5) ^ e, 6); /* 6, 11, 25 */
    uint32_t sum0 = rotate_right(rotate_right(rotate_right(a, 9) ^ a, 11) ^ a, 2); /* 2, 13, 22 */

    *h += constant + word + (((f ^ g) & e) ^ g) + sum1;
    *d += *h;
    *h += (((a ^ b) & (b ^ c)) ^ b) + sum0;
}

static void compress(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[64];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];

#pragma GCC unroll 16
    for (unsigned t = 0; t < 16; t++)
        w[t] = load_big_endian(block + 4 * t);
#pragma GCC unroll 16
    for (unsigned t = 16; t < 64; t++) {
        uint32_t old = w[t - 15], new = w[t - 2];
        uint32_t s0 = rotate_right(rotate_right(old, 11) ^ old, 7) ^ (old >> 3);  /* 7, 18 */
        uint32_t s1 = rotate_right(rotate_right(new, 2) ^ new, 17) ^ (new >> 10); /* 17, 19 */
        w[t] = w[t - 16] + s0 + w[t - 7] + s1;
    }
    for (const uint32_t *k = round_constants, *v = w; v < w + 64; k += 8, v += 8) {
        mix(a, b, c, &d, e, f, g, &h, k[0], v[0]);
        mix(h, a, b, &c, d, e, f, &g, k[1], v[1]);
        mix(g, h, a, &b, c, d, e, &f, k[2], v[2]);
        mix(f, g, h, &a, b, c, d, &e, k[3], v[3]);
        mix(e, f, g, &h, a, b, c, &d, k[4], v[4]);
        mix(d, e, f, &g, h, a, b, &c, k[5], v[5]);
        mix(c, d, e, &f, g, h, a, &b, k[6], v[6]);
        mix(b, c, d, &e, f, g, h, &a, k[7], v[7]);
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
}

void sha256_begin(struct sha256 *hash)
{
    static const uint32_t initial[8] = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
    };

    memcpy(hash->state, initial, sizeof hash->state);
    hash->length_bytes = 0;
}

void sha256_add(struct sha256 *hash, const void *data, size_t size_bytes)
{
    const uint8_t *bytes = data;
    size_t used = hash->length_bytes % SHA256_BLOCK_BYTES;

    if (size_bytes == 0)
        return;
    hash->length_bytes += size_bytes;
    if (used != 0) {
        size_t part = SHA256_BLOCK_BYTES - used;

        if (part > size_bytes)
            part = size_bytes;
        memcpy(hash->block + used, bytes, part);
        bytes += part;
        size_bytes -= part;
        if (used + part < SHA256_BLOCK_BYTES)
            return;
        compress(hash->state, hash->block);
    }
    for (; size_bytes >= SHA256_BLOCK_BYTES; size_bytes -= SHA256_BLOCK_BYTES, bytes += SHA256_BLOCK_BYTES)
        compress(hash->state, bytes);
    memcpy(hash->block, bytes, size_bytes);
}

void sha256_end(struct sha256 *hash, uint8_t digest[SHA256_BYTES])
{
    uint64_t length_bits = __builtin_bswap64(hash->length_bytes * 8);
    size_t used = hash->length_bytes % SHA256_BLOCK_BYTES;

    hash->block[used++] = 0x80;
    if (used > SHA256_BLOCK_BYTES - sizeof length_bits) {
        memset(hash->block + used, 0, SHA256_BLOCK_BYTES - used);
        compress(hash->state, hash->block);
        used = 0;
    }
    memset(hash->block + used, 0, SHA256_BLOCK_BYTES - sizeof length_bits - used);
    memcpy(hash->block + SHA256_BLOCK_BYTES - sizeof length_bits, &length_bits, sizeof length_bits);
    compress(hash->state, hash->block);
    for (unsigned i = 0; i < 8; i++) {
        uint32_t word = __builtin_bswap32(hash->state[i]);
        memcpy(digest + 4 * i, &word, sizeof word);
    }
}

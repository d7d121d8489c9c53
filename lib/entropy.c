/* SPDX-License-Identifier: Apache-2.0 */
/* entropy.c: ChaCha20, fast key erasure, and the CPU's own sources. */
#include "lib/entropy.h"

#include <cpuid.h>
#include <stdbool.h>
#include <string.h>

#define CPUID_1_ECX_RDRAND (1u << 30)
#define CPUID_7_EBX_RDSEED (1u << 18)
#define HARDWARE_TRIES 10 /* Intel SDM Vol. 1 7.3.17.1 */

static uint32_t rotate(uint32_t word, unsigned bits)
{
    return word << bits | word >> (32 - bits);
}

static void quarter_round(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
    *a += *b;
    *d = rotate(*d ^ *a, 16);
    *c += *d;
    *b = rotate(*b ^ *c, 12);
    *a += *b;
    *d = rotate(*d ^ *a, 8);
    *c += *d;
    *b = rotate(*b ^ *c, 7);
}

void entropy_block(const uint32_t key[8], uint32_t counter, const uint32_t nonce[3], uint32_t out[16])
{
    uint32_t in[16] = { 0x61707865, 0x3320646E, 0x79622D32, 0x6B206574 }; /* "expand 32-byte k" */

    memcpy(&in[4], key, 32);
    in[12] = counter;
    memcpy(&in[13], nonce, 12);
    memcpy(out, in, sizeof(in));
    for (unsigned round = 0; round < 10; round++) {
        for (unsigned i = 0; i < 4; i++)
            quarter_round(&out[i], &out[4 + i], &out[8 + i], &out[12 + i]);
        for (unsigned i = 0; i < 4; i++)
            quarter_round(&out[i], &out[4 + (i + 1) % 4], &out[8 + (i + 2) % 4], &out[12 + (i + 3) % 4]);
    }
    for (unsigned i = 0; i < 16; i++)
        out[i] += in[i];
}

static bool has_rdrand(void)
{
    uint32_t a, b, c, d;

    return __get_cpuid(1, &a, &b, &c, &d) && c & CPUID_1_ECX_RDRAND;
}

static bool has_rdseed(void)
{
    uint32_t a, b, c, d;

    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && b & CPUID_7_EBX_RDSEED;
}

/* A word of the CPU's, 0 if it has none to give. */
static uint64_t hardware_word(bool seed)
{
    for (unsigned i = 0; i < HARDWARE_TRIES; i++) {
        uint64_t word;
        bool good;

        if (seed)
            __asm__ volatile("rdseed %0" : "=r"(word), "=@ccc"(good));
        else
            __asm__ volatile("rdrand %0" : "=r"(word), "=@ccc"(good));
        if (good)
            return word;
    }
    return 0;
}

/* Fold what the CPU has to give into the key. XOR takes nothing away from what is there. */
static void mix(struct entropy *e)
{
    bool seed = has_rdseed(), random = has_rdrand();
    uint64_t words[4] = { __builtin_ia32_rdtsc(), e->uses++, 0, 0 };

    if (seed)
        words[2] = hardware_word(true);
    if (random)
        words[3] = hardware_word(false);
    for (unsigned i = 0; i < 8; i++)
        e->key[i] ^= (uint32_t)(words[i / 2] >> i % 2 * 32);
}

void entropy_init(struct entropy *e, const uint8_t seed[ENTROPY_SEED_BYTES])
{
    uint8_t nothing[1];

    memcpy(e->key, seed, sizeof(e->key));
    e->uses = 0;
    entropy_bytes(e, nothing, 0);
}

/* The first half of block 0 is the next key; what follows is given away. */
void entropy_bytes(struct entropy *e, void *bytes, size_t length)
{
    static const uint32_t nonce[3];
    uint32_t block[16], next[8], counter = 0;
    uint8_t *to = bytes;

    mix(e);
    entropy_block(e->key, counter++, nonce, block);
    memcpy(next, block, sizeof(next));
    while (length > 0) {
        size_t part = length < sizeof(block) ? length : sizeof(block);

        entropy_block(e->key, counter++, nonce, block);
        memcpy(to, block, part);
        to += part;
        length -= part;
    }
    memcpy(e->key, next, sizeof(next));
    explicit_bzero(block, sizeof(block));
    explicit_bzero(next, sizeof(next));
}

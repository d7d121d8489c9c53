/* SPDX-License-Identifier: Apache-2.0 */
/* entropy.c: everything that varies goes through one hash; no single source is trusted. */
#include "boot/entropy.h"

#include <string.h>

#include "boot/cpu.h"

#define CPU_RANDOM_WORDS 8
#define JITTER_SAMPLES 1024

void entropy_begin(struct sha256 *pool)
{
    sha256_begin(pool);
    for (unsigned i = 0; i < CPU_RANDOM_WORDS; i++) {
        uint64_t word;

        if (cpu_random(&word))
            sha256_add(pool, &word, sizeof word);
    }
    /* how long the hash itself takes varies with interrupts, caches and refresh cycles */
    for (unsigned i = 0; i < JITTER_SAMPLES; i++) {
        uint64_t now = cpu_tsc();

        sha256_add(pool, &now, sizeof now);
    }
}

void entropy_stir(struct sha256 *pool, const void *data, size_t size_bytes)
{
    uint64_t now = cpu_tsc();

    sha256_add(pool, &now, sizeof now);
    sha256_add(pool, data, size_bytes);
}

void entropy_end(struct sha256 *pool, uint8_t out[32])
{
    sha256_end(pool, out);
    memset(pool, 0, sizeof *pool);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* entropy.h: 32 bytes that an attacker cannot guess, for pool placement and canaries. */
#ifndef CL_BOOT_ENTROPY_H
#define CL_BOOT_ENTROPY_H

#include <stdint.h>

#include "boot/sha256.h"

/* Begin with what the CPU has: its random numbers and the jitter of its time stamps. */
void entropy_begin(struct sha256 *pool);

/* Stir in anything that differs between boots; nothing here can make the pool worse. */
void entropy_stir(struct sha256 *pool, const void *data, size_t size_bytes);

/* Take the result; the pool is wiped. */
void entropy_end(struct sha256 *pool, uint8_t out[32]);

#endif

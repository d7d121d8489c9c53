/* SPDX-License-Identifier: Apache-2.0 */
/* guest_memory.h: the guest's RAM as the VMM sees it; every access is checked once, here.
 *
 * RAM lies at 0 up to 3 GiB, the rest from 4 GiB on. A guest's CPUs write to it at any time: read a value once, then
 * check it.
 */
#ifndef CL_VMM_GUEST_MEMORY_H
#define CL_VMM_GUEST_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "abi/status.h"
#include "vmm/platform.h"

struct guest_memory {
    uint8_t *low; /* guest-physical 0 */
    uint64_t low_bytes;
    uint8_t *high; /* guest-physical 4 GiB */
    uint64_t high_bytes;
};

/* The bytes [address, address + length), or NULL if any of them is not RAM. */
static inline void *guest_memory_at(const struct guest_memory *memory, uint64_t address, uint64_t length)
{
    if (address < memory->low_bytes)
        return length <= memory->low_bytes - address ? memory->low + address : NULL;
    address -= PLATFORM_HIGH_RAM; /* wraps for the hole, and is then beyond any size */
    if (address < memory->high_bytes)
        return length <= memory->high_bytes - address ? memory->high + address : NULL;
    return NULL;
}

/* Copy out of or into RAM. CL_BAD_ARGUMENT: not all of it is RAM; nothing was copied. */
static inline enum cl_status CL_MUST_CHECK guest_memory_read(const struct guest_memory *memory, uint64_t address,
                                                             void *to, size_t length)
{
    const void *from = guest_memory_at(memory, address, length);

    if (from == NULL)
        return CL_BAD_ARGUMENT;
    memcpy(to, from, length);
    return CL_OK;
}

static inline enum cl_status CL_MUST_CHECK guest_memory_write(const struct guest_memory *memory, uint64_t address,
                                                              const void *from, size_t length)
{
    void *to = guest_memory_at(memory, address, length);

    if (to == NULL)
        return CL_BAD_ARGUMENT;
    memcpy(to, from, length);
    return CL_OK;
}

#endif

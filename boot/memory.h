/* SPDX-License-Identifier: Apache-2.0 */
/* memory.h: from the firmware's memory map to the ranges of struct boot_info.
 *
 * Pure: works on the buffer that GetMemoryMap filled, so that damaged maps can be tried on the host.
 */
#ifndef CL_BOOT_MEMORY_H
#define CL_BOOT_MEMORY_H

#include <stdint.h>

#include "abi/boot_info.h"
#include "boot/text.h"

/* EFI memory types of our own allocations; types from 0x80000000 on are the operating system's (UEFI 2.10 §7.2.1). */
#define EFI_MEMORY_CLOISON_LOADER 0x80C10150u
#define EFI_MEMORY_CLOISON_KERNEL 0x80C10151u
#define EFI_MEMORY_CLOISON_IMAGE 0x80C10152u

#define MEMORY_DESCRIPTORS_MAX 1024 /* of the firmware; 115 to 146 were seen */

/* Room to work in: large, so it is the caller's. */
struct memory_work {
    struct boot_memory input[MEMORY_DESCRIPTORS_MAX];
    uint64_t edges[2 * MEMORY_DESCRIPTORS_MAX];
    struct boot_memory output[2 * MEMORY_DESCRIPTORS_MAX];
};

/* Turn `map` (`map_bytes` of descriptors, `stride_bytes` each) into sorted, page-aligned, merged ranges that do not
 * overlap; where the firmware's overlap, the one that forbids more wins. Page 0 is never usable.
 *
 * More than BOOT_MEMORY_MAX ranges: the smallest usable ones are left out, and `*lost_bytes` says how much that was.
 * CL_OK, or CL_LIMIT or CL_CORRUPT with a sentence.
 */
CL_MUST_CHECK enum cl_status memory_normalise(const void *map, size_t map_bytes, size_t stride_bytes,
                                              struct memory_work *work, struct boot_memory out[BOOT_MEMORY_MAX],
                                              uint32_t *out_count, uint64_t *lost_bytes);

/* End of the highest range that is memory: reserved and memory-mapped I/O ranges are announced at absurd addresses. */
uint64_t memory_highest_ram(const struct boot_memory *ranges, uint32_t count);

/* The same, and of the ranges of firmware registers (up to 16 MiB each: flash, for its variables). */
uint64_t memory_highest_mapped(const struct boot_memory *ranges, uint32_t count);

/* Bytes of all ranges of one type. */
uint64_t memory_total(const struct boot_memory *ranges, uint32_t count, enum boot_memory_type type);

#endif

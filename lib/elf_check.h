/* SPDX-License-Identifier: Apache-2.0 */
/* elf_check.h: what a ring-3 program file asks for, checked: the pure half of loading it. */
#ifndef CL_LIB_ELF_CHECK_H
#define CL_LIB_ELF_CHECK_H

#include <stdint.h>

#include "abi/status.h"

#define ELF_SEGMENTS_MAX 8

struct elf_segment {
    uint64_t address;     /* of the first page */
    uint64_t size_bytes;  /* in memory, in whole pages */
    uint64_t file_offset; /* of the first page; a multiple of 4096 */
    uint64_t file_bytes;  /* from file_offset on; 0: all zero. Never more than size_bytes */
    uint32_t rights;      /* MAP_*: never writable and executable */
    uint32_t reserved;
};

struct elf_program {
    uint64_t entry;
    uint32_t segment_count;
    struct elf_segment segment[ELF_SEGMENTS_MAX]; /* by rising address, without overlap */
    const char *refusal;                          /* when it was refused: why; a constant */
};

/* Check a static ELF64 x86-64 program (lib/program.ld makes such) of `size_bytes` at `file` and describe its segments.
 *
 * Segments lie between PROGRAM_TEXT_ADDRESS and PROGRAM_END_ADDRESS, on pages of their own. A segment that is not
 * writable has all of its bytes in the file. CL_CORRUPT: refused, and program->refusal says why. */
CL_MUST_CHECK enum cl_status elf_check(const uint8_t *file, uint64_t size_bytes, struct elf_program *program);

#endif

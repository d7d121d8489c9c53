/* SPDX-License-Identifier: Apache-2.0 */
/* elf.h: the kernel's ELF file, checked and laid out in memory. */
#ifndef CL_BOOT_ELF_H
#define CL_BOOT_ELF_H

#include <stdint.h>

#include "boot/text.h"

#define ELF_KERNEL_LOWEST UINT64_C(0xFFFFFFFF80000000)
#define ELF_KERNEL_ALIGN_BYTES UINT64_C(0x200000)
#define ELF_KERNEL_SPAN_MAX UINT64_C(0x4000000) /* 64 MiB: more is a mistake in the linker script */

struct elf_kernel {
    const uint8_t *bytes;
    size_t size_bytes;
    uint64_t virtual_base; /* the lowest segment, rounded down to 2 MiB */
    uint64_t span_bytes;   /* from there to the end of the highest segment, in whole pages */
    uint64_t entry;
};

/* Check a statically linked ELF64 x86-64 executable whose segments all lie at ELF_KERNEL_LOWEST or above.
 *
 * CL_OK: `*kernel` describes it, every offset and length of its segments has been checked. CL_CORRUPT: refused.
 */
CL_MUST_CHECK enum cl_status elf_kernel_check(const uint8_t *bytes, size_t size_bytes, struct elf_kernel *kernel);

/* Lay the checked kernel out at `destination`, which stands for virtual_base and has room for span_bytes. */
void elf_kernel_load(const struct elf_kernel *kernel, void *destination);

#endif

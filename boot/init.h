/* SPDX-License-Identifier: Apache-2.0 */
/* init.h: the first program, checked and laid out: what may only be read stays in the image, the rest is copied. */
#ifndef CL_BOOT_INIT_H
#define CL_BOOT_INIT_H

#include "abi/boot_info.h"
#include "boot/image.h"
#include "lib/elf_check.h"

struct init_program {
    struct image_member file;
    struct elf_program elf;
};

/* Find the member init.elf of `image`, check it, and describe its segments in `info` (offsets, init_data_bytes). CL_OK;
 * CL_NOT_FOUND or CL_CORRUPT with a sentence.
 */
CL_MUST_CHECK enum cl_status init_find(const struct image *image, struct init_program *init, struct boot_info *info);

/* Fill init_data_bytes at `data` with the writable segments. */
void init_load(const struct init_program *init, const struct boot_info *info, uint8_t *data);

#endif

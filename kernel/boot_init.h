/* SPDX-License-Identifier: Apache-2.0 */
/* boot_init.h: making init, the first program, out of the system image. */
#ifndef CL_KERNEL_BOOT_INIT_H
#define CL_KERNEL_BOOT_INIT_H

#include "abi/boot_info.h"

struct account;

/* Build init's domain from the member init.elf and start its thread. The loader's one-to-one map is still there: the
 * only time that the kernel reads the image. Panics with a sentence when the member is missing or no ELF64 program. */
void boot_init(const struct boot_info *boot, struct account *root);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* boot_init.h: making init, the first program, out of the system image. */
#ifndef CL_KERNEL_BOOT_INIT_H
#define CL_KERNEL_BOOT_INIT_H

#include "abi/boot_info.h"

struct account;

/* Build init's domain out of the segments in `boot` and start its thread. Panics with a sentence when that fails. */
void boot_init(const struct boot_info *boot, struct account *root);

#endif

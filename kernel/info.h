/* SPDX-License-Identifier: Apache-2.0 */
/* info.h: the page of facts that every domain can read (abi/info_page.h). */
#ifndef CL_KERNEL_INFO_H
#define CL_KERNEL_INFO_H

#include "abi/boot_info.h"
#include "abi/info_page.h"

extern struct info_page *info_page; /* in the pool */

/* Allocate it and fill in what is known before the backend and the other CPUs are up. Boot. */
void info_build(const struct boot_info *boot);

#endif

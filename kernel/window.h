/* SPDX-License-Identifier: Apache-2.0 */
/* window.h: the one way in which the kernel touches a frame of a memory object: one page per CPU, open for one call. */
#ifndef CL_KERNEL_WINDOW_H
#define CL_KERNEL_WINDOW_H

#include "kernel/types.h"

/* Fill a frame with zeroes. Interrupts off; 512 stores. */
void window_zero(struct hpa frame);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* string.h: the C library functions that the kernel uses and the compiler calls by itself. */
#ifndef CL_KERNEL_STRING_H
#define CL_KERNEL_STRING_H

#include <stddef.h>

void *memset(void *destination, int byte, size_t length);
void *memcpy(void *destination, const void *source, size_t length);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* string.h: the C library functions that the compiler may call and the kernel uses. */
#ifndef CL_KERNEL_STRING_H
#define CL_KERNEL_STRING_H

#include <stddef.h>

void *memset(void *destination, int byte, size_t length);
void *memcpy(void *destination, const void *source, size_t length);
void *memmove(void *destination, const void *source, size_t length);
int memcmp(const void *a, const void *b, size_t length);
size_t strlen(const char *text);
int strcmp(const char *a, const char *b);

#endif

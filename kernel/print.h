/* SPDX-License-Identifier: Apache-2.0 */
/* print.h: formatted text into a buffer. */
#ifndef CL_KERNEL_PRINT_H
#define CL_KERNEL_PRINT_H

#include <stdarg.h>
#include <stddef.h>

/* Like vsnprintf, for the conversions %s %u %x %lu %lx, numbers with a width and zero padding. `size` is not 0, the text
 * always terminated; returns its length (never more than size - 1). */
size_t print_format(char *buffer, size_t size, const char *format, va_list arguments);

#endif

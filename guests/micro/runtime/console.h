/* SPDX-License-Identifier: Apache-2.0 */
/* console.h: micro_printf() for callers that have a va_list. */
#ifndef MICRO_CONSOLE_H
#define MICRO_CONSOLE_H

#include <stdarg.h>

#include "micro.h"

void console_vprint(const char *format, va_list arguments);

/* Into `to`, cut to `size` bytes with the final zero. `size` is not 0. */
void console_vformat(char *to, size_t size, const char *format, va_list arguments);

#endif

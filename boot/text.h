/* SPDX-License-Identifier: Apache-2.0 */
/* text.h: sentences without a C library.
 *
 * The loader's pure files (image, ELF, ACPI, memory map, CPU) refuse with one plain sentence that says what is wrong
 * and what to do. The sentence is kept here until main.c shows it; so those files need no console and run on the host.
 */
#ifndef CL_BOOT_TEXT_H
#define CL_BOOT_TEXT_H

#include <stdarg.h>
#include <stddef.h>

#include "abi/status.h"

/* Write `format` into `out` (at most `size_bytes` with the NUL, cut off if longer; `size_bytes` is not 0).
 *
 * Understands %s %c %u %x %lu %lx and %%, which is all that the loader says. Returns the length without the NUL.
 */
size_t text_format(char *out, size_t size_bytes, const char *format, ...) __attribute__((format(printf, 3, 4)));
size_t text_format_list(char *out, size_t size_bytes, const char *format, va_list values)
    __attribute__((format(printf, 3, 0)));

/* Keep the sentence for the person and return `status`, so that a check reads `return refuse(CL_CORRUPT, "…")`. */
enum cl_status refuse(enum cl_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The sentence of the last refusal; empty if there was none. */
const char *refusal(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* assert.h: the two ways in which the kernel says no: refuse a caller, or panic over a broken invariant. */
#ifndef CL_KERNEL_ASSERT_H
#define CL_KERNEL_ASSERT_H

#include "kernel/types.h"

/* Leave the sentence `format` as the breadcrumb of the running system call and give `status` back. On the host tests
 * it goes to a buffer. Conversions: print.h's. */
enum cl_status refuse(enum cl_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Stop the machine with a crash report on every console. Never returns. */
void panic(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* An invariant of the kernel itself, checked in every build. Never for input. */
#define ASSERT(condition)                                                                                              \
    do {                                                                                                               \
        if (__builtin_expect(!(condition), 0))                                                                         \
            panic("%s:%u: invariant broken: %s", __FILE__, __LINE__, #condition);                                      \
    } while (0)

/* One line into the kernel's log ring (and the serial port while the kernel owns it). */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif

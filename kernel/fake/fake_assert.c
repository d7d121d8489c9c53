/* SPDX-License-Identifier: Apache-2.0 */
/* fake_assert.c: refusals and log lines go to buffers that a test reads, a panic jumps back into the test.
 *
 * A test that links the kernel's own syscall.c or log.c gets those functions instead.
 */
#include "kernel/assert.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernel/fake/fake.h"

char fake_refusal[256];
enum cl_status fake_refusal_status;
char fake_panic_text[256];
char fake_log_text[256];
jmp_buf *fake_panic_target;

__attribute__((weak)) enum cl_status refuse(enum cl_status status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(fake_refusal, sizeof fake_refusal, format, arguments);
    va_end(arguments);
    fake_refusal_status = status;
    return status;
}

void panic(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(fake_panic_text, sizeof fake_panic_text, format, arguments);
    va_end(arguments);
    if (fake_panic_target != NULL)
        longjmp(*fake_panic_target, 1);
    fprintf(stderr, "kernel panic: %s\n", fake_panic_text);
    abort();
}

__attribute__((weak)) void log_line(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(fake_log_text, sizeof fake_log_text, format, arguments);
    va_end(arguments);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* log.c: formatted lines and the standard streams, cut into what one log line holds. */
#include "lib/log.h"

#include <stdarg.h>
#include <stdio.h>

#include "lib/lock.h"
#include "lib/refusal.h"
#include "lib/syscall.h"

/* A line that cannot be logged has nowhere else to go. */
static void put_line(const char *line, size_t length)
{
    (void)!cl_log_write(line, length);
}

/* Log `length` bytes, and where the line is too long go on in the next one. */
static void put_text(const char *text, size_t length)
{
    do {
        size_t piece = length < CL_LOG_LINE_MAX ? length : CL_LOG_LINE_MAX;
        put_line(text, piece);
        text += piece;
        length -= piece;
    } while (length > 0);
}

/* Length of what vsnprintf() left in a buffer of `size` bytes. */
static size_t written(int result, size_t size)
{
    if (result < 0)
        return 0;
    return (size_t)result < size ? (size_t)result : size - 1;
}

void cl_log(const char *format, ...)
{
    char line[4 * CL_LOG_LINE_MAX];
    va_list arguments;

    va_start(arguments, format);
    size_t length = written(vsnprintf(line, sizeof(line), format, arguments), sizeof(line));
    va_end(arguments);
    put_text(line, length);
}

void cl_log_refusal(enum cl_status status, const char *format, ...)
{
    char line[4 * CL_LOG_LINE_MAX];
    va_list arguments;
    const char *refusal = cl_refusal(status);

    va_start(arguments, format);
    size_t length = written(vsnprintf(line, sizeof(line), format, arguments), sizeof(line));
    va_end(arguments);
    length += written(snprintf(line + length, sizeof(line) - length, ": %s", refusal), sizeof(line) - length);
    put_text(line, length);
}

void cl_log_stream(int stream, const char *text, size_t length)
{
    static struct {
        struct cl_lock lock;
        size_t length;
        char line[CL_LOG_LINE_MAX];
    } streams[2];
    unsigned which = stream == 1 ? 0 : 1;

    cl_lock_take(&streams[which].lock);
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n' || streams[which].length == CL_LOG_LINE_MAX) {
            put_line(streams[which].line, streams[which].length);
            streams[which].length = 0;
        }
        if (text[i] != '\n')
            streams[which].line[streams[which].length++] = text[i];
    }
    cl_lock_drop(&streams[which].lock);
}

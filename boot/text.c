/* SPDX-License-Identifier: Apache-2.0 */
/* text.c: the small formatter and the one sentence that is kept. */
#include "boot/text.h"

#include <stdbool.h>
#include <stdint.h>

struct writer {
    char *out;
    size_t room; /* bytes left before the NUL */
    size_t length;
};

static void put(struct writer *w, char c)
{
    if (w->room == 0)
        return;
    w->out[w->length++] = c;
    w->room--;
}

static void put_string(struct writer *w, const char *s)
{
    while (*s != '\0')
        put(w, *s++);
}

static void put_number(struct writer *w, uint64_t value, unsigned base)
{
    char digits[20];
    unsigned count = 0;

    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    while (count > 0)
        put(w, digits[--count]);
}

size_t text_format_list(char *out, size_t size_bytes, const char *format, va_list values)
{
    struct writer w = { .out = out, .room = size_bytes - 1 };

    for (; *format != '\0'; format++) {
        if (*format != '%') {
            put(&w, *format);
            continue;
        }
        format++;
        bool is_long = *format == 'l';
        if (is_long)
            format++;
        switch (*format) {
        case 's':
            put_string(&w, va_arg(values, const char *));
            break;
        case 'c':
            put(&w, (char)va_arg(values, int));
            break;
        case 'u':
        case 'x':
            put_number(&w, is_long ? va_arg(values, unsigned long) : va_arg(values, unsigned),
                       *format == 'x' ? 16 : 10);
            break;
        case '\0':
            format--; /* a lone % at the end: let the loop see the NUL */
            break;
        default:
            put(&w, *format);
            break;
        }
    }
    out[w.length] = '\0';
    return w.length;
}

size_t text_format(char *out, size_t size_bytes, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    size_t length = text_format_list(out, size_bytes, format, values);
    va_end(values);
    return length;
}

static char last_refusal[512];

enum cl_status refuse(enum cl_status status, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    text_format_list(last_refusal, sizeof last_refusal, format, values);
    va_end(values);
    return status;
}

const char *refusal(void)
{
    return last_refusal;
}

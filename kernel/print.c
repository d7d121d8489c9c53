/* SPDX-License-Identifier: Apache-2.0 */
/* print.c: the little of printf that a kernel needs. */
#include "kernel/print.h"

#include "kernel/types.h"

struct output {
    char *buffer;
    size_t size, length;
};

static void put(struct output *out, char c)
{
    if (out->length + 1 < out->size)
        out->buffer[out->length++] = c;
}

static void put_number(struct output *out, uint64_t value, unsigned base, size_t width)
{
    char digits[20];
    size_t count = 0;

    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    for (size_t i = count; i < width; i++)
        put(out, '0');
    while (count > 0)
        put(out, digits[--count]);
}

size_t print_format(char *buffer, size_t size, const char *format, va_list arguments)
{
    struct output out = { buffer, size, 0 };

    for (; *format != '\0'; format++) {
        bool is_long;
        size_t width = 0;

        if (*format != '%') {
            put(&out, *format);
            continue;
        }
        for (format++; *format >= '0' && *format <= '9'; format++)
            width = width * 10 + (size_t)(*format - '0');
        is_long = *format == 'l';
        format += is_long;
        if (*format == 's') {
            for (const char *text = va_arg(arguments, const char *); *text != '\0'; text++)
                put(&out, *text);
        } else {
            put_number(&out, is_long ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned),
                       *format == 'x' ? 16 : 10, width);
        }
    }
    buffer[out.length] = '\0';
    return out.length;
}

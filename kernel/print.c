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

static void put_text(struct output *out, const char *text, unsigned width, bool left)
{
    unsigned length = 0;

    while (text[length] != '\0')
        length++;
    for (unsigned i = length; !left && i < width; i++)
        put(out, ' ');
    for (unsigned i = 0; i < length; i++)
        put(out, text[i]);
    for (unsigned i = length; left && i < width; i++)
        put(out, ' ');
}

static void put_number(struct output *out, uint64_t value, unsigned base, bool negative, unsigned width, char padding)
{
    char digits[24];
    unsigned count = 0;

    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    if (negative && padding == '0')
        put(out, '-');
    for (unsigned i = count + negative; i < width; i++)
        put(out, padding);
    if (negative && padding != '0')
        put(out, '-');
    while (count > 0)
        put(out, digits[--count]);
}

struct conversion {
    unsigned width;
    char padding;
    bool left, is_long;
};

static const char *parse_conversion(const char *format, struct conversion *c)
{
    *c = (struct conversion){ .padding = ' ' };
    for (; *format == '-' || *format == '0'; format++) {
        if (*format == '-')
            c->left = true;
        else
            c->padding = '0';
    }
    for (; *format >= '0' && *format <= '9'; format++)
        c->width = c->width * 10 + (unsigned)(*format - '0');
    for (; *format == 'l' || *format == 'z'; format++)
        c->is_long = true;
    return format;
}

size_t print_format(char *buffer, size_t size, const char *format, va_list arguments)
{
    struct output out = { buffer, size, 0 };
    struct conversion c;

    for (; *format != '\0'; format++) {
        if (*format != '%') {
            put(&out, *format);
            continue;
        }
        format = parse_conversion(format + 1, &c);
        switch (*format) {
        case 's':
            put_text(&out, va_arg(arguments, const char *), c.width, c.left);
            break;
        case 'c':
            put(&out, (char)va_arg(arguments, int));
            break;
        case 'd': {
            int64_t value = c.is_long ? va_arg(arguments, int64_t) : va_arg(arguments, int);
            put_number(&out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10, value < 0, c.width, c.padding);
            break;
        }
        case 'u':
        case 'x': {
            uint64_t value = c.is_long ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned);
            put_number(&out, value, *format == 'x' ? 16 : 10, false, c.width, c.padding);
            break;
        }
        case 'p':
            put_number(&out, (uintptr_t)va_arg(arguments, void *), 16, false, 16, '0');
            break;
        case '\0':
            format--;
            break;
        default:
            put(&out, *format);
        }
    }
    if (size > 0)
        buffer[out.length] = '\0';
    return out.length;
}

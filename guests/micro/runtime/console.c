/* SPDX-License-Identifier: Apache-2.0 */
/* console.c: printing on COM1, and the small part of printf that tests need. */
#include <stdarg.h>

#include "console.h"
#include "pc.h"

struct text {
    char *to;    /* NULL: straight to COM1 */
    size_t left; /* room in `to`, its final zero included */
};

static void put(struct text *text, char byte)
{
    if (text->to == NULL) {
        if (byte == '\n')
            serial_put('\r');
        serial_put(byte);
    } else if (text->left > 1) {
        *text->to++ = byte;
        text->left--;
    }
}

static void put_padded(struct text *text, const char *string, size_t length, size_t width, char padding)
{
    for (; width > length; width--)
        put(text, padding);
    for (size_t i = 0; i < length; i++)
        put(text, string[i]);
}

static void put_number(struct text *text, uint64_t value, unsigned base, bool negative, size_t width, char padding)
{
    char digits[24];
    size_t at = sizeof(digits);

    do {
        digits[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    if (negative)
        digits[--at] = '-';
    put_padded(text, &digits[at], sizeof(digits) - at, width, padding);
}

struct conversion {
    bool alternate; /* # */
    char padding;
    size_t width;
    int longs; /* 0 = int, 1 and more = 64 bits, negative = short or char */
};

static const char *parse_conversion(const char *format, struct conversion *out)
{
    *out = (struct conversion){ .padding = ' ' };
    for (; *format == '#' || *format == '0'; format++) {
        out->alternate |= *format == '#';
        if (*format == '0')
            out->padding = '0';
    }
    for (; *format >= '0' && *format <= '9'; format++)
        out->width = out->width * 10 + (size_t)(*format - '0');
    for (; *format == 'l' || *format == 'z' || *format == 'h'; format++)
        out->longs += *format == 'h' ? -1 : 1;
    return format;
}

static void print(struct text *text, const char *format, va_list arguments)
{
    for (; *format != '\0'; format++) {
        struct conversion c;

        if (*format != '%') {
            put(text, *format);
            continue;
        }
        format = parse_conversion(format + 1, &c);
        switch (*format) {
        case 's': {
            const char *string = va_arg(arguments, const char *);
            put_padded(text, string, strlen(string), c.width, ' ');
            break;
        }
        case 'c':
            put(text, (char)va_arg(arguments, int));
            break;
        case 'd': {
            int64_t value = c.longs > 0 ? va_arg(arguments, int64_t) : va_arg(arguments, int);
            put_number(text, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, value < 0, c.width, c.padding);
            break;
        }
        case 'u':
        case 'x': {
            uint64_t value = c.longs > 0 ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned);
            if (c.alternate)
                put_padded(text, "0x", 2, 0, ' ');
            put_number(text, value, *format == 'x' ? 16 : 10, false, c.width, c.padding);
            break;
        }
        case 'p':
            put_padded(text, "0x", 2, 0, ' ');
            put_number(text, (uint64_t)va_arg(arguments, void *), 16, false, 0, ' ');
            break;
        default:
            put(text, *format);
            break;
        }
    }
}

void console_vprint(const char *format, va_list arguments)
{
    struct text text = { 0 };

    print(&text, format, arguments);
}

void console_vformat(char *to, size_t size, const char *format, va_list arguments)
{
    struct text text = { .to = to, .left = size };

    print(&text, format, arguments);
    *text.to = '\0';
}

void micro_printf(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    console_vprint(format, arguments);
    va_end(arguments);
}

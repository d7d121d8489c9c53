/* SPDX-License-Identifier: Apache-2.0 */
/* scrollback.c: a byte ring, and a filter for terminal control sequences (ECMA-48 5.4, 5.6). */
#include "services/console/scrollback.h"

#define KEY_ESCAPE 0x1b

void scrollback_append(struct scrollback *scrollback, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        scrollback->ring[scrollback->written++ % SCROLLBACK_BYTES] = bytes[i];
}

static uint64_t oldest(const struct scrollback *scrollback)
{
    return scrollback->written > SCROLLBACK_BYTES ? scrollback->written - SCROLLBACK_BYTES : 0;
}

size_t scrollback_read(const struct scrollback *scrollback, uint64_t *position, uint8_t *bytes, size_t size)
{
    size_t count = 0;

    if (*position < oldest(scrollback))
        *position = oldest(scrollback);
    while (*position < scrollback->written && count < size)
        bytes[count++] = scrollback->ring[(*position)++ % SCROLLBACK_BYTES];
    return count;
}

uint64_t scrollback_recent(const struct scrollback *scrollback, size_t bytes)
{
    uint64_t start = oldest(scrollback);

    if (scrollback->written - start <= bytes)
        return start;
    start = scrollback->written - bytes;
    for (uint64_t at = start; at < scrollback->written; at++) {
        if (scrollback->ring[at % SCROLLBACK_BYTES] == '\n')
            return at + 1;
    }
    return start;
}

/* True if the byte is part of a control sequence. */
static bool is_control_sequence(struct line_filter *filter, uint8_t byte)
{
    switch (filter->escape) {
    case 0:
        filter->escape = byte == KEY_ESCAPE ? 1 : 0;
        return byte == KEY_ESCAPE;
    case 1:
        if (byte == '[')
            filter->escape = 2;
        else if (byte == ']' || byte == 'P' || byte == '_' || byte == '^' || byte == 'X')
            filter->escape = 3;
        else if (byte < 0x20 || byte > 0x2f) /* not an intermediate byte: it ends here */
            filter->escape = byte == KEY_ESCAPE ? 1 : 0;
        return true;
    case 2:
        if (byte == '\n')
            filter->escape = 0; /* broken off */
        else if (byte >= 0x40 && byte <= 0x7e)
            filter->escape = 0;
        return byte != '\n';
    default:
        if (byte == '\n' || byte == 0x07)
            filter->escape = 0;
        else if (byte == KEY_ESCAPE)
            filter->escape = 1; /* ESC \ ends the string */
        return byte != '\n';
    }
}

bool line_filter_byte(struct line_filter *filter, uint8_t byte)
{
    if (is_control_sequence(filter, byte))
        return false;
    if (byte == '\n') {
        filter->line[filter->length] = '\0';
        return true;
    }
    if ((byte < ' ' && byte != '\t') || byte == 0x7f)
        return false;
    filter->line[filter->length++] = byte < 0x80 ? (char)byte : '?'; /* C1 controls hide there, too */
    filter->line[filter->length] = '\0';
    return filter->length == SCROLLBACK_LINE_MAX;
}

void line_filter_next(struct line_filter *filter)
{
    filter->length = 0;
    filter->line[0] = '\0';
}

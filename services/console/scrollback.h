/* SPDX-License-Identifier: Apache-2.0 */
/* scrollback.h: what a VM's console said lately, and its lines made safe to print between others'. Pure. */
#ifndef CL_SERVICES_CONSOLE_SCROLLBACK_H
#define CL_SERVICES_CONSOLE_SCROLLBACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCROLLBACK_BYTES 32768u /* a power of two */
#define SCROLLBACK_LINE_MAX 400u

struct scrollback {
    uint64_t written; /* bytes since the beginning; the last SCROLLBACK_BYTES are kept */
    uint8_t ring[SCROLLBACK_BYTES];
};

void scrollback_append(struct scrollback *scrollback, const uint8_t *bytes, size_t length);

/* Copy what is kept from *position on (moved forward over what was lost and what was copied). Bytes copied. */
size_t scrollback_read(const struct scrollback *scrollback, uint64_t *position, uint8_t *bytes, size_t size);

/* Where reading begins that shows about the last `bytes` bytes, from the beginning of a line if one is there. */
uint64_t scrollback_recent(const struct scrollback *scrollback, size_t bytes);

/* A line being put together: terminal control sequences and control characters of guests are left out, so that no
 * guest can forge another's line or speak to the operator's terminal. */
struct line_filter {
    char line[SCROLLBACK_LINE_MAX + 1];
    size_t length;
    uint8_t escape; /* 0: text, 1: after ESC, 2: in a control sequence, 3: in a string that ends with BEL or ESC \ */
};

/* One byte. True: `line` is complete, NUL-terminated; call line_filter_next() before the next byte. */
bool line_filter_byte(struct line_filter *filter, uint8_t byte);
void line_filter_next(struct line_filter *filter);

#endif

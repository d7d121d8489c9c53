/* SPDX-License-Identifier: Apache-2.0 */
/* log.c: the log ring. Positions count bytes since boot; the ring keeps the last LOG_BYTES of them. */
#include "kernel/log.h"

#include <stdarg.h>

#include "kernel/assert.h"
#include "kernel/lock.h"
#include "kernel/print.h"
#include "kernel/x86.h"

#define LOG_BYTES 65536 /* a power of two */

static char ring[LOG_BYTES];
static uint64_t written;     /* [l] */
static uint16_t serial_port; /* [l] */
static uint16_t serial_at_boot;
static bool panicking;
static struct spinlock log_lock;

/* Until one of the bits `ready` is set in the 16550's line status register. A port that never answers is given up on after
 * a bounded wait, so that a missing UART cannot stop the machine. */
static void serial_wait(uint8_t ready)
{
    for (unsigned i = 0; i < 100000 && (x86_inb((uint16_t)(serial_port + 5)) & ready) == 0; i++)
        ;
}

static void serial_put(char c)
{
    serial_wait(0x20); /* the transmitter takes a byte */
    x86_outb(serial_port, (uint8_t)c);
}

static void emit(char c)
{
    ring[written++ % LOG_BYTES] = c;
    if (serial_port != 0) {
        if (c == '\n')
            serial_put('\r');
        serial_put(c);
    }
}

void log_serial(uint16_t port)
{
    if (port != 0)
        serial_at_boot = port;
    lock_acquire(&log_lock);
    serial_port = port;
    lock_release(&log_lock);
}

void log_panic_mode(void)
{
    panicking = true;
    serial_port = serial_at_boot;
}

void log_drain(void)
{
    if (serial_port != 0)
        serial_wait(0x40); /* the transmitter is empty */
}

void log_append(const char *tag, const char *text, size_t length)
{
    if (!panicking)
        lock_acquire(&log_lock);
    for (; *tag != '\0'; tag++)
        emit(*tag);
    emit(':');
    emit(' ');
    for (size_t i = 0; i < length && i < LOG_LINE_MAX; i++) {
        /* text comes from ring 3 too: no control character reaches a terminal */
        unsigned char c = (unsigned char)text[i];
        emit(c >= ' ' && c != 0x7f ? text[i] : ' ');
    }
    emit('\n');
    if (!panicking)
        lock_release(&log_lock);
}

void log_line(const char *format, ...)
{
    char line[LOG_LINE_MAX];
    va_list arguments;

    va_start(arguments, format);
    size_t length = print_format(line, sizeof(line), format, arguments);
    va_end(arguments);
    log_append("cloison", line, length);
}

size_t log_copy(uint64_t *position, char *buffer, size_t size)
{
    size_t copied = 0;

    lock_acquire(&log_lock);
    if (*position > written)
        *position = written;
    if (written - *position > LOG_BYTES)
        *position = written - LOG_BYTES;
    while (*position < written && copied < size)
        buffer[copied++] = ring[(*position)++ % LOG_BYTES];
    lock_release(&log_lock);
    return copied;
}

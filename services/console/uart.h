/* SPDX-License-Identifier: Apache-2.0 */
/* uart.h: the machine's serial port (16550), which this program owns once the kernel has let go of it. */
#ifndef CL_SERVICES_CONSOLE_UART_H
#define CL_SERVICES_CONSOLE_UART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Take the port over, at whatever speed the firmware set. `irq`: capability of its interrupt; 0: there is none. */
void uart_begin(uint16_t port, uint32_t irq);

/* What was received and not used yet; it stays where it is until uart_used(). When the buffer is full the port is not
 * read: its FIFO fills and the sender has to wait. */
size_t uart_received(const uint8_t **bytes);

/* Forget the first `count` of them. */
void uart_used(size_t count);

bool uart_is_full(void);

/* True once after the port's FIFO has overrun: bytes are missing. */
bool uart_overrun(void);

/* Send bytes as they are. Waits while the transmitter is full, and receives meanwhile; but not for ever: a port that
 * takes nothing loses them. */
void uart_write(const void *bytes, size_t length);

/* Wait until the last byte has left the shift register, a bounded time. */
void uart_drain(void);

#endif

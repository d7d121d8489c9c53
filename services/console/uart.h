/* SPDX-License-Identifier: Apache-2.0 */
/* uart.h: the machine's serial port (16550), which this program owns once the kernel has let go of it. */
#ifndef CL_SERVICES_CONSOLE_UART_H
#define CL_SERVICES_CONSOLE_UART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Take the port over, at whatever speed the firmware set. `irq`: capability of its interrupt; 0: there is none. */
void uart_begin(uint16_t port, uint32_t irq);

/* One received byte. False: none. */
bool uart_get(uint8_t *byte);

/* After everything was taken: let the interrupt come again. */
void uart_acknowledge(void);

/* Send bytes as they are. Waits while the transmitter is full, but not for ever: a port that takes nothing loses them. */
void uart_write(const void *bytes, size_t length);

/* Wait until the last byte has left the shift register, a bounded time. */
void uart_drain(void);

#endif

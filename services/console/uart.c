/* SPDX-License-Identifier: Apache-2.0 */
/* uart.c: 16550 with FIFOs, transmit by polling, receive by interrupt. */
#include "services/console/uart.h"

#include <string.h>

#include "lib/runtime.h"
#include "lib/syscall.h"

enum uart_register { UART_DATA = 0, UART_IER = 1, UART_FCR = 2, UART_MCR = 4, UART_LSR = 5 };

#define IER_RECEIVED 0x01
#define FCR_ENABLE_CLEAR_RECEIVER 0x03
#define MCR_DTR_RTS_OUT2 0x0B /* OUT2 lets the interrupt out */
#define LSR_DATA_READY 0x01
#define LSR_OVERRUN 0x02
#define LSR_HOLDING_EMPTY 0x20
#define LSR_ALL_EMPTY 0x40
#define FIFO_BYTES 16
#define WAIT_NS (UINT64_C(2) * 1000 * 1000 * 1000) /* a cable that holds us up for longer is not read by anybody */
#define READS_PER_LOOK 256u                        /* at the clock, between yields */
#define RECEIVED_MAX 4096u

static uint16_t base;
static uint32_t irq_slot;
static uint8_t received[RECEIVED_MAX];
static size_t received_count;
static bool overrun; /* reading LSR clears its bit */

static void out(enum uart_register reg, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"((uint16_t)(base + reg)));
}

static uint8_t in(enum uart_register reg)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"((uint16_t)(base + reg)));
    return value;
}

/* LSR, after what has arrived was taken: the FIFO holds 16 bytes only, and writing may take long. */
static uint8_t look(void)
{
    uint8_t lsr;

    while (((lsr = in(UART_LSR)) & LSR_DATA_READY) != 0 && received_count < RECEIVED_MAX) {
        overrun = overrun || (lsr & LSR_OVERRUN) != 0;
        received[received_count++] = in(UART_DATA);
    }
    overrun = overrun || (lsr & LSR_OVERRUN) != 0;
    return lsr;
}

/* Once it has waited in vain it does not wait again until the port moves: a stuck port must not stop the console. */
static bool wait_for(uint8_t bits)
{
    static bool stuck;
    uint64_t until = stuck ? 0 : cl_monotonic_ns() + WAIT_NS;

    do {
        for (unsigned i = 0; i < READS_PER_LOOK; i++) {
            if ((look() & bits) != 0) {
                stuck = false;
                return true;
            }
        }
        cl_yield();
    } while (cl_monotonic_ns() < until);
    stuck = true;
    return false;
}

void uart_begin(uint16_t port, uint32_t irq)
{
    base = port;
    irq_slot = irq;
    out(UART_FCR, FCR_ENABLE_CLEAR_RECEIVER);
    out(UART_MCR, MCR_DTR_RTS_OUT2);
    out(UART_IER, irq != 0 ? IER_RECEIVED : 0);
}

/* A level interrupt would come again at once as long as the port is not empty. */
size_t uart_received(const uint8_t **bytes)
{
    if ((look() & LSR_DATA_READY) == 0 && irq_slot != 0)
        (void)!cl_irq_ack(irq_slot);
    *bytes = received;
    return received_count;
}

void uart_used(size_t count)
{
    received_count -= count;
    memmove(received, received + count, received_count);
}

bool uart_is_full(void)
{
    return received_count == RECEIVED_MAX;
}

bool uart_overrun(void)
{
    bool lost = overrun;

    overrun = false;
    return lost;
}

void uart_write(const void *bytes, size_t length)
{
    const uint8_t *at = bytes;

    for (size_t i = 0; i < length; i++) {
        /* an empty holding register means that the whole FIFO is free */
        if (i % FIFO_BYTES == 0 && !wait_for(LSR_HOLDING_EMPTY))
            return;
        out(UART_DATA, at[i]);
    }
}

void uart_drain(void)
{
    (void)wait_for(LSR_ALL_EMPTY);
}

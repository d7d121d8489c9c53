/* SPDX-License-Identifier: Apache-2.0 */
/* uart16550.c: NS16550A.
 *
 * National Semiconductor PC16550D data sheet (June 1995) §8: registers, FIFOs, interrupt priorities, loopback. The line
 * has no speed: a byte is sent when the outside takes it, and received data below the trigger level is reported as
 * time-out at once.
 */
#include "vmm/irq.h"
#include "vmm/uart16550.h"

#define IER_RDA 0x01u
#define IER_THRE 0x02u
#define IER_RLS 0x04u
#define IER_MS 0x08u
#define IIR_NONE 0x01u
#define IIR_MS 0x00u
#define IIR_THRE 0x02u
#define IIR_RDA 0x04u
#define IIR_RLS 0x06u
#define IIR_TIMEOUT 0x0Cu
#define IIR_FIFOS 0xC0u
#define FCR_ENABLE 0x01u
#define FCR_CLEAR_RX 0x02u
#define FCR_CLEAR_TX 0x04u
#define LCR_DLAB 0x80u
#define LCR_BREAK 0x40u
#define MCR_DTR 0x01u
#define MCR_RTS 0x02u
#define MCR_OUT1 0x04u
#define MCR_OUT2 0x08u
#define MCR_LOOP 0x10u
#define LSR_DR 0x01u
#define LSR_OE 0x02u
#define LSR_BI 0x10u
#define LSR_THRE 0x20u
#define LSR_TEMT 0x40u
#define MSR_CTS 0x10u
#define MSR_DSR 0x20u
#define MSR_RI 0x40u
#define MSR_DCD 0x80u

#define RX_FIFO 16u
#define TX_BUFFER 64u
#define TX_FIFO 16u

struct uart_state {
    uint64_t sent; /* bytes that the outside has taken */
    uint8_t ier, fcr, lcr, mcr, lsr_errors, msr, scratch;
    uint8_t thre_pending; /* the transmitter-empty interrupt has not been seen yet */
    uint8_t divisor[2];
    uint8_t rx_first, rx_count;
    uint8_t tx_first, tx_count;
    uint8_t rx[RX_FIFO];
    uint8_t tx[TX_BUFFER];
};

static void uart_reset(struct device *device, struct capsule_tx *tx)
{
    struct uart_state *s = device->state;

    CAPSULE_SET(tx, s->ier, 0);
    CAPSULE_SET(tx, s->fcr, 0);
    CAPSULE_SET(tx, s->lcr, 0);
    CAPSULE_SET(tx, s->mcr, 0);
    CAPSULE_SET(tx, s->lsr_errors, 0);
    CAPSULE_SET(tx, s->msr, MSR_CTS | MSR_DSR | MSR_DCD);
    CAPSULE_SET(tx, s->scratch, 0);
    CAPSULE_SET(tx, s->thre_pending, 0);
    CAPSULE_SET(tx, s->divisor[0], 12);
    CAPSULE_SET(tx, s->divisor[1], 0);
    CAPSULE_SET(tx, s->rx_count, 0);
    /* What was sent is on its way: the transmit buffer stays. */
}

/* A guest may send 16 bytes whenever it sees THRE, so that much room must be left. */
static bool transmitter_ready(const struct uart_state *s)
{
    return s->tx_count <= TX_BUFFER - TX_FIFO;
}

static unsigned rx_trigger(const struct uart_state *s)
{
    static const uint8_t level[4] = { 1, 4, 8, 14 };

    return s->fcr & FCR_ENABLE ? level[s->fcr >> 6] : 1;
}

static uint8_t interrupt_identity(const struct uart_state *s)
{
    if (s->ier & IER_RLS && s->lsr_errors)
        return IIR_RLS;
    if (s->ier & IER_RDA && s->rx_count > 0)
        return s->rx_count >= rx_trigger(s) ? IIR_RDA : IIR_TIMEOUT;
    if (s->ier & IER_THRE && s->thre_pending)
        return IIR_THRE;
    if (s->ier & IER_MS && s->msr & 0x0F)
        return IIR_MS;
    return IIR_NONE;
}

static void receive_byte(struct uart_state *s, struct capsule_tx *tx, uint8_t byte)
{
    unsigned capacity = s->fcr & FCR_ENABLE ? RX_FIFO : 1;

    if (s->rx_count >= capacity) {
        CAPSULE_SET(tx, s->lsr_errors, s->lsr_errors | LSR_OE);
        return;
    }
    CAPSULE_SET(tx, s->rx[(s->rx_first + s->rx_count) % RX_FIFO], byte);
    CAPSULE_SET(tx, s->rx_count, s->rx_count + 1);
}

static uint8_t modem_inputs(const struct uart_state *s)
{
    uint8_t lines = 0;

    if (!(s->mcr & MCR_LOOP))
        return MSR_CTS | MSR_DSR | MSR_DCD;
    lines = (uint8_t)(lines | (s->mcr & MCR_RTS ? MSR_CTS : 0));
    lines = (uint8_t)(lines | (s->mcr & MCR_DTR ? MSR_DSR : 0));
    lines = (uint8_t)(lines | (s->mcr & MCR_OUT1 ? MSR_RI : 0));
    return (uint8_t)(lines | (s->mcr & MCR_OUT2 ? MSR_DCD : 0));
}

/* New modem inputs set the delta bits; RI counts only when it falls (data sheet §8.8). */
static void modem_update(struct uart_state *s, struct capsule_tx *tx)
{
    uint8_t lines = modem_inputs(s), changed = (uint8_t)((lines ^ s->msr) & 0xF0);

    if (lines & MSR_RI)
        changed &= (uint8_t)~MSR_RI;
    CAPSULE_SET(tx, s->msr, lines | (s->msr & 0x0F) | changed >> 4);
}

/* Hand bytes to the outside, then let the interrupt follow. */
static void uart_derive(struct device *device, struct capsule_tx *tx)
{
    struct uart_state *s = device->state;
    const struct machine *m = device->machine;
    bool was_ready = transmitter_ready(s);

    if (s->rx_count == 0)
        m->host->serial_room(m->host_context, 0);
    irq_line_set(device, tx, PLATFORM_IRQ_COM1, s->mcr & MCR_OUT2 && interrupt_identity(s) != IIR_NONE);
    while (s->tx_count > 0) {
        size_t run = TX_BUFFER - s->tx_first, taken;

        if (run > s->tx_count)
            run = s->tx_count;
        taken = m->host->serial_write(m->host_context, 0, s->sent, &s->tx[s->tx_first], run);
        if (taken == 0 || taken > run)
            break;
        CAPSULE_SET(tx, s->sent, s->sent + taken);
        CAPSULE_SET(tx, s->tx_first, (s->tx_first + taken) % TX_BUFFER);
        CAPSULE_SET(tx, s->tx_count, s->tx_count - taken);
        if (!was_ready || s->tx_count == 0)
            CAPSULE_SET(tx, s->thre_pending, 1);
        capsule_commit_quietly(tx);
    }
    irq_line_set(device, tx, PLATFORM_IRQ_COM1, s->mcr & MCR_OUT2 && interrupt_identity(s) != IIR_NONE);
}

static uint32_t read_data(struct uart_state *s, struct capsule_tx *tx)
{
    uint8_t byte;

    if (s->rx_count == 0)
        return 0;
    byte = s->rx[s->rx_first % RX_FIFO];
    CAPSULE_SET(tx, s->rx_first, (s->rx_first + 1) % RX_FIFO);
    CAPSULE_SET(tx, s->rx_count, s->rx_count - 1);
    return byte;
}

static uint32_t uart_read(struct device *device, struct capsule_tx *tx, uint16_t port, unsigned size)
{
    struct uart_state *s = device->state;
    uint8_t value;

    (void)size;
    switch (port - PLATFORM_PORT_COM1) {
    case 0:
        return s->lcr & LCR_DLAB ? s->divisor[0] : read_data(s, tx);
    case 1:
        return s->lcr & LCR_DLAB ? s->divisor[1] : s->ier;
    case 2:
        value = interrupt_identity(s);
        if (value == IIR_THRE)
            CAPSULE_SET(tx, s->thre_pending, 0);
        return value | (s->fcr & FCR_ENABLE ? IIR_FIFOS : 0);
    case 3:
        return s->lcr;
    case 4:
        return s->mcr;
    case 5:
        value = (uint8_t)(s->lsr_errors | (s->rx_count > 0 ? LSR_DR : 0));
        CAPSULE_SET(tx, s->lsr_errors, 0);
        value = (uint8_t)(value | (transmitter_ready(s) ? LSR_THRE : 0));
        return value | (s->tx_count == 0 ? LSR_TEMT : 0u);
    case 6:
        value = s->msr;
        CAPSULE_SET(tx, s->msr, value & 0xF0);
        return value;
    default:
        return s->scratch;
    }
}

static void write_data(struct uart_state *s, struct capsule_tx *tx, uint8_t byte)
{
    if (s->mcr & MCR_LOOP) {
        receive_byte(s, tx, byte);
        CAPSULE_SET(tx, s->thre_pending, 1);
        return;
    }
    CAPSULE_SET(tx, s->thre_pending, 0);
    if (s->tx_count == TX_BUFFER)
        return; /* the guest did not wait for THRE: lost, as on the real line */
    CAPSULE_SET(tx, s->tx[(s->tx_first + s->tx_count) % TX_BUFFER], byte);
    CAPSULE_SET(tx, s->tx_count, s->tx_count + 1);
}

static void write_fifo_control(struct uart_state *s, struct capsule_tx *tx, uint8_t value)
{
    bool toggled = ((value ^ s->fcr) & FCR_ENABLE) != 0;

    if (toggled || (value & FCR_ENABLE && value & FCR_CLEAR_RX))
        CAPSULE_SET(tx, s->rx_count, 0);
    if (value & FCR_ENABLE)
        CAPSULE_SET(tx, s->fcr, value & 0xC9);
    else
        CAPSULE_SET(tx, s->fcr, 0);
    /* Clearing the transmit FIFO finds it empty: every byte is already on its way. */
}

static void uart_write(struct device *device, struct capsule_tx *tx, uint16_t port, unsigned size, uint32_t value)
{
    struct uart_state *s = device->state;
    uint8_t byte = (uint8_t)value;

    (void)size;
    switch (port - PLATFORM_PORT_COM1) {
    case 0:
        if (s->lcr & LCR_DLAB)
            CAPSULE_SET(tx, s->divisor[0], byte);
        else
            write_data(s, tx, byte);
        break;
    case 1:
        if (s->lcr & LCR_DLAB) {
            CAPSULE_SET(tx, s->divisor[1], byte);
            break;
        }
        /* Enabling the interrupt while the transmitter is empty raises it (data sheet §8.6.1). */
        if (byte & ~s->ier & IER_THRE && transmitter_ready(s))
            CAPSULE_SET(tx, s->thre_pending, 1);
        CAPSULE_SET(tx, s->ier, byte & 0x0F);
        break;
    case 2:
        write_fifo_control(s, tx, byte);
        break;
    case 3:
        if (s->mcr & MCR_LOOP && byte & ~s->lcr & LCR_BREAK)
            CAPSULE_SET(tx, s->lsr_errors, s->lsr_errors | LSR_BI);
        CAPSULE_SET(tx, s->lcr, byte);
        break;
    case 4:
        CAPSULE_SET(tx, s->mcr, byte & 0x1F);
        modem_update(s, tx);
        break;
    case 7:
        CAPSULE_SET(tx, s->scratch, byte);
        break;
    default: /* LSR and MSR: for the factory */
        break;
    }
}

static const struct device_ops uart_ops = { .name = "com1",
                                            .version = 1,
                                            .state_size = sizeof(struct uart_state),
                                            .reset = uart_reset,
                                            .io_read = uart_read,
                                            .io_write = uart_write,
                                            .derive = uart_derive };

enum cl_status uart16550_add(struct machine *machine)
{
    TRY(machine_add(machine, &uart_ops, NULL, &machine->uart));
    return bus_add_ports(&machine->bus, machine->uart, PLATFORM_PORT_COM1, 8, 1);
}

size_t uart16550_receive(struct device *device, struct capsule_tx *tx, const uint8_t *bytes, size_t length)
{
    struct uart_state *s = device->state;
    size_t taken = 0;

    device_lock(device);
    /* The peer honours flow control: what does not fit stays with it. In loopback the input is cut off. */
    if (!(s->mcr & MCR_LOOP))
        for (; taken < length && s->rx_count < (s->fcr & FCR_ENABLE ? RX_FIFO : 1); taken++)
            receive_byte(s, tx, bytes[taken]);
    device_commit(device, tx);
    device_unlock(device);
    return taken;
}

void uart16550_drain(struct device *device, struct capsule_tx *tx)
{
    device_lock(device);
    uart_derive(device, tx);
    device_unlock(device);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* pic8259.c: Intel 8259A, master and slave, with the edge/level registers of a PC chipset.
 *
 * Intel 8259A data sheet (231468-003): ICW1-4, OCW1-3, poll, special mask, automatic EOI, rotation; ELCR as in the
 * 82371SB (ports 4D0h, 4D1h). Left out: MCS-80/85 mode, of which no PC knows.
 */
#include "vmm/pic8259.h"

#define ICW1_ICW4 0x01u
#define ICW1_SINGLE 0x02u
#define ICW1_LEVEL 0x08u
#define ICW1 0x10u
#define OCW3 0x08u
#define ICW4_AEOI 0x02u
#define ICW4_SFNM 0x10u
#define CASCADE 2u
#define PORT_MASTER 0x20u
#define PORT_SLAVE 0xA0u
#define PORT_ELCR 0x4D0u

struct pic_chip {
    uint8_t irr, imr, isr;
    uint8_t line;   /* inputs as last seen */
    uint8_t elcr;   /* 1 = level-triggered */
    uint8_t base;   /* vector of input 0 */
    uint8_t lowest; /* input of the lowest priority, 7 after initialisation */
    uint8_t init;   /* next initialisation word expected: 2, 3, 4; 0 = none */
    uint8_t needs_icw4, single, level;
    uint8_t auto_eoi, rotate_on_auto_eoi, special_mask, special_nested;
    uint8_t poll, read_isr;
};

struct pic_state {
    struct pic_chip chip[2];
    uint8_t output; /* INTR as the outside last heard it */
};

static const uint8_t elcr_writable[2] = { 0xF8, 0xDE }; /* IRQ 0, 1, 2, 8, 13 are always edge-triggered */

static void chip_initialise(struct pic_chip *c, struct capsule_tx *tx)
{
    CAPSULE_SET(tx, c->irr, c->line & c->elcr);
    CAPSULE_SET(tx, c->imr, 0);
    CAPSULE_SET(tx, c->isr, 0);
    CAPSULE_SET(tx, c->lowest, 7);
    CAPSULE_SET(tx, c->auto_eoi, 0);
    CAPSULE_SET(tx, c->rotate_on_auto_eoi, 0);
    CAPSULE_SET(tx, c->special_mask, 0);
    CAPSULE_SET(tx, c->special_nested, 0);
    CAPSULE_SET(tx, c->poll, 0);
    CAPSULE_SET(tx, c->read_isr, 0);
}

static void pic_reset(struct device *device, struct capsule_tx *tx)
{
    struct pic_state *s = device->state;

    for (unsigned i = 0; i < 2; i++) {
        struct pic_chip *c = &s->chip[i];

        CAPSULE_SET(tx, c->line, 0);
        CAPSULE_SET(tx, c->elcr, 0);
        CAPSULE_SET(tx, c->base, 0);
        CAPSULE_SET(tx, c->init, 0);
        CAPSULE_SET(tx, c->needs_icw4, 0);
        CAPSULE_SET(tx, c->single, 0);
        CAPSULE_SET(tx, c->level, 0);
        chip_initialise(c, tx);
        CAPSULE_SET(tx, c->imr, 0xFF); /* the firmware's doing: nothing before the guest programs it */
    }
}

/* The set input of `bits` with the highest priority, 8 if there is none. */
static unsigned highest(const struct pic_chip *c, unsigned bits)
{
    for (unsigned i = 1; i <= 8; i++) {
        unsigned input = (c->lowest + i) & 7;

        if (bits & 1u << input)
            return i - 1;
    }
    return 8;
}

/* The input that the chip asks for, or 8; `extra` are requests that come from the slave. */
static unsigned chip_request(const struct pic_chip *c, unsigned extra, bool master)
{
    unsigned service = c->isr, wanted = highest(c, (c->irr | extra) & ~(unsigned)c->imr);

    if (c->special_mask)
        service &= ~(unsigned)c->imr;
    if (master && c->special_nested)
        service &= ~(1u << CASCADE);
    if (wanted == 8 || wanted >= highest(c, service))
        return 8;
    return (c->lowest + 1u + wanted) & 7;
}

static unsigned master_request(const struct pic_state *s)
{
    unsigned extra = chip_request(&s->chip[1], 0, false) < 8 ? 1u << CASCADE : 0;

    return chip_request(&s->chip[0], extra, true);
}

/* The chip's request `input` is taken. */
static void chip_take(struct pic_chip *c, struct capsule_tx *tx, unsigned input)
{
    uint8_t bit = (uint8_t)(1u << input);

    if (!((c->elcr | (c->level ? 0xFF : 0)) & bit))
        CAPSULE_SET(tx, c->irr, c->irr & ~bit);
    if (!c->auto_eoi)
        CAPSULE_SET(tx, c->isr, c->isr | bit);
    else if (c->rotate_on_auto_eoi)
        CAPSULE_SET(tx, c->lowest, input);
}

static void pic_derive(struct device *device, struct capsule_tx *tx)
{
    struct pic_state *s = device->state;
    bool level = master_request(s) < 8;

    if (level == (s->output != 0))
        return;
    device->machine->host->extint(device->machine->host_context, level);
    CAPSULE_SET(tx, s->output, level);
    capsule_commit_quietly(tx);
}

static void write_ocw2(struct pic_chip *c, struct capsule_tx *tx, uint8_t value)
{
    unsigned level = value & 7, order = highest(c, c->isr);
    unsigned input = order < 8 ? (c->lowest + 1u + order) & 7 : 8;

    switch (value >> 5) {
    case 0: /* rotation on automatic EOI off, on */
    case 4:
        CAPSULE_SET(tx, c->rotate_on_auto_eoi, value >> 7);
        break;
    case 1: /* non-specific EOI, with rotation */
    case 5:
        if (input < 8) {
            CAPSULE_SET(tx, c->isr, c->isr & ~(1u << input));
            if (value >> 5 == 5)
                CAPSULE_SET(tx, c->lowest, input);
        }
        break;
    case 3: /* specific EOI, with rotation */
    case 7:
        CAPSULE_SET(tx, c->isr, c->isr & ~(1u << level));
        if (value >> 5 == 7)
            CAPSULE_SET(tx, c->lowest, level);
        break;
    case 6: /* set priority */
        CAPSULE_SET(tx, c->lowest, level);
        break;
    default:
        break;
    }
}

static void write_command(struct pic_chip *c, struct capsule_tx *tx, uint8_t value)
{
    if (value & ICW1) {
        CAPSULE_SET(tx, c->needs_icw4, value & ICW1_ICW4);
        CAPSULE_SET(tx, c->single, (value & ICW1_SINGLE) != 0);
        CAPSULE_SET(tx, c->level, (value & ICW1_LEVEL) != 0);
        chip_initialise(c, tx);
        CAPSULE_SET(tx, c->init, 2);
    } else if (value & OCW3) {
        if (value & 0x04)
            CAPSULE_SET(tx, c->poll, 1);
        if (value & 0x02)
            CAPSULE_SET(tx, c->read_isr, value & 1);
        if (value & 0x40)
            CAPSULE_SET(tx, c->special_mask, value >> 5 & 1);
    } else {
        write_ocw2(c, tx, value);
    }
}

static void write_data(struct pic_chip *c, struct capsule_tx *tx, uint8_t value)
{
    switch (c->init) {
    case 2:
        CAPSULE_SET(tx, c->base, value & 0xF8);
        CAPSULE_SET(tx, c->init, c->single ? (c->needs_icw4 ? 4 : 0) : 3);
        break;
    case 3:
        CAPSULE_SET(tx, c->init, c->needs_icw4 ? 4 : 0);
        break;
    case 4:
        CAPSULE_SET(tx, c->auto_eoi, (value & ICW4_AEOI) != 0);
        CAPSULE_SET(tx, c->special_nested, (value & ICW4_SFNM) != 0);
        CAPSULE_SET(tx, c->init, 0);
        break;
    default:
        CAPSULE_SET(tx, c->imr, value);
        break;
    }
}

static struct pic_chip *chip_of(struct pic_state *s, uint16_t port)
{
    return &s->chip[port >= PORT_ELCR ? port & 1 : port >= PORT_SLAVE];
}

static uint32_t pic_read(struct device *device, struct capsule_tx *tx, uint16_t port, unsigned size)
{
    struct pic_state *s = device->state;
    struct pic_chip *c = chip_of(s, port);

    (void)size;
    if (port >= PORT_ELCR)
        return c->elcr;
    if (c->poll) { /* the read is the acknowledgement */
        bool master = c == &s->chip[0];
        unsigned input = master ? master_request(s) : chip_request(c, 0, false);

        CAPSULE_SET(tx, c->poll, 0);
        if (input == 8)
            return 7;
        chip_take(c, tx, input);
        return 0x80 | input;
    }
    if (port & 1)
        return c->imr;
    if (c->read_isr)
        return c->isr;
    return c->irr | (c == &s->chip[0] && chip_request(&s->chip[1], 0, false) < 8 ? 1u << CASCADE : 0);
}

static void pic_write(struct device *device, struct capsule_tx *tx, uint16_t port, unsigned size, uint32_t value)
{
    struct pic_state *s = device->state;
    struct pic_chip *c = chip_of(s, port);

    (void)size;
    if (port >= PORT_ELCR) {
        CAPSULE_SET(tx, c->elcr, value & elcr_writable[port & 1]);
        CAPSULE_SET(tx, c->irr, (c->irr & ~c->elcr) | (c->line & c->elcr));
    } else if (port & 1) {
        write_data(c, tx, (uint8_t)value);
    } else {
        write_command(c, tx, (uint8_t)value);
    }
}

static const struct device_ops pic_ops = { .name = "pic8259",
                                           .version = 1,
                                           .state_size = sizeof(struct pic_state),
                                           .reset = pic_reset,
                                           .io_read = pic_read,
                                           .io_write = pic_write,
                                           .derive = pic_derive };

enum cl_status pic8259_add(struct machine *machine)
{
    TRY(machine_add(machine, &pic_ops, NULL, &machine->pic));
    TRY(bus_add_ports(&machine->bus, machine->pic, PORT_MASTER, 2, 1));
    TRY(bus_add_ports(&machine->bus, machine->pic, PORT_SLAVE, 2, 1));
    return bus_add_ports(&machine->bus, machine->pic, PORT_ELCR, 2, 1);
}

void pic8259_line_set(struct device *device, struct capsule_tx *tx, unsigned irq, bool level)
{
    struct pic_state *s = device->state;
    struct pic_chip *c = &s->chip[irq >> 3];
    uint8_t bit = (uint8_t)(1u << (irq & 7));

    if (irq > 15 || irq == CASCADE)
        return;
    device_lock(device);
    if (level != ((c->line & bit) != 0)) {
        bool sensitive = ((c->elcr | (c->level ? 0xFF : 0)) & bit) != 0;

        if (level)
            CAPSULE_SET(tx, c->irr, c->irr | bit);
        else if (sensitive)
            CAPSULE_SET(tx, c->irr, c->irr & ~bit);
        CAPSULE_SET(tx, c->line, level ? c->line | bit : c->line & ~bit);
        device_commit(device, tx);
    }
    device_unlock(device);
}

uint8_t pic8259_acknowledge(struct device *device, struct capsule_tx *tx)
{
    struct pic_state *s = device->state;
    unsigned input, vector;
    uint64_t stored;

    if (capsule_replay(tx, &stored))
        return (uint8_t)stored;
    device_lock(device);
    input = master_request(s);
    if (input == 8) {
        vector = s->chip[0].base + 7u;
    } else if (input == CASCADE) {
        unsigned slave_input = chip_request(&s->chip[1], 0, false);

        chip_take(&s->chip[0], tx, CASCADE);
        /* A slave whose request vanished answers with its own input 7. */
        vector = s->chip[1].base + (slave_input < 8 ? slave_input : 7u);
        if (slave_input < 8)
            chip_take(&s->chip[1], tx, slave_input);
    } else {
        chip_take(&s->chip[0], tx, input);
        vector = s->chip[0].base + input;
    }
    capsule_commit(tx, vector);
    pic_derive(device, tx);
    device_unlock(device);
    return (uint8_t)vector;
}

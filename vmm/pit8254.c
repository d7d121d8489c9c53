/* SPDX-License-Identifier: Apache-2.0 */
/* pit8254.c: Intel 8254 with three channels.
 *
 * Intel 8254 data sheet (231164-005): control word, read-back, counter latch, modes 0 to 5, BCD. Nothing counts here: a
 * channel remembers when it was started, and count, output and next interrupt are computed from the time. Channel 0
 * drives interrupt 0; edges that were missed because nobody ran are delivered as one. Channel 2's gate is bit 0 of port
 * 61h and its output bit 5 (IBM PC AT Technical Reference).
 */
#include "vmm/irq.h"
#include "vmm/pit8254.h"

#define NS_PER_SECOND UINT64_C(1000000000)
#define PORT_CONTROL 0x43u
#define PORT_B 0x61u
#define PORT_B_GATE 0x01u
#define PORT_B_WRITABLE 0x0Fu
#define PORT_B_REFRESH 0x10u
#define PORT_B_OUTPUT 0x20u
#define REFRESH_NS 15085u

enum { ACCESS_LATCH = 0, ACCESS_LOW = 1, ACCESS_HIGH = 2, ACCESS_BOTH = 3 };

struct pit_channel {
    uint64_t start_ns; /* when counting began */
    uint64_t fired;    /* rising edges of the output that were delivered (channel 0) */
    uint64_t stopped;  /* ticks counted when the gate went low */
    uint32_t reload;   /* 1 to 65,536; 0: no count written since the control word */
    uint16_t latch;
    uint8_t latch_bytes; /* latched bytes not yet read */
    uint8_t status, status_latched;
    uint8_t mode, access, bcd;
    uint8_t low, have_low; /* first half of a count being written */
    uint8_t read_high;     /* next unlatched read gives the high byte */
    uint8_t gate;
};

struct pit_state {
    struct pit_channel channel[3];
    uint8_t port_b;
    uint8_t edge; /* channel 0's output rose; interrupt 0 has not been pulsed yet */
};

static uint64_t ticks_of_ns(uint64_t ns)
{
    return (uint64_t)((unsigned __int128)ns * PIT_HZ / NS_PER_SECOND);
}

/* First nanosecond at which that many ticks have passed. */
static uint64_t ns_of_ticks(uint64_t ticks)
{
    return (uint64_t)(((unsigned __int128)ticks * NS_PER_SECOND + PIT_HZ - 1) / PIT_HZ);
}

static bool is_periodic(const struct pit_channel *c)
{
    return c->mode == 2 || c->mode == 3;
}

/* Modes 1 and 5 wait for the gate to rise. */
static bool needs_trigger(const struct pit_channel *c)
{
    return c->mode == 1 || c->mode == 5;
}

static uint64_t elapsed(const struct pit_channel *c, uint64_t now)
{
    if (!c->gate && !needs_trigger(c))
        return c->stopped;
    return c->start_ns == DEADLINE_NEVER || now < c->start_ns ? 0 : ticks_of_ns(now - c->start_ns);
}

static bool output(const struct pit_channel *c, uint64_t now)
{
    uint64_t ticks = elapsed(c, now);

    if (c->reload == 0)
        return c->mode != 0;
    switch (c->mode) {
    case 0:
        return ticks >= c->reload;
    case 1:
        return c->start_ns == DEADLINE_NEVER || ticks >= c->reload;
    case 2:
        return !c->gate || ticks % c->reload != c->reload - 1;
    case 3:
        return !c->gate || ticks % c->reload < (c->reload + 1) / 2;
    default:
        return ticks != c->reload;
    }
}

static uint32_t modulus(const struct pit_channel *c)
{
    return c->bcd ? 10000 : 65536;
}

static uint16_t to_bcd(uint32_t value)
{
    return (uint16_t)(value % 10 | value / 10 % 10 << 4 | value / 100 % 10 << 8 | value / 1000 % 10 << 12);
}

static uint32_t from_bcd(uint32_t value)
{
    return (value & 15) + (value >> 4 & 15) * 10 + (value >> 8 & 15) * 100 + (value >> 12 & 15) * 1000;
}

/* The counting element as a read sees it. */
static uint16_t count(const struct pit_channel *c, uint64_t now)
{
    uint64_t ticks = elapsed(c, now);
    uint32_t value;

    if (c->reload == 0)
        return 0;
    if (c->mode == 2)
        value = c->reload - (uint32_t)(ticks % c->reload);
    else if (c->mode == 3) /* counts by two, twice for each period */
        value = c->reload - (uint32_t)(2 * ticks % c->reload);
    else
        value = (uint32_t)((c->reload + (uint64_t)modulus(c) * 2 - ticks % modulus(c)) % modulus(c));
    if (c->mode == 3)
        value &= ~1u;
    value %= modulus(c);
    return c->bcd ? to_bcd(value) : (uint16_t)value;
}

static void pit_reset(struct device *device, struct capsule_tx *tx)
{
    struct pit_state *s = device->state;

    for (unsigned i = 0; i < 3; i++) {
        struct pit_channel *c = &s->channel[i];

        CAPSULE_SET(tx, c->start_ns, 0);
        CAPSULE_SET(tx, c->fired, 0);
        CAPSULE_SET(tx, c->stopped, 0);
        CAPSULE_SET(tx, c->reload, 0);
        CAPSULE_SET(tx, c->latch_bytes, 0);
        CAPSULE_SET(tx, c->status_latched, 0);
        CAPSULE_SET(tx, c->mode, 0);
        CAPSULE_SET(tx, c->access, ACCESS_BOTH);
        CAPSULE_SET(tx, c->bcd, 0);
        CAPSULE_SET(tx, c->have_low, 0);
        CAPSULE_SET(tx, c->read_high, 0);
        CAPSULE_SET(tx, c->gate, i != 2);
    }
    CAPSULE_SET(tx, s->port_b, 0);
    CAPSULE_SET(tx, s->edge, 0);
}

static void start(struct pit_channel *c, struct capsule_tx *tx, uint64_t now)
{
    CAPSULE_SET(tx, c->start_ns, needs_trigger(c) ? DEADLINE_NEVER : now);
    CAPSULE_SET(tx, c->fired, 0);
    CAPSULE_SET(tx, c->stopped, 0);
}

static void load(struct pit_channel *c, struct capsule_tx *tx, uint16_t value, uint64_t now)
{
    uint32_t reload = c->bcd ? from_bcd(value) : value;

    if (reload == 0)
        reload = modulus(c);
    /* Data sheet: a count of 1 is illegal in modes 2 and 3; a divider of one tick would also be a storm. */
    if (is_periodic(c) && reload < 2)
        reload = 2;
    CAPSULE_SET(tx, c->reload, reload);
    start(c, tx, now);
}

static void latch_count(struct pit_channel *c, struct capsule_tx *tx, uint64_t now)
{
    if (c->latch_bytes > 0)
        return; /* until it is read, later latch commands are ignored */
    CAPSULE_SET(tx, c->latch, count(c, now));
    CAPSULE_SET(tx, c->latch_bytes, c->access == ACCESS_BOTH ? 2 : 1);
}

static void latch_status(struct pit_channel *c, struct capsule_tx *tx, uint64_t now)
{
    uint8_t null_count = c->reload == 0 ? 0x40 : 0;

    if (c->status_latched)
        return;
    CAPSULE_SET(tx, c->status, (output(c, now) ? 0x80 : 0) | null_count | c->access << 4 | c->mode << 1 | c->bcd);
    CAPSULE_SET(tx, c->status_latched, 1);
}

static void write_control(struct pit_state *s, struct capsule_tx *tx, uint8_t value, uint64_t now)
{
    unsigned which = value >> 6;
    struct pit_channel *c;

    if (which == 3) { /* read-back: the latch bits are active low */
        for (unsigned i = 0; i < 3; i++) {
            if (!(value & 2u << i))
                continue;
            if (!(value & 0x20))
                latch_count(&s->channel[i], tx, now);
            if (!(value & 0x10))
                latch_status(&s->channel[i], tx, now);
        }
        return;
    }
    c = &s->channel[which];
    if ((value >> 4 & 3) == ACCESS_LATCH) {
        latch_count(c, tx, now);
        return;
    }
    CAPSULE_SET(tx, c->access, value >> 4 & 3);
    CAPSULE_SET(tx, c->mode, (value >> 1 & 7) > 5 ? (value >> 1 & 3) : (value >> 1 & 7));
    CAPSULE_SET(tx, c->bcd, value & 1);
    CAPSULE_SET(tx, c->reload, 0);
    CAPSULE_SET(tx, c->have_low, 0);
    CAPSULE_SET(tx, c->read_high, 0);
    CAPSULE_SET(tx, c->latch_bytes, 0);
    CAPSULE_SET(tx, c->status_latched, 0);
}

static void write_count(struct pit_channel *c, struct capsule_tx *tx, uint8_t value, uint64_t now)
{
    switch (c->access) {
    case ACCESS_LOW:
        load(c, tx, value, now);
        break;
    case ACCESS_HIGH:
        load(c, tx, (uint16_t)(value << 8), now);
        break;
    default:
        if (!c->have_low) {
            CAPSULE_SET(tx, c->low, value);
            CAPSULE_SET(tx, c->have_low, 1);
            break;
        }
        CAPSULE_SET(tx, c->have_low, 0);
        load(c, tx, (uint16_t)(value << 8 | c->low), now);
        break;
    }
}

static uint8_t read_count(struct pit_channel *c, struct capsule_tx *tx, uint64_t now)
{
    uint16_t value;
    bool high;

    if (c->status_latched) {
        CAPSULE_SET(tx, c->status_latched, 0);
        return c->status;
    }
    if (c->latch_bytes > 0) {
        high = c->access == ACCESS_HIGH || (c->access == ACCESS_BOTH && c->latch_bytes == 1);
        CAPSULE_SET(tx, c->latch_bytes, c->latch_bytes - 1);
        value = c->latch;
    } else {
        high = c->access == ACCESS_HIGH || (c->access == ACCESS_BOTH && c->read_high);
        if (c->access == ACCESS_BOTH)
            CAPSULE_SET(tx, c->read_high, !c->read_high);
        value = count(c, now);
    }
    return (uint8_t)(high ? value >> 8 : value);
}

static void set_gate(struct pit_channel *c, struct capsule_tx *tx, bool gate, uint64_t now)
{
    if (gate == (c->gate != 0))
        return;
    if (!gate)
        CAPSULE_SET(tx, c->stopped, elapsed(c, now));
    else if (c->mode == 0 || c->mode == 4)
        CAPSULE_SET(tx, c->start_ns, now - ns_of_ticks(c->stopped) < now ? now - ns_of_ticks(c->stopped) : now);
    else
        CAPSULE_SET(tx, c->start_ns, now);
    CAPSULE_SET(tx, c->gate, gate);
}

static uint32_t pit_read(struct device *device, struct capsule_tx *tx, uint16_t port, unsigned size)
{
    struct pit_state *s = device->state;
    uint64_t now = machine_now(device);

    (void)size;
    if (port == PORT_B)
        return s->port_b | (now / REFRESH_NS & 1 ? PORT_B_REFRESH : 0) |
               (output(&s->channel[2], now) ? PORT_B_OUTPUT : 0u);
    if (port == PORT_CONTROL)
        return 0xFF;
    return read_count(&s->channel[port & 3], tx, now);
}

static void pit_write(struct device *device, struct capsule_tx *tx, uint16_t port, unsigned size, uint32_t value)
{
    struct pit_state *s = device->state;
    uint64_t now = machine_now(device);

    (void)size;
    if (port == PORT_B) {
        CAPSULE_SET(tx, s->port_b, value & PORT_B_WRITABLE);
        set_gate(&s->channel[2], tx, (value & PORT_B_GATE) != 0, now);
    } else if (port == PORT_CONTROL) {
        write_control(s, tx, (uint8_t)value, now);
    } else {
        write_count(&s->channel[port & 3], tx, (uint8_t)value, now);
    }
}

static uint64_t pit_deadline(const struct device *device)
{
    const struct pit_state *s = device->state;
    const struct pit_channel *c = &s->channel[0];

    if (c->reload == 0 || c->start_ns == DEADLINE_NEVER || (!is_periodic(c) && c->fired > 0))
        return DEADLINE_NEVER;
    return c->start_ns + ns_of_ticks((c->fired + 1) * c->reload);
}

static void pit_timer(struct device *device, struct capsule_tx *tx, uint64_t now)
{
    struct pit_state *s = device->state;
    struct pit_channel *c = &s->channel[0];

    CAPSULE_SET(tx, c->fired, is_periodic(c) ? elapsed(c, now) / c->reload : 1);
    CAPSULE_SET(tx, s->edge, 1);
}

static void pit_derive(struct device *device, struct capsule_tx *tx)
{
    struct pit_state *s = device->state;

    if (s->edge) {
        irq_line_set(device, tx, PLATFORM_IRQ_PIT, false);
        irq_line_set(device, tx, PLATFORM_IRQ_PIT, true);
        CAPSULE_SET(tx, s->edge, 0);
        capsule_commit_quietly(tx);
    }
    machine_announce_deadline(device);
}

static const struct device_ops pit_ops = { .name = "pit8254",
                                           .version = 1,
                                           .state_size = sizeof(struct pit_state),
                                           .reset = pit_reset,
                                           .io_read = pit_read,
                                           .io_write = pit_write,
                                           .derive = pit_derive,
                                           .deadline = pit_deadline,
                                           .timer = pit_timer };

enum cl_status pit8254_add(struct machine *machine)
{
    TRY(machine_add(machine, &pit_ops, NULL, &machine->pit));
    TRY(bus_add_ports(&machine->bus, machine->pit, PLATFORM_PORT_PIT, 4, 1));
    return bus_add_ports(&machine->bus, machine->pit, PORT_B, 1, 1);
}

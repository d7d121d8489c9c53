/* SPDX-License-Identifier: Apache-2.0 */
/* ioapic.c: Intel 82093AA with 24 pins, version 20h (with EOI register).
 *
 * 82093AA data sheet (290566-001) §3: index and data windows, redirection table, remote IRR. An edge on a masked pin is
 * lost, as the data sheet has it.
 */
#include "vmm/ioapic.h"

#define PINS 24u
#define REGISTER_SELECT 0x00u
#define REGISTER_WINDOW 0x10u
#define REGISTER_EOI 0x40u
#define VERSION 0x20u

#define RTE_DELIVERY_SHIFT 8
#define RTE_LOGICAL (UINT64_C(1) << 11)
#define RTE_PENDING (UINT64_C(1) << 12)
#define RTE_REMOTE_IRR (UINT64_C(1) << 14)
#define RTE_LEVEL (UINT64_C(1) << 15)
#define RTE_MASKED (UINT64_C(1) << 16)
#define RTE_READ_ONLY (RTE_PENDING | RTE_REMOTE_IRR)
#define RTE_WRITABLE (UINT64_C(0xFF0000000001AFFF))

#define DELIVERY_LOWEST 1u
#define DELIVERY_EXTINT 7u

struct ioapic_state {
    uint64_t rte[PINS];
    uint32_t id;
    uint32_t select;
    uint32_t line;    /* levels of the pins as last seen */
    uint32_t pending; /* edges that have come and are not yet sent */
};

static void ioapic_reset(struct device *device, struct capsule_tx *tx)
{
    struct ioapic_state *s = device->state;

    for (unsigned i = 0; i < PINS; i++)
        CAPSULE_SET(tx, s->rte[i], RTE_MASKED);
    CAPSULE_SET(tx, s->id, 0);
    CAPSULE_SET(tx, s->select, 0);
    CAPSULE_SET(tx, s->line, 0);
    CAPSULE_SET(tx, s->pending, 0);
}

static void send(struct device *device, uint64_t rte)
{
    uint64_t delivery = rte >> RTE_DELIVERY_SHIFT & 7;
    uint64_t address = PLATFORM_LAPIC | (rte >> 56) << 12;
    uint32_t data = (uint32_t)(rte & 0xFF) | (uint32_t)delivery << 8;

    if (delivery == DELIVERY_EXTINT)
        return; /* the 8259 has a wire of its own to the first vCPU */
    if (rte & RTE_LOGICAL)
        address |= 1u << 2;
    if (delivery == DELIVERY_LOWEST)
        address |= 1u << 3;
    if (rte & RTE_LEVEL)
        data |= 1u << 15 | 1u << 14;
    device->machine->host->msi(device->machine->host_context, address, data);
}

/* Send what is due. Remembered after it was sent: a repetition sets a request bit again, a loss would hang a guest. */
static void ioapic_derive(struct device *device, struct capsule_tx *tx)
{
    struct ioapic_state *s = device->state;

    for (uint32_t left = s->line | s->pending; left != 0; left &= left - 1) {
        unsigned pin = (unsigned)__builtin_ctz(left);
        uint32_t bit = 1u << pin;
        uint64_t rte = s->rte[pin];

        if (rte & RTE_LEVEL) {
            if (!(s->line & bit) || rte & (RTE_MASKED | RTE_REMOTE_IRR))
                continue;
            send(device, rte);
            CAPSULE_SET(tx, s->rte[pin], rte | RTE_REMOTE_IRR);
        } else {
            if (!(s->pending & bit))
                continue;
            send(device, rte);
        }
        CAPSULE_SET(tx, s->pending, s->pending & ~bit);
        capsule_commit_quietly(tx);
    }
}

static uint32_t read_register(const struct ioapic_state *s, uint32_t index)
{
    if (index >= 0x10 && index < 0x10 + 2 * PINS)
        return (uint32_t)(s->rte[(index - 0x10) / 2] >> (index & 1) * 32);
    switch (index) {
    case 0: /* identification */
    case 2: /* arbitration */
        return s->id;
    case 1:
        return VERSION | (PINS - 1) << 16;
    default:
        return 0;
    }
}

static void write_register(struct ioapic_state *s, struct capsule_tx *tx, uint32_t index, uint32_t value)
{
    if (index == 0) {
        CAPSULE_SET(tx, s->id, value & 0x0F000000);
    } else if (index >= 0x10 && index < 0x10 + 2 * PINS) {
        unsigned pin = (index - 0x10) / 2;
        uint64_t old = s->rte[pin], half = UINT64_C(0xFFFFFFFF) << (index & 1) * 32;
        uint64_t rte = (old & ~half) | (uint64_t)value << (index & 1) * 32;

        rte = (rte & RTE_WRITABLE) | (old & RTE_READ_ONLY);
        if (!(rte & RTE_LEVEL))
            rte &= ~RTE_REMOTE_IRR;
        CAPSULE_SET(tx, s->rte[pin], rte);
    }
}

static void end_of_interrupt(struct ioapic_state *s, struct capsule_tx *tx, const uint64_t vectors[4])
{
    for (unsigned pin = 0; pin < PINS; pin++) {
        uint64_t rte = s->rte[pin];
        unsigned vector = rte & 0xFF;

        if (rte & RTE_REMOTE_IRR && vectors[vector / 64] >> vector % 64 & 1)
            CAPSULE_SET(tx, s->rte[pin], rte & ~RTE_REMOTE_IRR);
    }
}

static uint64_t ioapic_read(struct device *device, struct capsule_tx *tx, uint64_t offset, unsigned size)
{
    const struct ioapic_state *s = device->state;

    (void)tx;
    (void)size;
    switch (offset) {
    case REGISTER_SELECT:
        return s->select;
    case REGISTER_WINDOW:
        return read_register(s, s->select);
    default:
        return 0;
    }
}

static void ioapic_write(struct device *device, struct capsule_tx *tx, uint64_t offset, unsigned size, uint64_t value)
{
    struct ioapic_state *s = device->state;
    uint64_t vectors[4] = { 0 };

    (void)size;
    switch (offset) {
    case REGISTER_SELECT:
        CAPSULE_SET(tx, s->select, value & 0xFF);
        break;
    case REGISTER_WINDOW:
        write_register(s, tx, s->select, (uint32_t)value);
        break;
    case REGISTER_EOI:
        vectors[(value & 0xFF) / 64] = UINT64_C(1) << value % 64;
        end_of_interrupt(s, tx, vectors);
        break;
    default:
        break;
    }
}

static const struct device_ops ioapic_ops = { .name = "ioapic",
                                              .version = 1,
                                              .state_size = sizeof(struct ioapic_state),
                                              .reset = ioapic_reset,
                                              .mmio_read = ioapic_read,
                                              .mmio_write = ioapic_write,
                                              .derive = ioapic_derive };

enum cl_status ioapic_add(struct machine *machine)
{
    TRY(machine_add(machine, &ioapic_ops, NULL, &machine->ioapic));
    return bus_add_memory(&machine->bus, machine->ioapic, PLATFORM_IOAPIC, 0x1000, 4);
}

void ioapic_line_set(struct device *device, struct capsule_tx *tx, unsigned pin, bool level)
{
    struct ioapic_state *s = device->state;
    uint32_t bit = 1u << pin;

    if (pin >= PINS)
        return;
    device_lock(device);
    if (level != ((s->line & bit) != 0)) {
        CAPSULE_SET(tx, s->line, level ? s->line | bit : s->line & ~bit);
        if (level && !(s->rte[pin] & (RTE_LEVEL | RTE_MASKED)))
            CAPSULE_SET(tx, s->pending, s->pending | bit);
        device_commit(device, tx);
    }
    device_unlock(device);
}

void ioapic_eoi(struct device *device, struct capsule_tx *tx, const uint64_t vectors[4])
{
    device_lock(device);
    end_of_interrupt(device->state, tx, vectors);
    device_commit(device, tx);
    device_unlock(device);
}

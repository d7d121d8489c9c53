/* SPDX-License-Identifier: Apache-2.0 */
/* pci_function.c: configuration space of one function, its BARs, and accesses to them. */
#include "vmm/pci.h"

/* virtio 1.2 §4.1.4.9: the capability that reaches BARs through configuration space. */
#define WINDOW_BAR 4u
#define WINDOW_OFFSET 8u
#define WINDOW_LENGTH 12u
#define WINDOW_DATA 16u

static uint32_t ones(unsigned size)
{
    return size >= 4 ? UINT32_MAX : (1u << size * 8) - 1;
}

static uint32_t bar_flags(enum pci_bar_kind kind)
{
    return kind == PCI_BAR_IO ? 1u : kind == PCI_BAR_MEMORY64 ? 4u : 0u;
}

void pci_function_init(struct pci_function *f, struct device *device, const struct pci_identity *id)
{
    memset(f, 0, sizeof(*f));
    f->device = device;
    f->state = device->state;
    f->next_capability = PCI_CAPABILITY_FIRST;
    memcpy(f->bar, id->bar, sizeof(f->bar));

    f->initial[PCI_VENDOR_ID / 4] = id->vendor | (uint32_t)id->device << 16;
    f->initial[PCI_CLASS_REVISION / 4] = id->revision | id->class_code << 8;
    f->initial[PCI_SUBSYSTEM / 4] = id->subsystem_vendor | (uint32_t)id->subsystem << 16;
    f->initial[PCI_INTERRUPT / 4] = id->interrupt_pin ? 0x1FF : 0; /* INTA#; the line is not routed to the 8259s */
    f->writable[PCI_INTERRUPT / 4] = id->interrupt_pin ? 0xFF : 0;
    f->writable[0x0C / 4] = 0xFF; /* cache line size: no meaning, but software writes it */
    if (id->interrupt_pin)
        f->writable[PCI_COMMAND / 4] |= PCI_COMMAND_INTX_DISABLE;
    for (unsigned i = 0; i < PCI_BARS; i++) {
        const struct pci_bar *bar = &f->bar[i];
        unsigned word = PCI_BAR0 / 4 + i;

        if (bar->kind == PCI_BAR_NONE)
            continue;
        assert((bar->size & (bar->size - 1)) == 0 && bar->size >= (bar->kind == PCI_BAR_IO ? 4u : 16u));
        f->initial[word] = bar_flags(bar->kind);
        f->writable[word] = ~(bar->size - 1);
        f->writable[PCI_COMMAND / 4] |=
            PCI_COMMAND_MASTER | (bar->kind == PCI_BAR_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY);
        if (bar->kind == PCI_BAR_MEMORY64) {
            assert(i + 1 < PCI_BARS && f->bar[i + 1].kind == PCI_BAR_NONE);
            f->writable[word + 1] = UINT32_MAX;
        }
    }
}

unsigned pci_capability_add(struct pci_function *f, uint8_t id, unsigned length)
{
    unsigned at = f->next_capability;

    assert(at + length <= PCI_CONFIG_WORDS * 4);
    f->initial[at / 4] = id;
    if (f->last_capability == 0) {
        f->initial[PCI_CAPABILITIES / 4] = at;
        f->initial[PCI_COMMAND / 4] |= PCI_STATUS_CAPABILITIES;
    } else {
        f->initial[f->last_capability / 4] |= at << 8;
    }
    f->last_capability = at;
    f->next_capability = (at + length + 3) & ~3u;
    return at;
}

/* Place BARs as firmware would, so that a guest which does not assign any finds them working. */
static enum cl_status place_bar(struct pci *pci, struct pci_function *f, unsigned i)
{
    bool io = f->bar[i].kind == PCI_BAR_IO;
    uint64_t *next = io ? &pci->next_io : &pci->next_memory;
    uint64_t end = io ? PLATFORM_PCI_IO + PLATFORM_PCI_IO_SIZE : PLATFORM_PCI_MMIO + PLATFORM_PCI_MMIO_SIZE;
    uint64_t size = f->bar[i].size, at = (*next + size - 1) & ~(size - 1);

    if (at >= end || size > end - at)
        return CL_LIMIT;
    f->initial[PCI_BAR0 / 4 + i] |= (uint32_t)at;
    *next = at + size;
    return CL_OK;
}

enum cl_status pci_function_add(struct pci *pci, struct pci_function *f)
{
    if (pci->slots == PCI_SLOTS)
        return CL_LIMIT;
    for (unsigned i = 0; i < PCI_BARS; i++)
        if (f->bar[i].kind != PCI_BAR_NONE)
            TRY(place_bar(pci, f, i));
    f->pci = pci;
    f->slot = pci->slots;
    pci->function[pci->slots++] = f;
    return CL_OK;
}

void pci_function_reset(struct pci_function *f, struct capsule_tx *tx)
{
    for (unsigned i = 0; i < PCI_CONFIG_WORDS; i++)
        CAPSULE_SET(tx, f->state->config[i], f->initial[i]);
    for (unsigned i = 0; i < f->msix_vectors; i++) {
        CAPSULE_SET(tx, f->state->msix[i].address, 0);
        CAPSULE_SET(tx, f->state->msix[i].data, 0);
        CAPSULE_SET(tx, f->state->msix[i].control, PCI_MSIX_ENTRY_MASKED);
    }
    CAPSULE_SET(tx, f->state->pending, 0);
}

bool pci_bar_address(const struct pci_function *f, unsigned i, uint64_t *address)
{
    const struct pci_bar *bar = &f->bar[i];
    uint64_t at = f->state->config[PCI_BAR0 / 4 + i], first = PLATFORM_PCI_MMIO, length = PLATFORM_PCI_MMIO_SIZE;

    switch (bar->kind) {
    case PCI_BAR_IO:
        if (!(pci_command(f) & PCI_COMMAND_IO))
            return false;
        first = PLATFORM_PCI_IO;
        length = PLATFORM_PCI_IO_SIZE;
        at &= ~UINT64_C(3);
        break;
    case PCI_BAR_MEMORY64:
        at |= (uint64_t)f->state->config[PCI_BAR0 / 4 + i + 1] << 32;
        /* fall through */
    case PCI_BAR_MEMORY32:
        if (!(pci_command(f) & PCI_COMMAND_MEMORY))
            return false;
        at &= ~UINT64_C(15);
        break;
    default:
        return false;
    }
    *address = at;
    return at >= first && at - first < length && bar->size <= length - (at - first);
}

uint32_t pci_bar_read(struct pci_function *f, struct capsule_tx *tx, unsigned bar, uint32_t offset, unsigned size)
{
    const struct device_ops *ops = f->device->ops;
    uint32_t value = ones(size);

    if (f->bar[bar].kind == PCI_BAR_IO)
        return ops->io_read != NULL ? ops->io_read(f->device, tx, (uint16_t)offset, size) : value;
    if (pci_msix_read(f, offset, size, &value))
        return value;
    return ops->mmio_read != NULL ? (uint32_t)ops->mmio_read(f->device, tx, offset, size) : value;
}

void pci_bar_write(struct pci_function *f, struct capsule_tx *tx, unsigned bar, uint32_t offset, unsigned size,
                   uint32_t value)
{
    const struct device_ops *ops = f->device->ops;

    if (f->bar[bar].kind == PCI_BAR_IO) {
        if (ops->io_write != NULL)
            ops->io_write(f->device, tx, (uint16_t)offset, size, value);
    } else if (!pci_msix_write(f, tx, offset, size, value) && ops->mmio_write != NULL) {
        ops->mmio_write(f->device, tx, offset, size, value);
    }
}

/* What the window capability points at. False: at nothing that can be. */
static bool window_target(const struct pci_function *f, unsigned *bar, uint32_t *offset, unsigned *size)
{
    const uint32_t *capability = &f->state->config[f->window_capability / 4];

    *bar = capability[WINDOW_BAR / 4] & 0xFF;
    *offset = capability[WINDOW_OFFSET / 4];
    *size = capability[WINDOW_LENGTH / 4];
    if (*bar >= PCI_BARS || f->bar[*bar].kind == PCI_BAR_NONE || (*size != 1 && *size != 2 && *size != 4))
        return false;
    return *offset % *size == 0 && *offset < f->bar[*bar].size;
}

static bool is_window(const struct pci_function *f, unsigned offset)
{
    return f->window_capability != 0 && offset == f->window_capability + WINDOW_DATA;
}

uint32_t pci_config_read(struct pci_function *f, struct capsule_tx *tx, unsigned offset, unsigned size)
{
    uint32_t word, target_offset;
    unsigned bar, target_size;

    if (offset >= PCI_CONFIG_WORDS * 4)
        return ones(size); /* no extended configuration space */
    if (is_window(f, offset))
        return window_target(f, &bar, &target_offset, &target_size)
                   ? pci_bar_read(f, tx, bar, target_offset, target_size) & ones(target_size) & ones(size)
                   : ones(size);
    word = f->state->config[offset / 4];
    if (offset / 4 == PCI_COMMAND / 4 && f->intx_level)
        word |= PCI_STATUS_INTERRUPT;
    return word >> offset % 4 * 8 & ones(size);
}

void pci_config_write(struct pci_function *f, struct capsule_tx *tx, unsigned offset, unsigned size, uint32_t value)
{
    unsigned word = offset / 4, shift = offset % 4 * 8, bar, target_size;
    uint32_t mask, target_offset;

    if (word >= PCI_CONFIG_WORDS)
        return;
    if (is_window(f, offset)) {
        if (window_target(f, &bar, &target_offset, &target_size))
            pci_bar_write(f, tx, bar, target_offset, target_size, value & ones(target_size));
        return;
    }
    mask = f->writable[word] & ones(size) << shift;
    CAPSULE_SET(tx, f->state->config[word], (f->state->config[word] & ~mask) | (value << shift & mask));
}

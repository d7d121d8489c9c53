/* SPDX-License-Identifier: Apache-2.0 */
/* pci.c: the host bridge: from ports and addresses to functions.
 *
 * The bus locks the host bridge for every access here, and commits it. An access that changed a function keeps the
 * function's lock until the bridge's derive(), which the bus calls after the commit, has derived the function.
 */
#include "vmm/pci.h"

#define HOST_VENDOR 0x1B36u /* a host bridge without registers of its own, for which no system has special code */
#define HOST_DEVICE 0x0008u
#define HOST_SUBSYSTEM_VENDOR 0x1AF4u
#define HOST_SUBSYSTEM 0x1100u
#define CLASS_HOST_BRIDGE 0x060000u

#define ADDRESS_ENABLE (1u << 31)
#define ADDRESS_WRITABLE (ADDRESS_ENABLE | 0x00FFFFFCu)
#define ECAM_AT (PLATFORM_ECAM - PLATFORM_PCI_MMIO) /* in the one region that holds window and ECAM */

static_assert(PLATFORM_PCI_MMIO + PLATFORM_PCI_MMIO_SIZE == PLATFORM_ECAM, "one region holds both");

struct pci_host_state {
    struct pci_state bridge;
    uint32_t address; /* CF8h */
    uint32_t reserved;
};

static uint32_t ones(unsigned size)
{
    return size >= 4 ? UINT32_MAX : (1u << size * 8) - 1;
}

static void function_lock(struct pci *pci, struct pci_function *f)
{
    if (f->device != pci->host)
        device_lock(f->device);
}

/* End an operation on `f`: if it changed anything, the lock is kept until after the commit. */
static void function_release(struct pci *pci, struct pci_function *f, const struct capsule_tx *tx)
{
    if (f->device == pci->host)
        return;
    if (tx->count != 0)
        pci->open = f;
    else
        device_unlock(f->device);
}

static struct pci_function *function_at(const struct pci *pci, unsigned bus, unsigned devfn)
{
    return bus == 0 && devfn % 8 == 0 && devfn / 8 < pci->slots ? pci->function[devfn / 8] : NULL;
}

static uint32_t config_read(struct pci *pci, struct capsule_tx *tx, unsigned bus, unsigned devfn, unsigned offset,
                            unsigned size)
{
    struct pci_function *f = function_at(pci, bus, devfn);
    uint32_t value;

    if (f == NULL || offset % 4 + size > 4)
        return ones(size);
    function_lock(pci, f);
    value = pci_config_read(f, tx, offset, size);
    function_release(pci, f, tx);
    return value;
}

static void config_write(struct pci *pci, struct capsule_tx *tx, unsigned bus, unsigned devfn, unsigned offset,
                         unsigned size, uint32_t value)
{
    struct pci_function *f = function_at(pci, bus, devfn);

    if (f == NULL || offset % 4 + size > 4)
        return;
    function_lock(pci, f);
    pci_config_write(f, tx, offset, size, value);
    function_release(pci, f, tx);
}

/* The function whose BAR answers at `address`, with its lock held; NULL: none. BARs change only under the host
 * bridge's lock, which the caller holds. */
static struct pci_function *bar_find(struct pci *pci, bool io, uint64_t address, unsigned *bar, uint32_t *offset)
{
    for (unsigned i = 0; i < pci->slots; i++) {
        struct pci_function *f = pci->function[i];

        for (unsigned b = 0; b < PCI_BARS; b++) {
            uint64_t first;

            if ((f->bar[b].kind == PCI_BAR_IO) != io || !pci_bar_address(f, b, &first) || address < first ||
                address - first >= f->bar[b].size)
                continue;
            *bar = b;
            *offset = (uint32_t)(address - first);
            function_lock(pci, f);
            return f;
        }
    }
    return NULL;
}

static uint32_t window_read(struct pci *pci, struct capsule_tx *tx, bool io, uint64_t address, unsigned size)
{
    struct pci_function *f;
    uint32_t offset, value;
    unsigned bar;

    f = bar_find(pci, io, address, &bar, &offset);
    if (f == NULL)
        return ones(size);
    value = pci_bar_read(f, tx, bar, offset, size);
    function_release(pci, f, tx);
    return value;
}

static void window_write(struct pci *pci, struct capsule_tx *tx, bool io, uint64_t address, unsigned size,
                         uint32_t value)
{
    struct pci_function *f;
    uint32_t offset;
    unsigned bar;

    f = bar_find(pci, io, address, &bar, &offset);
    if (f == NULL)
        return;
    pci_bar_write(f, tx, bar, offset, size, value);
    function_release(pci, f, tx);
}

static uint32_t host_io_read(struct device *device, struct capsule_tx *tx, uint16_t port, unsigned size)
{
    const struct pci_host_state *s = device->state;

    if (port >= PLATFORM_PCI_IO)
        return window_read(device->context, tx, true, port, size);
    if (port < PCI_PORT_DATA)
        return port == PCI_PORT_ADDRESS && size == 4 ? s->address : ones(size);
    if (!(s->address & ADDRESS_ENABLE))
        return ones(size);
    return config_read(device->context, tx, s->address >> 16 & 0xFF, s->address >> 8 & 0xFF,
                       (s->address & 0xFC) + (port - PCI_PORT_DATA), size);
}

static void host_io_write(struct device *device, struct capsule_tx *tx, uint16_t port, unsigned size, uint32_t value)
{
    struct pci_host_state *s = device->state;

    if (port >= PLATFORM_PCI_IO) {
        window_write(device->context, tx, true, port, size, value);
    } else if (port < PCI_PORT_DATA) {
        if (port == PCI_PORT_ADDRESS && size == 4) /* others are no accesses to this register (§3.2.2.3.2) */
            CAPSULE_SET(tx, s->address, value & ADDRESS_WRITABLE);
    } else if (s->address & ADDRESS_ENABLE) {
        config_write(device->context, tx, s->address >> 16 & 0xFF, s->address >> 8 & 0xFF,
                     (s->address & 0xFC) + (port - PCI_PORT_DATA), size, value);
    }
}

static uint64_t host_mmio_read(struct device *device, struct capsule_tx *tx, uint64_t offset, unsigned size)
{
    uint64_t at = offset - ECAM_AT;

    if (offset < ECAM_AT)
        return window_read(device->context, tx, false, PLATFORM_PCI_MMIO + offset, size);
    return config_read(device->context, tx, (unsigned)(at >> 20), at >> 12 & 0xFF, at & 0xFFF, size);
}

static void host_mmio_write(struct device *device, struct capsule_tx *tx, uint64_t offset, unsigned size,
                            uint64_t value)
{
    uint64_t at = offset - ECAM_AT;

    if (offset < ECAM_AT)
        window_write(device->context, tx, false, PLATFORM_PCI_MMIO + offset, size, (uint32_t)value);
    else
        config_write(device->context, tx, (unsigned)(at >> 20), at >> 12 & 0xFF, at & 0xFFF, size, (uint32_t)value);
}

static void host_reset(struct device *device, struct capsule_tx *tx)
{
    struct pci_host_state *s = device->state;
    struct pci *pci = device->context;

    pci_function_reset(&pci->bridge, tx);
    CAPSULE_SET(tx, s->address, 0);
}

static void host_derive(struct device *device, struct capsule_tx *tx)
{
    struct pci *pci = device->context;
    struct pci_function *f = pci->open;

    if (f == NULL)
        return;
    pci->open = NULL;
    if (f->device->ops->derive != NULL)
        f->device->ops->derive(f->device, tx);
    device_unlock(f->device);
}

static const struct device_ops host_ops = { .name = "pci",
                                            .version = 1,
                                            .state_size = sizeof(struct pci_host_state),
                                            .reset = host_reset,
                                            .io_read = host_io_read,
                                            .io_write = host_io_write,
                                            .mmio_read = host_mmio_read,
                                            .mmio_write = host_mmio_write,
                                            .derive = host_derive };

static const struct pci_identity bridge_identity = { .vendor = HOST_VENDOR,
                                                     .device = HOST_DEVICE,
                                                     .subsystem_vendor = HOST_SUBSYSTEM_VENDOR,
                                                     .subsystem = HOST_SUBSYSTEM,
                                                     .class_code = CLASS_HOST_BRIDGE };

enum cl_status pci_add(struct pci *pci, struct machine *machine)
{
    struct bus *bus = &machine->bus;

    memset(pci, 0, sizeof(*pci));
    pci->machine = machine;
    pci->next_io = PLATFORM_PCI_IO;
    pci->next_memory = PLATFORM_PCI_MMIO;
    TRY(machine_add(machine, &host_ops, NULL, &pci->host));
    pci->host->context = pci;
    pci_function_init(&pci->bridge, pci->host, &bridge_identity);
    TRY(pci_function_add(pci, &pci->bridge));

    /* CF9h between them is the reset register (pm.h) */
    TRY(bus_add_ports(bus, pci->host, PCI_PORT_ADDRESS, 1, 4));
    TRY(bus_add_ports(bus, pci->host, PCI_PORT_ADDRESS + 2, 2, 2));
    TRY(bus_add_ports(bus, pci->host, PCI_PORT_DATA, 4, 4));
    TRY(bus_add_ports(bus, pci->host, PLATFORM_PCI_IO, PLATFORM_PCI_IO_SIZE, 4));
    return bus_add_memory(bus, pci->host, PLATFORM_PCI_MMIO, PLATFORM_PCI_MMIO_SIZE + PLATFORM_ECAM_SIZE, 4);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* pci_msix.c: PCI 3.0 §6.8.2: MSI-X table, pending bits, masks, delivery. */
#include "vmm/irq.h"
#include "vmm/pci.h"

#define ENTRY_ADDRESS_LOW_MASK 0xFFFFFFFCu

static_assert(PCI_MSIX_VECTORS_MAX <= 32, "pending bits are one word");

void pci_msix_add(struct pci_function *f, unsigned vectors, unsigned bar, unsigned table, unsigned pba)
{
    unsigned at = pci_capability_add(f, PCI_CAP_MSIX, 12);

    assert(vectors > 0 && vectors <= PCI_MSIX_VECTORS_MAX);
    f->initial[at / 4] |= (vectors - 1) << 16;
    f->writable[at / 4] |= PCI_MSIX_ENABLE | PCI_MSIX_MASK_ALL;
    f->initial[at / 4 + 1] = table | bar;
    f->initial[at / 4 + 2] = pba | bar;
    f->msix_capability = at;
    f->msix_vectors = vectors;
    f->msix_table = table;
    f->msix_pba = pba;
}

void pci_msix_raise(struct pci_function *f, struct capsule_tx *tx, unsigned vector)
{
    if (vector < f->msix_vectors)
        CAPSULE_SET(tx, f->state->pending, f->state->pending | 1u << vector);
}

static uint32_t entry_word(const struct pci_msix_entry *entry, unsigned word)
{
    switch (word) {
    case 0:
        return (uint32_t)entry->address;
    case 1:
        return (uint32_t)(entry->address >> 32);
    case 2:
        return entry->data;
    default:
        return entry->control;
    }
}

static bool in_table(const struct pci_function *f, uint32_t offset)
{
    return f->msix_capability != 0 && offset >= f->msix_table &&
           offset < f->msix_table + f->msix_vectors * PCI_MSIX_ENTRY_BYTES;
}

bool pci_msix_read(const struct pci_function *f, uint32_t offset, unsigned size, uint32_t *value)
{
    uint32_t word;

    (void)size;
    if (in_table(f, offset)) {
        uint32_t at = offset - f->msix_table;

        word = entry_word(&f->state->msix[at / PCI_MSIX_ENTRY_BYTES], at / 4 % 4);
    } else if (f->msix_capability != 0 && offset >= f->msix_pba && offset < f->msix_pba + 8) {
        word = offset - f->msix_pba < 4 ? f->state->pending : 0;
    } else {
        return false;
    }
    *value = word >> offset % 4 * 8;
    return true;
}

/* Only whole words have a meaning (§6.8.2); anything else is lost, as are writes to the pending bits. */
bool pci_msix_write(struct pci_function *f, struct capsule_tx *tx, uint32_t offset, unsigned size, uint32_t value)
{
    struct pci_msix_entry *entry;

    if (!in_table(f, offset))
        return f->msix_capability != 0 && offset >= f->msix_pba && offset < f->msix_pba + 8;
    if (size != 4 || offset % 4 != 0)
        return true;
    entry = &f->state->msix[(offset - f->msix_table) / PCI_MSIX_ENTRY_BYTES];
    switch ((offset - f->msix_table) / 4 % 4) {
    case 0:
        CAPSULE_SET(tx, entry->address, (entry->address >> 32 << 32) | (value & ENTRY_ADDRESS_LOW_MASK));
        break;
    case 1:
        CAPSULE_SET(tx, entry->address, (uint64_t)value << 32 | (uint32_t)entry->address);
        break;
    case 2:
        CAPSULE_SET(tx, entry->data, value);
        break;
    default:
        CAPSULE_SET(tx, entry->control, value & PCI_MSIX_ENTRY_MASKED);
        break;
    }
    return true;
}

/* Send what is pending and not masked. Forgotten after it was sent: a repetition is one interrupt too many, which a
 * driver has to expect; a loss would hang it. */
static void deliver(struct pci_function *f, struct capsule_tx *tx)
{
    const struct machine *machine = f->pci->machine;

    for (uint32_t left = f->state->pending; left != 0; left &= left - 1) {
        unsigned vector = (unsigned)__builtin_ctz(left);
        const struct pci_msix_entry *entry;

        if (vector >= f->msix_vectors)
            break;
        entry = &f->state->msix[vector];
        if (entry->control & PCI_MSIX_ENTRY_MASKED)
            continue;
        machine->host->msi(machine->host_context, entry->address, entry->data);
        CAPSULE_SET(tx, f->state->pending, f->state->pending & ~(1u << vector));
        capsule_commit_quietly(tx);
    }
}

void pci_function_derive(struct pci_function *f, struct capsule_tx *tx, bool intx)
{
    bool level = intx && !pci_msix_enabled(f);

    if (f->state->pending != 0 && pci_msix_enabled(f) && pci_command(f) & PCI_COMMAND_MASTER &&
        !(f->state->config[f->msix_capability / 4] & PCI_MSIX_MASK_ALL))
        deliver(f, tx);
    f->intx_level = level;
    if (f->initial[PCI_INTERRUPT / 4] >> 8 & 0xFF)
        irq_line_set(f->device, tx, PCI_INTX_GSI(f->slot), level && !(pci_command(f) & PCI_COMMAND_INTX_DISABLE));
}

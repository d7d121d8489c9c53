/* SPDX-License-Identifier: Apache-2.0 */
/* pci.h: bus 0 of the guest's PCI: configuration space, base address registers, MSI-X and INTx.
 *
 * PCI Local Bus Specification 3.0 §3.2.2.3.2 (configuration mechanism #1), §6 (configuration space), PCI Express Base
 * Specification 5.0 §7.2.2 (ECAM). Every function is a device with a section of its own that begins with struct
 * pci_state. Functions are conventional PCI: 256 bytes of configuration space, function 0 only.
 *
 * BARs answer inside of the two windows of platform.h that ACPI gives to the host bridge, and nowhere else, so no BAR
 * can be laid over RAM or over another device. Two BARs at the same address: the lower slot answers.
 *
 * A function's device takes BAR accesses through its device_ops: io_read and io_write with the offset into its I/O BAR
 * as `port`, mmio_read and mmio_write with the offset into its memory BAR as `offset`. So it has at most one of each.
 * Lock order: the host bridge ("pci"), then one function.
 */
#ifndef CL_VMM_PCI_H
#define CL_VMM_PCI_H

#include "vmm/machine.h"

#define PCI_SLOTS 32u
#define PCI_BARS 6u
#define PCI_CONFIG_WORDS 64u
#define PCI_MSIX_VECTORS_MAX 8u
#define PCI_NO_VECTOR 0xFFFFu

/* INTA# of slot n is IOAPIC pin 16 + n % 4; ACPI's _PRT says the same. */
#define PCI_INTX_GSI_FIRST 16u
#define PCI_INTX_GSIS 4u
#define PCI_INTX_GSI(slot) (PCI_INTX_GSI_FIRST + (slot) % PCI_INTX_GSIS)

#define PCI_PORT_ADDRESS 0xCF8u
#define PCI_PORT_DATA 0xCFCu

/* Offsets and bits in configuration space. */
#define PCI_VENDOR_ID 0x00u
#define PCI_COMMAND 0x04u
#define PCI_COMMAND_IO 0x0001u
#define PCI_COMMAND_MEMORY 0x0002u
#define PCI_COMMAND_MASTER 0x0004u
#define PCI_COMMAND_INTX_DISABLE 0x0400u
#define PCI_STATUS_INTERRUPT (1u << 19) /* in the word of command and status */
#define PCI_STATUS_CAPABILITIES (1u << 20)
#define PCI_CLASS_REVISION 0x08u
#define PCI_BAR0 0x10u
#define PCI_SUBSYSTEM 0x2Cu
#define PCI_CAPABILITIES 0x34u
#define PCI_INTERRUPT 0x3Cu
#define PCI_CAPABILITY_FIRST 0x40u
#define PCI_CAP_VENDOR 0x09u
#define PCI_CAP_MSIX 0x11u
#define PCI_MSIX_ENABLE (1u << 31) /* in the capability's first word */
#define PCI_MSIX_MASK_ALL (1u << 30)
#define PCI_MSIX_ENTRY_BYTES 16u
#define PCI_MSIX_ENTRY_MASKED 1u

enum pci_bar_kind {
    PCI_BAR_NONE = 0,
    PCI_BAR_IO = 1,
    PCI_BAR_MEMORY32 = 2,
    PCI_BAR_MEMORY64 = 3 /* takes the next register too */
};

struct pci_bar {
    enum pci_bar_kind kind;
    uint32_t size; /* in bytes, a power of two: at least 4 for I/O, 16 for memory */
};

/* What a function is. */
struct pci_identity {
    uint16_t vendor, device;
    uint16_t subsystem_vendor, subsystem;
    uint32_t class_code; /* base class, sub-class, interface: 24 bits */
    uint8_t revision;
    bool interrupt_pin; /* has INTA# */
    struct pci_bar bar[PCI_BARS];
};

struct pci_msix_entry {
    uint64_t address;
    uint32_t data;
    uint32_t control;
};

/* First in the section of every function. */
struct pci_state {
    uint32_t config[PCI_CONFIG_WORDS];
    struct pci_msix_entry msix[PCI_MSIX_VECTORS_MAX];
    uint32_t pending; /* MSI-X vectors that wait for being unmasked, or for derive() */
    uint32_t reserved;
};

struct pci;

/* The wiring of one function: what never changes, and what is worked out from the state. */
struct pci_function {
    struct pci *pci;
    struct device *device;
    struct pci_state *state;
    unsigned slot;
    uint32_t initial[PCI_CONFIG_WORDS];  /* after a reset, BARs placed as firmware would */
    uint32_t writable[PCI_CONFIG_WORDS]; /* bits that the guest may change */
    struct pci_bar bar[PCI_BARS];
    unsigned next_capability;                    /* offset of free configuration space */
    unsigned last_capability;                    /* offset, 0: none yet */
    unsigned msix_capability;                    /* offset, 0: none */
    unsigned msix_vectors, msix_table, msix_pba; /* offsets into the memory BAR */
    unsigned window_capability;                  /* offset of virtio's PCI configuration access capability, 0: none */
    bool intx_level;                             /* as derive() last drove it */
};

struct pci {
    struct machine *machine;
    struct device *host;
    struct pci_function bridge;
    struct pci_function *function[PCI_SLOTS];
    struct pci_function *open;     /* [host's lock] its operation awaits the commit; its lock is held */
    unsigned slots;                /* in use */
    uint64_t next_io, next_memory; /* where the next BAR is placed */
};

/* Add the host bridge at slot 0, its ports and its windows. */
enum cl_status pci_add(struct pci *pci, struct machine *machine) CL_MUST_CHECK;

/* Fill in `function` for a device whose state begins with struct pci_state. */
void pci_function_init(struct pci_function *function, struct device *device, const struct pci_identity *identity);

/* Append a capability of `length` bytes. Returns its offset; contents go to function->initial and writable.
 * Asserts that there is room: what a function has is known when it is written. */
unsigned pci_capability_add(struct pci_function *function, uint8_t id, unsigned length);

/* Add MSI-X with its table and pending bits at these offsets of memory BAR `bar`. */
void pci_msix_add(struct pci_function *function, unsigned vectors, unsigned bar, unsigned table, unsigned pba);

/* Plug the finished function into the next free slot and place its BARs. CL_LIMIT: no slot, or the windows are full. */
enum cl_status pci_function_add(struct pci *pci, struct pci_function *function) CL_MUST_CHECK;

/* The parts of a function's device_ops.reset and derive. `intx`: the function wants INTA# (if MSI-X is off). */
void pci_function_reset(struct pci_function *function, struct capsule_tx *tx);
void pci_function_derive(struct pci_function *function, struct capsule_tx *tx, bool intx);

/* Ask for MSI-X vector `vector`; it is sent by pci_function_derive(). PCI_NO_VECTOR: nothing. */
void pci_msix_raise(struct pci_function *function, struct capsule_tx *tx, unsigned vector);

static inline uint32_t pci_command(const struct pci_function *function)
{
    return function->state->config[PCI_COMMAND / 4] & 0xFFFF;
}

static inline bool pci_msix_enabled(const struct pci_function *function)
{
    return function->msix_capability != 0 &&
           (function->state->config[function->msix_capability / 4] & PCI_MSIX_ENABLE) != 0;
}

/* True if BAR `bar` answers now, at `*address`. */
bool pci_bar_address(const struct pci_function *function, unsigned bar, uint64_t *address);

/* Configuration space of one function; offset + size within one word. In a transaction, under the function's lock. */
uint32_t pci_config_read(struct pci_function *function, struct capsule_tx *tx, unsigned offset, unsigned size);
void pci_config_write(struct pci_function *function, struct capsule_tx *tx, unsigned offset, unsigned size,
                      uint32_t value);

/* One access to a BAR, offset below its size. */
uint32_t pci_bar_read(struct pci_function *function, struct capsule_tx *tx, unsigned bar, uint32_t offset,
                      unsigned size);
void pci_bar_write(struct pci_function *function, struct capsule_tx *tx, unsigned bar, uint32_t offset, unsigned size,
                   uint32_t value);

/* The MSI-X table and pending bits, for pci_function.c. True: the access was theirs. */
bool pci_msix_read(const struct pci_function *function, uint32_t offset, unsigned size, uint32_t *value);
bool pci_msix_write(struct pci_function *function, struct capsule_tx *tx, uint32_t offset, unsigned size,
                    uint32_t value);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* irq.c: IOAPIC pins (82093AA datasheet) and the vectors behind them. */
#include "kernel/irq.h"

#include "kernel/assert.h"
#include "kernel/cpu.h"
#include "kernel/hostmap.h"
#include "kernel/lapic.h"
#include "kernel/notification.h"
#include "kernel/system.h"
#include "kernel/x86.h"

#define IOREGSEL 0
#define IOWIN 4 /* in 32-bit words */
#define IOAPIC_VERSION 1
#define IOAPIC_REDIRECTION(pin) (0x10 + 2 * (pin))
#define ENTRY_ACTIVE_LOW (1u << 13)
#define ENTRY_LEVEL (1u << 15)
#define ENTRY_MASKED (1u << 16)
#define ISA_IRQS 16

struct ioapic {
    volatile uint32_t *registers;
    uint32_t gsi_base, pins;
};

static struct ioapic ioapics[BOOT_IOAPICS_MAX]; /* sealed after boot */
static uint32_t ioapic_count;
static struct boot_override overrides[BOOT_OVERRIDES_MAX];
static uint32_t override_count;
static struct spinlock ioapic_lock;                                         /* beside the pool lock */
static struct irq *by_vector[VECTOR_DEVICE_LAST - VECTOR_DEVICE_FIRST + 1]; /* [s] written, read anywhere */

static uint32_t ioapic_read(const struct ioapic *ioapic, uint32_t index)
{
    ioapic->registers[IOREGSEL] = index;
    return ioapic->registers[IOWIN];
}

static void ioapic_write(const struct ioapic *ioapic, uint32_t index, uint32_t value)
{
    ioapic->registers[IOREGSEL] = index;
    ioapic->registers[IOWIN] = value;
}

void irq_probe(const struct boot_info *boot)
{
    for (uint32_t i = 0; i < boot->ioapic_count && i < BOOT_IOAPICS_MAX; i++) {
        struct ioapic *ioapic = &ioapics[ioapic_count];
        ioapic->registers = hostmap_device(hpa(boot->ioapics[i].base), PAGE_SIZE, PT_UNCACHEABLE);
        ioapic->gsi_base = boot->ioapics[i].gsi_base;
        ioapic->pins = (ioapic_read(ioapic, IOAPIC_VERSION) >> 16 & 0xff) + 1;
        if (ioapic->pins > 240)
            continue; /* all ones: nothing answers there */
        for (uint32_t pin = 0; pin < ioapic->pins; pin++)
            ioapic_write(ioapic, IOAPIC_REDIRECTION(pin), ENTRY_MASKED);
        ioapic_count++;
    }
    for (uint32_t i = 0; i < boot->override_count && i < BOOT_OVERRIDES_MAX; i++)
        overrides[override_count++] = boot->overrides[i];
    if (boot->has_8259 != 0) { /* all its lines are masked */
        x86_outb(0x21, 0xff);
        x86_outb(0xa1, 0xff);
    }
}

static const struct ioapic *find_pin(uint32_t gsi)
{
    for (uint32_t i = 0; i < ioapic_count; i++) {
        if (gsi >= ioapics[i].gsi_base && gsi - ioapics[i].gsi_base < ioapics[i].pins)
            return &ioapics[i];
    }
    return NULL;
}

/* ISA interrupts are edge-triggered and active high unless the firmware overrides it (ACPI 6.4 5.2.12.5); the others,
 * of PCI, level-triggered and active low. */
static uint32_t polarity_and_trigger(uint32_t *gsi)
{
    if (*gsi >= ISA_IRQS)
        return ENTRY_LEVEL | ENTRY_ACTIVE_LOW;
    for (uint32_t i = 0; i < override_count; i++) {
        if (overrides[i].irq != *gsi)
            continue;
        *gsi = overrides[i].gsi;
        return ((overrides[i].flags & 3) == 3 ? ENTRY_ACTIVE_LOW : 0) |
               ((overrides[i].flags >> 2 & 3) == 3 ? ENTRY_LEVEL : 0);
    }
    return 0;
}

/* The pin leads to the boot CPU. */
static void set_entry(const struct irq *irq, uint32_t low)
{
    const struct ioapic *ioapic = find_pin(irq->gsi);
    uint32_t pin = irq->gsi - ioapic->gsi_base;

    lock_acquire(&ioapic_lock);
    ioapic_write(ioapic, IOAPIC_REDIRECTION(pin) + 1, cpus[0].apic_id << 24);
    ioapic_write(ioapic, IOAPIC_REDIRECTION(pin), low);
    lock_release(&ioapic_lock);
}

enum cl_status irq_create(struct account *account, uint32_t gsi, struct notification *target, unsigned bit,
                          struct irq **created)
{
    uint32_t low = polarity_and_trigger(&gsi);
    unsigned slot = ARRAY_SIZE(by_vector);
    struct irq *irq;

    if (cpus[0].apic_id > 0xfe)
        return refuse(CL_UNSUPPORTED, "interrupts cannot be routed to APIC ID %u without interrupt remapping",
                      cpus[0].apic_id);
    if (find_pin(gsi) == NULL)
        return refuse(CL_NOT_FOUND, "no IOAPIC pin has the global system interrupt %u", gsi);
    for (unsigned i = ARRAY_SIZE(by_vector); i-- > 0;) {
        if (by_vector[i] == NULL)
            slot = i;
        else if (by_vector[i]->gsi == gsi)
            return refuse(CL_OCCUPIED, "global system interrupt %u is bound already", gsi);
    }
    if (slot == ARRAY_SIZE(by_vector))
        return refuse(CL_LIMIT, "all %u device vectors are in use", (unsigned)ARRAY_SIZE(by_vector));
    irq = object_create(account, OBJECT_IRQ, sizeof(*irq));
    if (irq == NULL)
        return refuse(CL_NO_MEMORY, "the account has no kernel memory left for an interrupt");
    irq->gsi = gsi;
    irq->entry = low | (VECTOR_DEVICE_FIRST + slot);
    irq->target = target;
    irq->bit = UINT64_C(1) << bit;
    object_reference(&target->object);
    __atomic_store_n(&by_vector[slot], irq, __ATOMIC_RELEASE);
    set_entry(irq, irq->entry);
    *created = irq;
    return CL_OK;
}

/* A level interrupt is masked until somebody has served the device: otherwise it would return at once. */
void irq_arrived(uint8_t vector)
{
    struct irq *irq = __atomic_load_n(&by_vector[vector - VECTOR_DEVICE_FIRST], __ATOMIC_ACQUIRE);

    if (irq == NULL)
        return;
    if (irq->entry & ENTRY_LEVEL)
        set_entry(irq, irq->entry | ENTRY_MASKED);
    notification_signal(irq->target, irq->bit);
}

void irq_acknowledge(struct irq *irq)
{
    if (irq->entry & ENTRY_LEVEL)
        set_entry(irq, irq->entry);
}

void irq_destroy(struct irq *irq)
{
    set_entry(irq, ENTRY_MASKED);
    __atomic_store_n(&by_vector[(irq->entry & 0xff) - VECTOR_DEVICE_FIRST], NULL, __ATOMIC_RELEASE);
}

void irq_free(struct irq *irq)
{
    object_drop(&irq->target->object);
}

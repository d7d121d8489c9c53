/* SPDX-License-Identifier: Apache-2.0 */
/* irq.c: IOAPIC pins (82093AA datasheet) and the vectors behind them. */
#include "kernel/irq.h"

#include "kernel/assert.h"
#include "kernel/cpu.h"
#include "kernel/hostmap.h"
#include "kernel/lapic.h"
#include "kernel/notification.h"
#include "kernel/string.h"
#include "kernel/system.h"

struct ioapic {
    volatile uint32_t *registers;
    uint32_t gsi_base, pins;
};

static struct ioapic ioapics[BOOT_IOAPICS_MAX]; /* sealed after boot; those that are not there have no pins */
static struct boot_isa isa[BOOT_ISA_IRQS];
static struct spinlock ioapic_lock; /* beside the pool lock */
/* Each global system interrupt has a vector of its own, from VECTOR_DEVICE_FIRST on. [s] written, read anywhere */
static struct irq *bound[VECTOR_DEVICE_LAST - VECTOR_DEVICE_FIRST + 1];

void irq_probe(const struct boot_info *boot)
{
    for (uint32_t i = 0; i < boot->ioapic_count; i++) {
        const struct boot_ioapic *found = &boot->ioapics[i];
        ioapics[i] = (struct ioapic){ hostmap_device(hpa(found->base)), found->gsi_base, found->pins };
    }
    memcpy(isa, boot->isa, sizeof(isa));
}

static const struct ioapic *find_pin(uint32_t gsi)
{
    for (uint32_t i = 0; i < BOOT_IOAPICS_MAX; i++) {
        if (gsi - ioapics[i].gsi_base < ioapics[i].pins)
            return &ioapics[i];
    }
    return NULL;
}

static void write_register(const struct ioapic *ioapic, uint32_t index, uint32_t value)
{
    ioapic->registers[IOREGSEL] = index;
    ioapic->registers[IOWIN] = value;
}

/* The pin leads to the boot CPU. */
static void set_entry(const struct irq *irq, uint32_t low)
{
    const struct ioapic *ioapic = find_pin(irq->gsi);
    uint32_t pin = irq->gsi - ioapic->gsi_base;

    lock_acquire(&ioapic_lock);
    write_register(ioapic, IOAPIC_REDIRECTION(pin) + 1, cpus[0].apic_id << 24);
    write_register(ioapic, IOAPIC_REDIRECTION(pin), low);
    lock_release(&ioapic_lock);
}

enum cl_status irq_create(struct account *account, uint32_t gsi, struct notification *target, unsigned bit,
                          struct irq **created)
{
    /* interrupts of PCI are level-triggered and active low */
    struct boot_isa place =
        gsi < BOOT_ISA_IRQS ? isa[gsi] : (struct boot_isa){ gsi, BOOT_PIN_LEVEL | BOOT_PIN_ACTIVE_LOW };
    struct irq *irq;

    if (cpus[0].apic_id > 0xfe)
        return refuse(CL_UNSUPPORTED, "interrupts cannot be routed to APIC ID %u without interrupt remapping",
                      cpus[0].apic_id);
    if (place.gsi >= ARRAY_SIZE(bound))
        return refuse(CL_LIMIT, "global system interrupt %u: there are vectors for %u", place.gsi,
                      (unsigned)ARRAY_SIZE(bound));
    if (find_pin(place.gsi) == NULL)
        return refuse(CL_NOT_FOUND, "no IOAPIC pin has the global system interrupt %u", place.gsi);
    if (bound[place.gsi] != NULL)
        return refuse(CL_OCCUPIED, "global system interrupt %u is bound already", place.gsi);
    irq = *created = object_create(account, OBJECT_IRQ);
    if (irq == NULL)
        return CL_NO_MEMORY;
    irq->gsi = place.gsi;
    irq->entry = place.pin | (VECTOR_DEVICE_FIRST + place.gsi);
    irq->target = target;
    irq->bit = UINT64_C(1) << bit;
    object_reference(&target->object);
    __atomic_store_n(&bound[place.gsi], irq, __ATOMIC_RELEASE);
    set_entry(irq, irq->entry);
    return CL_OK;
}

/* A level interrupt is masked until somebody has served the device: otherwise it would return at once. */
void irq_arrived(uint8_t vector)
{
    struct irq *irq = __atomic_load_n(&bound[vector - VECTOR_DEVICE_FIRST], __ATOMIC_ACQUIRE);

    if (irq == NULL)
        return;
    if (irq->entry & BOOT_PIN_LEVEL)
        set_entry(irq, irq->entry | IOAPIC_MASKED);
    notification_signal(irq->target, irq->bit);
}

void irq_acknowledge(struct irq *irq)
{
    if (irq->entry & BOOT_PIN_LEVEL)
        set_entry(irq, irq->entry);
}

enum cl_status irq_destroy(struct object *object)
{
    struct irq *irq = (struct irq *)object;

    set_entry(irq, IOAPIC_MASKED);
    __atomic_store_n(&bound[irq->gsi], NULL, __ATOMIC_RELEASE);
    object_drop(&irq->target->object);
    return CL_OK;
}

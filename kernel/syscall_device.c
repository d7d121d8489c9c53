/* SPDX-License-Identifier: Apache-2.0 */
/* syscall_device.c: I/O ports and interrupts for drivers. */
#include "kernel/account_object.h"
#include "kernel/assert.h"
#include "kernel/domain.h"
#include "kernel/irq.h"
#include "kernel/notification.h"
#include "kernel/pool.h"
#include "kernel/string.h"
#include "kernel/syscall.h"
#include "kernel/system.h"

#define IOMAP_ORDER 1
#define IOMAP_BYTES 8192

/* Ports that stay the kernel's: 8259 pair, PCI configuration mechanism #1. */
static const struct {
    uint16_t first, last;
} kernel_ports[] = { { 0x20, 0x21 }, { 0xa0, 0xa1 }, { 0xcf8, 0xcff } };

/* ports_grant(ports, domain, first, count, grant) */
static enum cl_status sys_ports_grant(struct call *call)
{
    struct domain *domain;
    struct object *ports;

    TRY(cap_lookup(call->domain, call->a, OBJECT_PORTS, RIGHT_CONFIGURE, &ports));
    TRY(cap_lookup(call->domain, call->b, OBJECT_DOMAIN, RIGHT_CONFIGURE, &domain));
    if (call->c > UINT16_MAX || call->d == 0 || call->d > 0x10000 - call->c)
        return refuse(CL_BAD_ARGUMENT, "ports %lx + %lx: within 0 to ffff", call->c, call->d);
    for (unsigned i = 0; i < ARRAY_SIZE(kernel_ports); i++) {
        if (call->c <= kernel_ports[i].last && call->c + call->d > kernel_ports[i].first)
            return refuse(CL_OCCUPIED, "ports %x to %x are the kernel's", kernel_ports[i].first, kernel_ports[i].last);
    }
    if (domain->iomap == NULL) {
        uint8_t *iomap = pool_pages(domain->object.account, IOMAP_ORDER);
        if (iomap == NULL)
            return refuse(CL_NO_MEMORY, "the domain's account has no kernel memory left for an I/O map");
        memset(iomap, 0xff, IOMAP_BYTES);
        domain->iomap = iomap;
    }

    for (uint64_t port = call->c; port < call->c + call->d; port++) {
        if (call->e != 0)
            domain->iomap[port / 8] &= (uint8_t) ~(1u << port % 8);
        else
            domain->iomap[port / 8] |= (uint8_t)(1u << port % 8);
    }
    domain_ports_changed();
    return CL_OK;
}

/* irq_bind(new slot, account, irqs, gsi, notification, bit) */
static enum cl_status sys_irq_bind(struct call *call)
{
    struct notification *target;
    struct account *account;
    struct object *irqs;
    struct irq *irq;

    TRY(cap_check_free(call->domain, call->a));
    TRY(cap_lookup(call->domain, call->b, OBJECT_ACCOUNT, RIGHT_CHARGE, &account));
    TRY(cap_lookup(call->domain, call->c, OBJECT_IRQS, RIGHT_CONFIGURE, &irqs));
    TRY(cap_lookup(call->domain, call->e, OBJECT_NOTIFICATION, RIGHT_SIGNAL, &target));
    if (call->d > UINT16_MAX || call->f >= NOTIFICATION_BITS)
        return refuse(CL_BAD_ARGUMENT, "interrupt %lu, bit %lu: up to 65535 and 63", call->d, call->f);

    TRY(irq_create(account, (uint32_t)call->d, target, (unsigned)call->f, &irq));
    cap_insert(call->domain, call->a, &irq->object, RIGHT_ALL);
    return CL_OK;
}

static enum cl_status sys_irq_ack(struct call *call)
{
    struct irq *irq;

    TRY(cap_lookup(call->domain, call->a, OBJECT_IRQ, RIGHT_SIGNAL, &irq));
    irq_acknowledge(irq);
    return CL_OK;
}

enum cl_status syscall_device(struct call *call, enum syscall_number number)
{
    enum cl_status status;

    if (number == SYS_IRQ_ACK)
        return sys_irq_ack(call);
    lock_acquire(&structure_lock);
    status = number == SYS_PORTS_GRANT ? sys_ports_grant(call) : sys_irq_bind(call);
    lock_release(&structure_lock);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* syscall_device.c: I/O ports and interrupts for drivers. */
#include "kernel/assert.h"
#include "kernel/domain.h"
#include "kernel/irq.h"
#include "kernel/notification.h"
#include "kernel/pool.h"
#include "kernel/string.h"
#include "kernel/syscall.h"
#include "kernel/system.h"

#define IOMAP_BYTES 8192

/* Ports that stay the kernel's: 8259 pair, PCI configuration mechanism #1. */
static const struct {
    uint16_t first, last;
} kernel_ports[] = { { 0x20, 0x21 }, { 0xa0, 0xa1 }, { 0xcf8, 0xcff } };

/* ports_grant(ports, domain, first, count, grant) */
enum cl_status sys_ports_grant(struct call *call)
{
    struct domain *domain = CALL_OBJECT(call, domain, 1);
    uint64_t first = call->argument[2], count = call->argument[3];

    if (count == 0 || count > 0x10000 - first)
        return refuse(CL_BAD_ARGUMENT, "ports %lx + %lx: within 0 to ffff", first, count);
    for (unsigned i = 0; i < ARRAY_SIZE(kernel_ports); i++) {
        if (first <= kernel_ports[i].last && first + count > kernel_ports[i].first)
            return refuse(CL_OCCUPIED, "ports %x to %x are the kernel's", kernel_ports[i].first, kernel_ports[i].last);
    }
    if (domain->iomap == NULL) {
        uint8_t *iomap = pool_take(domain->object.account, IOMAP_BYTES);
        if (iomap == NULL)
            return refuse(CL_NO_MEMORY, "the domain's account has no kernel memory left for an I/O map");
        memset(iomap, 0xff, IOMAP_BYTES);
        domain->iomap = iomap;
    }

    for (uint64_t port = first; port < first + count; port++) {
        if (call->argument[4] != 0)
            domain->iomap[port / 8] &= (uint8_t) ~(1u << port % 8);
        else
            domain->iomap[port / 8] |= (uint8_t)(1u << port % 8);
    }
    domain_ports_changed();
    return CL_OK;
}

/* irq_bind(new slot, account, irqs, gsi, notification, bit) */
enum cl_status sys_irq_bind(struct call *call)
{
    return irq_create(CALL_OBJECT(call, account, 1), (uint32_t)call->argument[3], CALL_OBJECT(call, notification, 4),
                      (unsigned)call->argument[5], CALL_MADE(call, irq));
}

/* irq_ack(irq) */
enum cl_status sys_irq_ack(struct call *call)
{
    irq_acknowledge(CALL_OBJECT(call, irq, 0));
    return CL_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* object_table.c: what each type of object is, and how it ends. */
#include "kernel/account.h"
#include "kernel/domain.h"
#include "kernel/irq.h"
#include "kernel/notification.h"
#include "kernel/thread.h"
#include "kernel/vcpu_run.h"
#include "kernel/vm.h"

const struct object_kind object_kinds[OBJECT_TYPE_COUNT] = {
    [OBJECT_NONE] = { "nothing", 0, NULL, NULL },
    [OBJECT_ACCOUNT] = { "an account", sizeof(struct account), account_destroy, account_free },
    [OBJECT_DOMAIN] = { "a domain", sizeof(struct domain), domain_destroy, domain_free },
    [OBJECT_THREAD] = { "a thread", sizeof(struct thread), thread_destroy, thread_free },
    [OBJECT_MEMORY] = { "a memory object", sizeof(struct memory), memory_destroy, NULL },
    [OBJECT_NOTIFICATION] = { "a notification", sizeof(struct notification), notification_destroy, NULL },
    [OBJECT_VM] = { "a VM", sizeof(struct vm), vm_destroy, vm_free },
    [OBJECT_VCPU] = { "a vCPU", sizeof(struct vcpu), vcpu_destroy, vcpu_free },
    [OBJECT_IRQ] = { "an IRQ", sizeof(struct irq), irq_destroy, NULL },
    [OBJECT_PORTS] = { "ports", sizeof(struct object), NULL, NULL },
    [OBJECT_SYSTEM] = { "the system", sizeof(struct object), NULL, NULL },
    [OBJECT_IRQS] = { "the interrupt sources", sizeof(struct object), NULL, NULL },
};

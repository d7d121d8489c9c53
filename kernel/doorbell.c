/* SPDX-License-Identifier: Apache-2.0 */
/* doorbell.c: I/O ports of a VM whose writes only set a notification bit.
 *
 * A doorbell exists while it has a target. Another CPU may be ringing it while it is removed: what it has read of the
 * target lasts until it leaves the kernel, as all that was looked up does, and a bit too many is only a hint.
 */
#include "kernel/assert.h"
#include "kernel/notification.h"
#include "kernel/system.h"
#include "kernel/vm.h"

static struct vm_doorbell *find(struct vm *vm, uint16_t port, unsigned width, struct notification **target)
{
    for (struct vm_doorbell *doorbell = vm->doorbell; doorbell < vm->doorbell + vm->doorbell_used; doorbell++) {
        *target = __atomic_load_n(&doorbell->target, __ATOMIC_ACQUIRE);
        if (doorbell->port == port && doorbell->width_bytes == width && *target != NULL)
            return doorbell;
    }
    return NULL;
}

enum cl_status vm_doorbell_add(struct vm *vm, uint16_t port, unsigned width, struct notification *target, unsigned bit)
{
    struct notification *ignored;
    unsigned slot = 0;

    if (find(vm, port, width, &ignored) != NULL)
        return refuse(CL_OCCUPIED, "port %x has a doorbell of %u bytes already", port, width);
    while (slot < VM_DOORBELLS_MAX && vm->doorbell[slot].target != NULL)
        slot++;
    if (slot == VM_DOORBELLS_MAX)
        return refuse(CL_LIMIT, "a VM has at most %u doorbells", VM_DOORBELLS_MAX);
    vm->doorbell[slot] = (struct vm_doorbell){ .port = port, .width_bytes = (uint8_t)width, .bit = (uint8_t)bit };
    object_reference(&target->object);
    __atomic_store_n(&vm->doorbell[slot].target, target, __ATOMIC_RELEASE);
    if (slot >= vm->doorbell_used)
        vm->doorbell_used = slot + 1;
    return CL_OK;
}

enum cl_status vm_doorbell_remove(struct vm *vm, uint16_t port, unsigned width)
{
    struct notification *target;
    struct vm_doorbell *doorbell = find(vm, port, width, &target);

    if (doorbell == NULL)
        return refuse(CL_NOT_FOUND, "port %x has no doorbell of %u bytes", port, width);
    __atomic_store_n(&doorbell->target, NULL, __ATOMIC_RELEASE);
    object_drop(&target->object);
    return CL_OK;
}

bool vm_doorbell_ring(struct vm *vm, uint16_t port, unsigned width)
{
    struct notification *target;
    const struct vm_doorbell *doorbell = find(vm, port, width, &target);

    if (doorbell == NULL)
        return false;
    notification_signal(target, UINT64_C(1) << doorbell->bit);
    return true;
}

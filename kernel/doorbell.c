/* SPDX-License-Identifier: Apache-2.0 */
/* doorbell.c: I/O ports of a VM whose writes only set a notification bit.
 *
 * A doorbell is a kernel object without a capability: another CPU may be ringing it while it is removed, and objects
 * already know how to wait for that.
 */
#include "kernel/assert.h"
#include "kernel/notification.h"
#include "kernel/system.h"
#include "kernel/vm.h"

static struct vm_doorbell *find(struct vm *vm, uint16_t port, unsigned width)
{
    for (unsigned i = 0; i < vm->doorbell_used; i++) {
        struct vm_doorbell *doorbell = __atomic_load_n(&vm->doorbell[i], __ATOMIC_ACQUIRE);
        if (doorbell != NULL && doorbell->port == port && doorbell->width_bytes == width)
            return doorbell;
    }
    return NULL;
}

enum cl_status vm_doorbell_add(struct vm *vm, uint16_t port, unsigned width, struct notification *target, unsigned bit)
{
    struct vm_doorbell *doorbell;
    unsigned slot = 0;

    if (find(vm, port, width) != NULL)
        return refuse(CL_OCCUPIED, "port %x has a doorbell of %u bytes already", port, width);
    while (slot < VM_DOORBELLS_MAX && vm->doorbell[slot] != NULL)
        slot++;
    if (slot == VM_DOORBELLS_MAX)
        return refuse(CL_LIMIT, "a VM has at most %u doorbells", VM_DOORBELLS_MAX);
    doorbell = object_create(vm->object.account, OBJECT_DOORBELL);
    if (doorbell == NULL)
        return CL_NO_MEMORY;
    doorbell->vm = vm;
    doorbell->slot = slot;
    doorbell->port = port;
    doorbell->width_bytes = (uint8_t)width;
    doorbell->bits = UINT64_C(1) << bit;
    doorbell->target = target;
    object_reference(&target->object);
    __atomic_store_n(&vm->doorbell[slot], doorbell, __ATOMIC_RELEASE);
    if (slot >= vm->doorbell_used)
        vm->doorbell_used = slot + 1;
    return CL_OK;
}

enum cl_status vm_doorbell_remove(struct vm *vm, uint16_t port, unsigned width)
{
    struct vm_doorbell *doorbell = find(vm, port, width);

    if (doorbell == NULL)
        return refuse(CL_NOT_FOUND, "port %x has no doorbell of %u bytes", port, width);
    return object_destroy(&doorbell->object);
}

enum cl_status doorbell_destroy(struct object *object)
{
    struct vm_doorbell *doorbell = (struct vm_doorbell *)object;

    __atomic_store_n(&doorbell->vm->doorbell[doorbell->slot], NULL, __ATOMIC_RELEASE);
    object_drop(&doorbell->target->object);
    return CL_OK;
}

bool vm_doorbell_ring(struct vm *vm, uint16_t port, unsigned width)
{
    struct vm_doorbell *doorbell = find(vm, port, width);

    if (doorbell == NULL)
        return false;
    notification_signal(doorbell->target, doorbell->bits);
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* syscall_memory.c: memory objects and their mappings. */
#include "kernel/account_object.h"
#include "kernel/assert.h"
#include "kernel/domain.h"
#include "kernel/memory.h"
#include "kernel/syscall.h"
#include "kernel/system.h"
#include "kernel/vm.h"

/* memory_create(new slot, account, size, flags) */
static enum cl_status sys_memory_create(struct call *call)
{
    struct account *account;
    struct memory *memory;

    TRY(cap_check_free(call->domain, call->a));
    TRY(cap_lookup(call->domain, call->b, OBJECT_ACCOUNT, RIGHT_CHARGE, &account));
    if (call->d > UINT16_MAX)
        return refuse(CL_BAD_ARGUMENT, "memory flags %lx: unknown bits", call->d);

    TRY(memory_create(account, call->c, (uint32_t)call->d, &memory));
    cap_insert(call->domain, call->a, &memory->object, RIGHT_ALL);
    return CL_OK;
}

/* memory_slice(new slot, memory, offset, length): no more rights than the parent's capability */
static enum cl_status sys_memory_slice(struct call *call)
{
    struct memory *parent, *memory;
    struct object *object;
    unsigned rights;

    TRY(cap_check_free(call->domain, call->a));
    TRY(cap_lookup(call->domain, call->b, OBJECT_MEMORY, 0, &parent));
    TRY(cap_lookup_any(call->domain, call->b, 0, &object, &rights));

    TRY(memory_slice(call->domain->object.account, parent, call->c, call->d, &memory));
    cap_insert(call->domain, call->a, &memory->object, rights | RIGHT_DESTROY);
    return CL_OK;
}

/* The space of a domain or a VM, and who pays for its tables. */
static enum cl_status target_space(struct call *call, uint64_t slot, struct space **space, struct account **account)
{
    struct object *object;
    unsigned rights;

    TRY(cap_lookup_any(call->domain, slot, RIGHT_MAP, &object, &rights));
    if (object->dead)
        return refuse(CL_STOPPED, "slot %lu: the target was destroyed", slot);
    *account = object->account;
    if (object->type == OBJECT_DOMAIN)
        *space = &((struct domain *)object)->space;
    else if (object->type == OBJECT_VM)
        *space = &((struct vm *)object)->space;
    else
        return refuse(CL_BAD_CAPABILITY, "slot %lu is neither a domain nor a VM", slot);
    return CL_OK;
}

/* memory_map(memory, target, offset, length, address, rights) */
static enum cl_status sys_memory_map(struct call *call)
{
    static const unsigned needed[] = { RIGHT_READ, RIGHT_WRITE, RIGHT_EXECUTE };
    unsigned rights = 0, pt_rights = PT_USER;
    struct account *account;
    struct memory *memory;
    struct space *space;

    if (call->f == 0 || (call->f & ~(uint64_t)(MAP_READ | MAP_WRITE | MAP_EXECUTE)) != 0 || (call->f & MAP_READ) == 0)
        return refuse(CL_BAD_ARGUMENT, "mapping rights %lx: MAP_READ is needed, MAP_WRITE and MAP_EXECUTE may join it",
                      call->f);
    for (unsigned i = 0; i < ARRAY_SIZE(needed); i++) {
        if ((call->f & (1u << i)) != 0)
            rights |= needed[i];
    }
    TRY(target_space(call, call->b, &space, &account));
    if (space->pt.format != &pt_format_host)
        rights &= ~(unsigned)RIGHT_EXECUTE; /* what a guest executes is its own affair */
    TRY(cap_lookup(call->domain, call->a, OBJECT_MEMORY, rights, &memory));
    if (space->pt.format == &pt_format_host && (call->f & MAP_WRITE) != 0 && (call->f & MAP_EXECUTE) != 0)
        return refuse(CL_BAD_ARGUMENT, "no domain has memory that is writable and executable");

    pt_rights |= (call->f & MAP_READ) != 0 ? PT_READ : 0;
    pt_rights |= (call->f & MAP_WRITE) != 0 ? PT_WRITE : 0;
    pt_rights |= (call->f & MAP_EXECUTE) != 0 ? PT_EXECUTE : 0;
    return memory_map(memory, space, account, call->c, call->d, call->e, pt_rights, &call->value);
}

/* memory_unmap(target, address) */
static enum cl_status sys_memory_unmap(struct call *call)
{
    struct account *account;
    struct space *space;

    TRY(target_space(call, call->a, &space, &account));
    return space_unmap(space, call->b);
}

enum cl_status syscall_memory(struct call *call, enum syscall_number number)
{
    enum cl_status status = CL_BAD_CALL;

    lock_acquire(&structure_lock);
    switch (number) {
    case SYS_MEMORY_CREATE:
        status = sys_memory_create(call);
        break;
    case SYS_MEMORY_SLICE:
        status = sys_memory_slice(call);
        break;
    case SYS_MEMORY_MAP:
        status = sys_memory_map(call);
        break;
    case SYS_MEMORY_UNMAP:
        status = sys_memory_unmap(call);
        break;
    default:
        break;
    }
    lock_release(&structure_lock);
    return status;
}

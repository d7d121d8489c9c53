/* SPDX-License-Identifier: Apache-2.0 */
/* syscall_memory.c: memory objects and their mappings. */
#include <assert.h>

#include "kernel/assert.h"
#include "kernel/domain.h"
#include "kernel/syscall.h"
#include "kernel/vm.h"

/* The bits of a mapping's rights, of a capability's, and of a table's stand in the same order. */
static_assert(MAP_READ == RIGHT_READ && MAP_WRITE == RIGHT_WRITE && MAP_EXECUTE == RIGHT_EXECUTE, "sys_memory_map");
static_assert(MAP_READ == PT_READ && MAP_WRITE == PT_WRITE && MAP_EXECUTE == PT_EXECUTE, "sys_memory_map");
#define MAP_ALL (MAP_READ | MAP_WRITE | MAP_EXECUTE)

/* memory_create(new slot, account, size, flags) */
enum cl_status sys_memory_create(struct call *call)
{
    return memory_create(CALL_OBJECT(call, account, 1), call->argument[2], (uint32_t)call->argument[3],
                         CALL_MADE(call, memory));
}

/* memory_slice(new slot, memory, offset, length): no more rights than the parent's capability */
enum cl_status sys_memory_slice(struct call *call)
{
    call->made_rights = call->rights[1] | RIGHT_DESTROY;
    return memory_slice(call->domain->object.account, CALL_OBJECT(call, memory, 1), call->argument[2],
                        call->argument[3], CALL_MADE(call, memory));
}

/* The space of a domain or a VM. */
static enum cl_status target_space(const struct call *call, unsigned index, struct space **space)
{
    struct object *object = call->object[index];

    if (object->type == OBJECT_DOMAIN)
        *space = &((struct domain *)object)->space;
    else if (object->type == OBJECT_VM)
        *space = &((struct vm *)object)->space;
    else
        return refuse(CL_BAD_CAPABILITY, "slot %lu is neither a domain nor a VM", call->argument[index]);
    return CL_OK;
}

/* memory_map(memory, target, offset, length, address, rights). What a guest executes is its own affair; a domain needs
 * the right for it. */
enum cl_status sys_memory_map(struct call *call)
{
    uint64_t rights = call->argument[5];
    struct space *space = NULL;

    if ((rights & ~(uint64_t)MAP_ALL) != 0 || (rights & MAP_READ) == 0)
        return refuse(CL_BAD_ARGUMENT, "mapping rights %lx: MAP_READ is needed, MAP_WRITE and MAP_EXECUTE may join it",
                      rights);
    TRY(target_space(call, 1, &space));
    bool is_domain = space->pt.format == &pt_format_host;
    uint64_t needed = is_domain ? rights : rights & ~(uint64_t)MAP_EXECUTE;
    if ((needed & ~(uint64_t)call->rights[0]) != 0)
        return refuse(CL_NO_RIGHT, "mapping rights %lx of a capability with %x", rights, call->rights[0]);
    if (is_domain && (rights & MAP_WRITE) != 0 && (rights & MAP_EXECUTE) != 0)
        return refuse(CL_BAD_ARGUMENT, "no domain has memory that is writable and executable");

    return memory_map(CALL_OBJECT(call, memory, 0), space, call->argument[2], call->argument[3], call->argument[4],
                      (unsigned)rights | PT_USER, &call->value);
}

/* memory_unmap(target, address) */
enum cl_status sys_memory_unmap(struct call *call)
{
    struct space *space = NULL;

    TRY(target_space(call, 0, &space));
    return space_unmap(space, call->argument[1]);
}

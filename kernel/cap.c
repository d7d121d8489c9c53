/* SPDX-License-Identifier: Apache-2.0 */
/* cap.c: capability tables. A slot is one word, so that a look-up needs no lock. */
#include "kernel/assert.h"
#include "kernel/domain.h"
#include "kernel/syscall.h"
#include "kernel/system.h"

enum cl_status call_lookup(struct call *call, unsigned argument, enum object_type type, unsigned rights)
{
    uint64_t slot = call->argument[argument];
    capability cap = cap_read(call->domain, slot);
    const struct object *found = call->object[argument] = cap_object(cap);

    call->rights[argument] = cap_rights(cap);
    if (cap == 0)
        return refuse(CL_BAD_CAPABILITY, "slot %lu of %u is empty", slot, call->domain->slot_count);
    if ((cap_rights(cap) & rights) != rights)
        return refuse(CL_NO_RIGHT, "slot %lu: the call needs rights %x, the capability has %x", slot, rights,
                      cap_rights(cap));
    if (type != OBJECT_NONE && found->type != type)
        return refuse(CL_BAD_CAPABILITY, "slot %lu is %s, the call needs %s", slot, object_kinds[found->type].name,
                      object_kinds[type].name);
    if (found->dead && (rights & RIGHT_DESTROY) == 0)
        return refuse(CL_STOPPED, "slot %lu: the object was destroyed", slot);
    return CL_OK;
}

enum cl_status cap_check_free(struct domain *domain, uint64_t slot)
{
    if (slot == 0 || slot >= domain->slot_count)
        return refuse(CL_BAD_CAPABILITY, "new slot %lu: the table has 1 to %u", slot, domain->slot_count - 1);
    if (domain->slots[slot] != 0)
        return refuse(CL_OCCUPIED, "slot %lu is taken", slot);
    return CL_OK;
}

void cap_insert(struct domain *domain, uint64_t slot, struct object *object, unsigned rights)
{
    object_reference(object);
    capability cap = ((uint64_t)(uintptr_t)object & CAP_POINTER) | (uint64_t)rights << CAP_RIGHTS_SHIFT;
    __atomic_store_n(&domain->slots[slot], cap, __ATOMIC_RELEASE);
}

void cap_remove(struct domain *domain, uint64_t slot)
{
    capability cap = domain->slots[slot];

    if (cap == 0)
        return;
    __atomic_store_n(&domain->slots[slot], 0, __ATOMIC_RELEASE);
    object_drop(cap_object(cap));
}

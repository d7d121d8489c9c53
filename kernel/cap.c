/* SPDX-License-Identifier: Apache-2.0 */
/* cap.c: capability tables. A slot is one word, so that a look-up needs no lock. */
#include "kernel/assert.h"
#include "kernel/domain.h"
#include "kernel/system.h"

enum cl_status cap_lookup_any(struct domain *domain, uint64_t slot, unsigned rights, struct object **object,
                              unsigned *rights_found)
{
    capability cap;

    if (slot >= domain->slot_count)
        return refuse(CL_BAD_CAPABILITY, "slot %lu: the table has %u", slot, domain->slot_count);
    cap = __atomic_load_n(&domain->slots[slot], __ATOMIC_ACQUIRE);
    if (cap == 0)
        return refuse(CL_BAD_CAPABILITY, "slot %lu is empty", slot);
    *object = (struct object *)((cap & CAP_POINTER) | CAP_KERNEL);
    *rights_found = (unsigned)(cap >> CAP_RIGHTS_SHIFT);
    if ((*rights_found & rights) != rights)
        return refuse(CL_NO_RIGHT, "slot %lu: the call needs rights %x, the capability has %x", slot, rights,
                      *rights_found);
    return CL_OK;
}

enum cl_status cap_lookup(struct domain *domain, uint64_t slot, enum object_type type, unsigned rights,
                          struct object **object, unsigned *rights_found)
{
    TRY(cap_lookup_any(domain, slot, rights, object, rights_found));
    if ((*object)->type != type)
        return refuse(CL_BAD_CAPABILITY, "slot %lu is %s, the call needs %s", slot, object_kinds[(*object)->type].name,
                      object_kinds[type].name);
    if ((*object)->dead)
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
    object_drop((struct object *)((cap & CAP_POINTER) | CAP_KERNEL));
}

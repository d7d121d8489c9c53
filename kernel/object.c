/* SPDX-License-Identifier: Apache-2.0 */
/* object.c: birth, references and end of kernel objects. */
#include "kernel/account.h"
#include "kernel/assert.h"
#include "kernel/lock.h"
#include "kernel/pool.h"
#include "kernel/system.h"

#define GRAVEYARD_PIECE 4

/* Objects without references, oldest first, each with the generation that has to pass: `identity` is reused for it. */
static struct spinlock graveyard_lock; /* beside the pool lock in the order */
static struct link *graveyard, **graveyard_end = &graveyard;
static uint64_t next_identity = 1; /* [a] */

void *object_create(struct account *account, enum object_type type)
{
    struct object *object = pool_take(account, object_kinds[type].size);

    if (object == NULL)
        return NULL;
    object->type = (uint8_t)type;
    object->references = 1;
    object->account = account;
    object->identity = __atomic_fetch_add(&next_identity, 1, __ATOMIC_RELAXED);
    if (account != NULL) {
        object_reference(&account->object);
        list_push(&account->objects, &object->link);
        account->object_count++;
    }
    return object;
}

void object_reference(struct object *object)
{
    uint32_t before = __atomic_fetch_add(&object->references, 1, __ATOMIC_RELAXED);

    ASSERT(before != 0 && before < UINT32_MAX);
}

static void bury(struct object *object)
{
    lock_acquire(&graveyard_lock);
    object->link.next = NULL;
    *graveyard_end = &object->link;
    graveyard_end = &object->link.next;
    lock_release(&graveyard_lock);
}

void object_drop(struct object *object)
{
    if (__atomic_sub_fetch(&object->references, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    ASSERT(object->dead == 2);
    object->identity = shootdown_post();
    bury(object);
}

enum cl_status object_destroy(struct object *object)
{
    const struct object_kind *kind = &object_kinds[object->type];

    if (object->dead == 2)
        return CL_OK;
    if (kind->destroy == NULL)
        return refuse(CL_BAD_ARGUMENT, "this object was made at boot and stays");
    object->dead = 1;
    TRY(kind->destroy(object));
    object->dead = 2;
    list_remove(&object->link); /* the husk no longer counts as something that the account has */
    if (object->account != NULL)
        object->account->object_count--;
    object_drop(object);
    return CL_OK;
}

bool graveyard_sweep(void)
{
    for (unsigned i = 0; i < GRAVEYARD_PIECE; i++) {
        lock_acquire(&graveyard_lock);
        struct object *object = graveyard != NULL ? container_of(graveyard, struct object, link) : NULL;
        if (object != NULL && !shootdown_passed(object->identity))
            object = NULL;
        if (object != NULL && (graveyard = object->link.next) == NULL)
            graveyard_end = &graveyard;
        lock_release(&graveyard_lock);
        if (object == NULL)
            return false;
        const struct object_kind *kind = &object_kinds[object->type];
        if (kind->free != NULL && !kind->free(object)) {
            bury(object);
            return true;
        }
        struct account *account = object->account;
        pool_give(account, object);
        if (account != NULL)
            object_drop(&account->object);
    }
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* object.c: birth, references and end of kernel objects. */
#include "kernel/account_object.h"
#include "kernel/assert.h"
#include "kernel/domain.h"
#include "kernel/irq.h"
#include "kernel/memory.h"
#include "kernel/notification.h"
#include "kernel/pool.h"
#include "kernel/system.h"
#include "kernel/thread.h"
#include "kernel/vcpu_run.h"
#include "kernel/vm.h"

#define GRAVEYARD_PIECE 4

/* Objects without references, oldest first, each with the generation that has to pass. `next` links them, `identity`
 * is reused for the generation. */
static struct spinlock graveyard_lock; /* beside the pool lock in the order */
static struct object *graveyard_head, *graveyard_tail;
static uint64_t next_identity = 1; /* [a] */

void *object_create(struct account *account, enum object_type type, size_t size)
{
    struct object *object = pool_take(account, size);

    if (object == NULL)
        return NULL;
    object->type = (uint8_t)type;
    object->references = 1;
    object->account = account;
    object->identity = __atomic_fetch_add(&next_identity, 1, __ATOMIC_RELAXED);
    if (account != NULL) {
        object_reference(&account->object);
        object->next = account->objects;
        if (account->objects != NULL)
            account->objects->previous = object;
        account->objects = object;
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
    object->next = NULL;
    if (graveyard_tail != NULL)
        graveyard_tail->next = object;
    else
        graveyard_head = object;
    graveyard_tail = object;
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

/* Off the account's list: the husk no longer counts as something that the account has. */
static void leave_account(struct object *object)
{
    struct account *account = object->account;

    if (account == NULL)
        return;
    if (object->previous != NULL)
        object->previous->next = object->next;
    else
        account->objects = object->next;
    if (object->next != NULL)
        object->next->previous = object->previous;
    object->next = object->previous = NULL;
    account->object_count--;
}

static enum cl_status destroy_body(struct object *object)
{
    switch (object->type) {
    case OBJECT_ACCOUNT:
        return account_destroy((struct account *)object);
    case OBJECT_DOMAIN:
        return domain_destroy((struct domain *)object);
    case OBJECT_THREAD:
        return thread_destroy((struct thread *)object);
    case OBJECT_MEMORY:
        return memory_destroy((struct memory *)object);
    case OBJECT_NOTIFICATION:
        notification_destroy((struct notification *)object);
        return CL_OK;
    case OBJECT_VM:
        return vm_destroy((struct vm *)object);
    case OBJECT_VCPU:
        return vcpu_destroy((struct vcpu *)object);
    case OBJECT_IRQ:
        irq_destroy((struct irq *)object);
        return CL_OK;
    case OBJECT_DOORBELL:
        doorbell_destroy((struct vm_doorbell *)object);
        return CL_OK;
    default:
        return refuse(CL_BAD_ARGUMENT, "this object was made at boot and stays");
    }
}

enum cl_status object_destroy(struct object *object)
{
    if (object->dead == 2)
        return CL_OK;
    object->dead = 1;
    TRY(destroy_body(object));
    object->dead = 2;
    leave_account(object);
    object_drop(object);
    return CL_OK;
}

/* A bounded piece of giving the memory back; true when done. */
static bool free_object(struct object *object)
{
    struct account *account = object->account;

    switch (object->type) {
    case OBJECT_DOMAIN:
        if (!domain_free((struct domain *)object))
            return false;
        break;
    case OBJECT_THREAD:
        thread_free((struct thread *)object);
        break;
    case OBJECT_VM:
        if (!vm_free((struct vm *)object))
            return false;
        break;
    case OBJECT_VCPU:
        vcpu_free((struct vcpu *)object);
        break;
    case OBJECT_ACCOUNT:
        account_free((struct account *)object);
        break;
    case OBJECT_IRQ:
        irq_free((struct irq *)object);
        break;
    case OBJECT_DOORBELL:
        doorbell_free((struct vm_doorbell *)object);
        break;
    default:
        break;
    }
    pool_give(account, object);
    if (account != NULL)
        object_drop(&account->object);
    return true;
}

bool graveyard_sweep(void)
{
    for (unsigned i = 0; i < GRAVEYARD_PIECE; i++) {
        lock_acquire(&graveyard_lock);
        struct object *object = graveyard_head;
        if (object == NULL || !shootdown_passed(object->identity)) {
            lock_release(&graveyard_lock);
            return false;
        }
        graveyard_head = object->next;
        if (graveyard_head == NULL)
            graveyard_tail = NULL;
        lock_release(&graveyard_lock);
        if (!free_object(object)) {
            bury(object);
            return true;
        }
    }
    return true;
}

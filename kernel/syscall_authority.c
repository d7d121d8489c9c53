/* SPDX-License-Identifier: Apache-2.0 */
/* syscall_authority.c: accounts, domains, capabilities, destruction. */
#include "kernel/account_object.h"
#include "kernel/assert.h"
#include "kernel/domain.h"
#include "kernel/notification.h"
#include "kernel/syscall.h"
#include "kernel/system.h"
#include "kernel/thread.h"

/* account_create(new slot, parent) [account_arguments] */
static enum cl_status sys_account_create(struct call *call)
{
    struct account_arguments arguments;
    struct account *parent, *account;

    call_arguments(call, &arguments, sizeof(arguments));
    TRY(cap_check_free(call->domain, call->a));
    TRY(cap_lookup(call->domain, call->b, OBJECT_ACCOUNT, RIGHT_CHARGE, &parent));

    TRY(account_create(parent, &arguments, &account));
    cap_insert(call->domain, call->a, &account->object, RIGHT_ALL);
    return CL_OK;
}

/* domain_create(new slot, account, slots, fault notification, bit) data: name */
static enum cl_status sys_domain_create(struct call *call)
{
    struct notification *faults;
    struct account *account;
    struct domain *domain;
    char name[DOMAIN_NAME_MAX];

    TRY(call_name(call, name, sizeof(name)));
    TRY(cap_check_free(call->domain, call->a));
    TRY(cap_lookup(call->domain, call->b, OBJECT_ACCOUNT, RIGHT_CHARGE, &account));
    TRY(cap_lookup(call->domain, call->d, OBJECT_NOTIFICATION, RIGHT_SIGNAL, &faults));
    if (call->c > DOMAIN_SLOTS_MAX || call->e >= NOTIFICATION_BITS)
        return refuse(CL_BAD_ARGUMENT, "%lu slots, fault bit %lu: at most %u and 63", call->c, call->e,
                      DOMAIN_SLOTS_MAX);

    TRY(domain_create(account, name, (uint32_t)call->c, &domain));
    domain->faults = faults;
    domain->faults_bit = UINT64_C(1) << call->e;
    object_reference(&faults->object);
    cap_insert(call->domain, call->a, &domain->object, RIGHT_ALL);
    return CL_OK;
}

/* domain_stop(domain) */
static enum cl_status sys_domain_stop(struct call *call)
{
    struct domain *domain;

    TRY(cap_lookup(call->domain, call->a, OBJECT_DOMAIN, RIGHT_CONFIGURE, &domain));
    return domain_stop(domain) ? CL_OK : CL_IN_PROGRESS;
}

/* cap_copy(slot, target domain, new slot there, rights) */
static enum cl_status sys_cap_copy(struct call *call)
{
    struct domain *target;
    struct object *object;
    unsigned rights;

    TRY(cap_lookup_any(call->domain, call->a, RIGHT_COPY, &object, &rights));
    TRY(cap_lookup(call->domain, call->b, OBJECT_DOMAIN, RIGHT_CONFIGURE, &target));
    TRY(cap_check_free(target, call->c));
    if (object->dead)
        return refuse(CL_STOPPED, "slot %lu: the object was destroyed", call->a);
    if ((call->d & ~(uint64_t)rights) != 0)
        return refuse(CL_NO_RIGHT, "a copy with rights %lx of a capability with %x", call->d, rights);

    cap_insert(target, call->c, object, (unsigned)call->d);
    return CL_OK;
}

/* cap_delete(domain, slot there) */
static enum cl_status sys_cap_delete(struct call *call)
{
    struct domain *target;

    TRY(cap_lookup(call->domain, call->a, OBJECT_DOMAIN, RIGHT_CONFIGURE, &target));
    if (call->b >= target->slot_count || target->slots[call->b] == 0)
        return refuse(CL_NOT_FOUND, "slot %lu holds no capability", call->b);

    cap_remove(target, call->b);
    return CL_OK;
}

/* object_destroy(slot) */
static enum cl_status sys_object_destroy(struct call *call)
{
    struct object *object;
    unsigned rights;

    TRY(cap_lookup_any(call->domain, call->a, RIGHT_DESTROY, &object, &rights));
    if (object->type == OBJECT_THREAD && object == &call->thread->object)
        return refuse(CL_BAD_ARGUMENT, "a thread cannot destroy itself: thread_exit, then another one does");
    if (object == &call->domain->object)
        return refuse(CL_BAD_ARGUMENT, "a domain cannot destroy itself");

    return object_destroy(object);
}

enum cl_status syscall_authority(struct call *call, enum syscall_number number)
{
    enum cl_status status = CL_BAD_CALL;

    lock_acquire(&structure_lock);
    (void)graveyard_sweep();
    switch (number) {
    case SYS_ACCOUNT_CREATE:
        status = sys_account_create(call);
        break;
    case SYS_DOMAIN_CREATE:
        status = sys_domain_create(call);
        break;
    case SYS_DOMAIN_STOP:
        status = sys_domain_stop(call);
        break;
    case SYS_CAP_COPY:
        status = sys_cap_copy(call);
        break;
    case SYS_CAP_DELETE:
        status = sys_cap_delete(call);
        break;
    case SYS_OBJECT_DESTROY:
        status = sys_object_destroy(call);
        break;
    default:
        break;
    }
    lock_release(&structure_lock);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* syscall_authority.c: accounts, domains, capabilities, destruction. */
#include "kernel/account.h"
#include "kernel/assert.h"
#include "kernel/domain.h"
#include "kernel/string.h"
#include "kernel/syscall.h"
#include "kernel/system.h"
#include "kernel/thread.h"

/* account_create(new slot, parent) [account_arguments] */
enum cl_status sys_account_create(struct call *call)
{
    struct account_arguments arguments;

    memcpy(&arguments, call->thread->page->argument, sizeof(arguments));
    return account_create(CALL_OBJECT(call, account, 1), &arguments, CALL_MADE(call, account));
}

/* domain_create(new slot, account, slots, fault notification, bit) data: name */
enum cl_status sys_domain_create(struct call *call)
{
    struct domain *domain;
    char name[DOMAIN_NAME_MAX];

    TRY(call_name(call, name, sizeof(name)));
    TRY(domain_create(CALL_OBJECT(call, account, 1), name, (uint32_t)call->argument[2], CALL_MADE(call, domain)));
    domain = (struct domain *)call->made;
    domain->faults = CALL_OBJECT(call, notification, 3);
    domain->faults_bit = UINT64_C(1) << call->argument[4];
    object_reference(call->object[3]);
    return CL_OK;
}

/* domain_stop(domain) */
enum cl_status sys_domain_stop(struct call *call)
{
    return domain_stop(CALL_OBJECT(call, domain, 0)) ? CL_OK : CL_IN_PROGRESS;
}

/* cap_copy(slot, target domain, new slot there, rights) */
enum cl_status sys_cap_copy(struct call *call)
{
    struct domain *target = CALL_OBJECT(call, domain, 1);

    TRY(cap_check_free(target, call->argument[2]));
    if ((call->argument[3] & ~(uint64_t)call->rights[0]) != 0)
        return refuse(CL_NO_RIGHT, "a copy with rights %lx of a capability with %x", call->argument[3],
                      call->rights[0]);

    cap_insert(target, call->argument[2], call->object[0], (unsigned)call->argument[3]);
    return CL_OK;
}

/* cap_delete(domain, slot there) */
enum cl_status sys_cap_delete(struct call *call)
{
    struct domain *target = CALL_OBJECT(call, domain, 0);

    if (cap_read(target, call->argument[1]) == 0)
        return refuse(CL_NOT_FOUND, "slot %lu holds no capability", call->argument[1]);

    cap_remove(target, call->argument[1]);
    return CL_OK;
}

/* object_destroy(slot) */
enum cl_status sys_object_destroy(struct call *call)
{
    if (call->object[0] == &call->thread->object)
        return refuse(CL_BAD_ARGUMENT, "a thread cannot destroy itself: thread_exit, then another one does");
    if (call->object[0] == &call->domain->object)
        return refuse(CL_BAD_ARGUMENT, "a domain cannot destroy itself");

    return object_destroy(call->object[0]);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* account.c: purses that cannot be overdrawn, and authority that only shrinks on its way down. */
#include "kernel/account.h"
#include "kernel/assert.h"
#include "kernel/pool.h"
#include "kernel/system.h"
#include "kernel/time.h"

/* Destruction goes down one call for each level: the kernel's stack is not a guest's to fill. */
#define ACCOUNT_DEPTH_MAX 8

enum cl_status account_charge(struct account *account, enum account_purse purse, uint64_t bytes)
{
    uint64_t used;

    if (account == NULL)
        return CL_OK;
    used = __atomic_load_n(&account->used[purse], __ATOMIC_RELAXED);
    do {
        if (bytes > account->limit[purse] - used)
            return refuse(CL_NO_MEMORY, "the account that pays has not %lu bytes of %smemory left", bytes,
                          purse == PURSE_KERNEL ? "kernel " : "");
    } while (!__atomic_compare_exchange_n(&account->used[purse], &used, used + bytes, true, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    return CL_OK;
}

void account_refund(struct account *account, enum account_purse purse, uint64_t bytes)
{
    if (account == NULL)
        return;
    uint64_t before = __atomic_fetch_sub(&account->used[purse], bytes, __ATOMIC_RELAXED);
    ASSERT(before >= bytes);
}

enum cl_status account_create(struct account *parent, const struct account_arguments *arguments,
                              struct account **created)
{
    const uint64_t bytes[PURSE_COUNT] = { arguments->kernel_bytes, arguments->memory_bytes };
    struct sched_authority authority = { .affinity = arguments->affinity,
                                         .class = arguments->scheduling_class,
                                         .weight = arguments->weight,
                                         .priority_max = arguments->priority_max,
                                         .budget_tsc = time_from_ns(arguments->budget_ns),
                                         .period_tsc = time_from_ns(arguments->period_ns),
                                         .cap_permille = arguments->cap_permille };
    struct sched_account *giver = parent != NULL ? &parent->sched : NULL;
    uint32_t depth = parent != NULL ? parent->depth + 1 : 0;
    struct sched_group *groups;
    struct account *account;

    if (depth > ACCOUNT_DEPTH_MAX)
        return refuse(CL_LIMIT, "accounts nest %u deep at most", ACCOUNT_DEPTH_MAX);
    TRY(sched_admit(giver, &authority));
    account = *created = object_create(parent, OBJECT_ACCOUNT);
    if (account == NULL)
        return CL_NO_MEMORY;
    account->depth = depth;
    for (unsigned purse = 0; purse < PURSE_COUNT; purse++) {
        TRY(account_charge(parent, purse, bytes[purse]));
        account->limit[purse] = bytes[purse];
    }
    groups = pool_take(parent, sched_group_bytes());
    if (groups == NULL)
        return CL_NO_MEMORY;
    sched_account_init(&account->sched, giver, &authority, groups);
    return CL_OK;
}

struct account *account_create_root(uint64_t kernel_bytes, uint64_t memory_bytes)
{
    struct account_arguments all = { .kernel_bytes = kernel_bytes,
                                     .memory_bytes = memory_bytes,
                                     .affinity = AFFINITY_ALL,
                                     .scheduling_class = CLASS_FAIR,
                                     .weight = WEIGHT_DEFAULT,
                                     .priority_max = PRIORITY_COUNT - 1,
                                     .budget_ns = 9000000, /* a tenth stays for the fair class */
                                     .period_ns = 10000000 };
    struct account *root;
    enum cl_status status = account_create(NULL, &all, &root);

    ASSERT(status == CL_OK);
    return root;
}

enum cl_status account_destroy(struct object *object)
{
    struct account *account = (struct account *)object;

    if (object->account == NULL)
        return refuse(CL_BAD_ARGUMENT, "the root account cannot be destroyed");
    if (account->objects != NULL) {
        TRY(object_destroy(container_of(account->objects, struct object, link)));
        return CL_IN_PROGRESS;
    }
    /* husks that still have capabilities refer to the account: its purses return to the parent after the last one */
    return CL_OK;
}

bool account_free(struct object *object)
{
    struct account *account = (struct account *)object, *parent = object->account;

    if (account->sched.group != NULL)
        sched_account_retire(&account->sched, &parent->sched);
    pool_give(parent, account->sched.group);
    for (unsigned purse = 0; purse < PURSE_COUNT; purse++)
        account_refund(parent, purse, account->limit[purse]);
    return true;
}

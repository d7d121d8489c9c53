/* SPDX-License-Identifier: Apache-2.0 */
/* account.c: purses that cannot be overdrawn, and authority that only shrinks on its way down. */
#include "kernel/account_object.h"
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

static enum cl_status account_setup(struct account *account, struct account *parent,
                                    const struct sched_authority *authority, struct account *payer)
{
    struct sched_group *groups = pool_take(payer, sched_group_bytes());

    if (groups == NULL)
        return refuse(CL_NO_MEMORY, "the account has no kernel memory left for a child account's scheduling groups");
    sched_account_init(&account->sched, parent != NULL ? &parent->sched : NULL, authority, groups);
    return CL_OK;
}

struct account *account_create_root(uint64_t kernel_bytes, uint64_t memory_bytes)
{
    struct account *root = object_create(NULL, OBJECT_ACCOUNT, sizeof(*root));
    struct sched_authority authority = { .affinity = AFFINITY_ALL,
                                         .class = CLASS_FAIR,
                                         .weight = WEIGHT_DEFAULT,
                                         .priority_max = PRIORITY_COUNT - 1,
                                         .budget_tsc = time_from_ns(9000000), /* a tenth stays for the fair class */
                                         .period_tsc = time_from_ns(10000000) };

    ASSERT(root != NULL);
    root->limit[PURSE_KERNEL] = kernel_bytes;
    root->limit[PURSE_MEMORY] = memory_bytes;
    enum cl_status status = sched_admit(NULL, &authority);
    ASSERT(status == CL_OK);
    status = account_setup(root, NULL, &authority, NULL);
    ASSERT(status == CL_OK);
    return root;
}

enum cl_status account_create(struct account *parent, const struct account_arguments *arguments,
                              struct account **created)
{
    struct sched_authority authority = { .affinity = arguments->affinity,
                                         .class = arguments->scheduling_class,
                                         .weight = arguments->weight,
                                         .priority_max = arguments->priority_max,
                                         .budget_tsc = time_from_ns(arguments->budget_ns),
                                         .period_tsc = time_from_ns(arguments->period_ns),
                                         .cap_permille = arguments->cap_permille };
    struct account *account;

    if (parent->depth >= ACCOUNT_DEPTH_MAX)
        return refuse(CL_LIMIT, "accounts nest %u deep at most", ACCOUNT_DEPTH_MAX);
    TRY(sched_admit(&parent->sched, &authority));
    if (account_charge(parent, PURSE_KERNEL, arguments->kernel_bytes) != CL_OK)
        return refuse(CL_NO_MEMORY, "the parent account has not %lu bytes of kernel memory to give",
                      arguments->kernel_bytes);
    if (account_charge(parent, PURSE_MEMORY, arguments->memory_bytes) != CL_OK) {
        account_refund(parent, PURSE_KERNEL, arguments->kernel_bytes);
        return refuse(CL_NO_MEMORY, "the parent account has not %lu bytes of memory to give", arguments->memory_bytes);
    }
    account = object_create(parent, OBJECT_ACCOUNT, sizeof(*account));
    if (account == NULL)
        goto no_memory;
    account->limit[PURSE_KERNEL] = arguments->kernel_bytes;
    account->limit[PURSE_MEMORY] = arguments->memory_bytes;
    account->parent = parent;
    account->depth = parent->depth + 1;
    object_reference(&parent->object);
    if (account_setup(account, parent, &authority, parent) != CL_OK) {
        /* as a husk it gives everything back through account_free */
        enum cl_status status = object_destroy(&account->object);
        ASSERT(status == CL_OK);
        return CL_NO_MEMORY;
    }
    *created = account;
    return CL_OK;

no_memory:
    account_refund(parent, PURSE_KERNEL, arguments->kernel_bytes);
    account_refund(parent, PURSE_MEMORY, arguments->memory_bytes);
    return refuse(CL_NO_MEMORY, "the parent account has no kernel memory left for another account");
}

enum cl_status account_destroy(struct account *account)
{
    if (account->parent == NULL)
        return refuse(CL_BAD_ARGUMENT, "the root account cannot be destroyed");
    if (account->objects != NULL) {
        TRY(object_destroy(account->objects));
        return CL_IN_PROGRESS;
    }
    /* husks that still have capabilities refer to the account: its purses return to the parent after the last one */
    return CL_OK;
}

void account_free(struct account *account)
{
    struct account *parent = account->parent;

    if (account->sched.group != NULL) {
        sched_account_retire(&account->sched, &parent->sched);
        pool_give(parent, account->sched.group);
    }
    account_refund(parent, PURSE_KERNEL, account->limit[PURSE_KERNEL]);
    account_refund(parent, PURSE_MEMORY, account->limit[PURSE_MEMORY]);
    object_drop(&parent->object);
}

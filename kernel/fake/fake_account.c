/* SPDX-License-Identifier: Apache-2.0 */
/* fake_account.c: an account that is two purses and nothing else; a refund of more than was charged is a panic. */
#include <stdlib.h>

#include "kernel/assert.h"
#include "kernel/fake/fake_account.h"

struct account *fake_account_create(uint64_t kernel_bytes, uint64_t memory_bytes)
{
    struct account *account = calloc(1, sizeof *account);

    ASSERT(account != NULL);
    account->limit[PURSE_KERNEL] = kernel_bytes;
    account->limit[PURSE_MEMORY] = memory_bytes;
    return account;
}

void fake_account_destroy(struct account *account)
{
    free(account);
}

uint64_t fake_account_spent(const struct account *account, enum account_purse purse)
{
    return account->used[purse];
}

void fake_account_limit(struct account *account, enum account_purse purse, uint64_t bytes)
{
    account->limit[purse] = bytes;
}

enum cl_status account_charge(struct account *account, enum account_purse purse, uint64_t bytes)
{
    uint64_t spent;

    if (account == NULL)
        return CL_OK;
    spent = account->used[purse];
    if (account->limit[purse] < spent || bytes > account->limit[purse] - spent)
        return refuse(CL_NO_MEMORY, "the account has %lu bytes left, not %lu", account->limit[purse] - spent, bytes);
    account->used[purse] = spent + bytes;
    return CL_OK;
}

void account_refund(struct account *account, enum account_purse purse, uint64_t bytes)
{
    if (account == NULL)
        return;
    ASSERT(bytes <= account->used[purse]);
    account->used[purse] -= bytes;
}

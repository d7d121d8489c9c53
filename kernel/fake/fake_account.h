/* SPDX-License-Identifier: Apache-2.0 */
/* fake_account.h: an account that is two purses and nothing else. */
#ifndef CL_KERNEL_FAKE_FAKE_ACCOUNT_H
#define CL_KERNEL_FAKE_FAKE_ACCOUNT_H

#include "kernel/account.h"

struct account *fake_account_create(uint64_t kernel_bytes, uint64_t memory_bytes);
void fake_account_destroy(struct account *account);
uint64_t fake_account_spent(const struct account *account, enum account_purse purse);
void fake_account_limit(struct account *account, enum account_purse purse, uint64_t bytes);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* msr_policy.h: what a guest finds in the MSRs that the kernel does not keep for it. */
#ifndef CL_VMM_MSR_POLICY_H
#define CL_VMM_MSR_POLICY_H

#include <stdbool.h>

#include "abi/syscall.h"

/* The table for vm_policy(), sorted by index; `count` entries, at most VM_MSR_MAX. What is not in it raises #GP. */
const struct vm_msr_entry *msr_policy(bool amd, unsigned *count);

#endif

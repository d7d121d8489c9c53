/* SPDX-License-Identifier: Apache-2.0 */
/* vcpu_exit_table.h: the register groups that a VMM gets with an exit. Included by vcpu_run.c only. */
#ifndef CL_KERNEL_VCPU_EXIT_TABLE_H
#define CL_KERNEL_VCPU_EXIT_TABLE_H

#include "abi/vcpu.h"

/* To decode an instruction and walk the guest's page tables. */
#define DECODE_GROUPS (VCPU_GROUP_CODE | VCPU_GROUP_CONTROL)

static const uint8_t exit_groups[VCPU_EXIT_REASON_COUNT] = {
    [VCPU_EXIT_IO] = DECODE_GROUPS, /* string instructions only: they address memory */
    [VCPU_EXIT_MEMORY] = DECODE_GROUPS,
    [VCPU_EXIT_DECODE] = DECODE_GROUPS,
    [VCPU_EXIT_TASK_SWITCH] = DECODE_GROUPS,
    [VCPU_EXIT_HYPERCALL] = DECODE_GROUPS,
    [VCPU_EXIT_TRIPLE_FAULT] = VCPU_GROUP_ALL,
};

#endif

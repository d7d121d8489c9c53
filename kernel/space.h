/* SPDX-License-Identifier: Apache-2.0 */
/* space.h: an address space, of a domain or of a VM: its page table, its mappings. */
#ifndef CL_KERNEL_SPACE_H
#define CL_KERNEL_SPACE_H

#include "kernel/list.h"
#include "kernel/pagetable.h"
#include "kernel/types.h"

struct space {
    struct pt pt;
    struct link *mappings;  /* [s] sorted by address */
    uint32_t mapping_count; /* [s] */
};

#endif

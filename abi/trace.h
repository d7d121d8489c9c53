/* SPDX-License-Identifier: Apache-2.0 */
/* trace.h: each CPU's ring of the last events, one page, mapped read-only by trace_map. */
#ifndef CL_ABI_TRACE_H
#define CL_ABI_TRACE_H

#include <assert.h>
#include <stdint.h>

enum trace_type {
    TRACE_NONE = 0,
    TRACE_SWITCH = 1,    /* a: identity of the thread that runs now, 0: idle */
    TRACE_VM_EXIT = 2,   /* a: exit reason that went to the VMM, b: RIP */
    TRACE_INTERRUPT = 3, /* a: host vector */
    TRACE_SHOOTDOWN = 4, /* a: low word of the generation */
};

struct trace_record {
    uint64_t tsc;
    uint32_t type; /* enum trace_type */
    uint32_t a;
    uint64_t b;
    uint64_t reserved;
};

#define TRACE_RECORDS 127

/* `next` counts all records ever written; record n stands at n % TRACE_RECORDS. A reader looks at `next` before and
 * after it copies, and drops what was overwritten meanwhile. */
struct trace_ring {
    uint64_t next;
    uint32_t cpu;
    uint32_t reserved[5];
    struct trace_record record[TRACE_RECORDS];
};

static_assert(sizeof(struct trace_ring) == 4096, "the trace ring is one page");

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* trace.h: the kernel's side of the trace rings (abi/trace.h). */
#ifndef CL_KERNEL_TRACE_H
#define CL_KERNEL_TRACE_H

#include "abi/trace.h"
#include "kernel/cpu.h"
#include "kernel/x86.h"

/* Interrupts off; a dozen instructions. */
static inline void trace_event(enum trace_type type, uint32_t a, uint64_t b)
{
    struct trace_ring *ring = this_cpu()->trace;

    ring->record[ring->next % TRACE_RECORDS] = (struct trace_record){ x86_rdtsc(), type, a, b, 0 };
    __atomic_store_n(&ring->next, ring->next + 1, __ATOMIC_RELEASE);
}

#endif

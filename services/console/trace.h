/* SPDX-License-Identifier: Apache-2.0 */
/* trace.h: the CPUs' trace rings (abi/trace.h), read while they are written. */
#ifndef CL_SERVICES_CONSOLE_TRACE_H
#define CL_SERVICES_CONSOLE_TRACE_H

#include <stddef.h>

#include "abi/trace.h"

struct trace_line {
    struct trace_record record;
    uint32_t cpu;
};

/* The records of one ring that are whole, oldest first; how many. Those that its CPU overwrites meanwhile are left out. */
size_t trace_copy(const struct trace_ring *ring, struct trace_line lines[TRACE_RECORDS]);

/* By time. */
void trace_sort(struct trace_line *lines, size_t count);

/* What a record says, in at most `size` bytes with the NUL. */
void trace_describe(const struct trace_record *record, char *text, size_t size);

#endif

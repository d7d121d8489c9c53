/* SPDX-License-Identifier: Apache-2.0 */
/* trace_ring.c: copying, sorting and wording records. Pure. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "services/console/trace.h"

size_t trace_copy(const struct trace_ring *ring, struct trace_line lines[TRACE_RECORDS])
{
    uint64_t next = __atomic_load_n(&ring->next, __ATOMIC_ACQUIRE), after, first;
    size_t count = 0;

    first = next > TRACE_RECORDS ? next - TRACE_RECORDS : 0;
    for (uint64_t n = first; n < next; n++)
        lines[n - first] = (struct trace_line){ ring->record[n % TRACE_RECORDS], ring->cpu };
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    after = __atomic_load_n(&ring->next, __ATOMIC_RELAXED);
    /* Record `after` may be half written by now, over the one that stood there. */
    for (uint64_t n = first; n < next; n++) {
        if (n + TRACE_RECORDS > after)
            lines[count++] = lines[n - first];
    }
    return count;
}

static int compare(const void *a, const void *b)
{
    const struct trace_line *left = a, *right = b;

    return left->record.tsc < right->record.tsc ? -1 : left->record.tsc > right->record.tsc;
}

void trace_sort(struct trace_line *lines, size_t count)
{
    qsort(lines, count, sizeof(*lines), compare);
}

void trace_describe(const struct trace_record *record, char *text, size_t size)
{
    switch (record->type) {
    case TRACE_SWITCH:
        if (record->a == 0)
            snprintf(text, size, "idle");
        else
            snprintf(text, size, "thread %" PRIx32, record->a);
        break;
    case TRACE_VM_EXIT:
        snprintf(text, size, "exit %" PRIu32 " to the VMM, RIP %" PRIx64, record->a, record->b);
        break;
    case TRACE_INTERRUPT:
        snprintf(text, size, "interrupt %" PRIx32, record->a);
        break;
    case TRACE_SHOOTDOWN:
        snprintf(text, size, "shoot-down %" PRIu32, record->a);
        break;
    default:
        snprintf(text, size, "event %" PRIu32, record->type);
        break;
    }
}

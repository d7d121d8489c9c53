/* SPDX-License-Identifier: Apache-2.0 */
/* trace.c: the trace rings of all CPUs, mapped at the first use, shown together. */
#include <inttypes.h>
#include <stdlib.h>

#include "lib/refusal.h"
#include "lib/syscall.h"
#include "services/console/console.h"
#include "services/console/trace.h"

#define RINGS_ADDRESS UINT64_C(0x0000050000000000) /* one page for each CPU */
#define PAGE UINT64_C(4096)

static uint32_t mapped;

static enum cl_status map_rings(void)
{
    for (; mapped < cl_info()->cpu_count; mapped++)
        TRY(cl_trace_map(console.system, mapped, RINGS_ADDRESS + mapped * PAGE));
    return CL_OK;
}

static void print_lines(struct trace_line *lines, size_t count, size_t wanted)
{
    uint64_t khz = cl_info()->tsc_hz / 1000, last = count > 0 ? lines[count - 1].record.tsc : 0;
    char text[80];

    console_print("microseconds before the latest, CPU, what ran from then on ('caps' tells whose thread it is)\n");
    for (size_t i = count > wanted ? count - wanted : 0; i < count; i++) {
        uint64_t us = khz == 0 ? 0 : (last - lines[i].record.tsc) * 1000 / khz;
        trace_describe(&lines[i].record, text, sizeof(text));
        console_print("%12" PRIu64 "  %3" PRIu32 "  %s\n", us, lines[i].cpu, text);
    }
}

void trace_print_last(unsigned lines)
{
    enum cl_status status = map_rings();
    struct trace_line *all;
    size_t count = 0;

    if (status != CL_OK) {
        console_print("the trace cannot be read: %s\n", cl_refusal(status));
        return;
    }
    all = malloc(mapped * TRACE_RECORDS * sizeof(*all));
    if (all == NULL) {
        console_print("there is no memory for it\n");
        return;
    }
    for (uint32_t i = 0; i < mapped; i++)
        count += trace_copy((const struct trace_ring *)(RINGS_ADDRESS + i * PAGE), all + count);
    trace_sort(all, count);
    print_lines(all, count, lines);
    free(all);
}

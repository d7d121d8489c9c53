/* SPDX-License-Identifier: Apache-2.0 */
/* time.c: nanoseconds and TSC values, by the info page. Whole seconds and rest are converted apart, so that nothing
 * overflows below 18 GHz and 500 years. */
#include "lib/runtime.h"
#include "lib/syscall.h"

#define NS_PER_SECOND UINT64_C(1000000000)

static uint64_t ticks_to_ns(uint64_t ticks)
{
    uint64_t hz = cl_info()->tsc_hz;

    return ticks / hz * NS_PER_SECOND + ticks % hz * NS_PER_SECOND / hz;
}

static uint64_t ns_to_ticks(uint64_t ns)
{
    uint64_t hz = cl_info()->tsc_hz, seconds = ns / NS_PER_SECOND;

    if (seconds >= UINT64_MAX / hz - 1)
        return UINT64_MAX;
    return seconds * hz + ns % NS_PER_SECOND * hz / NS_PER_SECOND;
}

uint64_t cl_monotonic_ns(void)
{
    return ticks_to_ns(cl_tsc() - cl_info()->boot_tsc);
}

/* `from` + ticks; never CL_POLL, and CL_NEVER where the sum does not fit. */
static uint64_t deadline(uint64_t from, uint64_t ns)
{
    uint64_t ticks = ns_to_ticks(ns);

    return ticks >= UINT64_MAX - from ? CL_NEVER : from + ticks;
}

uint64_t cl_deadline_at_ns(uint64_t monotonic_ns)
{
    return deadline(cl_info()->boot_tsc, monotonic_ns);
}

uint64_t cl_deadline_after_ns(uint64_t delay_ns)
{
    return deadline(cl_tsc(), delay_ns);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* time.c: nanoseconds and TSC ticks. */
#include "kernel/time.h"

#include "kernel/x86.h"

uint64_t tsc_hz;

uint64_t time_from_ns(uint64_t ns)
{
    return x86_multiply_divide(ns, tsc_hz, 1000000000);
}

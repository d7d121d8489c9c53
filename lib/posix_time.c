/* SPDX-License-Identifier: Apache-2.0 */
/* posix_time.c: clocks and sleep for the C library. */
#include <errno.h>
#include <time.h>

#include "lib/posix.h"
#include "lib/runtime.h"
#include "lib/syscall.h"

#define NS_PER_SECOND UINT64_C(1000000000)

/* Nanoseconds of a clock; what it adds to the monotonic one in `*offset_ns`. */
static long clock_offset(long clock, uint64_t *offset_ns)
{
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
        *offset_ns = cl_info()->boot_unix_ns;
        return 0;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
        *offset_ns = 0;
        return 0;
    default:
        return -EINVAL;
    }
}

long posix_clock_gettime(const struct posix_arguments *arguments)
{
    struct timespec *result = (struct timespec *)arguments->b;
    uint64_t ns;

    if (clock_offset(arguments->a, &ns) != 0)
        return -EINVAL;
    ns += cl_monotonic_ns();
    result->tv_sec = (time_t)(ns / NS_PER_SECOND);
    result->tv_nsec = (long)(ns % NS_PER_SECOND);
    return 0;
}

long posix_clock_getres(const struct posix_arguments *arguments)
{
    struct timespec *result = (struct timespec *)arguments->b;
    uint64_t ns;

    if (clock_offset(arguments->a, &ns) != 0)
        return -EINVAL;
    if (result != NULL)
        *result = (struct timespec){ .tv_nsec = 1 };
    return 0;
}

static long sleep_until(uint64_t deadline_tsc)
{
    uint32_t slot = cl_thread_self()->notification_slot;
    uint64_t bits;

    /* a late wake-up from a futex ends the wait early; the deadline stays */
    while (cl_tsc() < deadline_tsc)
        (void)!cl_wait(slot, deadline_tsc, &bits);
    return 0;
}

static long check(const struct timespec *time)
{
    return time->tv_sec < 0 || time->tv_nsec < 0 || time->tv_nsec >= (long)NS_PER_SECOND ? -EINVAL : 0;
}

/* nanosleep(time, remaining): nothing interrupts a sleep, so nothing ever remains. */
long posix_nanosleep(const struct posix_arguments *arguments)
{
    const struct timespec *time = (const struct timespec *)arguments->a;

    if (check(time) != 0)
        return -EINVAL;
    return sleep_until(cl_deadline_after_ns((uint64_t)time->tv_sec * NS_PER_SECOND + (uint64_t)time->tv_nsec));
}

/* clock_nanosleep(clock, flags, time, remaining). */
long posix_clock_nanosleep(const struct posix_arguments *arguments)
{
    const struct timespec *time = (const struct timespec *)arguments->c;
    uint64_t offset_ns, ns;

    if (check(time) != 0 || clock_offset(arguments->a, &offset_ns) != 0)
        return -EINVAL;
    ns = (uint64_t)time->tv_sec * NS_PER_SECOND + (uint64_t)time->tv_nsec;
    if ((arguments->b & TIMER_ABSTIME) == 0)
        return sleep_until(cl_deadline_after_ns(ns));
    return ns <= offset_ns ? 0 : sleep_until(cl_deadline_at_ns(ns - offset_ns));
}

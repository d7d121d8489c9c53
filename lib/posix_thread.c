/* SPDX-License-Identifier: Apache-2.0 */
/* posix_thread.c: futexes and thread identities for the C library. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "lib/futex.h"
#include "lib/posix.h"
#include "lib/runtime.h"
#include "lib/syscall.h"

/* Linux: include/uapi/linux/futex.h */
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define FUTEX_REQUEUE 3
#define FUTEX_OPERATION 0x7f /* without FUTEX_PRIVATE_FLAG */

#define NS_PER_SECOND UINT64_C(1000000000)

static long wait_for(const struct posix_arguments *arguments)
{
    const struct timespec *timeout = (const struct timespec *)arguments->d;
    uint64_t deadline_tsc = CL_NEVER;

    if (timeout != NULL)
        deadline_tsc = cl_deadline_after_ns((uint64_t)timeout->tv_sec * NS_PER_SECOND + (uint64_t)timeout->tv_nsec);
    switch (futex_wait((const int32_t *)arguments->a, (int32_t)arguments->c, deadline_tsc)) {
    case CL_OK:
        return 0;
    case CL_STALE:
        return -EAGAIN;
    default:
        return -ETIMEDOUT;
    }
}

/* Linux counts with int; negative numbers from the C library mean "all". */
static uint32_t to_count(long value)
{
    return (int32_t)value < 0 ? UINT32_MAX : (uint32_t)value;
}

/* futex(word, operation, value, timeout or how many to move, other word). */
long posix_futex(const struct posix_arguments *arguments)
{
    const int32_t *word = (const int32_t *)arguments->a;

    switch (arguments->b & FUTEX_OPERATION) {
    case FUTEX_WAIT:
        return wait_for(arguments);
    case FUTEX_WAKE:
        return futex_wake(word, to_count(arguments->c), NULL, 0);
    case FUTEX_REQUEUE:
        return futex_wake(word, to_count(arguments->c), (const int32_t *)arguments->e, to_count(arguments->d));
    default:
        return -ENOSYS;
    }
}

long posix_set_tid_address(const struct posix_arguments *arguments)
{
    struct cl_thread *self = cl_thread_self();

    self->clear_tid = (int32_t *)arguments->a;
    return self->tid;
}

long posix_gettid(const struct posix_arguments *arguments)
{
    (void)arguments;
    return cl_thread_self()->tid;
}

long posix_exit(const struct posix_arguments *arguments)
{
    (void)arguments;
    cl_thread_exit(NULL, 0);
}

long posix_sched_yield(const struct posix_arguments *arguments)
{
    (void)arguments;
    cl_yield();
    return 0;
}

/* sched_getaffinity(thread, bytes, mask): sysconf(_SC_NPROCESSORS_ONLN) counts these bits. */
long posix_sched_getaffinity(const struct posix_arguments *arguments)
{
    uint64_t *mask = (uint64_t *)arguments->c;
    uint32_t count = cl_info()->cpu_count;

    if ((uint64_t)arguments->b < sizeof(*mask))
        return -EINVAL;
    *mask = count >= 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1;
    return sizeof(*mask);
}

/* tkill(thread, signal): raise() and abort() end the program where they stand; nobody can be signalled. */
long posix_tkill(const struct posix_arguments *arguments)
{
    char why[48];

    if (arguments->a != cl_thread_self()->tid)
        return -ENOSYS;
    snprintf(why, sizeof(why), "raised signal %ld%s", arguments->b, arguments->b == SIGABRT ? " (abort)" : "");
    cl_program_crash(why);
}

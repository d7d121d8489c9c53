/* SPDX-License-Identifier: Apache-2.0 */
/* posix.c: from a Linux system-call number to what stands for it. */
#include "lib/posix.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "lib/runtime.h"
#include "lib/syscall.h"

#define POSIX_CALLS_MAX 512

/* Made by lib/build.mk out of the C library's own list. */
static const char *const posix_names[POSIX_CALLS_MAX] = {
#include "build/lib/posix_names.h"
};

static long posix_getpid(const struct posix_arguments *arguments)
{
    (void)arguments;
    return 1; /* a domain is alone with itself */
}

static long posix_exit_group(const struct posix_arguments *arguments)
{
    cl_program_exit((int)arguments->a);
}

/* There are no signals: masks, handlers and robust lists are accepted, and never of consequence. */
static long posix_nothing(const struct posix_arguments *arguments)
{
    (void)arguments;
    return 0;
}

/* Refused without a line in the log: the C library asks for these as a matter of course. */
static long posix_refused(const struct posix_arguments *arguments)
{
    (void)arguments;
    return -ENOSYS;
}

static long (*const posix_calls[POSIX_CALLS_MAX])(const struct posix_arguments *) = {
    [SYS_read] = posix_read,
    [SYS_write] = posix_write,
    [SYS_mmap] = posix_mmap,
    [SYS_mprotect] = posix_mprotect,
    [SYS_munmap] = posix_munmap,
    [SYS_brk] = posix_brk,
    [SYS_rt_sigaction] = posix_nothing,
    [SYS_rt_sigprocmask] = posix_nothing,
    [SYS_ioctl] = posix_ioctl,
    [SYS_writev] = posix_writev,
    [SYS_sched_yield] = posix_sched_yield,
    [SYS_mremap] = posix_mremap,
    [SYS_madvise] = posix_refused,
    [SYS_nanosleep] = posix_nanosleep,
    [SYS_getpid] = posix_getpid,
    [SYS_exit] = posix_exit,
    [SYS_gettid] = posix_gettid,
    [SYS_tkill] = posix_tkill,
    [SYS_futex] = posix_futex,
    [SYS_sched_getaffinity] = posix_sched_getaffinity,
    [SYS_set_tid_address] = posix_set_tid_address,
    [SYS_clock_gettime] = posix_clock_gettime,
    [SYS_clock_getres] = posix_clock_getres,
    [SYS_clock_nanosleep] = posix_clock_nanosleep,
    [SYS_exit_group] = posix_exit_group,
    [SYS_set_robust_list] = posix_nothing,
    [SYS_getrandom] = posix_getrandom,
    [SYS_membarrier] = posix_refused,
};

/* One line for each number, however often it is tried. */
static void report_missing(long number)
{
    static uint64_t reported[POSIX_CALLS_MAX / 64];
    char line[96];
    bool is_known = number >= 0 && number < POSIX_CALLS_MAX;
    const char *name = is_known && posix_names[number] != NULL ? posix_names[number] : "unknown";

    if (is_known) {
        uint64_t bit = UINT64_C(1) << number % 64;
        if ((__atomic_fetch_or(&reported[number / 64], bit, __ATOMIC_RELAXED) & bit) != 0)
            return;
    }
    int length = snprintf(line, sizeof(line), "the C library asked for '%s' (%ld), which is not there", name, number);
    (void)!cl_log_write(line, (size_t)length);
}

long cl_posix(long number, long a, long b, long c, long d, long e, long f)
{
    struct posix_arguments arguments = { a, b, c, d, e, f };

    if (number >= 0 && number < POSIX_CALLS_MAX && posix_calls[number] != NULL)
        return posix_calls[number](&arguments);
    report_missing(number);
    return -ENOSYS;
}

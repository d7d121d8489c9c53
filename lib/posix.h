/* SPDX-License-Identifier: Apache-2.0 */
/* posix.h: the Linux system calls that the C library makes, as far as they mean something here.
 *
 * Each function takes the call's arguments as words and returns what Linux would: a value, or a negated errno.
 */
#ifndef CL_LIB_POSIX_H
#define CL_LIB_POSIX_H

struct posix_arguments {
    long a, b, c, d, e, f;
};

/* What the C library calls in place of the SYSCALL instruction (lib/musl/syscall_arch.h). A call that Cloison does not
 * have gives -ENOSYS and, the first time, a line in the log with its name. */
long cl_posix(long number, long a, long b, long c, long d, long e, long f);

/* posix_memory.c */
long posix_mmap(const struct posix_arguments *arguments);
long posix_mprotect(const struct posix_arguments *arguments);
long posix_munmap(const struct posix_arguments *arguments);
long posix_mremap(const struct posix_arguments *arguments);
long posix_brk(const struct posix_arguments *arguments);

/* posix_thread.c */
long posix_futex(const struct posix_arguments *arguments);
long posix_set_tid_address(const struct posix_arguments *arguments);
long posix_gettid(const struct posix_arguments *arguments);
long posix_exit(const struct posix_arguments *arguments);
long posix_sched_yield(const struct posix_arguments *arguments);
long posix_sched_getaffinity(const struct posix_arguments *arguments);
long posix_tkill(const struct posix_arguments *arguments);

/* posix_time.c */
long posix_clock_gettime(const struct posix_arguments *arguments);
long posix_clock_getres(const struct posix_arguments *arguments);
long posix_nanosleep(const struct posix_arguments *arguments);
long posix_clock_nanosleep(const struct posix_arguments *arguments);

/* posix_output.c */
long posix_write(const struct posix_arguments *arguments);
long posix_writev(const struct posix_arguments *arguments);
long posix_read(const struct posix_arguments *arguments);
long posix_ioctl(const struct posix_arguments *arguments);
long posix_getrandom(const struct posix_arguments *arguments);

#endif

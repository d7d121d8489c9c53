/* SPDX-License-Identifier: Apache-2.0 */
/* syscall_arch.h: stands before musl's own header of this name, and sends every system call of the C library to
 * cl_posix() of lib/posix.c. The instruction itself appears nowhere in libc.a; the build checks that.
 */
#ifndef CL_LIB_MUSL_SYSCALL_ARCH_H
#define CL_LIB_MUSL_SYSCALL_ARCH_H

#define __SYSCALL_LL_E(x) (x)
#define __SYSCALL_LL_O(x) (x)

long cl_posix(long number, long a, long b, long c, long d, long e, long f);

/* Functions, not macros: musl lays macros of the same names, which cast the arguments, over them. */
static __inline long __syscall0(long n)
{
    return cl_posix(n, 0, 0, 0, 0, 0, 0);
}

static __inline long __syscall1(long n, long a)
{
    return cl_posix(n, a, 0, 0, 0, 0, 0);
}

static __inline long __syscall2(long n, long a, long b)
{
    return cl_posix(n, a, b, 0, 0, 0, 0);
}

static __inline long __syscall3(long n, long a, long b, long c)
{
    return cl_posix(n, a, b, c, 0, 0, 0);
}

static __inline long __syscall4(long n, long a, long b, long c, long d)
{
    return cl_posix(n, a, b, c, d, 0, 0);
}

static __inline long __syscall5(long n, long a, long b, long c, long d, long e)
{
    return cl_posix(n, a, b, c, d, e, 0);
}

static __inline long __syscall6(long n, long a, long b, long c, long d, long e, long f)
{
    return cl_posix(n, a, b, c, d, e, f);
}

/* There is no vDSO: VDSO_USEFUL stays undefined, and clock_gettime() comes to cl_posix() like everything else. */

#define IPC_64 0

#endif

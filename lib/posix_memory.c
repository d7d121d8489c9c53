/* SPDX-License-Identifier: Apache-2.0 */
/* posix_memory.c: anonymous memory for the C library, on lib/pages.c. */
#define _GNU_SOURCE /* mremap */
#include <errno.h>
#include <sys/mman.h>

#include "lib/pages.h"
#include "lib/posix.h"

static long to_errno(enum cl_status status)
{
    switch (status) {
    case CL_OK:
        return 0;
    case CL_NOT_FOUND:
        return -EINVAL;
    case CL_UNSUPPORTED:
        return -ENOSYS;
    default:
        return -ENOMEM;
    }
}

/* mmap(address, length, protection, flags, file, offset): anonymous, private, not executable, anywhere. */
long posix_mmap(const struct posix_arguments *arguments)
{
    long protection = arguments->c, flags = arguments->d;
    uint64_t address;

    if ((flags & MAP_ANONYMOUS) == 0)
        return -ENODEV;
    if ((flags & MAP_FIXED) != 0) {
        /* malloc's guard page at the beginning of brk, which has no memory anyway */
        return protection == PROT_NONE && (uint64_t)arguments->a < pages_brk(0) ? arguments->a : -EINVAL;
    }
    if ((protection & PROT_EXEC) != 0)
        return -EPERM;
    long result = to_errno(pages_alloc((uint64_t)arguments->b, protection == PROT_NONE, &address));
    return result == 0 ? (long)address : result;
}

/* mprotect(address, length, protection): only the step from nothing to readable and writable changes something. */
long posix_mprotect(const struct posix_arguments *arguments)
{
    if (arguments->c != (PROT_READ | PROT_WRITE))
        return -ENOSYS;
    return to_errno(pages_commit((uint64_t)arguments->a, (uint64_t)arguments->b));
}

long posix_munmap(const struct posix_arguments *arguments)
{
    return to_errno(pages_free((uint64_t)arguments->a, (uint64_t)arguments->b));
}

/* mremap(address, old length, new length, flags). */
long posix_mremap(const struct posix_arguments *arguments)
{
    uint64_t address;

    if ((arguments->d & ~(long)MREMAP_MAYMOVE) != 0)
        return -EINVAL;
    long result = to_errno(pages_resize((uint64_t)arguments->a, (uint64_t)arguments->b, (uint64_t)arguments->c,
                                        (arguments->d & MREMAP_MAYMOVE) != 0, &address));
    return result == 0 ? (long)address : result;
}

long posix_brk(const struct posix_arguments *arguments)
{
    return (long)pages_brk((uint64_t)arguments->a);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* posix_output.c: the standard streams go to the log; nothing can be read; random numbers. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "lib/entropy.h"
#include "lib/lock.h"
#include "lib/log.h"
#include "lib/posix.h"
#include "lib/runtime.h"
#include "lib/syscall.h"

static bool is_output(long file)
{
    return file == 1 || file == 2;
}

long posix_write(const struct posix_arguments *arguments)
{
    if (!is_output(arguments->a))
        return -EBADF;
    cl_log_stream((int)arguments->a, (const char *)arguments->b, (size_t)arguments->c);
    return arguments->c;
}

long posix_writev(const struct posix_arguments *arguments)
{
    const struct iovec *pieces = (const struct iovec *)arguments->b;
    long written = 0;

    if (!is_output(arguments->a))
        return -EBADF;
    for (long i = 0; i < arguments->c; i++) {
        cl_log_stream((int)arguments->a, pieces[i].iov_base, pieces[i].iov_len);
        written += (long)pieces[i].iov_len;
    }
    return written;
}

/* Standard input is at its end from the start. */
long posix_read(const struct posix_arguments *arguments)
{
    return arguments->a == 0 ? 0 : -EBADF;
}

/* That the window's size can be asked for makes stdout a terminal to the C library: it writes at each newline. */
long posix_ioctl(const struct posix_arguments *arguments)
{
    if (!is_output(arguments->a) || arguments->b != TIOCGWINSZ)
        return -ENOTTY;
    *(struct winsize *)arguments->c = (struct winsize){ .ws_row = 24, .ws_col = 80 };
    return 0;
}

/* getrandom(buffer, bytes, flags): the program's own generator, seeded by its start block. */
long posix_getrandom(const struct posix_arguments *arguments)
{
    static struct cl_lock lock;
    static struct entropy entropy;
    static bool seeded;

    cl_lock_take(&lock);
    if (!seeded)
        entropy_init(&entropy, cl_start()->entropy);
    seeded = true;
    entropy_bytes(&entropy, (void *)arguments->a, (size_t)arguments->b);
    cl_lock_drop(&lock);
    return arguments->b;
}

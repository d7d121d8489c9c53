/* SPDX-License-Identifier: Apache-2.0 */
/* posix_output.c: the standard streams go to the log; nothing can be read; random numbers. */
#include <errno.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

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

/* The finaliser of SplitMix64: every bit of the result depends on every bit of the word. */
static uint64_t mix(uint64_t word)
{
    word = (word ^ word >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    word = (word ^ word >> 27) * UINT64_C(0x94d049bb133111eb);
    return word ^ word >> 31;
}

/* getrandom(buffer, bytes, flags): a stream out of the start block's entropy. It serves hash tables and test data; keys
 * are not made in ring 3 programs of this version. */
long posix_getrandom(const struct posix_arguments *arguments)
{
    static struct cl_lock lock;
    static uint64_t state[4];
    uint8_t *buffer = (uint8_t *)arguments->a;

    cl_lock_take(&lock);
    if ((state[0] | state[1] | state[2] | state[3]) == 0)
        memcpy(state, cl_start()->entropy, sizeof(state));
    for (long i = 0; i < arguments->b; i++) {
        if (i % 8 == 0) {
            state[0] += UINT64_C(0x9e3779b97f4a7c15);
            state[1] = mix(state[0] ^ state[1]);
            state[2] = mix(state[1] ^ state[2]);
            state[3] = mix(state[2] ^ state[3] ^ cl_tsc());
        }
        buffer[i] = (uint8_t)(state[3] >> i % 8 * 8);
    }
    cl_lock_drop(&lock);
    return arguments->b;
}

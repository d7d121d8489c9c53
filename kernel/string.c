/* SPDX-License-Identifier: Apache-2.0 */
/* string.c: filling and copying. */
#include "kernel/string.h"

void *memset(void *destination, int byte, size_t length)
{
    void *d = destination;

    __asm__ volatile("rep stosb" : "+D"(d), "+c"(length) : "a"(byte) : "memory");
    return destination;
}

void *memcpy(void *destination, const void *source, size_t length)
{
    void *d = destination;

    __asm__ volatile("rep movsb" : "+D"(d), "+S"(source), "+c"(length) : : "memory");
    return destination;
}

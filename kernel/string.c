/* SPDX-License-Identifier: Apache-2.0 */
/* string.c: the four memory functions that the compiler calls, and two for text. */
#include "kernel/string.h"

#include <stdint.h>

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

void *memmove(void *destination, const void *source, size_t length)
{
    if ((uintptr_t)destination - (uintptr_t)source >= length)
        return memcpy(destination, source, length);

    unsigned char *d = destination;
    const unsigned char *s = source;
    for (size_t i = length; i > 0; i--)
        d[i - 1] = s[i - 1];
    return destination;
}

int memcmp(const void *a, const void *b, size_t length)
{
    const unsigned char *x = a;
    const unsigned char *y = b;

    for (size_t i = 0; i < length; i++) {
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    }
    return 0;
}

size_t strlen(const char *text)
{
    size_t length = 0;

    while (text[length] != '\0')
        length++;
    return length;
}

int strcmp(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return (unsigned char)*a - (unsigned char)*b;
}

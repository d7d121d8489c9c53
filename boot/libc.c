/* SPDX-License-Identifier: Apache-2.0 */
/* libc.c: the few functions of <string.h> that the compiler and the pure files expect. Not linked on the host. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size_bytes)
{
    void *start = to;

    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size_bytes) : : "memory");
    return start;
}

void *memmove(void *to, const void *from, size_t size_bytes)
{
    uint8_t *target = to;
    const uint8_t *source = from;

    if (target <= source || target >= source + size_bytes)
        return memcpy(to, from, size_bytes);
    while (size_bytes-- > 0)
        target[size_bytes] = source[size_bytes];
    return to;
}

void *memset(void *to, int value, size_t size_bytes)
{
    void *start = to;

    __asm__ volatile("rep stosb" : "+D"(to), "+c"(size_bytes) : "a"(value) : "memory");
    return start;
}

int memcmp(const void *left, const void *right, size_t size_bytes)
{
    const uint8_t *a = left, *b = right;

    for (size_t i = 0; i < size_bytes; i++) {
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    }
    return 0;
}

void *memchr(const void *bytes, int value, size_t size_bytes)
{
    const uint8_t *b = bytes;

    for (size_t i = 0; i < size_bytes; i++) {
        if (b[i] == (uint8_t)value)
            return (void *)(uintptr_t)(b + i);
    }
    return NULL;
}

size_t strlen(const char *s)
{
    size_t length = 0;

    while (s[length] != '\0')
        length++;
    return length;
}

int strcmp(const char *left, const char *right)
{
    while (*left != '\0' && *left == *right) {
        left++;
        right++;
    }
    return (uint8_t)*left - (uint8_t)*right;
}

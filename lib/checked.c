/* SPDX-License-Identifier: Apache-2.0 */
/* checked.c: the __*_chk names that Debian's hardened static libraries call. Each checks the object's size, which the
 * compiler knew, and goes on to the plain function.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/runtime.h"

void *__memcpy_chk(void *to, const void *from, size_t length, size_t size);
void *__memmove_chk(void *to, const void *from, size_t length, size_t size);
void *__memset_chk(void *to, int value, size_t length, size_t size);
char *__strcpy_chk(char *to, const char *from, size_t size);
char *__strncpy_chk(char *to, const char *from, size_t length, size_t size);
char *__strcat_chk(char *to, const char *from, size_t size);
int __vsnprintf_chk(char *to, size_t length, int flag, size_t size, const char *format, va_list arguments);
int __snprintf_chk(char *to, size_t length, int flag, size_t size, const char *format, ...);
int __sprintf_chk(char *to, int flag, size_t size, const char *format, ...);
int __vfprintf_chk(FILE *file, int flag, const char *format, va_list arguments);
int __fprintf_chk(FILE *file, int flag, const char *format, ...);
int __printf_chk(int flag, const char *format, ...);

static void check(size_t length, size_t size)
{
    if (length > size)
        cl_program_crash("a library was about to write past the end of an object");
}

void *__memcpy_chk(void *to, const void *from, size_t length, size_t size)
{
    check(length, size);
    return memcpy(to, from, length);
}

void *__memmove_chk(void *to, const void *from, size_t length, size_t size)
{
    check(length, size);
    return memmove(to, from, length);
}

void *__memset_chk(void *to, int value, size_t length, size_t size)
{
    check(length, size);
    return memset(to, value, length);
}

char *__strcpy_chk(char *to, const char *from, size_t size)
{
    check(strlen(from) + 1, size);
    return strcpy(to, from);
}

char *__strncpy_chk(char *to, const char *from, size_t length, size_t size)
{
    check(length, size);
    return strncpy(to, from, length);
}

char *__strcat_chk(char *to, const char *from, size_t size)
{
    check(strlen(to) + strlen(from) + 1, size);
    return strcat(to, from);
}

int __vsnprintf_chk(char *to, size_t length, int flag, size_t size, const char *format, va_list arguments)
{
    (void)flag;
    check(length, size);
    return vsnprintf(to, length, format, arguments);
}

int __snprintf_chk(char *to, size_t length, int flag, size_t size, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int result = __vsnprintf_chk(to, length, flag, size, format, arguments);
    va_end(arguments);
    return result;
}

int __sprintf_chk(char *to, int flag, size_t size, const char *format, ...)
{
    va_list arguments;

    (void)flag;
    va_start(arguments, format);
    int result = vsnprintf(to, size, format, arguments);
    va_end(arguments);
    check(result < 0 ? 0 : (size_t)result + 1, size);
    return result;
}

int __vfprintf_chk(FILE *file, int flag, const char *format, va_list arguments)
{
    (void)flag;
    return vfprintf(file, format, arguments);
}

int __fprintf_chk(FILE *file, int flag, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int result = __vfprintf_chk(file, flag, format, arguments);
    va_end(arguments);
    return result;
}

int __printf_chk(int flag, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int result = __vfprintf_chk(stdout, flag, format, arguments);
    va_end(arguments);
    return result;
}

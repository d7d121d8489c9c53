/* SPDX-License-Identifier: Apache-2.0 */
/* cpio.c: the newc format: 110 bytes of header (magic and 13 fields of 8 hexadecimal digits), the name with its NUL, the
 * data; name and data each padded to a multiple of 4 bytes.
 */
#include "lib/cpio.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define MAGIC "070701"
#define MAGIC_BYTES 6
#define HEADER_BYTES 110
#define FIELD_FILE_SIZE 6
#define FIELD_NAME_SIZE 11
#define TRAILER "TRAILER!!!"

static bool read_field(const uint8_t *header, unsigned field, uint64_t *value)
{
    const uint8_t *digits = header + MAGIC_BYTES + (size_t)8 * field;

    *value = 0;
    for (unsigned i = 0; i < 8; i++) {
        uint8_t c = digits[i];
        unsigned digit;
        if (c >= '0' && c <= '9')
            digit = c - '0';
        else if (c >= 'A' && c <= 'F')
            digit = c - 'A' + 10u;
        else if (c >= 'a' && c <= 'f')
            digit = c - 'a' + 10u;
        else
            return false;
        *value = *value << 4 | digit;
    }
    return true;
}

static uint64_t pad(uint64_t offset)
{
    return (offset + 3) & ~UINT64_C(3);
}

enum cl_status cpio_next(const uint8_t *archive, uint64_t size_bytes, uint64_t *cursor, struct cpio_member *member)
{
    uint64_t at = *cursor, data_bytes, name_bytes;

    if (at > size_bytes || size_bytes - at < HEADER_BYTES || memcmp(archive + at, MAGIC, MAGIC_BYTES) != 0)
        return CL_CORRUPT;
    if (!read_field(archive + at, FIELD_FILE_SIZE, &data_bytes) ||
        !read_field(archive + at, FIELD_NAME_SIZE, &name_bytes))
        return CL_CORRUPT;

    /* both sizes are below 2^32, so no sum here overflows */
    uint64_t name = at + HEADER_BYTES, data = pad(name + name_bytes);
    if (name_bytes == 0 || data > size_bytes || data_bytes > size_bytes - data)
        return CL_CORRUPT;
    if (archive[name + name_bytes - 1] != 0 || archive[name] == 0)
        return CL_CORRUPT;
    if (strcmp((const char *)archive + name, TRAILER) == 0)
        return CL_NOT_FOUND;
    *member = (struct cpio_member){
        .name = (const char *)archive + name, .data = archive + data, .offset = data, .size_bytes = data_bytes
    };
    *cursor = pad(data + data_bytes);
    return CL_OK;
}

enum cl_status cpio_find(const uint8_t *archive, uint64_t size_bytes, const char *name, struct cpio_member *member)
{
    uint64_t cursor = 0;

    do
        TRY(cpio_next(archive, size_bytes, &cursor, member));
    while (strcmp(member->name, name) != 0);
    return CL_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* image.c: the walk through the archive and the comparison with the manifest. */
#include "boot/image.h"

#include <string.h>

#define REWRITE ". Write the image to the disk again"

/* cpio newc: a magic of 6 characters, then 13 fields of 8 hexadecimal digits. */
#define NEWC_MAGIC "070701"
#define NEWC_HEADER_BYTES 110
#define NEWC_TRAILER "TRAILER!!!"
enum { NEWC_MODE = 1, NEWC_FILE_SIZE = 6, NEWC_NAME_SIZE = 11 };
#define MODE_TYPE_MASK 0170000u
#define MODE_REGULAR 0100000u

/* One line of the manifest. The name is not NUL-terminated. */
struct manifest_line {
    uint8_t digest[SHA256_BYTES];
    const char *name;
    size_t name_length;
};

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The value of one header field; 0 or an error. */
static enum cl_status newc_field(const uint8_t *header, unsigned field, uint32_t *value)
{
    const uint8_t *digits = header + 6 + 8 * field;
    uint32_t sum = 0;

    for (unsigned i = 0; i < 8; i++) {
        int digit = hex_digit(digits[i]);

        if (digit < 0)
            return CL_CORRUPT;
        sum = sum << 4 | (uint32_t)digit;
    }
    *value = sum;
    return CL_OK;
}

static size_t align_4(size_t offset)
{
    return (offset + 3) & ~(size_t)3;
}

static enum cl_status broken_at(size_t offset, const char *why)
{
    return refuse(CL_CORRUPT, "The system image is damaged at byte %lu: %s" REWRITE ".", (unsigned long)offset, why);
}

/* A name is printable, ends with at least one NUL, and has nothing but NULs behind it. */
static enum cl_status check_name(const uint8_t *name, size_t name_size, size_t offset)
{
    const uint8_t *end = name_size == 0 ? NULL : memchr(name, 0, name_size);

    if (end == NULL || end == name)
        return broken_at(offset, "a member has no name");
    if ((size_t)(end - name) > IMAGE_NAME_MAX)
        return broken_at(offset, "a member's name is too long");
    for (const uint8_t *c = name; c < end; c++) {
        if (*c <= ' ' || *c > '~')
            return broken_at(offset, "a member's name is not printable");
    }
    for (const uint8_t *c = end; c < name + name_size; c++) {
        if (*c != 0)
            return broken_at(offset, "a member's name is followed by other bytes");
    }
    return CL_OK;
}

/* Behind the trailer only NULs may follow: a second archive there would be seen by others and not by us. */
static enum cl_status check_end(const struct image *image, size_t offset)
{
    for (size_t i = offset; i < image->size_bytes; i++) {
        if (image->bytes[i] != 0)
            return broken_at(i, "there is something behind its end");
    }
    return CL_NOT_FOUND;
}

enum cl_status image_next(const struct image *image, size_t *offset, struct image_member *member)
{
    size_t start = *offset;
    uint32_t mode, file_size, name_size;

    if (start > image->size_bytes || image->size_bytes - start < NEWC_HEADER_BYTES)
        return broken_at(start, "it ends too early");

    const uint8_t *header = image->bytes + start;
    if (memcmp(header, NEWC_MAGIC, 6) != 0)
        return broken_at(start, "this is not a cpio archive in newc format");
    if (newc_field(header, NEWC_MODE, &mode) != CL_OK || newc_field(header, NEWC_FILE_SIZE, &file_size) != CL_OK ||
        newc_field(header, NEWC_NAME_SIZE, &name_size) != CL_OK)
        return broken_at(start, "a member's header is not in hexadecimal digits");

    size_t left = image->size_bytes - start - NEWC_HEADER_BYTES;
    if (name_size > left)
        return broken_at(start, "it ends inside a member's name");
    TRY(check_name(header + NEWC_HEADER_BYTES, name_size, start));
    const char *name = (const char *)header + NEWC_HEADER_BYTES;

    /* 32-bit sizes in 64-bit offsets: these sums cannot overflow */
    size_t data = align_4(start + NEWC_HEADER_BYTES + name_size);
    if (strcmp(name, NEWC_TRAILER) == 0)
        return check_end(image, start + NEWC_HEADER_BYTES + name_size);
    if (data > image->size_bytes || file_size > image->size_bytes - data)
        return refuse(CL_CORRUPT, "The system image ends inside its member %s" REWRITE ".", name);
    if ((mode & MODE_TYPE_MASK) != MODE_REGULAR)
        return refuse(CL_CORRUPT, "The system image has a member that is not a regular file: %s" REWRITE ".", name);

    *member = (struct image_member){ .name = name, .data = image->bytes + data, .size_bytes = file_size };
    *offset = align_4(data + file_size);
    return CL_OK;
}

enum cl_status image_find(const struct image *image, const char *name, struct image_member *member)
{
    size_t offset = 0;

    for (;;) {
        TRY(image_next(image, &offset, member));
        if (strcmp(member->name, name) == 0)
            return CL_OK;
    }
}

/* Read the manifest's line at `*offset` and advance. CL_NOT_FOUND: no more lines. */
static enum cl_status manifest_next(const struct image_member *manifest, size_t *offset, struct manifest_line *line)
{
    const uint8_t *text = manifest->data + *offset;
    size_t left = manifest->size_bytes - *offset;

    if (left == 0)
        return CL_NOT_FOUND;

    const uint8_t *newline = memchr(text, '\n', left);
    size_t length = newline == NULL ? left : (size_t)(newline - text);
    size_t prefix = 2 * SHA256_BYTES + 2; /* digits, space, space or asterisk */
    if (length <= prefix || length > prefix + IMAGE_NAME_MAX || text[prefix - 2] != ' ' ||
        (text[prefix - 1] != ' ' && text[prefix - 1] != '*'))
        return refuse(CL_CORRUPT,
                      "The system image's manifest is damaged: a line is not \"SHA-256, name\"" REWRITE ".");
    for (unsigned i = 0; i < SHA256_BYTES; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return refuse(CL_CORRUPT,
                          "The system image's manifest is damaged: a digest is not hexadecimal" REWRITE ".");
        line->digest[i] = (uint8_t)(high << 4 | low);
    }
    line->name = (const char *)text + prefix;
    line->name_length = length - prefix;
    *offset += length + (newline != NULL);
    return CL_OK;
}

static int line_is_for(const struct manifest_line *line, const char *name)
{
    return strlen(name) == line->name_length && memcmp(name, line->name, line->name_length) == 0;
}

/* Give the digest of the one line for `name`. CL_NOT_FOUND: no line. CL_CORRUPT: refused (two lines, bad line). */
static enum cl_status manifest_find(const struct image_member *manifest, const char *name, uint8_t digest[SHA256_BYTES])
{
    struct manifest_line line;
    enum cl_status status;
    size_t offset = 0;
    int found = 0;

    while ((status = manifest_next(manifest, &offset, &line)) == CL_OK) {
        if (!line_is_for(&line, name))
            continue;
        if (found)
            return refuse(CL_CORRUPT, "The system image's manifest lists %s twice" REWRITE ".", name);
        memcpy(digest, line.digest, SHA256_BYTES);
        found = 1;
    }
    if (status != CL_NOT_FOUND)
        return status;
    return found ? CL_OK : CL_NOT_FOUND;
}

enum cl_status image_check_begin(struct image_check *check, struct image image)
{
    struct manifest_line line;
    enum cl_status status;
    size_t offset = 0;

    memset(check, 0, sizeof *check);
    check->image = image;
    status = image_next(&image, &check->next, &check->manifest);
    if (status != CL_OK && status != CL_NOT_FOUND)
        return status;
    if (status == CL_NOT_FOUND || strcmp(check->manifest.name, IMAGE_MANIFEST) != 0)
        return refuse(CL_CORRUPT, "The system image does not begin with its " IMAGE_MANIFEST REWRITE ".");
    while ((status = manifest_next(&check->manifest, &offset, &line)) == CL_OK) {
        if (line_is_for(&line, IMAGE_MANIFEST))
            return refuse(CL_CORRUPT, "The system image's manifest lists itself" REWRITE ".");
    }
    check->done_bytes = check->manifest.size_bytes;
    return status == CL_NOT_FOUND ? CL_OK : status;
}

/* A member's last byte was hashed: compare. */
static enum cl_status finish_member(struct image_check *check)
{
    uint8_t computed[SHA256_BYTES], listed[SHA256_BYTES];

    sha256_end(&check->hash, computed);
    TRY(manifest_find(&check->manifest, check->member.name, listed));
    if (memcmp(computed, listed, SHA256_BYTES) != 0)
        return refuse(CL_CORRUPT, "The system image is damaged: %s does not match its SHA-256" REWRITE ".",
                      check->member.name);
    check->hashing = 0;
    check->members++;
    return CL_OK;
}

/* Every line has its member. With "every member has its one line, and no member is there twice" that is equality. */
static enum cl_status check_nothing_missing(const struct image_check *check)
{
    struct manifest_line line;
    enum cl_status status;
    size_t offset = 0;

    while ((status = manifest_next(&check->manifest, &offset, &line)) == CL_OK) {
        char name[IMAGE_NAME_MAX + 1];
        struct image_member member;

        memcpy(name, line.name, line.name_length);
        name[line.name_length] = '\0';
        for (size_t i = 0; i < line.name_length; i++) {
            if (name[i] <= ' ' || name[i] > '~')
                name[i] = '?'; /* no archive has such a name; the sentence must be printable all the same */
        }
        status = image_find(&check->image, name, &member);
        if (status == CL_NOT_FOUND)
            return refuse(CL_CORRUPT, "The system image is incomplete: %s is missing" REWRITE ".", name);
        if (status != CL_OK)
            return status;
    }
    return status == CL_NOT_FOUND ? CL_OK : status;
}

/* Take up the next member: it must be listed, and be the first of its name. CL_NOT_FOUND: there are no more. */
static enum cl_status begin_member(struct image_check *check)
{
    uint8_t listed[SHA256_BYTES];
    struct image_member first;

    TRY(image_next(&check->image, &check->next, &check->member));
    enum cl_status status = manifest_find(&check->manifest, check->member.name, listed);
    if (status == CL_NOT_FOUND)
        return refuse(CL_CORRUPT, "The system image has a member that its manifest does not list: %s" REWRITE ".",
                      check->member.name);
    if (status != CL_OK)
        return status;
    TRY(image_find(&check->image, check->member.name, &first));
    if (first.name != check->member.name)
        return refuse(CL_CORRUPT, "The system image has two members named %s" REWRITE ".", first.name);
    sha256_begin(&check->hash);
    check->hashed_bytes = 0;
    check->hashing = 1;
    return CL_OK;
}

enum cl_status image_check_step(struct image_check *check, size_t budget_bytes)
{
    while (budget_bytes > 0) {
        if (!check->hashing) {
            enum cl_status status = begin_member(check);

            if (status == CL_NOT_FOUND)
                return check_nothing_missing(check);
            if (status != CL_OK)
                return status;
        }

        size_t piece = check->member.size_bytes - check->hashed_bytes;
        if (piece > budget_bytes)
            piece = budget_bytes;
        sha256_add(&check->hash, check->member.data + check->hashed_bytes, piece);
        check->hashed_bytes += piece;
        check->done_bytes += piece;
        budget_bytes -= piece;
        if (check->hashed_bytes == check->member.size_bytes)
            TRY(finish_member(check));
    }
    return CL_IN_PROGRESS;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* image.h: the system image, a cpio archive ("newc") that carries its own manifest.
 *
 * The first member, `manifest.sha256`, holds one line for each other member in the format of sha256sum(1):
 * 64 hexadecimal digits, a space, a space or `*`, the name. An archive is good when every member is listed once,
 * every line has its member, and every digest is right. Names may be followed by more than one NUL, so that the
 * builder can put each member's data at a multiple of 4,096 bytes.
 *
 * The archive is input: nothing in here reads outside [bytes, bytes + size_bytes).
 */
#ifndef CL_BOOT_IMAGE_H
#define CL_BOOT_IMAGE_H

#include <stdint.h>

#include "boot/sha256.h"
#include "boot/text.h"

#define IMAGE_MANIFEST "manifest.sha256"
#define IMAGE_NAME_MAX 100 /* characters of a member's name */

struct image {
    const uint8_t *bytes;
    size_t size_bytes;
};

struct image_member {
    const char *name; /* printable ASCII, NUL-terminated, inside the archive */
    const uint8_t *data;
    size_t size_bytes;
};

/* A check in progress; see image_check_step(). */
struct image_check {
    struct image image;
    struct image_member manifest;
    struct image_member member; /* the one being hashed */
    struct sha256 hash;
    size_t next;         /* offset of the next member's header */
    size_t hashed_bytes; /* of `member` */
    size_t done_bytes;   /* of all members so far: for a progress display */
    uint32_t members;    /* members found good, the manifest not counted */
    int hashing;         /* 1: `member` is not finished */
};

/* Read the member at `*offset` (0 is the first) and advance `*offset` past it.
 *
 * CL_OK: `*member` is filled in. CL_NOT_FOUND: the archive's end was reached properly. CL_CORRUPT: refused, with a
 * sentence; the archive cannot be walked further.
 */
CL_MUST_CHECK enum cl_status image_next(const struct image *image, size_t *offset, struct image_member *member);

/* Find a member by name: CL_OK, CL_NOT_FOUND, or CL_CORRUPT if the archive breaks off before it. */
CL_MUST_CHECK enum cl_status image_find(const struct image *image, const char *name, struct image_member *member);

/* Begin to check `image`: finds the manifest and reads every line of it. CL_CORRUPT: refused, with a sentence. */
CL_MUST_CHECK enum cl_status image_check_begin(struct image_check *check, struct image image);

/* Hash about `budget_bytes` more, so that the caller can show progress in between.
 *
 * CL_IN_PROGRESS: call again. CL_OK: the whole image is good. CL_CORRUPT: refused, the sentence names the member.
 */
CL_MUST_CHECK enum cl_status image_check_step(struct image_check *check, size_t budget_bytes);

#endif

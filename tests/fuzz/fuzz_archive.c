/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: boot/image.c boot/sha256.c boot/text.c lib/cpio.c lib/elf_check.c */
/* fuzz_archive.c: the input is a system image, as the loader and ring 3 walk it; and a program, as init checks it. */
#include <stdlib.h>
#include <string.h>

#include "boot/image.h"
#include "lib/cpio.h"
#include "lib/elf_check.h"

#define STEP_BYTES 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(const uint8_t *bytes, size_t size, const uint8_t *data, uint64_t length)
{
    if (data < bytes || length > size || (size_t)(data - bytes) > size - length)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes = malloc(size == 0 ? 1 : size);
    struct image_check check;
    struct image_member member;
    struct cpio_member found;
    struct elf_program program;
    uint64_t cursor = 0;
    size_t offset = 0;

    if (bytes == NULL)
        return 0;
    memcpy(bytes, data, size);
    struct image image = { bytes, size };
    while (image_next(&image, &offset, &member) == CL_OK)
        inside(bytes, size, member.data, member.size_bytes);
    if (image_check_begin(&check, image) == CL_OK) {
        while (image_check_step(&check, STEP_BYTES) == CL_IN_PROGRESS)
            ;
    }
    while (cpio_next(bytes, size, &cursor, &found) == CL_OK)
        inside(bytes, size, found.data, found.size_bytes);
    program.refusal = NULL;
    if (elf_check(bytes, size, &program) != CL_OK && program.refusal == NULL)
        __builtin_trap(); /* a refusal without a sentence */
    free(bytes);
    return 0;
}

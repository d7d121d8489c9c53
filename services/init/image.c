/* SPDX-License-Identifier: Apache-2.0 */
/* image.c: nobody tells init how long the image is, so it is taken in pieces that halve until the last page is there. */
#include "services/init/image.h"

#include "lib/slots.h"
#include "lib/syscall.h"

#define PAGE UINT64_C(4096)
#define PIECE_MAX (UINT64_C(1) << 30)

static uint64_t image_size;

enum cl_status image_map(void)
{
    const uint8_t *archive = (const uint8_t *)INIT_IMAGE_ADDRESS;
    struct cpio_member first;
    uint64_t cursor = 0;

    image_size = 0;
    for (uint64_t piece = PIECE_MAX; piece >= PAGE; piece /= 2) {
        while (cl_memory_map(INIT_SLOT_IMAGE, INIT_SLOT_DOMAIN, image_size, piece, INIT_IMAGE_ADDRESS + image_size,
                             MAP_READ) == CL_OK)
            image_size += piece;
    }
    return image_size == 0 ? CL_CORRUPT : cpio_next(archive, image_size, &cursor, &first);
}

enum cl_status image_find(const char *name, struct cpio_member *member)
{
    return cpio_find((const uint8_t *)INIT_IMAGE_ADDRESS, image_size, name, member);
}

enum cl_status image_slice(const struct cpio_member *member, uint32_t *slot, uint64_t *size_bytes)
{
    enum cl_status status;

    if (member->offset % PAGE != 0 || member->size_bytes == 0)
        return CL_CORRUPT;
    *size_bytes = (member->size_bytes + PAGE - 1) / PAGE * PAGE;
    TRY(cl_slot_alloc(slot));
    status = cl_memory_slice(*slot, INIT_SLOT_IMAGE, member->offset, *size_bytes);
    if (status != CL_OK)
        cl_slot_free(*slot);
    return status;
}

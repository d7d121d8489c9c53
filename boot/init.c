/* SPDX-License-Identifier: Apache-2.0 */
/* init.c: init's segments, in the image where they can be, else one behind the other in memory of their own. */
#include "boot/init.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "abi/syscall.h"

#define INIT_MEMBER "init.elf"
#define PAGE_BYTES UINT64_C(4096)

static_assert(BOOT_SEGMENTS_MAX == ELF_SEGMENTS_MAX, "every program that is accepted can be described");

enum cl_status init_find(const struct image *image, struct init_program *init, struct boot_info *info)
{
    enum cl_status status = image_find(image, INIT_MEMBER, &init->file);

    if (status == CL_NOT_FOUND)
        return refuse(status, "The system image has no " INIT_MEMBER ". Build the image again.");
    if (status != CL_OK)
        return status;
    uint64_t place = (uint64_t)(init->file.data - image->bytes);
    status = elf_check(init->file.data, init->file.size_bytes, &init->elf);
    if (status != CL_OK)
        return refuse(status, "The system image's " INIT_MEMBER " cannot be loaded: %s. Build the image again.",
                      init->elf.refusal);
    if (place % PAGE_BYTES != 0)
        return refuse(CL_CORRUPT,
                      "The system image's " INIT_MEMBER " does not begin on a page. Build the image again.");
    info->init_entry = init->elf.entry;
    info->init_data_bytes = 0;
    info->init_segment_count = init->elf.segment_count;
    for (uint32_t i = 0; i < init->elf.segment_count; i++) {
        const struct elf_segment *from = &init->elf.segment[i];
        bool writable = (from->rights & MAP_WRITE) != 0;

        info->init_segments[i] = (struct boot_segment){
            .address = from->address,
            .size_bytes = from->size_bytes,
            .offset = writable ? info->init_data_bytes : place + from->file_offset,
            .rights = from->rights,
        };
        info->init_data_bytes += writable ? from->size_bytes : 0;
    }
    return CL_OK;
}

void init_load(const struct init_program *init, const struct boot_info *info, uint8_t *data)
{
    memset(data, 0, info->init_data_bytes);
    for (uint32_t i = 0; i < init->elf.segment_count; i++) {
        const struct elf_segment *from = &init->elf.segment[i];

        if ((from->rights & MAP_WRITE) != 0)
            memcpy(data + info->init_segments[i].offset, init->file.data + from->file_offset, from->file_bytes);
    }
}

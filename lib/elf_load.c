/* SPDX-License-Identifier: Apache-2.0 */
/* elf_load.c: from segments to mappings. */
#include "lib/elf_load.h"

#include <stdbool.h>
#include <string.h>

#include "lib/runtime.h"
#include "lib/slots.h"
#include "lib/syscall.h"

#define PAGE UINT64_C(4096)

static bool is_writable(const struct elf_segment *segment)
{
    return (segment->rights & MAP_WRITE) != 0;
}

/* All writable segments lie behind each other in one object. */
static uint64_t writable_bytes(const struct elf_program *program)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < program->segment_count; i++)
        bytes += is_writable(&program->segment[i]) ? program->segment[i].size_bytes : 0;
    return bytes;
}

/* Copy the file's bytes into the object, through the window; the rest is zero as it was made. */
static enum cl_status fill(const struct elf_program *program, const struct elf_source *source,
                           const struct elf_target *target, uint32_t slot, uint64_t bytes)
{
    uint8_t *to = (uint8_t *)target->window;

    TRY(cl_memory_map(slot, cl_start()->domain_slot, 0, bytes, target->window, MAP_READ | MAP_WRITE));
    for (uint32_t i = 0; i < program->segment_count; i++) {
        const struct elf_segment *segment = &program->segment[i];
        if (!is_writable(segment))
            continue;
        memcpy(to, source->file + segment->file_offset, segment->file_bytes);
        to += segment->size_bytes;
    }
    return cl_memory_unmap(cl_start()->domain_slot, target->window);
}

static enum cl_status map_all(const struct elf_program *program, const struct elf_source *source,
                              const struct elf_target *target, uint32_t data_slot)
{
    uint64_t data_offset = 0;

    for (uint32_t i = 0; i < program->segment_count; i++) {
        const struct elf_segment *segment = &program->segment[i];
        if (is_writable(segment)) {
            TRY(cl_memory_map(data_slot, target->domain_slot, data_offset, segment->size_bytes, segment->address,
                              segment->rights));
            data_offset += segment->size_bytes;
        } else {
            TRY(cl_memory_map(source->image_slot, target->domain_slot, source->image_offset + segment->file_offset,
                              segment->size_bytes, segment->address, segment->rights));
        }
    }
    return CL_OK;
}

enum cl_status elf_load(const struct elf_program *program, const struct elf_source *source,
                        const struct elf_target *target, uint32_t *data_slot)
{
    uint64_t bytes = writable_bytes(program);
    enum cl_status status;

    *data_slot = 0;
    if (source->image_offset % PAGE != 0)
        return CL_BAD_ARGUMENT;
    if (bytes == 0)
        return map_all(program, source, target, 0);

    TRY(cl_slot_alloc(data_slot));
    status = cl_memory_create(*data_slot, target->account_slot, bytes, 0);
    if (status != CL_OK) {
        cl_slot_free(*data_slot);
        *data_slot = 0;
        return status;
    }
    status = fill(program, source, target, *data_slot, bytes);
    if (status == CL_OK)
        status = map_all(program, source, target, *data_slot);
    if (status != CL_OK) {
        (void)!cl_slot_destroy(*data_slot);
        *data_slot = 0;
    }
    return status;
}

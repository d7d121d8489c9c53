/* SPDX-License-Identifier: Apache-2.0 */
/* start_block.c: filling in and reading the page that a program begins with; pure, so that init's side and the
 * program's are tested against each other on the host.
 */
#include "lib/start_block.h"

#include <stdbool.h>
#include <string.h>

/* Copy a name that fits with its NUL, and clear the rest of the field. */
static enum cl_status name_copy(char *field, const char *name)
{
    size_t length = strnlen(name, START_NAME_MAX);

    if (length == 0 || length == START_NAME_MAX)
        return CL_BAD_ARGUMENT;
    memset(field, 0, START_NAME_MAX);
    memcpy(field, name, length);
    return CL_OK;
}

static bool name_is(const char *field, const char *name)
{
    return strncmp(field, name, START_NAME_MAX) == 0;
}

enum cl_status start_block_init(struct start_block *block, const char *name, const uint8_t *entropy)
{
    memset(block, 0, sizeof(*block));
    TRY(name_copy(block->name, name));
    block->magic = START_BLOCK_MAGIC;
    block->version = START_BLOCK_VERSION;
    block->thread_page_address = PROGRAM_THREAD_PAGE_ADDRESS;
    block->heap_address = PROGRAM_HEAP_ADDRESS;
    block->heap_size_bytes = PROGRAM_HEAP_SIZE_BYTES;
    memcpy(block->entropy, entropy, sizeof(block->entropy));
    return CL_OK;
}

enum cl_status start_block_slot(const struct start_block *block, const char *name, uint32_t *slot)
{
    for (uint32_t i = 0; i < block->slot_count; i++) {
        if (name_is(block->slot[i].name, name)) {
            *slot = block->slot[i].slot;
            return CL_OK;
        }
    }
    return CL_NOT_FOUND;
}

enum cl_status start_block_region(const struct start_block *block, const char *name, uint64_t *address,
                                  uint64_t *size_bytes)
{
    for (uint32_t i = 0; i < block->region_count; i++) {
        if (name_is(block->region[i].name, name)) {
            *address = block->region[i].address;
            *size_bytes = block->region[i].size_bytes;
            return CL_OK;
        }
    }
    return CL_NOT_FOUND;
}

enum cl_status start_block_add_slot(struct start_block *block, const char *name, uint32_t slot)
{
    uint32_t there;

    if (start_block_slot(block, name, &there) == CL_OK)
        return CL_OCCUPIED;
    if (block->slot_count == START_SLOTS_MAX)
        return CL_LIMIT;
    TRY(name_copy(block->slot[block->slot_count].name, name));
    block->slot[block->slot_count++].slot = slot;
    return CL_OK;
}

enum cl_status start_block_add_region(struct start_block *block, const char *name, uint64_t address,
                                      uint64_t size_bytes)
{
    uint64_t there, there_bytes;

    if (start_block_region(block, name, &there, &there_bytes) == CL_OK)
        return CL_OCCUPIED;
    if (block->region_count == START_REGIONS_MAX)
        return CL_LIMIT;
    TRY(name_copy(block->region[block->region_count].name, name));
    block->region[block->region_count].address = address;
    block->region[block->region_count++].size_bytes = size_bytes;
    return CL_OK;
}

enum cl_status start_block_check(const struct start_block *block)
{
    if (block->magic != START_BLOCK_MAGIC || block->version != START_BLOCK_VERSION)
        return CL_CORRUPT;
    if (block->slot_count > START_SLOTS_MAX || block->region_count > START_REGIONS_MAX)
        return CL_CORRUPT;
    if (memchr(block->name, 0, START_NAME_MAX) == NULL)
        return CL_CORRUPT;
    if (block->thread_page_address % 4096 != 0 || block->heap_address % 4096 != 0)
        return CL_CORRUPT;
    return CL_OK;
}

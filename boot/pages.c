/* SPDX-License-Identifier: Apache-2.0 */
/* pages.c: memory from the firmware, remembered so that a refusal can give it back. */
#include "boot/firmware.h"

#define PAGE_BYTES UINT64_C(4096)
#define ALLOCATIONS_MAX 16

struct allocation {
    uint64_t address;
    uint64_t pages;
};

static struct allocation allocations[ALLOCATIONS_MAX];
static unsigned allocation_count;

static enum cl_status no_memory(uint64_t bytes, uint64_t limit, const char *what)
{
    const char *where = limit == 0 ? "" : limit <= 0x100000 ? " below 1 MiB" : " below 4 GiB";

    return refuse(CL_NO_MEMORY,
                  "Out of memory: %s needs %lu KiB in one piece%s. Give the machine more memory or make "
                  "the system image smaller.",
                  what, (unsigned long)((bytes + 1023) / 1024), where);
}

enum cl_status pages_allocate(uint32_t type, uint64_t bytes, uint64_t align_bytes, uint64_t limit, const char *what,
                              uint64_t *address)
{
    EFI_BOOT_SERVICES *boot = firmware->BootServices;
    uint64_t pages = (bytes + PAGE_BYTES - 1) / PAGE_BYTES;
    uint64_t slack = align_bytes > PAGE_BYTES ? align_bytes / PAGE_BYTES - 1 : 0;
    EFI_PHYSICAL_ADDRESS at = limit - 1;

    if (allocation_count == ALLOCATIONS_MAX)
        return no_memory(bytes, limit, what);
    if (boot->AllocatePages(limit == 0 ? AllocateAnyPages : AllocateMaxAddress, (EFI_MEMORY_TYPE)type, pages + slack,
                            &at) != EFI_SUCCESS)
        return no_memory(bytes, limit, what);

    /* give back what was only needed to find an aligned piece */
    uint64_t aligned = at;
    if (slack != 0) {
        aligned = (at + align_bytes - 1) & ~(align_bytes - 1);
        uint64_t before = (aligned - at) / PAGE_BYTES;

        if (before != 0)
            boot->FreePages(at, before);
        if (slack - before != 0)
            boot->FreePages(aligned + pages * PAGE_BYTES, slack - before);
    }
    allocations[allocation_count++] = (struct allocation){ .address = aligned, .pages = pages };
    if (aligned == 0) /* page 0 stays taken, so the next call gets another one; NULL is nobody's address */
        return pages_allocate(type, bytes, align_bytes, limit, what, address);
    *address = aligned;
    return CL_OK;
}

void pages_release_all(void)
{
    while (allocation_count > 0) {
        allocation_count--;
        firmware->BootServices->FreePages(allocations[allocation_count].address, allocations[allocation_count].pages);
    }
}

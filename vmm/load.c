/* SPDX-License-Identifier: Apache-2.0 */
/* load.c: what loaders share: the memory map, refusals, and the choice between them. */
#include <stdarg.h>
#include <stdio.h>

#include "vmm/load.h"

#define RANGE_RAM 1u
#define RANGE_RESERVED 2u
#define RANGE_ACPI 3u
#define MIB UINT64_C(0x100000)
#define PAGE UINT64_C(4096)
#define ELF_MAGIC 0x464C457Fu
#define PE_MAGIC 0x5A4Du

unsigned load_memory_map(const struct guest_memory *memory, struct load_range ranges[LOAD_RANGES_MAX])
{
    unsigned n = 0;

    ranges[n++] = (struct load_range){ 0, PLATFORM_EBDA, RANGE_RAM };
    ranges[n++] = (struct load_range){ PLATFORM_EBDA, 0xA0000 - PLATFORM_EBDA, RANGE_RESERVED };
    ranges[n++] = (struct load_range){ PLATFORM_ACPI_RSDP, PLATFORM_ACPI_SIZE, RANGE_ACPI };
    if (memory->low_bytes > MIB)
        ranges[n++] = (struct load_range){ MIB, memory->low_bytes - MIB, RANGE_RAM };
    ranges[n++] = (struct load_range){ PLATFORM_ECAM, PLATFORM_ECAM_SIZE, RANGE_RESERVED };
    if (memory->high_bytes > 0)
        ranges[n++] = (struct load_range){ PLATFORM_HIGH_RAM, memory->high_bytes, RANGE_RAM };
    return n;
}

enum cl_status load_refuse(struct load_request *request, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(request->error, sizeof(request->error), format, arguments);
    va_end(arguments);
    return CL_CORRUPT;
}

enum cl_status load_place(struct load_request *r, uint64_t *end, uint64_t length, uint32_t *address)
{
    uint64_t at = (*end + PAGE - 1) & ~(PAGE - 1);

    if (at < MIB && length > PLATFORM_EBDA - (at < PLATFORM_EBDA ? at : PLATFORM_EBDA))
        at = MIB;
    if (at >= r->memory->low_bytes || length > r->memory->low_bytes - at) {
        (void)!load_refuse(r, "%#llx bytes do not fit behind the kernel, which ends at %#llx",
                           (unsigned long long)length, (unsigned long long)*end);
        return CL_NO_MEMORY;
    }
    *end = at + length;
    *address = (uint32_t)at;
    return CL_OK;
}

enum cl_status load_kernel(struct load_request *request, struct vcpu_page *page)
{
    uint32_t magic = 0;

    if (load_is_linux(request->kernel, request->kernel_bytes))
        return load_linux(request, page);
    if (load_is_multiboot(request->kernel, request->kernel_bytes))
        return load_multiboot(request, page);
    if (request->kernel_bytes >= sizeof(magic))
        memcpy(&magic, request->kernel, sizeof(magic));
    if (magic == ELF_MAGIC)
        return load_pvh(request, page);
    return load_refuse(request, "the kernel is no Linux bzImage, no multiboot 1 image and no ELF file%s",
                       (magic & 0xFFFF) == PE_MAGIC ? " (EFI programs need a firmware)" : "");
}

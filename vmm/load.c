/* SPDX-License-Identifier: Apache-2.0 */
/* load.c: what loaders share: the memory map, refusals, and the choice between them. */
#include <stdarg.h>
#include <stdio.h>

#include "vmm/load.h"

#define RANGE_RAM 1u
#define RANGE_RESERVED 2u
#define RANGE_ACPI 3u
#define MIB UINT64_C(0x100000)

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

enum cl_status load_kernel(struct load_request *request, struct vcpu_page *page)
{
    if (load_is_linux(request->kernel, request->kernel_bytes))
        return load_linux(request, page);
    if (load_is_multiboot(request->kernel, request->kernel_bytes))
        return load_multiboot(request, page);
    return load_refuse(request, "the kernel is neither a Linux bzImage nor a multiboot 1 image");
}

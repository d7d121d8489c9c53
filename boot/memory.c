/* SPDX-License-Identifier: Apache-2.0 */
/* memory.c: translate, cut at every edge, keep the strongest type of each piece, merge. */
#include "boot/memory.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#define PAGE_BYTES UINT64_C(4096)
#define REGISTERS_MAX UINT64_C(0x1000000)
#define ADDRESS_END (UINT64_C(1) << 52) /* no x86-64 CPU has more physical address bits */

/* EFI_MEMORY_DESCRIPTOR (UEFI 2.10 §7.2.3); the firmware's may be longer. */
struct efi_descriptor {
    uint32_t type;
    uint32_t padding;
    uint64_t base;
    uint64_t virtual_base;
    uint64_t pages;
    uint64_t attributes;
};
static_assert(sizeof(struct efi_descriptor) == 40, "EFI_MEMORY_DESCRIPTOR");

/* EFI_MEMORY_TYPE, the ones with a meaning of their own here. */
enum {
    EFI_LOADER_CODE = 1,
    EFI_LOADER_DATA = 2,
    EFI_BOOT_SERVICES_CODE = 3,
    EFI_BOOT_SERVICES_DATA = 4,
    EFI_RUNTIME_SERVICES_CODE = 5,
    EFI_RUNTIME_SERVICES_DATA = 6,
    EFI_CONVENTIONAL = 7,
    EFI_ACPI_RECLAIM = 9,
    EFI_ACPI_NVS = 10,
    EFI_MMIO = 11,
    EFI_MMIO_PORTS = 12,
};

#define EFI_ATTRIBUTE_WB (UINT64_C(1) << 3)       /* can be cached write-back */
#define EFI_ATTRIBUTE_SPECIAL (UINT64_C(1) << 18) /* specific purpose: not for general use */
#define EFI_ATTRIBUTE_RUNTIME (UINT64_C(1) << 63)

static enum boot_memory_type type_of(const struct efi_descriptor *d)
{
    switch (d->type) {
    case EFI_MMIO:
    case EFI_MMIO_PORTS:
        return BOOT_MEMORY_MMIO;
    case EFI_RUNTIME_SERVICES_CODE:
    case EFI_RUNTIME_SERVICES_DATA:
        return BOOT_MEMORY_RUNTIME;
    default:
        break;
    }
    if ((d->attributes & EFI_ATTRIBUTE_RUNTIME) != 0)
        return BOOT_MEMORY_RUNTIME;
    switch (d->type) {
    case EFI_BOOT_SERVICES_CODE:
    case EFI_BOOT_SERVICES_DATA:
    case EFI_CONVENTIONAL:
        if ((d->attributes & EFI_ATTRIBUTE_WB) == 0 || (d->attributes & EFI_ATTRIBUTE_SPECIAL) != 0)
            return BOOT_MEMORY_RESERVED;
        return BOOT_MEMORY_USABLE;
    case EFI_LOADER_CODE:
    case EFI_LOADER_DATA:
    case EFI_MEMORY_CLOISON_LOADER:
        return BOOT_MEMORY_LOADER;
    case EFI_MEMORY_CLOISON_KERNEL:
        return BOOT_MEMORY_KERNEL;
    case EFI_MEMORY_CLOISON_IMAGE:
        return BOOT_MEMORY_IMAGE;
    case EFI_ACPI_RECLAIM:
        return BOOT_MEMORY_ACPI;
    case EFI_ACPI_NVS:
        return BOOT_MEMORY_NVS;
    default:
        return BOOT_MEMORY_RESERVED;
    }
}

/* Which type wins where two ranges overlap: the higher. */
static unsigned strength_of(uint32_t type)
{
    static const uint8_t strength[] = {
        [0] = 0,
        [BOOT_MEMORY_USABLE] = 1,
        [BOOT_MEMORY_LOADER] = 2,
        [BOOT_MEMORY_IMAGE] = 3,
        [BOOT_MEMORY_KERNEL] = 4,
        [BOOT_MEMORY_ACPI] = 5,
        [BOOT_MEMORY_NVS] = 6,
        [BOOT_MEMORY_RUNTIME] = 7,
        [BOOT_MEMORY_MMIO] = 8,
        [BOOT_MEMORY_RESERVED] = 9,
    };
    return strength[type];
}

/* Whole pages: memory that may be used shrinks to them, memory that may not grows to them. False: nothing is left. */
static bool range_of(const struct efi_descriptor *d, struct boot_memory *range)
{
    uint64_t base = d->base, end;
    uint32_t type = (uint32_t)type_of(d);

    if (base >= ADDRESS_END || d->pages == 0)
        return false;
    end = d->pages > (ADDRESS_END - base) / PAGE_BYTES ? ADDRESS_END : base + d->pages * PAGE_BYTES;
    if (type == BOOT_MEMORY_USABLE) {
        base = (base + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
        end &= ~(PAGE_BYTES - 1);
    } else {
        base &= ~(PAGE_BYTES - 1);
        end = (end + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
    }
    *range = (struct boot_memory){ .base = base, .size_bytes = end - base, .type = type };
    return end > base;
}

/* Insertion: the firmware's map is nearly sorted as it comes. */
static void sort(uint64_t *edges, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        uint64_t edge = edges[i];
        uint32_t j = i;

        for (; j > 0 && edges[j - 1] > edge; j--)
            edges[j] = edges[j - 1];
        edges[j] = edge;
    }
}

static enum cl_status read_map(const uint8_t *map, size_t map_bytes, size_t stride_bytes, struct memory_work *work,
                               uint32_t *count)
{
    uint32_t used = 0;

    if (stride_bytes < sizeof(struct efi_descriptor))
        return refuse(CL_CORRUPT, "The firmware's memory map cannot be read: its entries are only %lu bytes long.",
                      (unsigned long)stride_bytes);
    if (map_bytes / stride_bytes > MEMORY_DESCRIPTORS_MAX - 1)
        return refuse(CL_LIMIT, "The firmware's memory map has %lu entries; the loader can read %u.",
                      (unsigned long)(map_bytes / stride_bytes), MEMORY_DESCRIPTORS_MAX - 1);
    for (size_t at = 0; map_bytes - at >= stride_bytes; at += stride_bytes) {
        struct efi_descriptor d;

        memcpy(&d, map + at, sizeof d);
        if (range_of(&d, &work->input[used]))
            used++;
    }
    /* address 0 is NULL to everyone who comes after us */
    work->input[used++] = (struct boot_memory){ .size_bytes = PAGE_BYTES, .type = BOOT_MEMORY_RESERVED };
    *count = used;
    return CL_OK;
}

/* The strongest type among the ranges that cover [base, base + 1); 0: none. */
static uint32_t type_at(const struct memory_work *work, uint32_t count, uint64_t base)
{
    uint32_t type = 0;

    for (uint32_t i = 0; i < count; i++) {
        const struct boot_memory *range = &work->input[i];

        if (base >= range->base && base - range->base < range->size_bytes &&
            strength_of(range->type) > strength_of(type))
            type = range->type;
    }
    return type;
}

/* Cut at every edge, so that each piece is wholly inside or outside of each input range. */
static uint32_t cut_and_merge(struct memory_work *work, uint32_t count)
{
    uint32_t edges = 0, used = 0;

    for (uint32_t i = 0; i < count; i++) {
        work->edges[edges++] = work->input[i].base;
        work->edges[edges++] = work->input[i].base + work->input[i].size_bytes;
    }
    sort(work->edges, edges);
    for (uint32_t i = 0; i + 1 < edges; i++) {
        uint64_t base = work->edges[i], size = work->edges[i + 1] - base;
        uint32_t type = size == 0 ? 0 : type_at(work, count, base);
        struct boot_memory *last = used == 0 ? NULL : &work->output[used - 1];

        if (type == 0)
            continue;
        if (last != NULL && last->type == type && last->base + last->size_bytes == base)
            last->size_bytes += size;
        else
            work->output[used++] = (struct boot_memory){ .base = base, .size_bytes = size, .type = type };
    }
    return used;
}

/* Leave out the smallest usable range; what is not listed is simply never used. */
static bool drop_smallest(struct boot_memory *ranges, uint32_t *count, uint64_t *lost_bytes)
{
    uint32_t smallest = *count;

    for (uint32_t i = 0; i < *count; i++) {
        if (ranges[i].type == BOOT_MEMORY_USABLE &&
            (smallest == *count || ranges[i].size_bytes < ranges[smallest].size_bytes))
            smallest = i;
    }
    if (smallest == *count)
        return false;
    *lost_bytes += ranges[smallest].size_bytes;
    memmove(&ranges[smallest], &ranges[smallest + 1], (*count - smallest - 1) * sizeof *ranges);
    (*count)--;
    return true;
}

enum cl_status memory_normalise(const void *map, size_t map_bytes, size_t stride_bytes, struct memory_work *work,
                                struct boot_memory out[BOOT_MEMORY_MAX], uint32_t *out_count, uint64_t *lost_bytes)
{
    uint32_t count = 0;

    TRY(read_map(map, map_bytes, stride_bytes, work, &count));
    count = cut_and_merge(work, count);
    *lost_bytes = 0;
    while (count > BOOT_MEMORY_MAX) {
        if (!drop_smallest(work->output, &count, lost_bytes))
            return refuse(CL_LIMIT, "The firmware's memory map has %u separate reserved ranges; the limit is %u.",
                          count, BOOT_MEMORY_MAX);
    }
    memcpy(out, work->output, count * sizeof *out);
    *out_count = count;
    return CL_OK;
}

static uint64_t highest(const struct boot_memory *ranges, uint32_t count, uint64_t registers_max)
{
    uint64_t found = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint64_t size = ranges[i].size_bytes, end = ranges[i].base + size;
        bool wanted =
            ranges[i].type == BOOT_MEMORY_MMIO ? size <= registers_max : ranges[i].type != BOOT_MEMORY_RESERVED;

        if (wanted && end > found)
            found = end;
    }
    return found;
}

uint64_t memory_highest_ram(const struct boot_memory *ranges, uint32_t count)
{
    return highest(ranges, count, 0);
}

uint64_t memory_highest_mapped(const struct boot_memory *ranges, uint32_t count)
{
    return highest(ranges, count, REGISTERS_MAX);
}

uint64_t memory_total(const struct boot_memory *ranges, uint32_t count, enum boot_memory_type type)
{
    uint64_t total = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (ranges[i].type == (uint32_t)type)
            total += ranges[i].size_bytes;
    }
    return total;
}

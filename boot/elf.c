/* SPDX-License-Identifier: Apache-2.0 */
/* elf.c: program headers of an ELF64 file (System V ABI, chapters 4 and 5). */
#include "boot/elf.h"

#include <assert.h>
#include <string.h>

#define PAGE_BYTES UINT64_C(4096)

struct elf_header {
    uint8_t ident[16];
    uint16_t type;
    uint16_t machine;
    uint32_t version;
    uint64_t entry;
    uint64_t phoff;
    uint64_t shoff;
    uint32_t flags;
    uint16_t ehsize;
    uint16_t phentsize;
    uint16_t phnum;
    uint16_t shentsize;
    uint16_t shnum;
    uint16_t shstrndx;
};
static_assert(sizeof(struct elf_header) == 64, "Elf64_Ehdr");

struct elf_segment {
    uint32_t type;
    uint32_t flags;
    uint64_t offset;
    uint64_t vaddr;
    uint64_t paddr;
    uint64_t filesz;
    uint64_t memsz;
    uint64_t align;
};
static_assert(sizeof(struct elf_segment) == 56, "Elf64_Phdr");

enum { ET_EXEC = 2, EM_X86_64 = 62, PT_LOAD = 1, PT_DYNAMIC = 2, PT_INTERP = 3, PF_X = 1 };

static enum cl_status bad_kernel(const char *why)
{
    return refuse(CL_CORRUPT, "The system image's kernel.elf cannot be loaded: %s. Build the image again.", why);
}

/* Copied, because the archive aligns its members to 4 bytes only. */
static struct elf_header header_of(const uint8_t *bytes)
{
    struct elf_header header;

    memcpy(&header, bytes, sizeof header);
    return header;
}

static struct elf_segment segment_of(const uint8_t *bytes, const struct elf_header *header, unsigned index)
{
    struct elf_segment segment;

    memcpy(&segment, bytes + header->phoff + index * sizeof segment, sizeof segment);
    return segment;
}

static enum cl_status check_header(const uint8_t *bytes, size_t size_bytes)
{
    static const uint8_t ident[7] = { 0x7f, 'E', 'L', 'F', 2 /* 64 bit */, 1 /* little endian */, 1 /* version */ };

    if (size_bytes < sizeof(struct elf_header))
        return bad_kernel("it is too short for an ELF header");

    struct elf_header header = header_of(bytes);
    if (memcmp(header.ident, ident, sizeof ident) != 0)
        return bad_kernel("it is not a 64-bit little-endian ELF file");
    if (header.machine != EM_X86_64 || header.type != ET_EXEC)
        return bad_kernel("it is not an x86-64 executable");
    if (header.phentsize != sizeof(struct elf_segment) || header.phnum == 0)
        return bad_kernel("it has no program headers");
    if (header.phoff > size_bytes || header.phnum * sizeof(struct elf_segment) > size_bytes - header.phoff)
        return bad_kernel("its program headers lie outside the file");
    return CL_OK;
}

static enum cl_status check_segment(const struct elf_segment *segment, size_t size_bytes)
{
    if (segment->filesz > segment->memsz)
        return bad_kernel("a segment is larger in the file than in memory");
    if (segment->offset > size_bytes || segment->filesz > size_bytes - segment->offset)
        return bad_kernel("a segment lies outside the file");
    if (segment->vaddr < ELF_KERNEL_LOWEST)
        return bad_kernel("a segment is not linked at 0xFFFFFFFF80000000 or above");
    if (segment->memsz > ELF_KERNEL_SPAN_MAX || segment->vaddr > UINT64_MAX - PAGE_BYTES - segment->memsz)
        return bad_kernel("a segment is too large");
    return CL_OK;
}

/* No two segments share a byte, and the entry point is in one that may be executed. */
static enum cl_status check_relations(const uint8_t *bytes, const struct elf_header *header)
{
    int entry_found = 0;

    for (unsigned i = 0; i < header->phnum; i++) {
        struct elf_segment a = segment_of(bytes, header, i);

        if (a.type != PT_LOAD)
            continue;
        if ((a.flags & PF_X) != 0 && header->entry >= a.vaddr && header->entry - a.vaddr < a.filesz)
            entry_found = 1;
        for (unsigned j = 0; j < i; j++) {
            struct elf_segment b = segment_of(bytes, header, j);

            if (b.type == PT_LOAD && a.vaddr < b.vaddr + b.memsz && b.vaddr < a.vaddr + a.memsz)
                return bad_kernel("two segments overlap");
        }
    }
    return entry_found ? CL_OK : bad_kernel("its entry point is not in an executable segment");
}

enum cl_status elf_kernel_check(const uint8_t *bytes, size_t size_bytes, struct elf_kernel *kernel)
{
    uint64_t lowest = UINT64_MAX, highest = 0;

    TRY(check_header(bytes, size_bytes));
    struct elf_header header = header_of(bytes);
    for (unsigned i = 0; i < header.phnum; i++) {
        struct elf_segment segment = segment_of(bytes, &header, i);

        if (segment.type == PT_DYNAMIC || segment.type == PT_INTERP)
            return bad_kernel("it is dynamically linked");
        if (segment.type != PT_LOAD)
            continue;
        TRY(check_segment(&segment, size_bytes));
        if (segment.memsz == 0)
            continue;
        if (segment.vaddr < lowest)
            lowest = segment.vaddr;
        if (segment.vaddr + segment.memsz > highest)
            highest = segment.vaddr + segment.memsz;
    }
    if (highest == 0)
        return bad_kernel("it has nothing to load");
    TRY(check_relations(bytes, &header));

    lowest &= ~(ELF_KERNEL_ALIGN_BYTES - 1);
    highest = (highest + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
    if (highest - lowest > ELF_KERNEL_SPAN_MAX)
        return bad_kernel("its segments are more than 64 MiB apart");
    *kernel = (struct elf_kernel){
        .bytes = bytes,
        .size_bytes = size_bytes,
        .virtual_base = lowest,
        .span_bytes = highest - lowest,
        .entry = header.entry,
    };
    return CL_OK;
}

void elf_kernel_load(const struct elf_kernel *kernel, void *destination)
{
    struct elf_header header = header_of(kernel->bytes);
    uint8_t *to = destination;

    memset(to, 0, kernel->span_bytes);
    for (unsigned i = 0; i < header.phnum; i++) {
        struct elf_segment segment = segment_of(kernel->bytes, &header, i);

        if (segment.type == PT_LOAD && segment.filesz != 0)
            memcpy(to + (segment.vaddr - kernel->virtual_base), kernel->bytes + segment.offset, segment.filesz);
    }
}

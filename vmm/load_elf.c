/* SPDX-License-Identifier: Apache-2.0 */
/* load_elf.c: ELF executables by their program headers (System V ABI, gABI 4.1; i386 and x86-64 supplements). */
#include <elf.h>

#include "vmm/load.h"

#define SEGMENTS_MAX 64u

struct segment {
    uint64_t offset, virtual_address, physical, file_bytes, memory_bytes;
    uint32_t type;
};

struct image {
    bool wide;
    uint64_t entry, table;
    uint32_t entry_bytes, count;
};

static enum cl_status read_header(struct load_request *r, struct image *image)
{
    Elf32_Ehdr h32;
    Elf64_Ehdr h64;

    if (r->kernel_bytes < sizeof(h64) || memcmp(r->kernel, ELFMAG, SELFMAG) != 0)
        return load_refuse(r, "the kernel is not an ELF file");
    memcpy(&h32, r->kernel, sizeof(h32));
    memcpy(&h64, r->kernel, sizeof(h64));
    image->wide = h32.e_ident[EI_CLASS] == ELFCLASS64;
    if (h32.e_ident[EI_DATA] != ELFDATA2LSB || h32.e_type != ET_EXEC)
        return load_refuse(r, "the kernel is not a little-endian executable ELF file (type %u)", h32.e_type);
    if (h32.e_machine != EM_386 && h32.e_machine != EM_X86_64)
        return load_refuse(r, "the kernel is for machine %u, not for x86", h32.e_machine);
    image->entry = image->wide ? h64.e_entry : h32.e_entry;
    image->table = image->wide ? h64.e_phoff : h32.e_phoff;
    image->count = image->wide ? h64.e_phnum : h32.e_phnum;
    image->entry_bytes = image->wide ? h64.e_phentsize : h32.e_phentsize;
    if (image->entry_bytes != (image->wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)) || image->count == 0 ||
        image->count > SEGMENTS_MAX)
        return load_refuse(r, "%u program headers of %u bytes", image->count, image->entry_bytes);
    if (image->table > r->kernel_bytes || image->count * image->entry_bytes > r->kernel_bytes - image->table)
        return load_refuse(r, "the program headers lie outside of the file");
    return CL_OK;
}

static struct segment read_segment(const struct load_request *r, const struct image *image, unsigned index)
{
    const uint8_t *at = r->kernel + image->table + (size_t)index * image->entry_bytes;
    Elf32_Phdr p32;
    Elf64_Phdr p64;

    if (image->wide) {
        memcpy(&p64, at, sizeof(p64));
        return (struct segment){ p64.p_offset, p64.p_vaddr, p64.p_paddr, p64.p_filesz, p64.p_memsz, p64.p_type };
    }
    memcpy(&p32, at, sizeof(p32));
    return (struct segment){ p32.p_offset, p32.p_vaddr, p32.p_paddr, p32.p_filesz, p32.p_memsz, p32.p_type };
}

static enum cl_status load_segment(struct load_request *r, const struct segment *s, unsigned index)
{
    uint8_t *to;

    if (s->file_bytes > s->memory_bytes || s->offset > r->kernel_bytes || s->file_bytes > r->kernel_bytes - s->offset)
        return load_refuse(r, "segment %u lies outside of the file", index);
    to = guest_memory_at(r->memory, s->physical, s->memory_bytes);
    if (to == NULL || s->physical + s->memory_bytes > UINT32_MAX) {
        (void)!load_refuse(r, "segment %u wants %#llx bytes at %#llx, where the VM has no RAM", index,
                           (unsigned long long)s->memory_bytes, (unsigned long long)s->physical);
        return CL_NO_MEMORY;
    }
    memcpy(to, r->kernel + s->offset, s->file_bytes);
    memset(to + s->file_bytes, 0, s->memory_bytes - s->file_bytes);
    return CL_OK;
}

enum cl_status load_elf(struct load_request *r, uint32_t *entry, uint64_t *end)
{
    struct image image = { 0 };
    uint64_t start = 0;
    bool found = false;

    TRY(read_header(r, &image));
    *end = 0;
    for (unsigned i = 0; i < image.count; i++) {
        struct segment s = read_segment(r, &image, i);

        if (s.type != PT_LOAD || s.memory_bytes == 0)
            continue;
        TRY(load_segment(r, &s, i));
        if (s.physical + s.memory_bytes > *end)
            *end = s.physical + s.memory_bytes;
        /* The entry point is linked where the segment is meant to run: paging is still off, so go where it lies. */
        if (image.entry >= s.virtual_address && image.entry - s.virtual_address < s.memory_bytes) {
            start = image.entry - s.virtual_address + s.physical;
            found = true;
        }
    }
    if (!found)
        return load_refuse(r, "the entry point %#llx lies in no segment", (unsigned long long)image.entry);
    *entry = (uint32_t)start;
    return CL_OK;
}

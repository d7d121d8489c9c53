/* SPDX-License-Identifier: Apache-2.0 */
/* load_elf.c: ELF executables by their program headers (System V ABI, gABI 4.1; i386 and x86-64 supplements). */
#include <elf.h>

#include "vmm/load.h"

#define SEGMENTS_MAX 64u

struct segment {
    uint64_t offset, virtual_address, physical, file_bytes, memory_bytes, alignment;
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
        return (struct segment){ p64.p_offset, p64.p_vaddr, p64.p_paddr, p64.p_filesz,
                                 p64.p_memsz,  p64.p_align, p64.p_type };
    }
    memcpy(&p32, at, sizeof(p32));
    return (
        struct segment){ p32.p_offset, p32.p_vaddr, p32.p_paddr, p32.p_filesz, p32.p_memsz, p32.p_align, p32.p_type };
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

/* Copy all segments. `start`: where the entry point lies, if the ELF header's is one of a segment; `end` as load_elf(). */
static enum cl_status load_segments(struct load_request *r, const struct image *image, uint64_t *start, bool *found,
                                    uint64_t *end)
{
    *end = 0;
    for (unsigned i = 0; i < image->count; i++) {
        struct segment s = read_segment(r, image, i);

        if (s.type != PT_LOAD || s.memory_bytes == 0)
            continue;
        TRY(load_segment(r, &s, i));
        if (s.physical + s.memory_bytes > *end)
            *end = s.physical + s.memory_bytes;
        /* The entry point is linked where the segment is meant to run: paging is still off, so go where it lies. */
        if (image->entry >= s.virtual_address && image->entry - s.virtual_address < s.memory_bytes) {
            *start = image->entry - s.virtual_address + s.physical;
            *found = true;
        }
    }
    return CL_OK;
}

enum cl_status load_elf(struct load_request *r, uint32_t *entry, uint64_t *end)
{
    struct image image = { 0 };
    uint64_t start = 0;
    bool found = false;

    TRY(read_header(r, &image));
    TRY(load_segments(r, &image, &start, &found, end));
    if (!found)
        return load_refuse(r, "the entry point %#llx lies in no segment", (unsigned long long)image.entry);
    *entry = (uint32_t)start;
    return CL_OK;
}

static uint64_t align_up(uint64_t value, uint64_t alignment)
{
    return (value + alignment - 1) & ~(alignment - 1);
}

/* Search one segment of notes. Its headers, names and contents are each padded to its alignment, 4 or 8. */
static bool find_note(const struct load_request *r, const struct segment *s, const char *owner, uint32_t type,
                      uint64_t *value)
{
    uint64_t alignment = s->alignment == 8 ? 8 : 4, owner_bytes = strlen(owner) + 1;
    Elf64_Nhdr note;

    if (s->offset > r->kernel_bytes || s->file_bytes > r->kernel_bytes - s->offset)
        return false;
    for (uint64_t at = 0; at <= s->file_bytes && s->file_bytes - at >= sizeof(note);) {
        const uint8_t *bytes = r->kernel + s->offset + at;
        uint64_t contents, next;

        memcpy(&note, bytes, sizeof(note));
        contents = align_up(sizeof(note) + (uint64_t)note.n_namesz, alignment);
        next = align_up(contents + note.n_descsz, alignment);
        if (contents + note.n_descsz > s->file_bytes - at)
            return false;
        if (note.n_type == type && note.n_namesz == owner_bytes &&
            memcmp(bytes + sizeof(note), owner, owner_bytes) == 0 && (note.n_descsz == 4 || note.n_descsz == 8)) {
            *value = 0;
            memcpy(value, bytes + contents, note.n_descsz);
            return true;
        }
        at += next;
    }
    return false;
}

bool load_elf_note(struct load_request *r, const char *owner, uint32_t type, uint64_t *value)
{
    struct image image = { 0 };

    if (read_header(r, &image) != CL_OK)
        return false;
    for (unsigned i = 0; i < image.count; i++) {
        struct segment s = read_segment(r, &image, i);

        if (s.type == PT_NOTE && find_note(r, &s, owner, type, value))
            return true;
    }
    return false;
}

enum cl_status load_elf_at(struct load_request *r, uint64_t entry, uint64_t *end)
{
    struct image image = { 0 };
    uint64_t ignored = 0;
    bool found = false;

    TRY(read_header(r, &image));
    TRY(load_segments(r, &image, &ignored, &found, end));
    for (unsigned i = 0; i < image.count; i++) {
        struct segment s = read_segment(r, &image, i);

        if (s.type == PT_LOAD && entry >= s.physical && entry - s.physical < s.memory_bytes)
            return CL_OK;
    }
    return load_refuse(r, "the entry point %#llx lies in no segment", (unsigned long long)entry);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* elf_check.c: ELF headers (System V ABI, chapters 4 and 5) as input that is not believed. */
#include "lib/elf_check.h"

#include <elf.h>
#include <string.h>

#include "abi/syscall.h"
#include "lib/start_block.h"

#define PAGE UINT64_C(4096)

static enum cl_status refuse(struct elf_program *program, const char *why)
{
    program->refusal = why;
    return CL_CORRUPT;
}

static enum cl_status check_header(const Elf64_Ehdr *header, uint64_t size_bytes, struct elf_program *program)
{
    if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
        return refuse(program, "it is no ELF file");
    if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
        header->e_machine != EM_X86_64)
        return refuse(program, "it is not made for x86-64");
    if (header->e_type != ET_EXEC)
        return refuse(program, "it is not a static executable");
    if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phoff > size_bytes ||
        (uint64_t)header->e_phnum * sizeof(Elf64_Phdr) > size_bytes - header->e_phoff)
        return refuse(program, "its program headers are not in the file");
    return CL_OK;
}

static uint32_t to_rights(uint32_t flags)
{
    return ((flags & PF_R) != 0 ? MAP_READ : 0) | ((flags & PF_W) != 0 ? MAP_WRITE : 0) |
           ((flags & PF_X) != 0 ? MAP_EXECUTE : 0);
}

static enum cl_status check_segment(const Elf64_Phdr *header, uint64_t size_bytes, struct elf_program *program,
                                    struct elf_segment *segment)
{
    uint64_t skew = header->p_vaddr % PAGE;

    if (header->p_offset > size_bytes || header->p_filesz > size_bytes - header->p_offset)
        return refuse(program, "a segment's bytes are not in the file");
    if (header->p_filesz > header->p_memsz)
        return refuse(program, "a segment is larger in the file than in memory");
    if (header->p_vaddr < PROGRAM_TEXT_ADDRESS || header->p_vaddr > PROGRAM_END_ADDRESS ||
        header->p_memsz > PROGRAM_END_ADDRESS - header->p_vaddr)
        return refuse(program, "a segment lies outside the addresses of programs");
    if (header->p_filesz > 0 && header->p_offset % PAGE != skew)
        return refuse(program, "a segment's offset in the file and its address do not agree modulo 4096");

    *segment = (struct elf_segment){ .address = header->p_vaddr - skew, .rights = to_rights(header->p_flags) };
    segment->size_bytes = (skew + header->p_memsz + PAGE - 1) / PAGE * PAGE;
    if (header->p_filesz > 0) {
        segment->file_offset = header->p_offset - skew;
        segment->file_bytes = skew + header->p_filesz;
    }
    if ((segment->rights & MAP_READ) == 0)
        return refuse(program, "a segment is not readable");
    if ((segment->rights & MAP_WRITE) != 0 && (segment->rights & MAP_EXECUTE) != 0)
        return refuse(program, "a segment is both writable and executable");
    if ((segment->rights & MAP_WRITE) == 0 && header->p_filesz != header->p_memsz)
        return refuse(program, "a segment that cannot be written is not whole in the file");
    return CL_OK;
}

static enum cl_status add_segment(const Elf64_Phdr *header, uint64_t size_bytes, struct elf_program *program)
{
    struct elf_segment *segment = &program->segment[program->segment_count];

    if (header->p_memsz == 0)
        return CL_OK;
    if (program->segment_count == ELF_SEGMENTS_MAX)
        return refuse(program, "it has too many segments");
    TRY(check_segment(header, size_bytes, program, segment));
    if (program->segment_count > 0 && segment->address < segment[-1].address + segment[-1].size_bytes)
        return refuse(program, "its segments overlap or are not sorted");
    program->segment_count++;
    return CL_OK;
}

static enum cl_status check_entry(struct elf_program *program)
{
    for (uint32_t i = 0; i < program->segment_count; i++) {
        const struct elf_segment *segment = &program->segment[i];
        if ((segment->rights & MAP_EXECUTE) != 0 && program->entry >= segment->address &&
            program->entry - segment->address < segment->file_bytes)
            return CL_OK;
    }
    return refuse(program, "its entry point is not in an executable segment");
}

enum cl_status elf_check(const uint8_t *file, uint64_t size_bytes, struct elf_program *program)
{
    Elf64_Ehdr header;
    Elf64_Phdr segment;

    *program = (struct elf_program){ .refusal = NULL };
    if (size_bytes < sizeof(header))
        return refuse(program, "it is too short for an ELF file");
    memcpy(&header, file, sizeof(header));
    TRY(check_header(&header, size_bytes, program));
    program->entry = header.e_entry;
    for (unsigned i = 0; i < header.e_phnum; i++) {
        memcpy(&segment, file + header.e_phoff + i * sizeof(segment), sizeof(segment));
        if (segment.p_type == PT_INTERP || segment.p_type == PT_DYNAMIC)
            return refuse(program, "it is dynamically linked");
        if (segment.p_type == PT_LOAD)
            TRY(add_segment(&segment, size_bytes, program));
    }
    return check_entry(program);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* boot_init.c: the system image (cpio newc) is searched for init.elf, whose segments become memory objects of init. */
#include "kernel/boot_init.h"

#include <elf.h>

#include "abi/syscall.h"
#include "kernel/account_object.h"
#include "kernel/assert.h"
#include "kernel/domain.h"
#include "kernel/layout.h"
#include "kernel/memory.h"
#include "kernel/string.h"
#include "kernel/system.h"
#include "kernel/thread.h"
#include "lib/start_block.h"

#define CPIO_HEADER 110
#define CPIO_FILESIZE 54 /* offsets of the hexadecimal fields that matter */
#define CPIO_NAMESIZE 94

static uint64_t hexadecimal(const char *digits)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < 8; i++) {
        char c = digits[i];
        unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0') : ((unsigned)(c | 0x20) - 'a' + 10) & 15;
        value = value << 4 | digit;
    }
    return value;
}

/* The loader has verified the archive: only its shape is checked again, so that a bug cannot lead astray. */
static const char *find_member(const struct boot_info *boot, const char *wanted, uint64_t *size)
{
    const char *image = (const char *)boot->image_base;
    uint64_t offset = 0;

    while (boot->image_size_bytes - offset >= CPIO_HEADER && memcmp(image + offset, "070701", 6) == 0) {
        uint64_t name_size = hexadecimal(image + offset + CPIO_NAMESIZE);
        uint64_t data = align_up(offset + CPIO_HEADER + name_size, 4);
        *size = hexadecimal(image + offset + CPIO_FILESIZE);
        if (data > boot->image_size_bytes || *size > boot->image_size_bytes - data)
            break;
        if (strcmp(image + offset + CPIO_HEADER, wanted) == 0)
            return image + data;
        offset = align_up(data + *size, 4);
    }
    panic("the system image has no member %s", wanted);
}

static void must(enum cl_status status, const char *what)
{
    if (status != CL_OK)
        panic("init cannot be started: %s failed with status %d", what, status);
}

/* A memory object with the segment's bytes, mapped with the segment's rights. */
static void load_segment(struct domain *init, struct account *root, const char *file, const Elf64_Phdr *header)
{
    uint64_t start = align_down(header->p_vaddr, PAGE_SIZE);
    uint64_t end = align_up(header->p_vaddr + header->p_memsz, PAGE_SIZE);
    unsigned rights = PT_USER | PT_READ | ((header->p_flags & PF_W) != 0 ? PT_WRITE : 0) |
                      ((header->p_flags & PF_X) != 0 ? PT_EXECUTE : 0);
    struct memory *memory;
    struct pt_leaf leaf;
    enum cl_status status;
    uint64_t done;

    must(memory_create(root, end - start, 0, &memory), "memory for a segment");
    for (uint64_t i = 0; i < header->p_filesz;) {
        uint64_t address = header->p_vaddr + i;
        uint64_t in_page = address % PAGE_SIZE;
        uint64_t piece = PAGE_SIZE - in_page;
        unsigned budget = 1;
        if (piece > header->p_filesz - i)
            piece = header->p_filesz - i;
        must(memory_frame(memory, address - in_page - start, &budget, &leaf), "a frame for a segment");
        memcpy((void *)(leaf.frame.value + in_page), file + header->p_offset + i, piece);
        i += piece;
    }
    do
        status = memory_map(memory, &init->space, root, 0, end - start, start, rights, &done);
    while (status == CL_IN_PROGRESS);
    must(status, "mapping a segment");
}

static uint64_t load_program(struct domain *init, struct account *root, const char *file, uint64_t size)
{
    const Elf64_Ehdr *elf = (const Elf64_Ehdr *)file;

    if (size < sizeof(*elf) || memcmp(elf->e_ident, ELFMAG, SELFMAG) != 0 || elf->e_machine != EM_X86_64 ||
        elf->e_phentsize != sizeof(Elf64_Phdr) || elf->e_phoff > size ||
        elf->e_phnum * sizeof(Elf64_Phdr) > size - elf->e_phoff)
        panic("init.elf is not an x86-64 program");
    const Elf64_Phdr *headers = (const Elf64_Phdr *)(file + elf->e_phoff);
    for (unsigned i = 0; i < elf->e_phnum; i++) {
        const Elf64_Phdr *h = &headers[i];
        if (h->p_type != PT_LOAD || h->p_memsz == 0)
            continue;
        if (h->p_offset > size || h->p_filesz > size - h->p_offset || h->p_filesz > h->p_memsz ||
            h->p_vaddr < LAYOUT_USER_FIRST || h->p_vaddr >= LAYOUT_USER_END ||
            h->p_memsz > LAYOUT_USER_END - h->p_vaddr)
            panic("init.elf: segment %u leaves the file or the user half", i);
        load_segment(init, root, file, h);
    }
    return elf->e_entry;
}

static void give_boot_object(struct domain *init, uint64_t slot, enum object_type type)
{
    struct object *object = object_create(NULL, type, sizeof(*object));

    ASSERT(object != NULL);
    cap_insert(init, slot, object, RIGHT_ALL & ~(unsigned)RIGHT_DESTROY);
}

static void give_capabilities(struct domain *init, struct account *root, const struct boot_info *boot)
{
    struct memory *memory;

    cap_insert(init, INIT_SLOT_DOMAIN, &init->object, RIGHT_ALL & ~(unsigned)RIGHT_DESTROY);
    cap_insert(init, INIT_SLOT_ACCOUNT, &root->object, RIGHT_ALL & ~(unsigned)RIGHT_DESTROY);
    give_boot_object(init, INIT_SLOT_SYSTEM, OBJECT_SYSTEM);
    give_boot_object(init, INIT_SLOT_PORTS, OBJECT_PORTS);
    give_boot_object(init, INIT_SLOT_IRQS, OBJECT_IRQS);
    must(
        memory_create_fixed(hpa(boot->image_base), align_up(boot->image_size_bytes, PAGE_SIZE), PT_WRITE_BACK, &memory),
        "the system image");
    cap_insert(init, INIT_SLOT_IMAGE, &memory->object, RIGHT_READ | RIGHT_EXECUTE | RIGHT_COPY);
    if (boot->framebuffer.format != BOOT_PIXELS_NONE) {
        must(memory_create_fixed(hpa(align_down(boot->framebuffer.base, PAGE_SIZE)),
                                 align_up(boot->framebuffer.size_bytes, PAGE_SIZE), PT_WRITE_COMBINING, &memory),
             "the framebuffer");
        cap_insert(init, INIT_SLOT_FRAMEBUFFER, &memory->object, RIGHT_READ | RIGHT_WRITE | RIGHT_COPY);
    }
}

void boot_init(const struct boot_info *boot, struct account *root)
{
    struct thread_arguments arguments = { .page_address = INIT_THREAD_PAGE_ADDRESS, .cpu = 0 };
    struct domain *init;
    struct thread *thread;
    uint64_t size;
    const char *file = find_member(boot, "init.elf", &size);

    must(domain_create(root, "init", INIT_SLOT_COUNT, &init), "its domain");
    give_capabilities(init, root, boot);
    arguments.entry = load_program(init, root, file, size);
    must(thread_create(init, root, &arguments, &thread), "its thread");
    thread_start(thread);
}

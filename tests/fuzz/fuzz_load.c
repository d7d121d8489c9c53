/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: vmm/load.c vmm/load_elf.c vmm/load_multiboot.c vmm/load_pvh.c vmm/load_linux.c vmm/boot_state.c */
/* fuzz_load.c: the input is a guest's kernel image: anything, or something that has the beginnings of a known format. It
 * is loaded, or refused with a sentence. */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/load.h"

#define RAM_BYTES 0x1000000u
#define MULTIBOOT_MAGIC 0x1BADB002u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put32(uint8_t *bytes, size_t size, size_t at, uint32_t value)
{
    if (at + 4 <= size)
        memcpy(bytes + at, &value, 4);
}

/* What loaders look at first, so that they look further. */
static void dress(uint8_t *bytes, size_t size, uint8_t how)
{
    size_t header = how / 8 * 4u;
    uint32_t flags = 0;

    if (how & 1) {
        put32(bytes, size, 0, 0x464C457F); /* 7Fh, "ELF" */
        put32(bytes, size, 4, (how & 8 ? ELFCLASS64 : ELFCLASS32) | ELFDATA2LSB << 8 | EV_CURRENT << 16);
        put32(bytes, size, 16, ET_EXEC | (how & 8 ? EM_X86_64 + 0u : EM_386 + 0u) << 16);
    }
    if ((how & 0x11) == 0x11) { /* one segment of notes at 78h, the first of them is PVH's */
        put32(bytes, size, 52, sizeof(Elf64_Ehdr) | sizeof(Elf64_Phdr) << 16);
        put32(bytes, size, 64, PT_NOTE);
        put32(bytes, size, 0x78, 4);
        put32(bytes, size, 0x78 + 8, 18);
        put32(bytes, size, 0x78 + 12, 0x006E6558); /* "Xen" */
    }
    if (how & 2) {
        put32(bytes, size, header, MULTIBOOT_MAGIC);
        if (header + 8 <= size)
            memcpy(&flags, bytes + header + 4, 4);
        put32(bytes, size, header + 4, flags & 0x10007);
        put32(bytes, size, header + 8, -(MULTIBOOT_MAGIC + (flags & 0x10007)));
    }
    if (how & 4) {
        put32(bytes, size, 0x1FC, 0xAA550000);
        put32(bytes, size, 0x202, 0x53726448); /* "HdrS" */
    }
}

/* The last byte of an input says how it is dressed. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t *ram;
    static struct vcpu_page page;
    struct guest_memory memory = { .low_bytes = RAM_BYTES };

    if (ram == NULL)
        ram = calloc(1, RAM_BYTES);
    if (size < 2 || ram == NULL)
        return 0;
    size--;
    uint8_t *kernel = malloc(size); /* of its exact size: a read behind it is caught */
    if (kernel == NULL)
        return 0;
    memory.low = ram;
    memcpy(kernel, data, size);
    dress(kernel, size, data[size]);
    struct load_request request = { .memory = &memory,
                                    .kernel = kernel,
                                    .kernel_bytes = size,
                                    .module = kernel,
                                    .module_bytes = size & 1 ? size : 0,
                                    .name = "kernel",
                                    .command_line = "one two",
                                    .rsdp = 0xF0000 };
    if (load_kernel(&request, &page) != CL_OK && request.error[0] == '\0')
        __builtin_trap(); /* a refusal without a sentence */
    free(kernel);
    return 0;
}

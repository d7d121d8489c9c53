/* SPDX-License-Identifier: Apache-2.0 */
/* load_multiboot.c: multiboot 1 kernels (Multiboot Specification 0.6.96).
 *
 * Header in the first 8 KiB (§3.1); ELF, or the address fields of the header ("a.out kludge"); machine state (§3.2);
 * information structure with memory sizes, command line, one module, memory map and loader name (§3.3).
 */
#include <stdio.h>

#include "vmm/boot_state.h"
#include "vmm/load.h"

#define HEADER_MAGIC 0x1BADB002u
#define BOOT_MAGIC 0x2BADB002u
#define HEADER_SEARCH 8192u
#define HEADER_ADDRESSES (1u << 16)
#define HEADER_KNOWN 0x7u /* page-aligned modules, memory information, video mode (there is none to give) */

#define INFO_MEMORY (1u << 0)
#define INFO_COMMAND_LINE (1u << 2)
#define INFO_MODULES (1u << 3)
#define INFO_MEMORY_MAP (1u << 6)
#define INFO_LOADER_NAME (1u << 9)

#define COMMAND_MAX 4096u
#define MIB 0x100000u

struct header {
    uint32_t magic, flags, checksum, header_address, load_address, load_end, bss_end, entry;
};

struct information {
    uint32_t flags, memory_lower_kib, memory_upper_kib, boot_device, command_line, module_count, modules, symbols[4],
        map_length, map_address, drives_length, drives_address, configuration, loader_name, apm, video[6];
};

struct module {
    uint32_t start, end, text, reserved;
};

struct map_entry {
    uint32_t size; /* of what follows */
    uint32_t base_low, base_high, length_low, length_high, type;
};

/* Everything that the guest reads about itself, in one piece of memory behind the kernel. */
struct hand_over {
    struct information information;
    struct module module;
    struct map_entry map[LOAD_RANGES_MAX];
    char loader_name[16];
    char command_line[COMMAND_MAX];
};

static bool find_header(const uint8_t *kernel, uint64_t bytes, struct header *header, uint64_t *offset)
{
    uint64_t limit = bytes < HEADER_SEARCH ? bytes : HEADER_SEARCH;

    for (uint64_t at = 0; at + 12 <= limit; at += 4) {
        memset(header, 0, sizeof(*header));
        memcpy(header, kernel + at, bytes - at < sizeof(*header) ? bytes - at : sizeof(*header));
        if (header->magic == HEADER_MAGIC && header->magic + header->flags + header->checksum == 0) {
            *offset = at;
            return true;
        }
    }
    return false;
}

bool load_is_multiboot(const uint8_t *kernel, uint64_t bytes)
{
    struct header header;
    uint64_t offset;

    return find_header(kernel, bytes, &header, &offset);
}

/* §3.1.3: where the file's bytes go is told by addresses in the header. */
static enum cl_status load_flat(struct load_request *r, const struct header *h, uint64_t offset, uint64_t *end)
{
    uint64_t skip, length, total;
    uint8_t *to;

    if (h->load_address > h->header_address || h->header_address - h->load_address > offset)
        return load_refuse(r, "multiboot: load_addr %#x does not fit to header_addr %#x", h->load_address,
                           h->header_address);
    skip = offset - (h->header_address - h->load_address);
    length = r->kernel_bytes - skip;
    if (h->load_end != 0) {
        if (h->load_end < h->load_address || h->load_end - h->load_address > length)
            return load_refuse(r, "multiboot: load_end_addr %#x lies outside of the file", h->load_end);
        length = h->load_end - h->load_address;
    }
    total = length;
    if (h->bss_end != 0) {
        if (h->bss_end < h->load_address || h->bss_end - h->load_address < length)
            return load_refuse(r, "multiboot: bss_end_addr %#x lies before the end of the data", h->bss_end);
        total = h->bss_end - h->load_address;
    }
    to = guest_memory_at(r->memory, h->load_address, total);
    if (to == NULL) {
        (void)!load_refuse(r, "multiboot: %#llx bytes at %#x: the VM has no RAM there", (unsigned long long)total,
                           h->load_address);
        return CL_NO_MEMORY;
    }
    memcpy(to, r->kernel + skip, length);
    memset(to + length, 0, total - length);
    *end = h->load_address + total;
    return CL_OK;
}

static void fill_map(struct hand_over *h, uint32_t base, const struct guest_memory *memory)
{
    struct load_range ranges[LOAD_RANGES_MAX];
    unsigned count = load_memory_map(memory, ranges);

    for (unsigned i = 0; i < count; i++)
        h->map[i] = (struct map_entry){ .size = sizeof(struct map_entry) - sizeof(uint32_t),
                                        .base_low = (uint32_t)ranges[i].base,
                                        .base_high = (uint32_t)(ranges[i].base >> 32),
                                        .length_low = (uint32_t)ranges[i].length,
                                        .length_high = (uint32_t)(ranges[i].length >> 32),
                                        .type = ranges[i].type };
    h->information.map_address = base + (uint32_t)offsetof(struct hand_over, map);
    h->information.map_length = count * (uint32_t)sizeof(struct map_entry);
}

static enum cl_status hand_over(struct load_request *r, uint64_t end, uint32_t *address)
{
    struct hand_over *h;
    uint32_t base, module = 0;

    if (r->module != NULL)
        TRY(load_place(r, &end, r->module_bytes, &module));
    TRY(load_place(r, &end, sizeof(*h), &base));
    h = guest_memory_at(r->memory, base, sizeof(*h));
    if (h == NULL || (r->module != NULL && guest_memory_write(r->memory, module, r->module, r->module_bytes) != CL_OK))
        return CL_NO_MEMORY;
    memset(h, 0, sizeof(*h));
    h->information.flags = INFO_MEMORY | INFO_COMMAND_LINE | INFO_MODULES | INFO_MEMORY_MAP | INFO_LOADER_NAME;
    h->information.memory_lower_kib = (uint32_t)(PLATFORM_EBDA / 1024);
    h->information.memory_upper_kib = (uint32_t)((r->memory->low_bytes - MIB) / 1024);
    if (snprintf(h->command_line, sizeof(h->command_line), "%s%s%s", r->name, r->command_line[0] != '\0' ? " " : "",
                 r->command_line) >= (int)sizeof(h->command_line))
        return load_refuse(r, "the command line is longer than %u characters", COMMAND_MAX - 1);
    memcpy(h->loader_name, "Cloison", sizeof("Cloison"));
    h->information.command_line = base + (uint32_t)offsetof(struct hand_over, command_line);
    h->information.loader_name = base + (uint32_t)offsetof(struct hand_over, loader_name);
    if (r->module != NULL) {
        h->module.start = module;
        h->module.end = module + (uint32_t)r->module_bytes;
        h->module.text = h->information.loader_name + (uint32_t)sizeof("Cloison") - 1; /* an empty string */
        h->information.module_count = 1;
        h->information.modules = base + (uint32_t)offsetof(struct hand_over, module);
    }
    fill_map(h, base, r->memory);
    *address = base;
    return CL_OK;
}

enum cl_status load_multiboot(struct load_request *r, struct vcpu_page *page)
{
    struct header header;
    uint64_t offset = 0, end = 0;
    uint32_t entry = 0, information = 0;

    if (!find_header(r->kernel, r->kernel_bytes, &header, &offset))
        return load_refuse(r, "the kernel has no multiboot 1 header in its first %u bytes", HEADER_SEARCH);
    if (header.flags & 0xFFFF & ~HEADER_KNOWN) {
        (void)!load_refuse(r, "multiboot: the kernel demands features %#x", header.flags & 0xFFFF & ~HEADER_KNOWN);
        return CL_UNSUPPORTED;
    }
    if (r->memory->low_bytes < 2 * (uint64_t)MIB) {
        (void)!load_refuse(r, "multiboot: the VM needs at least 2 MiB of RAM");
        return CL_NO_MEMORY;
    }
    if (header.flags & HEADER_ADDRESSES) {
        TRY(load_flat(r, &header, offset, &end));
        entry = header.entry;
    } else {
        TRY(load_elf(r, &entry, &end));
    }
    TRY(hand_over(r, end, &information));
    boot_state_flat32(page, entry, 0x08, 0x10);
    page->gpr[GPR_RAX] = BOOT_MAGIC;
    page->gpr[GPR_RBX] = information;
    return CL_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* load_pvh.c: ELF kernels, 32 or 64 bits, by Xen's direct boot protocol for PVH guests.
 *
 * The ELF note PHYS32_ENTRY of "Xen" names the physical entry point; EBX there holds the address of struct
 * hvm_start_info (Xen: docs/misc/pvh.pandoc, xen/include/public/arch-x86/hvm/start_info.h). Linux' vmlinux has both.
 */
#include <stdio.h>

#include "vmm/boot_state.h"
#include "vmm/load.h"

#define NOTE_OWNER "Xen"
#define NOTE_PHYS32_ENTRY 18u
#define START_MAGIC 0x336EC578u
#define START_VERSION 1u /* with a memory map */
#define TSS_LIMIT 0x67u
#define COMMAND_MAX 4096u
#define MIB UINT64_C(0x100000)

struct start_info {
    uint32_t magic, version, flags, module_count;
    uint64_t modules, command_line, rsdp, map;
    uint32_t map_entries, reserved;
};

struct start_module {
    uint64_t address, size, command_line, reserved;
};

struct start_range {
    uint64_t address, size;
    uint32_t type, reserved;
};

static_assert(sizeof(struct start_info) == 56 && sizeof(struct start_module) == 32 && sizeof(struct start_range) == 24,
              "the protocol's sizes");

/* Everything that the guest reads about itself, in one piece of memory behind the kernel. */
struct hand_over {
    struct start_info info;
    struct start_module module;
    struct start_range map[LOAD_RANGES_MAX];
    char command_line[COMMAND_MAX];
};

static void fill_map(struct hand_over *h, uint64_t base, const struct guest_memory *memory)
{
    struct load_range ranges[LOAD_RANGES_MAX];
    unsigned count = load_memory_map(memory, ranges);

    for (unsigned i = 0; i < count; i++)
        h->map[i] = (struct start_range){ .address = ranges[i].base, .size = ranges[i].length, .type = ranges[i].type };
    h->info.map = base + offsetof(struct hand_over, map);
    h->info.map_entries = count;
}

/* The information comes before the module: Linux reads it while no more than the first GiB is mapped. */
static enum cl_status hand_over(struct load_request *r, uint64_t end, uint32_t *address)
{
    struct hand_over *h;
    uint32_t base = 0, module = 0;
    size_t length = strlen(r->command_line);

    if (length >= COMMAND_MAX)
        return load_refuse(r, "the command line is longer than %u characters", COMMAND_MAX - 1);
    TRY(load_place(r, &end, sizeof(*h), &base));
    h = guest_memory_at(r->memory, base, sizeof(*h));
    if (h == NULL)
        return CL_NO_MEMORY;
    memset(h, 0, sizeof(*h));
    h->info.magic = START_MAGIC;
    h->info.version = START_VERSION;
    h->info.rsdp = r->rsdp;
    h->info.command_line = base + offsetof(struct hand_over, command_line);
    memcpy(h->command_line, r->command_line, length + 1);
    fill_map(h, base, r->memory);
    if (r->module != NULL) {
        TRY(load_place(r, &end, r->module_bytes, &module));
        TRY(guest_memory_write(r->memory, module, r->module, r->module_bytes));
        h->module.address = module;
        h->module.size = r->module_bytes;
        h->info.module_count = 1;
        h->info.modules = base + offsetof(struct hand_over, module);
    }
    *address = base;
    return CL_OK;
}

enum cl_status load_pvh(struct load_request *r, struct vcpu_page *page)
{
    uint64_t entry = 0, end = 0;
    uint32_t information = 0;

    r->error[0] = '\0';
    if (!load_elf_note(r, NOTE_OWNER, NOTE_PHYS32_ENTRY, &entry)) {
        if (r->error[0] != '\0')
            return CL_CORRUPT; /* the ELF file itself is damaged */
        (void)!load_refuse(r, "the ELF kernel has neither a multiboot 1 header nor a PVH entry (note PHYS32_ENTRY)");
        return CL_UNSUPPORTED;
    }
    if (r->memory->low_bytes < 2 * MIB) {
        (void)!load_refuse(r, "PVH: the VM needs at least 2 MiB of RAM");
        return CL_NO_MEMORY;
    }
    TRY(load_elf_at(r, entry, &end));
    TRY(hand_over(r, end, &information));
    boot_state_flat32(page, (uint32_t)entry, 0x08, 0x10);
    page->segment[SEG_TR].limit = TSS_LIMIT;
    page->gpr[GPR_RBX] = information;
    return CL_OK;
}

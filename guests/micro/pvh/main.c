/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: an ELF64 kernel that begins by Xen's PVH entry: registers, memory map, command line.
 *
 * Xen docs/misc/pvh.pandoc ("PVH"), xen/include/public/arch-x86/hvm/start_info.h. QEMU's -kernel speaks it, too.
 */
#include "micro.h"

#define START_MAGIC 0x336EC578u
#define RANGE_RAM 1u

struct start_info {
    uint32_t magic, version, flags, module_count;
    uint64_t modules, command_line, rsdp, map;
    uint32_t map_entries, reserved;
};

struct start_range {
    uint64_t address, size;
    uint32_t type, reserved;
};

struct first_registers {
    uint32_t ebx, cr0, cr4, eflags;
};

extern struct first_registers pvh_first;
extern uint8_t micro_image_end[];

static void check_map(const struct start_info *info)
{
    const struct start_range *range = (const struct start_range *)info->map;
    uint64_t ram = 0, end = (uint64_t)micro_image_end;
    bool holds_image = false;

    CHECK(info->map_entries >= 2 && info->map_entries < 64, "%u ranges in the memory map", info->map_entries);
    for (uint32_t i = 0; i < info->map_entries && i < 64; i++) {
        if (range[i].type != RANGE_RAM)
            continue;
        ram += range[i].size;
        holds_image |= range[i].address <= 0x200000 && range[i].address + range[i].size >= end;
        for (uint32_t j = 0; j < i; j++)
            CHECK(range[j].type != RANGE_RAM || range[j].address + range[j].size <= range[i].address ||
                      range[i].address + range[i].size <= range[j].address,
                  "ranges %u and %u overlap", j, i);
    }
    CHECK(ram >= 16u << 20, "the memory map has %lu KiB of RAM", ram >> 10);
    CHECK(holds_image, "the image does not lie in RAM");
}

void micro_main(void)
{
    const struct start_info *info = (const struct start_info *)(uint64_t)pvh_first.ebx;
    static const char words[] = "one two=3";

    CHECK_EQUAL(pvh_first.cr0 & (CR0_PE | CR0_PG), CR0_PE, "CR0 on entry");
    CHECK_EQUAL(pvh_first.cr4, 0, "CR4 on entry");
    CHECK_EQUAL(pvh_first.eflags & (RFLAGS_IF | RFLAGS_TF | 1u << 17), 0, "EFLAGS on entry");
    if (info->magic != START_MAGIC)
        micro_error("EBX does not point to a start info: %#x", info->magic);
    CHECK(info->version >= 1, "version %u of the start info", info->version);
    CHECK(info->command_line != 0 && memcmp((const char *)info->command_line, words, sizeof(words)) == 0,
          "the command line is not '%s'", words);
    CHECK(memcmp((const void *)info->rsdp, "RSD PTR ", 8) == 0, "no RSDP at %#lx", info->rsdp);
    check_map(info);
}

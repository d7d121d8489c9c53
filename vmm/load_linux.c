/* SPDX-License-Identifier: Apache-2.0 */
/* load_linux.c: bzImage by the 32-bit boot protocol (Linux Documentation/x86/boot.rst, protocol 2.06 and later). */
#include "vmm/boot_state.h"
#include "vmm/load.h"

#define SETUP_HEADER 0x1F1u
#define HEADER_SIGNATURE 0x53726448u /* "HdrS" */
#define PROTOCOL_MIN 0x0206u
#define SECTOR 512u
#define LOADED_HIGH 0x01u
#define LOADER_UNDEFINED 0xFFu
#define E820_ENTRIES_MAX 128u

#define ADDRESS_GDT 0x1000u
#define ADDRESS_BOOT_PARAMS 0x10000u
#define ADDRESS_COMMAND_LINE 0x20000u
#define COMMAND_LINE_ROOM 0x10000u
#define BOOT_CS 0x10u
#define BOOT_DS 0x18u
#define MIB UINT64_C(0x100000)
#define PAGE UINT64_C(4096)

/* Offsets into boot_params ("zero page"). */
enum {
    P_RSDP = 0x070,
    P_E820_COUNT = 0x1E8,
    P_SETUP_SECTS = 0x1F1,
    P_BOOT_FLAG = 0x1FE,
    P_JUMP_LENGTH = 0x201,
    P_HEADER = 0x202,
    P_VERSION = 0x206,
    P_TYPE_OF_LOADER = 0x210,
    P_LOADFLAGS = 0x211,
    P_CODE32_START = 0x214,
    P_RAMDISK_IMAGE = 0x218,
    P_RAMDISK_SIZE = 0x21C,
    P_CMD_LINE = 0x228,
    P_INITRD_MAX = 0x22C,
    P_KERNEL_ALIGNMENT = 0x230,
    P_RELOCATABLE = 0x234,
    P_CMDLINE_SIZE = 0x238,
    P_PREF_ADDRESS = 0x258,
    P_INIT_SIZE = 0x260,
    P_E820_TABLE = 0x2D0,
    BOOT_PARAMS_BYTES = 4096
};

struct e820_entry {
    uint64_t base, length;
    uint32_t type;
} __attribute__((packed));

static uint32_t field(const uint8_t *from, unsigned offset, unsigned size)
{
    uint32_t value = 0;

    memcpy(&value, from + offset, size);
    return value;
}

static void set_field(uint8_t *to, unsigned offset, uint64_t value, unsigned size)
{
    memcpy(to + offset, &value, size);
}

bool load_is_linux(const uint8_t *kernel, uint64_t bytes)
{
    return bytes >= 0x268 && field(kernel, 0x202, 4) == HEADER_SIGNATURE && field(kernel, P_BOOT_FLAG, 2) == 0xAA55;
}

/* Where the kernel's protected-mode part goes; its decompressor needs init_size bytes from there. */
static enum cl_status place_kernel(struct load_request *r, uint64_t code_bytes, uint64_t *address)
{
    uint64_t preferred = MIB, room = code_bytes;

    if (field(r->kernel, P_VERSION, 2) >= 0x020A) {
        memcpy(&preferred, r->kernel + P_PREF_ADDRESS, sizeof(preferred));
        room = field(r->kernel, P_INIT_SIZE, 4);
        if (room < code_bytes)
            room = code_bytes;
    }
    if (preferred < MIB || preferred > UINT32_MAX)
        return load_refuse(r, "Linux: preferred address %#llx", (unsigned long long)preferred);
    if (guest_memory_at(r->memory, preferred, room) == NULL) {
        (void)!load_refuse(r, "Linux: the kernel needs RAM from %llu to %llu MiB, the VM has %llu MiB",
                           (unsigned long long)(preferred / MIB), (unsigned long long)(preferred + room) / MIB + 1,
                           (unsigned long long)(r->memory->low_bytes / MIB));
        return CL_NO_MEMORY;
    }
    *address = preferred;
    return CL_OK;
}

/* As high as the kernel allows, so that it is in nobody's way. */
static enum cl_status load_initrd(struct load_request *r, uint8_t *params, uint64_t kernel_end)
{
    uint64_t top = r->memory->low_bytes, limit = (uint64_t)field(params, P_INITRD_MAX, 4) + 1, at;

    if (r->module == NULL || r->module_bytes == 0)
        return CL_OK;
    if (top > limit)
        top = limit;
    if (r->module_bytes > top || (at = (top - r->module_bytes) & ~(PAGE - 1)) < kernel_end) {
        (void)!load_refuse(r, "Linux: an initrd of %llu MiB does not fit between the kernel and %llu MiB",
                           (unsigned long long)r->module_bytes / MIB + 1, (unsigned long long)(top / MIB));
        return CL_NO_MEMORY;
    }
    TRY(guest_memory_write(r->memory, at, r->module, r->module_bytes));
    set_field(params, P_RAMDISK_IMAGE, at, 4);
    set_field(params, P_RAMDISK_SIZE, r->module_bytes, 4);
    return CL_OK;
}

static enum cl_status load_command_line(struct load_request *r, uint8_t *params)
{
    uint64_t length = strlen(r->command_line), limit = field(params, P_CMDLINE_SIZE, 4);

    if (length > limit || length >= COMMAND_LINE_ROOM)
        return load_refuse(r, "Linux: the command line has %llu characters, the kernel takes %llu",
                           (unsigned long long)length, (unsigned long long)limit);
    TRY(guest_memory_write(r->memory, ADDRESS_COMMAND_LINE, r->command_line, length + 1));
    set_field(params, P_CMD_LINE, ADDRESS_COMMAND_LINE, 4);
    return CL_OK;
}

static void fill_e820(const struct load_request *r, uint8_t *params)
{
    struct load_range ranges[LOAD_RANGES_MAX];
    unsigned count = load_memory_map(r->memory, ranges);

    for (unsigned i = 0; i < count; i++) {
        struct e820_entry entry = { ranges[i].base, ranges[i].length, ranges[i].type };

        memcpy(params + P_E820_TABLE + i * sizeof(entry), &entry, sizeof(entry));
    }
    set_field(params, P_E820_COUNT, count, 1);
}

static enum cl_status fill_params(struct load_request *r, uint8_t *params, uint64_t kernel_address, uint64_t kernel_end)
{
    uint64_t header_end = P_HEADER + field(r->kernel, P_JUMP_LENGTH, 1);

    if (header_end > P_E820_TABLE)
        return load_refuse(r, "Linux: the setup header ends at %#llx", (unsigned long long)header_end);
    memcpy(params + SETUP_HEADER, r->kernel + SETUP_HEADER, header_end - SETUP_HEADER);
    set_field(params, P_TYPE_OF_LOADER, LOADER_UNDEFINED, 1);
    set_field(params, P_CODE32_START, kernel_address, 4);
    set_field(params, P_RSDP, r->rsdp, 8);
    fill_e820(r, params);
    TRY(load_command_line(r, params));
    return load_initrd(r, params, kernel_end);
}

enum cl_status load_linux(struct load_request *r, struct vcpu_page *page)
{
    static const uint64_t gdt[4] = { 0, 0, UINT64_C(0x00CF9B000000FFFF), UINT64_C(0x00CF93000000FFFF) };
    uint8_t params[BOOT_PARAMS_BYTES] = { 0 };
    uint64_t setup_bytes, code_bytes, address = 0, room;
    uint32_t version;

    if (!load_is_linux(r->kernel, r->kernel_bytes))
        return load_refuse(r, "the kernel has no Linux setup header");
    version = field(r->kernel, P_VERSION, 2);
    if (version < PROTOCOL_MIN || !(field(r->kernel, P_LOADFLAGS, 1) & LOADED_HIGH)) {
        (void)!load_refuse(r, "Linux: boot protocol %u.%02u; 2.06 or later and a bzImage are needed", version >> 8,
                           version & 0xFF);
        return CL_UNSUPPORTED;
    }
    setup_bytes = field(r->kernel, P_SETUP_SECTS, 1);
    setup_bytes = ((setup_bytes == 0 ? 4 : setup_bytes) + 1) * SECTOR;
    if (setup_bytes >= r->kernel_bytes)
        return load_refuse(r, "Linux: the image ends within its setup sectors");
    code_bytes = r->kernel_bytes - setup_bytes;
    TRY(place_kernel(r, code_bytes, &address));
    room = version >= 0x020A ? field(r->kernel, P_INIT_SIZE, 4) : code_bytes;
    TRY(fill_params(r, params, address, address + (room > code_bytes ? room : code_bytes)));
    TRY(guest_memory_write(r->memory, address, r->kernel + setup_bytes, code_bytes));
    TRY(guest_memory_write(r->memory, ADDRESS_BOOT_PARAMS, params, sizeof(params)));
    TRY(guest_memory_write(r->memory, ADDRESS_GDT, gdt, sizeof(gdt)));
    boot_state_flat32(page, (uint32_t)address, BOOT_CS, BOOT_DS);
    page->gdtr = (struct vcpu_table){ .base = ADDRESS_GDT, .limit = sizeof(gdt) - 1 };
    page->gpr[GPR_RSI] = ADDRESS_BOOT_PARAMS;
    return CL_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* start.c: first C code: descriptor tables, what the boot loader said, then the test.
 *
 * Structures: Multiboot Specification 0.6.96 §3.3.
 */
#include "abi/hypercall.h"
#include "micro.h"
#include "paging.h"
#include "pc.h"

#define MULTIBOOT_BOOTED 0x2BADB002u
#define MULTIBOOT_HAS_MEMORY (1u << 0)
#define MULTIBOOT_HAS_COMMAND (1u << 2)
#define MULTIBOOT_HAS_MODULES (1u << 3)
#define MULTIBOOT_HAS_MAP (1u << 6)
#define MULTIBOOT_MAP_RAM 1u
#define COMMAND_LENGTH 512

struct multiboot_info {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4], mmap_length, mmap_addr;
};

struct multiboot_range {
    uint32_t size; /* of what follows */
    uint64_t base, length;
    uint32_t type;
} __attribute__((packed));

extern uint32_t micro_boot_magic, micro_boot_info;

void micro_traps_install(void);
_Noreturn void micro_finish_checked(void);
_Noreturn void micro_start64(void);

struct micro_memory micro_memory;
static char command[COMMAND_LENGTH]; /* copied: a test may overwrite the loader's memory */

static void read_map(uint64_t address, uint32_t length)
{
    struct {
        uint64_t base, end;
    } seen[32];
    uint32_t used = 0;

    for (uint64_t at = address; at < address + length;) {
        const struct multiboot_range *range = (const struct multiboot_range *)at;
        uint64_t end = range->base + range->length;

        micro_memory.ranges++;
        at += range->size + sizeof(range->size);
        if (range->type != MULTIBOOT_MAP_RAM)
            continue;
        micro_memory.ram_bytes += range->length;
        if (end <= 1ull << 32 && end > micro_memory.top_below_4gib)
            micro_memory.top_below_4gib = end;
        for (uint32_t i = 0; i < used; i++)
            if (range->base < seen[i].end && seen[i].base < end)
                micro_memory.overlapping = true;
        if (used < ARRAY_LENGTH(seen)) {
            seen[used].base = range->base;
            seen[used++].end = end;
        }
    }
}

static void read_boot_info(const struct multiboot_info *info)
{
    if (info->flags & MULTIBOOT_HAS_MEMORY) {
        micro_memory.lower_kib = info->mem_lower;
        micro_memory.upper_kib = info->mem_upper;
    }
    if (info->flags & MULTIBOOT_HAS_MODULES)
        micro_memory.modules = info->mods_count;
    if (info->flags & MULTIBOOT_HAS_COMMAND) {
        const char *from = (const char *)(uint64_t)info->cmdline;
        for (size_t i = 0; i + 1 < sizeof(command) && from[i] != '\0'; i++)
            command[i] = from[i];
    }
    if (info->flags & MULTIBOOT_HAS_MAP)
        read_map(info->mmap_addr, info->mmap_length);
}

_Noreturn void micro_start64(void)
{
    serial_init();
    micro_traps_install();
    pic_enable(0xFFFF); /* firmware's timer interrupt would come as vector 8, a double fault */
    if (micro_boot_magic != MULTIBOOT_BOOTED)
        micro_error("EAX was %#x on entry, not multiboot's", micro_boot_magic);
    read_boot_info((const struct multiboot_info *)(uint64_t)micro_boot_info);
    micro_main();
    micro_finish_checked();
}

/* The text behind `name` in a word of the command line that is `name` or begins with `name=`; NULL = no such word. */
static const char *find_word(const char *name)
{
    size_t length = strlen(name);

    for (const char *at = command; *at != '\0';) {
        while (*at == ' ')
            at++;
        if (memcmp(at, name, length) == 0 && (at[length] == '=' || at[length] == ' ' || at[length] == '\0'))
            return at + length;
        while (*at != '\0' && *at != ' ')
            at++;
    }
    return NULL;
}

const char *micro_argument(const char *name)
{
    const char *word = find_word(name);

    return word != NULL && *word == '=' ? word + 1 : NULL;
}

static unsigned digit_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return (unsigned)(digit - '0');
    if (digit >= 'a' && digit <= 'f')
        return (unsigned)(digit - 'a') + 10;
    return 16;
}

uint64_t micro_argument_number(const char *name, uint64_t otherwise)
{
    const char *text = micro_argument(name);
    unsigned base = 10;
    uint64_t value = 0;

    if (text == NULL || digit_value(*text) >= 10)
        return otherwise;
    if (text[0] == '0' && text[1] == 'x') {
        base = 16;
        text += 2;
    }
    for (; digit_value(*text) < base; text++)
        value = value * base + digit_value(*text);
    return value;
}

bool micro_argument_flag(const char *name)
{
    const char *word = find_word(name);

    return word != NULL && (*word != '=' || micro_argument_number(name, 1) != 0);
}

bool micro_on_cloison(void)
{
    static int8_t known = -1;

    if (known < 0) {
        struct cpuid_result r = { 0 };
        if (cpuid(1, 0).ecx & CPUID_1_ECX_HYPERVISOR)
            r = cpuid(CL_CPUID_BASE, 0);
        known = memcmp(&r.ebx, CL_CPUID_SIGNATURE, sizeof(CL_CPUID_SIGNATURE) - 1) == 0;
    }
    return known == 1;
}

bool micro_on_amd(void)
{
    uint32_t ebx = cpuid(0, 0).ebx;

    return ebx == 0x68747541u || ebx == 0x6F677948u; /* "Auth", "Hygo" */
}

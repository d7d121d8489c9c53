/* SPDX-License-Identifier: Apache-2.0 */
/* handover.c: the last conversation with the firmware, and the jump. */
#include "boot/firmware.h"

#include "boot/cpu.h"
#include "boot/interrupts.h"
#include "boot/ports.h"

#define SPARE_DESCRIPTORS 64u
#define EXIT_TRIES 8u
#define STACK_BYTES 0x8000

#define MSR_EFER 0xC0000080u
#define EFER_NXE (1u << 11)
#define CR4_PGE (UINT64_C(1) << 7)
#define CR4_CET (UINT64_C(1) << 23)

struct __attribute__((packed)) descriptor_table {
    uint16_t limit;
    uint64_t base;
};

/* In loader memory, because the firmware's tables lie in memory that is free from now on. */
static const uint64_t gdt[] = {
    0, UINT64_C(0x00AF9B000000FFFF), /* 08h: 64-bit code, ring 0 */
    UINT64_C(0x00CF93000000FFFF),    /* 10h: data, ring 0 */
};
static uint8_t stack[STACK_BYTES] __attribute__((aligned(4096)));

enum cl_status map_prepare(struct firmware_map *map)
{
    EFI_BOOT_SERVICES *boot = firmware->BootServices;
    UINT32 version;
    uint64_t address;

    *map = (struct firmware_map){ 0 };
    if (boot->GetMemoryMap(&map->size_bytes, NULL, &map->key, &map->stride_bytes, &version) != EFI_BUFFER_TOO_SMALL)
        return refuse(CL_UNSUPPORTED, "The firmware does not give its memory map. Update the firmware.");
    map->capacity_bytes = map->size_bytes + SPARE_DESCRIPTORS * map->stride_bytes;
    TRY(pages_allocate(EFI_MEMORY_CLOISON_LOADER, map->capacity_bytes, 0, 0, "the memory map", &address));
    map->bytes = (void *)address;
    return CL_OK;
}

enum cl_status map_read(struct firmware_map *map)
{
    UINT32 version;

    map->size_bytes = map->capacity_bytes;
    EFI_STATUS status =
        firmware->BootServices->GetMemoryMap(&map->size_bytes, map->bytes, &map->key, &map->stride_bytes, &version);
    if (status != EFI_SUCCESS)
        return refuse(CL_UNSUPPORTED,
                      "The firmware does not give its memory map (UEFI status %lx). Update the "
                      "firmware.",
                      (unsigned long)status);
    return CL_OK;
}

/* Any event between the two calls changes the map, and with it the key: read again and retry, as UEFI 2.10 §7.4.6 has
 * it. After the first try only these two calls are allowed.
 */
static enum cl_status leave_boot_services(struct firmware_map *map)
{
    EFI_STATUS status = EFI_ABORTED;

    for (unsigned i = 0; i < EXIT_TRIES; i++) {
        TRY(map_read(map));
        status = firmware->BootServices->ExitBootServices(firmware_self, map->key);
        if (status == EFI_SUCCESS)
            return CL_OK;
    }
    return refuse(CL_UNSUPPORTED, "The firmware does not let go of the machine (UEFI status %lx). Update the firmware.",
                  (unsigned long)status);
}

/* From here on nothing depends on what the firmware had mapped. Global pages go, so that nothing of its tables is left;
 * shadow stacks go, because the stack to come has none.
 */
static void load_tables(uint64_t page_tables)
{
    uint64_t cr4;

    msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_NXE);
    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    __asm__ volatile("mov %0, %%cr4\n\t"
                     "mov %1, %%cr3"
                     :
                     : "r"(cr4 & ~(CR4_PGE | CR4_CET)), "r"(page_tables)
                     : "memory");
}

/* Own descriptor tables and stack, then the kernel. An exception on the way finds an empty IDT and resets
 * the machine: there is nobody left to report to.
 */
static _Noreturn void jump(const struct boot_info *info, uint64_t entry)
{
    struct descriptor_table gdtr = { sizeof gdt - 1, (uint64_t)(uintptr_t)gdt };
    struct descriptor_table idtr = { 0, 0 };

    __asm__ volatile("lgdt %[gdtr]\n\t"
                     "lidt %[idtr]\n\t"
                     "mov %[stack_end], %%rsp\n\t"
                     "mov %[data], %%eax\n\t"
                     "mov %%eax, %%ds\n\t"
                     "mov %%eax, %%es\n\t"
                     "mov %%eax, %%ss\n\t"
                     "xor %%eax, %%eax\n\t"
                     "mov %%eax, %%fs\n\t"
                     "mov %%eax, %%gs\n\t"
                     "pushq %[code]\n\t"
                     "lea 1f(%%rip), %%rax\n\t"
                     "push %%rax\n\t"
                     "lretq\n"
                     "1:\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "push %%rbp\n\t" /* no return address: the stack is aligned as at a function's first instruction */
                     "cld\n\t"
                     "jmp *%[entry]\n\t"
                     :
                     : [gdtr] "m"(gdtr), [idtr] "m"(idtr), [stack_end] "r"(stack + sizeof stack), [data] "i"(0x10),
                       [code] "i"(0x08), [entry] "r"(entry), "D"(info)
                     : "rax", "memory", "cc");
    __builtin_unreachable();
}

enum cl_status handover(struct firmware_map *map, struct memory_work *work, struct boot_info *info, uint64_t trampoline,
                        uint64_t entry)
{
    uint64_t lost_bytes;

    info->info.boot_unix_ns = platform_unix_ns();
    info->info.boot_tsc = cpu_tsc();
    TRY(leave_boot_services(map));
    __asm__ volatile("cli");
    /* read before, when a refusal could be shown; only if the map grew past all limits since then can it fail now */
    if (memory_normalise(map->bytes, map->size_bytes, map->stride_bytes, work, info->memory, &info->memory_count,
                         &lost_bytes) != CL_OK) {
        for (;;)
            __asm__ volatile("hlt");
    }
    info->memory_end = memory_highest_ram(info->memory, info->memory_count);
    for (unsigned type = BOOT_MEMORY_USABLE; type <= BOOT_MEMORY_IMAGE; type++)
        info->info.memory_bytes += memory_total(info->memory, info->memory_count, (enum boot_memory_type)type);
    load_tables(info->page_tables);
    interrupts_mask(info);
    lapic_begin(info);
    cpus_start(info, trampoline);
    jump(info, entry);
}

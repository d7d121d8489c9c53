/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: the loader's story: check the CPU, read and verify the image, lay out the kernel, look around, hand over.
 *
 * Every step either succeeds or leaves one sentence (refuse()), which is shown before the firmware gets the machine
 * back, with all its memory.
 */
#include <string.h>

#include "boot/cpu.h"
#include "boot/elf.h"
#include "boot/entropy.h"
#include "boot/firmware.h"
#include "boot/image.h"

#define KERNEL_MEMBER "kernel.elf"
#define COMMAND_LINE_MEMBER "cmdline" /* optional */
#define CHECK_PIECE_BYTES 0x100000u
#define FOUR_GIB (UINT64_C(4) << 30)
#define TRAMPOLINE_LIMIT UINT64_C(0x9F000)

static struct boot_info info; /* in loader memory, as the loader's code and data are */

static enum cl_status verify_image(struct image image)
{
    static struct image_check check;
    unsigned dots = 0;
    enum cl_status status;

    say(" verifying ");
    status = image_check_begin(&check, image);
    if (status == CL_OK) {
        do {
            status = image_check_step(&check, CHECK_PIECE_BYTES);
            say_progress(&dots, check.done_bytes, image.size_bytes);
        } while (status == CL_IN_PROGRESS);
    }
    if (status == CL_OK) {
        say_progress(&dots, 1, 1); /* headers and padding are not hashed, so the count ends short of the size */
        say(" verified (%u member%s)\n", check.members, check.members == 1 ? "" : "s");
    } else {
        say("\n");
    }
    return status;
}

static enum cl_status load_image(struct image *image)
{
    TRY(volume_read_image(&info.image_base, &info.image_size_bytes));
    *image = (struct image){ .bytes = (const uint8_t *)info.image_base, .size_bytes = info.image_size_bytes };
    return verify_image(*image);
}

static enum cl_status load_kernel(const struct image *image, struct elf_kernel *kernel)
{
    struct image_member member;
    enum cl_status status = image_find(image, KERNEL_MEMBER, &member);

    if (status == CL_NOT_FOUND)
        return refuse(status, "The system image has no " KERNEL_MEMBER ". Build the image again.");
    if (status != CL_OK)
        return status;
    TRY(elf_check(member.data, member.size_bytes, kernel));
    info.kernel_size_bytes = kernel->span_bytes;
    TRY(pages_allocate(EFI_MEMORY_CLOISON_KERNEL, kernel->span_bytes, ELF_KERNEL_ALIGN_BYTES, FOUR_GIB, "the kernel",
                       &info.kernel_base));
    elf_load(kernel, (void *)info.kernel_base);
    return CL_OK;
}

/* The kernel's command line is part of the image, so that it is verified like everything else. */
static enum cl_status read_command_line(const struct image *image)
{
    struct image_member member;
    enum cl_status status = image_find(image, COMMAND_LINE_MEMBER, &member);

    if (status == CL_NOT_FOUND)
        return CL_OK;
    if (status != CL_OK)
        return status;
    while (member.size_bytes > 0 && (member.data[member.size_bytes - 1] == '\n'))
        member.size_bytes--;
    if (member.size_bytes >= BOOT_COMMAND_LINE_MAX)
        return refuse(CL_LIMIT, "The kernel's command line is longer than %u characters. Build the image again.",
                      BOOT_COMMAND_LINE_MAX - 1);
    memcpy(info.command_line, member.data, member.size_bytes);
    return CL_OK;
}

static enum cl_status build_page_tables(const struct elf_kernel *kernel, const struct cpu_facts *cpu, uint64_t *tables)
{
    uint64_t highest = memory_highest_ram(info.memory, info.memory_count);
    struct paging_plan plan = {
        .identity_end = highest > FOUR_GIB ? highest : FOUR_GIB,
        .pages_1gib = cpu->pages_1gib,
        .kernel_virtual = kernel->virtual_base,
        .kernel_physical = info.kernel_base,
        .kernel_bytes = kernel->span_bytes,
    };
    uint64_t pages = paging_pages_needed(&plan);

    TRY(pages_allocate(EFI_MEMORY_CLOISON_LOADER, pages * 4096, 0, FOUR_GIB, "the page tables", tables));
    return paging_build(&plan, (uint64_t *)*tables, pages);
}

/* Read the map while a refusal can still be shown; the final one is read again at the hand-over. */
static enum cl_status look_at_memory(struct firmware_map *map, struct memory_work **work)
{
    uint64_t address, lost_bytes;

    TRY(pages_allocate(EFI_MEMORY_CLOISON_LOADER, sizeof **work, 0, 0, "the memory map", &address));
    *work = (struct memory_work *)address;
    TRY(map_prepare(map));
    TRY(map_read(map));
    TRY(memory_normalise(map->bytes, map->size_bytes, map->stride_bytes, *work, info.memory, &info.memory_count,
                         &lost_bytes));
    if (lost_bytes != 0)
        say("Cloison loader: memory is in too many pieces, %lu KiB will not be used\n",
            (unsigned long)(lost_bytes / 1024));
    return CL_OK;
}

static void gather_entropy(const struct firmware_map *map)
{
    static EFI_GUID rng_guid = EFI_RNG_PROTOCOL_GUID;
    EFI_RNG_PROTOCOL *rng;
    struct sha256 pool;
    uint8_t bytes[32];
    EFI_TIME now;

    entropy_begin(&pool);
    if (firmware->BootServices->LocateProtocol(&rng_guid, NULL, (void **)&rng) == EFI_SUCCESS &&
        rng->GetRNG(rng, NULL, sizeof bytes, bytes) == EFI_SUCCESS)
        entropy_stir(&pool, bytes, sizeof bytes);
    if (firmware->RuntimeServices->GetTime(&now, NULL) == EFI_SUCCESS)
        entropy_stir(&pool, &now, sizeof now);
    entropy_stir(&pool, map->bytes, map->size_bytes);
    entropy_end(&pool, info.entropy);
    memset(bytes, 0, sizeof bytes);
}

/* Comes back only with a refusal. */
static enum cl_status boot(void)
{
    struct cpu_facts cpu;
    struct image image;
    struct elf_kernel kernel;
    struct firmware_map map;
    struct memory_work *work;
    uint64_t page_tables;

    info.magic = BOOT_INFO_MAGIC;
    info.version = BOOT_INFO_VERSION;
    info.size_bytes = sizeof info;
    cpu_read_facts(&cpu);
    TRY(cpu_check(&cpu));
    TRY(load_image(&image));
    TRY(load_kernel(&image, &kernel));
    TRY(read_command_line(&image));
    TRY(pages_allocate(EFI_MEMORY_CLOISON_LOADER, 4096, 0, TRAMPOLINE_LIMIT, "starting CPUs", &info.trampoline));
    TRY(look_at_memory(&map, &work));
    platform_read(&info, info.memory, info.memory_count);
    TRY(build_page_tables(&kernel, &cpu, &page_tables));
    gather_entropy(&map);
    say("Cloison loader: %s, %lu MiB of memory, %u CPU%s, starting the kernel\n", cpu.vmx ? "VT-x" : "AMD-V",
        (unsigned long)(memory_total(info.memory, info.memory_count, BOOT_MEMORY_USABLE) >> 20), info.cpu_count,
        info.cpu_count == 1 ? "" : "s");
    return handover(&map, work, &info, page_tables, kernel.entry);
}

EFI_STATUS efi_main(EFI_HANDLE self, EFI_SYSTEM_TABLE *system);

/* Entry from gnu-efi's start-up code, which has relocated the loader. */
EFI_STATUS efi_main(EFI_HANDLE self, EFI_SYSTEM_TABLE *system)
{
    firmware_self = self;
    firmware = system;
    firmware->BootServices->SetWatchdogTimer(0, 0, 0, NULL); /* its five minutes are too few for a large image */
    if (boot() != CL_OK)
        console_show_refusal();
    pages_release_all();
    return EFI_ABORTED;
}

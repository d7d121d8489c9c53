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
#include "boot/init.h"
#include "boot/time.h"

#define KERNEL_MEMBER "kernel.elf"
#define COMMAND_LINE_MEMBER "cmdline" /* optional */
#define CHECK_PIECE_BYTES 0x100000u
#define FOUR_GIB (UINT64_C(4) << 30)
#define TRAMPOLINE_LIMIT UINT64_C(0x9F000)
#define MIB (UINT64_C(1) << 20)
#define POOL_ALIGN_BYTES (2 * MIB)
#define POOL_SHARE 24 /* one part in so many of all free RAM */
#define POOL_MIN (12 * MIB)
#define POOL_MAX (256 * MIB)
#define RAM_MIN (64 * MIB) /* free; a machine with 128 MiB has that */

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
    TRY(elf_kernel_check(member.data, member.size_bytes, kernel));
    info.kernel_size_bytes = kernel->span_bytes;
    TRY(pages_allocate(EFI_MEMORY_CLOISON_KERNEL, kernel->span_bytes, ELF_KERNEL_ALIGN_BYTES, FOUR_GIB, "the kernel",
                       &info.kernel_base));
    elf_kernel_load(kernel, (void *)info.kernel_base);
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

static enum cl_status load_init(const struct image *image)
{
    static struct init_program init;

    TRY(init_find(image, &init, &info));
    TRY(pages_allocate(EFI_MEMORY_CLOISON_IMAGE, info.init_data_bytes, 0, 0, "init", &info.init_data));
    init_load(&init, &info, (uint8_t *)info.init_data);
    return CL_OK;
}

/* Its size depends on the machine, its place in the kernel half on chance. */
static enum cl_status choose_pool(uint64_t random)
{
    uint64_t free = memory_total(info.memory, info.memory_count, BOOT_MEMORY_USABLE);
    uint64_t wanted = (free / POOL_SHARE + POOL_ALIGN_BYTES - 1) & ~(POOL_ALIGN_BYTES - 1);

    if (free < RAM_MIN)
        return refuse(CL_NO_MEMORY, "This machine has %lu MiB of free memory. Cloison needs 128 MiB of RAM.",
                      (unsigned long)(free / MIB));
    info.pool_size_bytes = wanted < POOL_MIN ? POOL_MIN : wanted > POOL_MAX ? POOL_MAX : wanted;
    info.pool_virtual = BOOT_POOL_FIRST + (random % BOOT_POOL_STEPS << 30);
    info.info.pool_bytes = info.pool_size_bytes;
    return pages_allocate(EFI_MEMORY_CLOISON_KERNEL, info.pool_size_bytes, POOL_ALIGN_BYTES, FOUR_GIB,
                          "the kernel's pool", &info.pool_base);
}

static enum cl_status build_page_tables(const struct elf_kernel *kernel, const struct cpu_facts *cpu)
{
    uint64_t highest = memory_highest_mapped(info.memory, info.memory_count);
    struct paging_plan plan = {
        .identity_end = highest > FOUR_GIB ? highest : FOUR_GIB,
        .pages_1gib = cpu->pages_1gib,
        .kernel_virtual = kernel->virtual_base,
        .kernel_physical = info.kernel_base,
        .kernel_bytes = kernel->span_bytes,
        .pool_virtual = info.pool_virtual,
        .pool_physical = info.pool_base,
        .pool_bytes = info.pool_size_bytes,
    };
    uint64_t pages = paging_pages_needed(&plan);

    TRY(pages_allocate(EFI_MEMORY_CLOISON_KERNEL, pages * 4096, 0, FOUR_GIB, "the page tables", &info.page_tables));
    memset((void *)info.page_tables, 0, pages * 4096);
    return paging_build(&plan, (uint64_t *)info.page_tables, pages);
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

static void gather_entropy(const struct firmware_map *map, uint64_t random[4])
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
    entropy_end(&pool, (uint8_t *)random);
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
    uint64_t trampoline, random[4];

    info.magic = BOOT_INFO_MAGIC;
    info.version = BOOT_INFO_VERSION;
    info.size_bytes = sizeof info;
    info.info.version = INFO_PAGE_VERSION;
    cpu_describe(&info.info);
    cpu_read_facts(&cpu);
    TRY(cpu_check(&cpu));
    TRY(load_image(&image));
    TRY(load_kernel(&image, &kernel));
    TRY(load_init(&image));
    TRY(read_command_line(&image));
    TRY(pages_allocate(EFI_MEMORY_CLOISON_LOADER, 4096, 0, TRAMPOLINE_LIMIT, "starting CPUs", &trampoline));
    TRY(look_at_memory(&map, &work));
    platform_read(&info, info.memory, info.memory_count);
    TRY(time_measure_tsc((uint16_t)info.pm_timer_port, &info.info.tsc_hz));
    gather_entropy(&map, random);
    info.canary = random[1] & ~UINT64_C(0xff); /* a zero byte stops string overruns */
    TRY(choose_pool(random[0]));
    TRY(build_page_tables(&kernel, &cpu));
    say("Cloison loader: %s, %lu MiB of memory, %u CPU%s, starting the kernel\n", cpu.vmx ? "VT-x" : "AMD-V",
        (unsigned long)(memory_total(info.memory, info.memory_count, BOOT_MEMORY_USABLE) >> 20), info.cpu_count,
        info.cpu_count == 1 ? "" : "s");
    if (info.serial_port != 0)
        say("Cloison loader: log and console are on the serial port COM1 from here on; a screen stays as it is now\n");
    else
        say("Cloison loader: WARNING: no serial port COM1: log and console cannot be seen, and a screen stays as it is now\n");
    return handover(&map, work, &info, trampoline, kernel.entry);
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

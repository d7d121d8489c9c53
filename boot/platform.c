/* SPDX-License-Identifier: Apache-2.0 */
/* platform.c: what machine is this? Asked of ACPI, else of EFI MP Services; the rest are the defaults of the PC. */
#include "boot/firmware.h"

#include <string.h>

#include "boot/acpi.h"
#include "boot/clock.h"
#include "boot/cpu.h"
#include "boot/mp_services.h"
#include "boot/ports.h"

#define LAPIC_DEFAULT UINT64_C(0xFEE00000)
#define IOAPIC_DEFAULT UINT64_C(0xFEC00000)
#define COM1_PORT 0x3F8
#define UART_SCRATCH 7

/* The RSDP of legacy firmware need not be in the memory map. */
#define BIOS_AREA UINT64_C(0xE0000)
#define BIOS_AREA_BYTES UINT64_C(0x20000)

static EFI_GUID acpi_20_guid = { 0x8868e871, 0xe4f1, 0x11d3, { 0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81 } };
static EFI_GUID acpi_10_guid = { 0xeb9d2d30, 0x2d88, 0x11d3, { 0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d } };
static EFI_GUID mp_services_guid = EFI_MP_SERVICES_PROTOCOL_GUID;
static EFI_GUID gop_guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;

static uint64_t configuration_table(const EFI_GUID *guid)
{
    for (UINTN i = 0; i < firmware->NumberOfTableEntries; i++) {
        const EFI_CONFIGURATION_TABLE *table = &firmware->ConfigurationTable[i];

        if (memcmp(&table->VendorGuid, guid, sizeof *guid) == 0)
            return (uint64_t)(uintptr_t)table->VendorTable;
    }
    return 0;
}

/* A UART has a scratch register that keeps what is written; an empty port reads as ones. */
static uint32_t find_serial_port(void)
{
    uint8_t saved = port_read8(COM1_PORT + UART_SCRATCH);
    int kept = 1;

    for (unsigned pattern = 0x5A; pattern <= 0xA5; pattern += 0xA5 - 0x5A) {
        port_write8(COM1_PORT + UART_SCRATCH, (uint8_t)pattern);
        kept = kept && port_read8(COM1_PORT + UART_SCRATCH) == pattern;
    }
    port_write8(COM1_PORT + UART_SCRATCH, saved);
    return kept ? COM1_PORT : 0;
}

static void read_framebuffer(struct boot_framebuffer *framebuffer)
{
    EFI_GRAPHICS_OUTPUT_PROTOCOL *gop;
    const EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *mode;

    if (firmware->BootServices->LocateProtocol(&gop_guid, NULL, (void **)&gop) != EFI_SUCCESS || gop->Mode == NULL ||
        gop->Mode->Info == NULL || gop->Mode->FrameBufferBase == 0)
        return;
    mode = gop->Mode->Info;
    if (mode->PixelFormat != PixelBlueGreenRedReserved8BitPerColor &&
        mode->PixelFormat != PixelRedGreenBlueReserved8BitPerColor)
        return; /* bit masks or no linear memory: the serial port has to do */
    if (gop->Mode->FrameBufferBase % 4096 != 0)
        return; /* it shares its pages with something else */
    if (mode->PixelsPerScanLine < mode->HorizontalResolution || mode->PixelsPerScanLine > 0x10000 ||
        (uint64_t)mode->PixelsPerScanLine * 4 * mode->VerticalResolution > gop->Mode->FrameBufferSize)
        return;
    *framebuffer = (struct boot_framebuffer){
        .base = gop->Mode->FrameBufferBase,
        .size_bytes = gop->Mode->FrameBufferSize,
        .width = mode->HorizontalResolution,
        .height = mode->VerticalResolution,
        .pitch_bytes = mode->PixelsPerScanLine * 4,
        .format = mode->PixelFormat == PixelBlueGreenRedReserved8BitPerColor ? BOOT_PIXELS_BGRX : BOOT_PIXELS_RGBX,
    };
}

uint64_t platform_unix_ns(void)
{
    EFI_TIME now;

    if (firmware->RuntimeServices->GetTime(&now, NULL) != EFI_SUCCESS)
        return 0;
    return clock_unix_ns(&(struct clock_time){
        .year = now.Year,
        .month = now.Month,
        .day = now.Day,
        .hour = now.Hour,
        .minute = now.Minute,
        .second = now.Second,
        .nanosecond = now.Nanosecond,
        .zone_minutes = now.TimeZone,
    });
}

static void read_cpus_from_mp_services(struct boot_info *info)
{
    EFI_MP_SERVICES_PROTOCOL *mp;
    UINTN count, enabled;

    if (firmware->BootServices->LocateProtocol(&mp_services_guid, NULL, (void **)&mp) != EFI_SUCCESS ||
        mp->GetNumberOfProcessors(mp, &count, &enabled) != EFI_SUCCESS)
        return;
    for (UINTN i = 0; i < count; i++) {
        EFI_PROCESSOR_INFORMATION cpu;

        if (mp->GetProcessorInfo(mp, i, &cpu) != EFI_SUCCESS || (cpu.StatusFlag & PROCESSOR_ENABLED_BIT) == 0)
            continue;
        if (info->cpu_count == BOOT_CPUS_MAX) {
            say("Cloison loader: only the first %u CPUs will be used\n", BOOT_CPUS_MAX);
            return;
        }
        info->cpus[info->cpu_count++] = (struct boot_cpu){
            .apic_id = (uint32_t)cpu.ProcessorId,
        };
    }
}

/* The CPU that runs this becomes the first one of the list. */
static void settle_bootstrap_cpu(struct boot_info *info, uint32_t apic_id)
{
    uint32_t here = 0;

    while (here < info->cpu_count && info->cpus[here].apic_id != apic_id)
        here++;
    if (here == BOOT_CPUS_MAX)
        here--;
    else if (here == info->cpu_count)
        info->cpu_count++;
    info->cpus[here] = info->cpus[0];
    info->cpus[0] = (struct boot_cpu){ .apic_id = apic_id };
}

static enum cl_status read_acpi(struct boot_info *info, const struct boot_memory *ranges, uint32_t count)
{
    static struct acpi_window windows[BOOT_MEMORY_MAX + 1];
    struct acpi_notes notes;
    uint32_t used = 0;

    info->rsdp = configuration_table(&acpi_20_guid);
    if (info->rsdp == 0)
        info->rsdp = configuration_table(&acpi_10_guid);
    for (uint32_t i = 0; i < count; i++) {
        if (ranges[i].type != BOOT_MEMORY_MMIO && ranges[i].base != 0)
            windows[used++] = (struct acpi_window){ ranges[i].base, ranges[i].size_bytes, (uint8_t *)ranges[i].base };
    }
    windows[used++] = (struct acpi_window){ BIOS_AREA, BIOS_AREA_BYTES, (uint8_t *)BIOS_AREA };

    enum cl_status status = acpi_read(windows, used, info->rsdp, info, &notes);
    for (uint32_t i = 0; i < notes.damaged_count; i++)
        say("Cloison loader: ACPI table %s is damaged and not used\n", notes.damaged[i]);
    if (notes.left_out != 0)
        say("Cloison loader: %u CPUs, IOAPICs or IOMMUs are more than Cloison can use\n", notes.left_out);
    if (status != CL_OK)
        info->rsdp = 0;
    return status;
}

void platform_read(struct boot_info *info, const struct boot_memory *ranges, uint32_t count)
{
    for (uint32_t i = 0; i < BOOT_ISA_IRQS; i++)
        info->isa[i].gsi = i; /* edge-triggered, active high */
    info->lapic_base = LAPIC_DEFAULT;
    info->has_8259 = 1;
    info->efi_system_table = (uint64_t)(uintptr_t)firmware;
    info->efi_reset_system = (uint64_t)(uintptr_t)firmware->RuntimeServices->ResetSystem;
    info->serial_port = find_serial_port();
    read_framebuffer(&info->framebuffer);
    const char *why = "The firmware's ACPI tables name no CPUs.";
    if (read_acpi(info, ranges, count) != CL_OK)
        why = refusal();
    if (info->cpu_count == 0) {
        say("Cloison loader: %s CPUs come from EFI MP Services, the rest from the PC's defaults.\n", why);
        read_cpus_from_mp_services(info);
    }
    settle_bootstrap_cpu(info, cpu_apic_id());
    if (info->ioapic_count == 0)
        info->ioapics[info->ioapic_count++] = (struct boot_ioapic){ .base = IOAPIC_DEFAULT };
}

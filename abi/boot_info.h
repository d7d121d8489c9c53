/* SPDX-License-Identifier: Apache-2.0 */
/* boot_info.h: what the loader hands to the kernel, once.
 *
 * Hand-over: the loader has left boot services, interrupts are off, CR3 points at the loader's own tables, which map
 * physical memory one to one (the first 4 GiB, or up to the highest range that is neither RESERVED nor MMIO if that
 * lies above, with 2 MiB or 1 GiB pages, writable and executable; firmware announces reserved ranges at addresses too
 * high to map) and the kernel image at the virtual addresses of its ELF segments. RDI holds
 * the physical address of struct boot_info, RSP a stack of at least 16 KiB in loader memory, RIP the ELF entry point;
 * EFER.NXE is set where the CPU has it. The kernel copies what it keeps; everything of type BOOT_MEMORY_LOADER is
 * free for use afterwards.
 *
 * The kernel trusts the structure's shape (the loader is part of the image) but not what the firmware put into it:
 * addresses, counts and ranges are checked where they are used.
 */
#ifndef CL_ABI_BOOT_INFO_H
#define CL_ABI_BOOT_INFO_H

#include <stdint.h>

#define BOOT_INFO_MAGIC UINT64_C(0x6e6f7369006f6c43)
#define BOOT_INFO_VERSION 1

#define BOOT_MEMORY_MAX 256
#define BOOT_CPUS_MAX 64
#define BOOT_IOAPICS_MAX 8
#define BOOT_OVERRIDES_MAX 16
#define BOOT_IOMMUS_MAX 8
#define BOOT_COMMAND_LINE_MAX 256

/* What a range of physical memory is. Ranges are sorted, page-aligned and do not overlap. */
enum boot_memory_type {
    BOOT_MEMORY_USABLE = 1,   /* free RAM */
    BOOT_MEMORY_LOADER = 2,   /* loader code, data, stack, page tables, this structure: free once copied */
    BOOT_MEMORY_KERNEL = 3,   /* the kernel image as loaded */
    BOOT_MEMORY_IMAGE = 4,    /* the system image (one range) */
    BOOT_MEMORY_ACPI = 5,     /* ACPI tables (reclaimable) */
    BOOT_MEMORY_NVS = 6,      /* ACPI NVS */
    BOOT_MEMORY_RUNTIME = 7,  /* UEFI runtime services code and data: mapped only for the last call */
    BOOT_MEMORY_RESERVED = 8, /* anything else that must not be touched */
    BOOT_MEMORY_MMIO = 9,     /* memory-mapped I/O named by the firmware */
};

struct boot_memory {
    uint64_t base;
    uint64_t size_bytes;
    uint32_t type; /* enum boot_memory_type */
    uint32_t reserved;
};

struct boot_cpu {
    uint32_t apic_id;
    uint32_t bootstrap; /* 1 for the CPU that runs the loader */
};

struct boot_ioapic {
    uint64_t base;
    uint32_t id;
    uint32_t gsi_base;
};

/* ISA interrupt → global system interrupt (ACPI MADT type 2); flags as there (polarity bits 1:0, trigger bits 3:2). */
struct boot_override {
    uint8_t irq;
    uint8_t reserved;
    uint16_t flags;
    uint32_t gsi;
};

enum boot_iommu_type { BOOT_IOMMU_VTD = 1, BOOT_IOMMU_AMD = 2 };

struct boot_iommu {
    uint64_t base;
    uint32_t type; /* enum boot_iommu_type; from DMAR or IVRS, never from the CPU vendor */
    uint16_t segment;
    uint16_t device_id; /* AMD-Vi: the unit's own bus/device/function */
};

enum boot_pixel_format { BOOT_PIXELS_NONE = 0, BOOT_PIXELS_BGRX = 1, BOOT_PIXELS_RGBX = 2 };

struct boot_framebuffer {
    uint64_t base;
    uint64_t size_bytes;
    uint32_t width;
    uint32_t height;
    uint32_t pitch_bytes;
    uint32_t format; /* enum boot_pixel_format; NONE: there is no framebuffer */
};

struct boot_info {
    uint64_t magic;
    uint32_t version;
    uint32_t size_bytes;

    uint64_t handover_tsc; /* RDTSC just before the jump */
    uint64_t boot_unix_ns; /* wall-clock time at hand-over (UEFI GetTime), 0 if unknown */
    uint8_t entropy[32];   /* for pool placement and canaries: RDRAND/RDSEED and timing jitter, hashed */

    uint64_t kernel_base; /* physical; the image is contiguous */
    uint64_t kernel_size_bytes;
    uint64_t image_base; /* physical; the system image (cpio newc), verified against its manifest */
    uint64_t image_size_bytes;
    uint64_t trampoline; /* physical address of one free page below 1 MiB, for starting CPUs */

    uint64_t rsdp;             /* physical; 0: firmware without ACPI */
    uint64_t efi_system_table; /* physical; 0: none. Runtime services are called at physical addresses */
    uint64_t efi_reset_system; /* physical address of the ResetSystem function */
    uint64_t lapic_base;       /* 0xFEE00000 unless the MADT says otherwise */
    uint64_t hpet_base;        /* 0: none */
    uint64_t ecam_base;        /* 0: none; segment 0 only */
    uint32_t ecam_first_bus;
    uint32_t ecam_last_bus;
    uint32_t pm_timer_port; /* 0: none */
    uint32_t serial_port;   /* I/O port of the first UART, 0: none found */
    uint32_t reset_port;    /* FADT reset register when it is an I/O port, else 0 */
    uint32_t reset_value;
    uint32_t has_8259; /* 1: a PC/AT-compatible 8259 pair may be wired and must be masked */
    uint32_t reserved;

    struct boot_framebuffer framebuffer;

    uint32_t memory_count;
    uint32_t cpu_count;
    uint32_t ioapic_count;
    uint32_t override_count;
    uint32_t iommu_count;
    uint32_t reserved2;
    struct boot_memory memory[BOOT_MEMORY_MAX];
    struct boot_cpu cpus[BOOT_CPUS_MAX];
    struct boot_ioapic ioapics[BOOT_IOAPICS_MAX];
    struct boot_override overrides[BOOT_OVERRIDES_MAX];
    struct boot_iommu iommus[BOOT_IOMMUS_MAX];
    char command_line[BOOT_COMMAND_LINE_MAX]; /* NUL-terminated */
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* boot_info.h: what the loader hands to the kernel, once.
 *
 * Hand-over: the loader has left boot services; interrupts are off, all pins of the IOAPICs and the 8259 pair are
 * masked. CR3 points at the loader's own tables, which map, writable:
 *
 *   - physical memory one to one, executable: the first 4 GiB, or up to the highest range that is memory or holds
 *     firmware registers if that lies above (firmware announces reserved ranges at addresses too high to map);
 *   - the kernel image at the virtual addresses of its ELF segments, executable;
 *   - the kernel's pool at pool_virtual.
 *
 * RDI holds the physical address of struct boot_info, RSP is on a stack of at least 16 KiB in loader memory, with a
 * return address of zero on it, RIP is the ELF entry point; EFER.NXE is set, the direction flag clear. The other CPUs
 * have been started and turn in a loop in loader memory, on the same tables, until they are told where to go (struct
 * boot_start). The kernel copies what it keeps; everything of type BOOT_MEMORY_LOADER is free for use once all CPUs
 * have left it.
 *
 * The kernel trusts this structure: the loader is part of what is trusted, and has checked what the firmware put in.
 */
#ifndef CL_ABI_BOOT_INFO_H
#define CL_ABI_BOOT_INFO_H

#include <stdint.h>

#include "abi/info_page.h"

#define BOOT_INFO_MAGIC UINT64_C(0x6e6f7369006f6c43)
#define BOOT_INFO_VERSION 3

#define BOOT_MEMORY_MAX 256
#define BOOT_CPUS_MAX 64
#define BOOT_IOAPICS_MAX 8
#define BOOT_ISA_IRQS 16
#define BOOT_IOMMUS_MAX 8
#define BOOT_SEGMENTS_MAX 8
#define BOOT_COMMAND_LINE_MAX 256

/* The pool is mapped at a random one of so many steps of 1 GiB. */
#define BOOT_POOL_FIRST UINT64_C(0xffffa00000000000)
#define BOOT_POOL_STEPS 16384

/* What a range of physical memory is. Ranges are sorted, page-aligned and do not overlap. */
enum boot_memory_type {
    BOOT_MEMORY_USABLE = 1,   /* free RAM */
    BOOT_MEMORY_LOADER = 2,   /* loader code, data, stack, page tables, this structure: free once copied */
    BOOT_MEMORY_KERNEL = 3,   /* the kernel image as loaded, its pool, the loader's page tables */
    BOOT_MEMORY_IMAGE = 4,    /* the system image, and the writable segments of init */
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

/* Where a started CPU waits. `entry` is written last: the CPU then jumps there, with `argument` in RDI and RSI. The loader
 * has it read its TSC before. */
struct boot_start {
    uint64_t arrived; /* 1: it is waiting */
    uint64_t entry;   /* 0: not yet */
    uint64_t argument[2];
    uint64_t asked;    /* a number that is not `answered`: add, read, and make it so */
    uint64_t answered; /* the latest number, behind `tsc` */
    uint64_t tsc;
    int64_t add;  /* to the MSR, before */
    uint64_t msr; /* 0: to none */
};

struct boot_cpu {
    uint32_t apic_id;
    uint32_t reserved;
    uint64_t start; /* physical address of the struct boot_start that it waits for; 0: the CPU that runs the loader */
    int64_t tsc_ahead; /* by so many ticks its TSC was ahead of that CPU's, before the loader set it */
};

struct boot_ioapic {
    uint64_t base;
    uint32_t id;
    uint32_t gsi_base;
    uint32_t pins;
    uint32_t reserved;
};

/* Polarity and trigger mode, in the bits of an IOAPIC's redirection entry (82093AA datasheet 3.2.4). */
enum boot_pin { BOOT_PIN_ACTIVE_LOW = 1 << 13, BOOT_PIN_LEVEL = 1 << 15 };

/* Where an ISA interrupt arrives, with the firmware's overrides (ACPI MADT type 2). */
struct boot_isa {
    uint32_t gsi;
    uint32_t pin; /* enum boot_pin */
};

/* A segment of init, the first program: whole pages of the system image, or, writable, of init_data. */
struct boot_segment {
    uint64_t address;
    uint64_t size_bytes;
    uint64_t offset; /* in the image or in init_data */
    uint32_t rights; /* MAP_* (abi/syscall.h) */
    uint32_t reserved;
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

    struct info_page info; /* all but xcr0, guest_cpus and what the kernel's backend finds */
    uint64_t canary;       /* random, its lowest byte zero */

    uint64_t kernel_base; /* physical; the image is contiguous */
    uint64_t kernel_size_bytes;
    uint64_t image_base; /* physical; the system image (cpio newc), verified against its manifest */
    uint64_t image_size_bytes;
    uint64_t pool_base; /* physical, a multiple of 2 MiB as its size is */
    uint64_t pool_size_bytes;
    uint64_t pool_virtual;
    uint64_t page_tables; /* physical address of the PML4 that CR3 points at; stays for the firmware's last call */
    uint64_t memory_end;  /* the end of the highest range that is memory */

    uint64_t init_entry;
    uint64_t init_data; /* physical; the writable segments of init behind each other, filled in */
    uint64_t init_data_bytes;
    uint32_t init_segment_count;
    uint32_t reserved1;
    struct boot_segment init_segments[BOOT_SEGMENTS_MAX];

    uint64_t rsdp;             /* physical; 0: firmware without ACPI */
    uint64_t efi_system_table; /* physical; 0: none. Runtime services are called at physical addresses */
    uint64_t efi_reset_system; /* physical address of the ResetSystem function */
    uint64_t lapic_base;       /* 0xFEE00000 unless the MADT says otherwise */
    uint64_t lapic_timer_hz;   /* of its timer, undivided; 0: it does not count */
    uint64_t hpet_base;        /* 0: none */
    uint64_t ecam_base;        /* 0: none; segment 0 only */
    uint32_t ecam_first_bus;
    uint32_t ecam_last_bus;
    uint32_t pm_timer_port; /* 0: none */
    uint32_t serial_port;   /* I/O port of the first UART, 0: none found */
    uint32_t reset_port;    /* FADT reset register when it is an I/O port, else 0 */
    uint32_t reset_value;
    uint32_t has_8259; /* 1: there may be a PC/AT-compatible pair of 8259 */
    uint32_t reserved2;

    struct boot_framebuffer framebuffer;

    uint32_t memory_count;
    uint32_t cpu_count;   /* that run; the first one is the CPU that runs the loader */
    uint32_t cpus_absent; /* that did not start, or are off again */
    uint32_t cpus_apart;  /* of these: off, because their TSC differs and cannot be set */
    uint32_t ioapic_count;
    uint32_t iommu_count;
    struct boot_memory memory[BOOT_MEMORY_MAX];
    struct boot_cpu cpus[BOOT_CPUS_MAX];
    struct boot_ioapic ioapics[BOOT_IOAPICS_MAX];
    struct boot_isa isa[BOOT_ISA_IRQS];
    struct boot_iommu iommus[BOOT_IOMMUS_MAX];
    char command_line[BOOT_COMMAND_LINE_MAX]; /* NUL-terminated */
};

#endif

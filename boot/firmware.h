/* SPDX-License-Identifier: Apache-2.0 */
/* firmware.h: what the loader asks of UEFI: text out, keys in, memory, the hand-over.
 *
 * Everything below is used by one CPU, in boot services time, except where it says so.
 */
#ifndef CL_BOOT_FIRMWARE_H
#define CL_BOOT_FIRMWARE_H

#include <efi.h>
#include <efilib.h>

#include "abi/boot_info.h"
#include "boot/memory.h"
#include "boot/paging.h"
#include "boot/text.h"

/* The two things that UEFI gave to the entry point. */
extern EFI_HANDLE firmware_self;
extern EFI_SYSTEM_TABLE *firmware;

/* console.c */

/* Print on ConOut, which is the screen and, on machines set up so, the serial port. See text_format(). */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Show the last refusal, wait for a key or 30 seconds. */
void console_show_refusal(void);

/* Ten dots for `total` bytes: print those that are due at `done`. `*dots` begins at 0. */
void say_progress(unsigned *dots, uint64_t done, uint64_t total);

/* pages.c */

/* Allocate whole pages below `limit` (exclusive; 0: anywhere), `align_bytes` a power of two, of one of our memory
 * types. They are contiguous; what is in them is left there. CL_NO_MEMORY with a sentence that names `what`.
 */
CL_MUST_CHECK enum cl_status pages_allocate(uint32_t type, uint64_t bytes, uint64_t align_bytes, uint64_t limit,
                                            const char *what, uint64_t *address);

/* Give back all that pages_allocate() gave: before returning to the firmware, which may start another system. */
void pages_release_all(void);

/* volume.c */

/* Read \cloison\system.img of the volume that the loader was started from into memory of its own type. */
CL_MUST_CHECK enum cl_status volume_read_image(uint64_t *address, uint64_t *size_bytes);

/* platform.c */

/* Fill in what the firmware and the machine say: ACPI or, without it, EFI MP Services and the defaults of the PC
 * platform; framebuffer, serial port, time, system table. `ranges` is the memory map for the bounds of ACPI tables.
 */
void platform_read(struct boot_info *info, const struct boot_memory *ranges, uint32_t count);

/* The wall clock now, 0 if the firmware does not know. */
uint64_t platform_unix_ns(void);

/* handover.c */

/* GetMemoryMap into a buffer that grows as needed; the key is for ExitBootServices. */
struct firmware_map {
    void *bytes;
    UINTN capacity_bytes;
    UINTN size_bytes;
    UINTN stride_bytes;
    UINTN key;
};

/* Allocate the buffer, with room for what later allocations add. */
CL_MUST_CHECK enum cl_status map_prepare(struct firmware_map *map);
CL_MUST_CHECK enum cl_status map_read(struct firmware_map *map);

/* Leave boot services, complete `info` with the final memory map, silence the machine's interrupts, start the other
 * CPUs through the page at `trampoline`, and enter the kernel on info->page_tables.
 *
 * Returns only before boot services were left, with a refusal. After that the only failure possible is a memory map
 * that grew beyond its limits, which stops the machine.
 */
CL_MUST_CHECK enum cl_status handover(struct firmware_map *map, struct memory_work *work, struct boot_info *info,
                                      uint64_t trampoline, uint64_t entry);

#endif

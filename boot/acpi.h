/* SPDX-License-Identifier: Apache-2.0 */
/* acpi.h: the static ACPI tables that name CPUs, interrupt controllers, timers, PCI and IOMMUs.
 *
 * No AML is read. The tables are firmware input: their addresses are only followed into the windows that the caller
 * vouches for, every length is checked, and a table whose checksum is wrong is passed over and remembered.
 */
#ifndef CL_BOOT_ACPI_H
#define CL_BOOT_ACPI_H

#include <stdint.h>

#include "abi/boot_info.h"
#include "boot/text.h"

#define ACPI_DAMAGED_MAX 8

/* Physical addresses [base, base + size_bytes) that can be read at `bytes`. */
struct acpi_window {
    uint64_t base;
    uint64_t size_bytes;
    const uint8_t *bytes;
};

/* What was odd, for the boot log. */
struct acpi_notes {
    uint32_t damaged_count;            /* tables passed over */
    char damaged[ACPI_DAMAGED_MAX][5]; /* their names as far as they are printable; "????" otherwise */
    uint32_t left_out;                 /* CPUs, IOAPICs and IOMMUs beyond what boot_info can hold */
};

/* Fill in everything of `info` that ACPI knows; what it does not know stays as it was.
 *
 * `rsdp` is the physical address from the EFI configuration table. CL_OK even if single tables are missing or damaged
 * (see `notes`): then the CPU or IOAPIC count may have stayed 0, and the caller has to ask elsewhere. CL_NOT_FOUND or CL_CORRUPT, with a sentence: no table could be read at all.
 */
CL_MUST_CHECK enum cl_status acpi_read(const struct acpi_window *windows, uint32_t window_count, uint64_t rsdp,
                                       struct boot_info *info, struct acpi_notes *notes);

#endif

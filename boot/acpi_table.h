/* SPDX-License-Identifier: Apache-2.0 */
/* acpi_table.h: what acpi.c and acpi_iommu.c share: a checked table and its little-endian fields. */
#ifndef CL_BOOT_ACPI_TABLE_H
#define CL_BOOT_ACPI_TABLE_H

#include <stdbool.h>
#include <string.h>

#include "boot/acpi.h"

#define ACPI_HEADER_BYTES 36u

/* A table whose length lies in a window and whose checksum is right; at least ACPI_HEADER_BYTES long. */
struct acpi_table {
    const uint8_t *bytes;
    uint32_t size_bytes;
};

struct acpi_reader {
    const struct acpi_window *windows;
    uint32_t window_count;
    struct acpi_notes *notes;
};

/* Fields of tables are not aligned. The caller has checked that they lie inside the table. */
static inline uint16_t acpi_u16(const uint8_t *bytes)
{
    uint16_t value;

    memcpy(&value, bytes, sizeof value);
    return value;
}

static inline uint32_t acpi_u32(const uint8_t *bytes)
{
    uint32_t value;

    memcpy(&value, bytes, sizeof value);
    return value;
}

static inline uint64_t acpi_u64(const uint8_t *bytes)
{
    uint64_t value;

    memcpy(&value, bytes, sizeof value);
    return value;
}

/* Add the IOMMUs that a DMAR or IVRS table lists. False: the table is damaged from some point on. */
bool acpi_read_iommus(const struct acpi_reader *reader, struct acpi_table table, struct boot_info *info);

#endif

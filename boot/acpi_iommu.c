/* SPDX-License-Identifier: Apache-2.0 */
/* acpi_iommu.c: IOMMU units from DMAR (VT-d 4.1 chapter 8) and IVRS (AMD I/O Virtualization 3.08 §5.2). */
#include "boot/acpi_table.h"

#define ENTRIES 48u /* in both tables the list begins here */

static void add_iommu(const struct acpi_reader *reader, struct boot_info *info, struct boot_iommu unit)
{
    for (uint32_t i = 0; i < info->iommu_count; i++) {
        const struct boot_iommu *known = &info->iommus[i];

        /* IVRS describes one unit up to three times, for readers of different age */
        if (known->type == unit.type && known->base == unit.base)
            return;
    }
    if (info->iommu_count == BOOT_IOMMUS_MAX)
        reader->notes->left_out++;
    else
        info->iommus[info->iommu_count++] = unit;
}

static bool read_dmar(const struct acpi_reader *reader, struct acpi_table table, struct boot_info *info)
{
    enum { DRHD = 0 };

    for (uint32_t at = ENTRIES; table.size_bytes - at >= 4;) {
        const uint8_t *entry = table.bytes + at;
        uint16_t length = acpi_u16(entry + 2);

        if (length < 4 || length > table.size_bytes - at)
            return false;
        if (acpi_u16(entry) == DRHD && length >= 16) {
            add_iommu(reader, info,
                      (struct boot_iommu){
                          .base = acpi_u64(entry + 8),
                          .type = BOOT_IOMMU_VTD,
                          .segment = acpi_u16(entry + 6),
                      });
        }
        at += length;
    }
    return true;
}

static bool read_ivrs(const struct acpi_reader *reader, struct acpi_table table, struct boot_info *info)
{
    enum { IVHD_10 = 0x10, IVHD_11 = 0x11, IVHD_40 = 0x40 };

    for (uint32_t at = ENTRIES; table.size_bytes - at >= 4;) {
        const uint8_t *entry = table.bytes + at;
        uint16_t length = acpi_u16(entry + 2);

        if (length < 4 || length > table.size_bytes - at)
            return false;
        if ((entry[0] == IVHD_10 || entry[0] == IVHD_11 || entry[0] == IVHD_40) && length >= 18) {
            add_iommu(reader, info,
                      (struct boot_iommu){
                          .base = acpi_u64(entry + 8),
                          .type = BOOT_IOMMU_AMD,
                          .segment = acpi_u16(entry + 16),
                          .device_id = acpi_u16(entry + 4),
                      });
        }
        at += length;
    }
    return true;
}

bool acpi_read_iommus(const struct acpi_reader *reader, struct acpi_table table, struct boot_info *info)
{
    if (table.size_bytes < ENTRIES)
        return false;
    return memcmp(table.bytes, "DMAR", 4) == 0 ? read_dmar(reader, table, info) : read_ivrs(reader, table, info);
}

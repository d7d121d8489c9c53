/* SPDX-License-Identifier: Apache-2.0 */
/* acpi.c: RSDP → XSDT or RSDT → the tables (ACPI 6.5 chapter 5), MCFG (PCI Firmware 3.3 §4.1.2), HPET (IA-PC HPET
 * 1.0a §3.2.4), and the IOMMUs' (acpi_iommu.c).
 */
#include "boot/acpi.h"

#include <stdbool.h>
#include <string.h>

#include "boot/acpi_table.h"

#define TABLE_BYTES_MAX 0x100000u /* static tables are far smaller; this bounds the checksum's time */

/* The bytes at [address, address + size) if one window holds them all, else NULL. */
static const uint8_t *bytes_at(const struct acpi_reader *reader, uint64_t address, uint64_t size_bytes)
{
    for (uint32_t i = 0; i < reader->window_count; i++) {
        const struct acpi_window *w = &reader->windows[i];

        if (address >= w->base && address - w->base < w->size_bytes &&
            size_bytes <= w->size_bytes - (address - w->base))
            return w->bytes + (address - w->base);
    }
    return NULL;
}

static bool checksum_is_right(const uint8_t *bytes, size_t size_bytes)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < size_bytes; i++)
        sum = (uint8_t)(sum + bytes[i]);
    return sum == 0;
}

static void note_damaged(struct acpi_notes *notes, const uint8_t *signature)
{
    char *name;

    if (notes->damaged_count >= ACPI_DAMAGED_MAX)
        return;
    name = notes->damaged[notes->damaged_count++];
    memcpy(name, "????", 5);
    for (unsigned i = 0; signature != NULL && i < 4; i++) {
        if (signature[i] > ' ' && signature[i] <= '~')
            name[i] = (char)signature[i];
    }
}

/* A whole table with a right checksum, or false (and a note, for it was announced). */
static bool table_at(const struct acpi_reader *reader, uint64_t address, struct acpi_table *table)
{
    const uint8_t *header = bytes_at(reader, address, ACPI_HEADER_BYTES);

    if (header == NULL) {
        note_damaged(reader->notes, NULL);
        return false;
    }
    uint32_t length = acpi_u32(header + 4);
    if (length < ACPI_HEADER_BYTES || length > TABLE_BYTES_MAX || bytes_at(reader, address, length) == NULL ||
        !checksum_is_right(header, length)) {
        note_damaged(reader->notes, header);
        return false;
    }
    *table = (struct acpi_table){ .bytes = header, .size_bytes = length };
    return true;
}

/* One more CPU, unless it is known already: firmware may list it as local APIC and as local x2APIC. */
static void add_cpu(const struct acpi_reader *reader, struct boot_info *info, uint32_t apic_id)
{
    for (uint32_t i = 0; i < info->cpu_count; i++) {
        if (info->cpus[i].apic_id == apic_id)
            return;
    }
    if (info->cpu_count == BOOT_CPUS_MAX) {
        reader->notes->left_out++;
        return;
    }
    info->cpus[info->cpu_count++] = (struct boot_cpu){ .apic_id = apic_id };
}

static void add_ioapic(const struct acpi_reader *reader, struct boot_info *info, const uint8_t *entry)
{
    if (info->ioapic_count == BOOT_IOAPICS_MAX) {
        reader->notes->left_out++;
        return;
    }
    info->ioapics[info->ioapic_count++] = (struct boot_ioapic){
        .id = entry[2],
        .base = acpi_u32(entry + 4),
        .gsi_base = acpi_u32(entry + 8),
    };
}

/* ACPI 6.5 5.2.12.5: the polarity is in bits 1:0, the trigger mode in bits 3:2; 3 is what is not usual for ISA. */
static void add_override(struct boot_info *info, const uint8_t *entry)
{
    uint16_t flags = acpi_u16(entry + 8);

    if (entry[2] != 0 || entry[3] >= BOOT_ISA_IRQS) /* ACPI knows no bus but ISA */
        return;
    info->isa[entry[3]] = (struct boot_isa){
        .gsi = acpi_u32(entry + 4),
        .pin = ((flags & 3) == 3 ? BOOT_PIN_ACTIVE_LOW : 0u) | ((flags >> 2 & 3) == 3 ? BOOT_PIN_LEVEL : 0u),
    };
}

enum { MADT_LAPIC = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_LAPIC_ADDRESS = 5, MADT_X2APIC = 9 };
#define MADT_ENABLED 1u     /* flag of a CPU's entry */
#define MADT_PCAT_COMPAT 1u /* flag of the table: there is a pair of 8259 */
#define MADT_ENTRIES 44u

static void madt_entry(const struct acpi_reader *reader, struct boot_info *info, const uint8_t *entry, uint8_t length)
{
    switch (entry[0]) {
    case MADT_LAPIC:
        if (length >= 8 && (acpi_u32(entry + 4) & MADT_ENABLED) != 0 && entry[3] != 0xFF /* broadcast: no CPU */)
            add_cpu(reader, info, entry[3]);
        break;
    case MADT_IOAPIC:
        if (length >= 12)
            add_ioapic(reader, info, entry);
        break;
    case MADT_OVERRIDE:
        if (length >= 10)
            add_override(info, entry);
        break;
    case MADT_LAPIC_ADDRESS:
        if (length >= 12)
            info->lapic_base = acpi_u64(entry + 4);
        break;
    case MADT_X2APIC:
        if (length >= 16 && (acpi_u32(entry + 8) & MADT_ENABLED) != 0)
            add_cpu(reader, info, acpi_u32(entry + 4));
        break;
    default:
        break;
    }
}

/* ACPI 6.5 §5.2.12 */
static void read_madt(const struct acpi_reader *reader, struct acpi_table table, struct boot_info *info)
{
    if (table.size_bytes < MADT_ENTRIES)
        return note_damaged(reader->notes, table.bytes);
    if (acpi_u32(table.bytes + 36) != 0)
        info->lapic_base = acpi_u32(table.bytes + 36);
    info->has_8259 = (acpi_u32(table.bytes + 40) & MADT_PCAT_COMPAT) != 0;
    for (uint32_t at = MADT_ENTRIES; table.size_bytes - at >= 2;) {
        const uint8_t *entry = table.bytes + at;
        uint8_t length = entry[1];

        if (length < 2 || length > table.size_bytes - at)
            return note_damaged(reader->notes, table.bytes);
        madt_entry(reader, info, entry, length);
        at += length;
    }
}

static void read_mcfg(const struct acpi_reader *reader, struct acpi_table table, struct boot_info *info)
{
    for (uint32_t at = 44; at + 16 <= table.size_bytes; at += 16) {
        const uint8_t *entry = table.bytes + at;

        if (acpi_u16(entry + 8) != 0)
            continue; /* other segments: not used by this hypervisor */
        if (entry[11] < entry[10])
            return note_damaged(reader->notes, table.bytes);
        info->ecam_base = acpi_u64(entry);
        info->ecam_first_bus = entry[10];
        info->ecam_last_bus = entry[11];
        return;
    }
}

/* Generic Address Structure (ACPI 6.5 §5.2.3.2): address space at 0, address at 4. */
enum { GAS_MEMORY = 0, GAS_IO = 1, GAS_BYTES = 12 };

static void read_hpet(const struct acpi_reader *reader, struct acpi_table table, struct boot_info *info)
{
    if (table.size_bytes < 40 + GAS_BYTES)
        return note_damaged(reader->notes, table.bytes);
    if (table.bytes[40] == GAS_MEMORY && info->hpet_base == 0)
        info->hpet_base = acpi_u64(table.bytes + 44);
}

#define FADT_RESET_REG_SUP (1u << 10)
#define FADT_HW_REDUCED (1u << 20) /* no PM timer, no fixed hardware */

/* The I/O port in the generic address at `offset`, or 0. */
static uint32_t fadt_port(struct acpi_table table, uint32_t offset)
{
    if (table.size_bytes < offset + GAS_BYTES || table.bytes[offset] != GAS_IO)
        return 0;

    uint64_t port = acpi_u64(table.bytes + offset + 4);
    return port <= 0xFFFF ? (uint32_t)port : 0;
}

/* ACPI 6.5 §5.2.9 */
static void read_fadt(const struct acpi_reader *reader, struct acpi_table table, struct boot_info *info)
{
    if (table.size_bytes < 116)
        return note_damaged(reader->notes, table.bytes);

    uint32_t flags = acpi_u32(table.bytes + 112);
    if ((flags & FADT_HW_REDUCED) == 0) {
        uint32_t extended = fadt_port(table, 208); /* X_PM_TMR_BLK; wins over the old field when it is there */
        uint32_t plain = acpi_u32(table.bytes + 76);

        info->pm_timer_port = extended != 0 ? extended : plain <= 0xFFFF ? plain : 0;
    }
    if ((flags & FADT_RESET_REG_SUP) != 0 && table.size_bytes >= 129) {
        info->reset_port = fadt_port(table, 116);
        info->reset_value = info->reset_port != 0 ? table.bytes[128] : 0;
    }
}

static bool is_of_interest(const uint8_t *name)
{
    static const char names[][5] = { "APIC", "MCFG", "HPET", "FACP", "DMAR", "IVRS" };

    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (memcmp(name, names[i], 4) == 0)
            return true;
    }
    return false;
}

static void read_table(const struct acpi_reader *reader, uint64_t address, struct boot_info *info)
{
    struct acpi_table table;
    const uint8_t *name = bytes_at(reader, address, 4);

    /* tables of no interest are not even summed up: some are large, some firmware gets them wrong */
    if (name != NULL && !is_of_interest(name))
        return;
    if (!table_at(reader, address, &table))
        return;
    if (memcmp(table.bytes, "APIC", 4) == 0)
        read_madt(reader, table, info);
    else if (memcmp(table.bytes, "MCFG", 4) == 0)
        read_mcfg(reader, table, info);
    else if (memcmp(table.bytes, "HPET", 4) == 0)
        read_hpet(reader, table, info);
    else if (memcmp(table.bytes, "FACP", 4) == 0)
        read_fadt(reader, table, info);
    else if (!acpi_read_iommus(reader, table, info))
        note_damaged(reader->notes, table.bytes);
}

/* The root table: XSDT with 8-byte entries, or RSDT with 4-byte entries. */
static bool read_root(const struct acpi_reader *reader, uint64_t address, const char *signature, unsigned entry_bytes,
                      struct boot_info *info)
{
    struct acpi_table root;

    if (address == 0 || !table_at(reader, address, &root))
        return false;
    if (memcmp(root.bytes, signature, 4) != 0) {
        note_damaged(reader->notes, (const uint8_t *)signature);
        return false;
    }
    for (uint32_t at = ACPI_HEADER_BYTES; root.size_bytes - at >= entry_bytes; at += entry_bytes) {
        uint64_t table = entry_bytes == 8 ? acpi_u64(root.bytes + at) : acpi_u32(root.bytes + at);

        if (table != 0)
            read_table(reader, table, info);
    }
    return true;
}

enum cl_status acpi_read(const struct acpi_window *windows, uint32_t window_count, uint64_t rsdp,
                         struct boot_info *info, struct acpi_notes *notes)
{
    struct acpi_reader reader = {
        .windows = windows,
        .window_count = window_count,
        .notes = notes,
    };
    const uint8_t *root = bytes_at(&reader, rsdp, 20);

    memset(notes, 0, sizeof *notes);
    if (rsdp == 0)
        return refuse(CL_NOT_FOUND, "The firmware has no ACPI tables.");
    if (root == NULL || memcmp(root, "RSD PTR ", 8) != 0 || !checksum_is_right(root, 20))
        return refuse(CL_CORRUPT, "The firmware's ACPI root pointer is damaged.");

    /* revision 2 and later: a longer structure with its own checksum and a 64-bit address (ACPI 6.5 §5.2.5.3) */
    const uint8_t *extended = root[15] >= 2 ? bytes_at(&reader, rsdp, 36) : NULL;
    if (extended != NULL && checksum_is_right(extended, 36) &&
        read_root(&reader, acpi_u64(extended + 24), "XSDT", 8, info))
        return CL_OK;
    if (read_root(&reader, acpi_u32(root + 16), "RSDT", 4, info))
        return CL_OK;
    return refuse(CL_CORRUPT, "The firmware's ACPI root table is damaged.");
}

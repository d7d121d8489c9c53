/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: boot/acpi.c boot/acpi_iommu.c boot/text.c */
/* fuzz_acpi.c: the input is the firmware's tables. Their checksums are made right, so that their insides are read. */
#include <stdlib.h>
#include <string.h>

#include "boot/acpi.h"

#define BASE UINT64_C(0x7f000000)
#define HEADER_BYTES 36u
#define TABLES_MAX 6u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void checksum(uint8_t *bytes, size_t length, size_t at)
{
    uint8_t sum = 0;

    bytes[at] = 0;
    for (size_t i = 0; i < length; i++)
        sum = (uint8_t)(sum + bytes[i]);
    bytes[at] = (uint8_t)-sum;
}

static void table(uint8_t *bytes, const char *signature, const uint8_t *body, uint32_t length)
{
    uint32_t whole = HEADER_BYTES + length;

    memset(bytes, 0, HEADER_BYTES);
    memcpy(bytes, signature, 4);
    memcpy(bytes + 4, &whole, 4);
    memcpy(bytes + HEADER_BYTES, body, length);
    checksum(bytes, whole, 9);
}

/* The input is cut into tables of at most 255 bytes: kind, length, body. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char kinds[][5] = { "APIC", "MCFG", "HPET", "FACP", "DMAR", "IVRS", "XXXX" };
    static struct boot_info info;
    static struct acpi_notes notes;
    uint64_t pointers[TABLES_MAX];
    unsigned count = 0;
    size_t used = 0, room = size + TABLES_MAX * HEADER_BYTES + HEADER_BYTES + sizeof(pointers) + 36;
    uint8_t *bytes = calloc(1, room);

    if (bytes == NULL)
        return 0;
    for (size_t at = 0; at + 2 < size && count < TABLES_MAX; count++) {
        size_t length = data[at + 1] < size - at - 2 ? data[at + 1] : size - at - 2;

        table(bytes + used, kinds[data[at] % 7], data + at + 2, (uint32_t)length);
        pointers[count] = BASE + used;
        used += HEADER_BYTES + length;
        at += 2 + length;
    }
    uint64_t root = BASE + used;
    table(bytes + used, "XSDT", (const uint8_t *)pointers, count * 8);
    used += HEADER_BYTES + count * 8;
    uint8_t *rsdp = bytes + used;
    memcpy(rsdp, "RSD PTR ", 8);
    rsdp[15] = 2;
    rsdp[20] = 36;
    memcpy(rsdp + 24, &root, 8);
    checksum(rsdp, 20, 8);
    checksum(rsdp, 36, 32);
    struct acpi_window window = { BASE, used + 36, bytes };
    memset(&info, 0, sizeof(info));
    if (acpi_read(&window, 1, BASE + used, &info, &notes) != CL_OK && refusal()[0] == '\0')
        __builtin_trap();
    if (info.cpu_count > BOOT_CPUS_MAX || info.ioapic_count > BOOT_IOAPICS_MAX)
        __builtin_trap();
    free(bytes);
    return 0;
}

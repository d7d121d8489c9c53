/* SPDX-License-Identifier: Apache-2.0 */
/* madt.c: RSDP, RSDT or XSDT, MADT (ACPI 6.4 5.2.5, 5.2.7, 5.2.8, 5.2.12). */
#include "cpus.h"

#define RSDP_FIRST 0xE0000u
#define RSDP_END 0x100000u
#define ENABLED 1u

struct header {
    char signature[4];
    uint32_t length;
    char rest[28];
} __attribute__((packed));

struct rsdp {
    char signature[8];
    uint8_t checksum, oem[6], revision;
    uint32_t rsdt, length;
    uint64_t xsdt;
} __attribute__((packed));

struct local_apic {
    uint8_t type, length, processor, apic_id;
    uint32_t flags;
} __attribute__((packed));

static const struct rsdp *find_rsdp(void)
{
    for (uint64_t at = RSDP_FIRST; at < RSDP_END; at += 16)
        if (memcmp((const void *)at, "RSD PTR ", 8) == 0)
            return (const struct rsdp *)at;
    return NULL;
}

static const struct header *find_madt(const struct rsdp *rsdp)
{
    bool wide = rsdp->revision >= 2 && rsdp->xsdt != 0;
    const struct header *root = (const struct header *)(wide ? rsdp->xsdt : rsdp->rsdt);
    const uint8_t *entry = (const uint8_t *)(root + 1), *end = (const uint8_t *)root + root->length;

    for (; entry < end; entry += wide ? 8 : 4) {
        const struct header *table = NULL;

        memcpy(&table, entry, wide ? 8 : 4);
        if (memcmp(table->signature, "APIC", 4) == 0)
            return table;
    }
    return NULL;
}

unsigned madt_cpus(bool *in_order)
{
    const struct rsdp *rsdp = find_rsdp();
    const struct header *madt = rsdp != NULL ? find_madt(rsdp) : NULL;
    unsigned count = 0;

    *in_order = true;
    if (madt == NULL)
        return 0;
    for (const uint8_t *at = (const uint8_t *)madt + 44; at < (const uint8_t *)madt + madt->length; at += at[1]) {
        const struct local_apic *cpu = (const struct local_apic *)at;

        if (at[1] == 0)
            return 0;
        if (cpu->type != 0 || !(cpu->flags & ENABLED))
            continue;
        *in_order = *in_order && cpu->apic_id == count;
        count++;
    }
    return count;
}

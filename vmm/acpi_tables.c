/* SPDX-License-Identifier: Apache-2.0 */
/* acpi_tables.c: static tables (ACPI 6.4 chapter 5); the DSDT is vmm/dsdt.asl, compiled at build. */
#include <assert.h>

#include "build/vmm/dsdt.h"
#include "vmm/acpi_tables.h"
#include "vmm/pm.h"

#define CPUS_MAX 64u
#define OEM_ID "CLOISN"
#define OEM_TABLE_ID "MACHINE\0"
#define CREATOR "CLSN"

#define SPACE_MEMORY 0u
#define SPACE_IO 1u

#define FADT_WBINVD (1u << 0)
#define FADT_PROC_C1 (1u << 2)
#define FADT_SLEEP_BUTTON_CONTROL (1u << 5) /* set: there is no fixed sleep button */
#define FADT_RTC_WAKE_NONE (1u << 6)
#define FADT_RESET_REGISTER (1u << 10)
#define BOOT_LEGACY_DEVICES (1u << 0)
#define BOOT_VGA_ABSENT (1u << 2)
#define BOOT_NO_ASPM (1u << 4)

#define MADT_PCAT_COMPAT 1u
#define MADT_ENABLED 1u
#define OVERRIDE_LEVEL_HIGH 0xDu

struct header {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum;
    char oem_id[6], oem_table_id[8];
    uint32_t oem_revision;
    char creator[4];
    uint32_t creator_revision;
} __attribute__((packed));

struct rsdp {
    char signature[8];
    uint8_t checksum;
    char oem_id[6];
    uint8_t revision;
    uint32_t rsdt, length;
    uint64_t xsdt;
    uint8_t extended_checksum, reserved[3];
} __attribute__((packed));

struct address {
    uint8_t space, width_bits, offset_bits, access;
    uint64_t address;
} __attribute__((packed));

struct fadt {
    struct header header;
    uint32_t facs, dsdt;
    uint8_t reserved, profile;
    uint16_t sci_irq;
    uint32_t smi_command;
    uint8_t acpi_enable, acpi_disable, s4bios, pstate;
    uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, pm_timer, gpe0, gpe1;
    uint8_t pm1_event_length, pm1_control_length, pm2_control_length, pm_timer_length, gpe0_length, gpe1_length,
        gpe1_base, cst;
    uint16_t c2_latency, c3_latency, flush_size, flush_stride;
    uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
    uint16_t boot_flags;
    uint8_t reserved2;
    uint32_t flags;
    struct address reset_register;
    uint8_t reset_value;
    uint16_t arm_boot;
    uint8_t minor;
    uint64_t x_facs, x_dsdt;
    struct address x_pm1a_event, x_pm1b_event, x_pm1a_control, x_pm1b_control, x_pm2_control, x_pm_timer, x_gpe0,
        x_gpe1, sleep_control, sleep_status;
    uint64_t hypervisor;
} __attribute__((packed));

struct facs {
    char signature[4];
    uint32_t length, hardware_signature, waking_vector, global_lock, flags;
    uint64_t x_waking_vector;
    uint8_t version, reserved[31];
} __attribute__((packed));

struct madt {
    struct header header;
    uint32_t local_apic, flags;
} __attribute__((packed));

struct madt_local_apic {
    uint8_t type, length, processor, apic_id;
    uint32_t flags;
} __attribute__((packed));

struct madt_ioapic {
    uint8_t type, length, id, reserved;
    uint32_t address, gsi_base;
} __attribute__((packed));

struct madt_override {
    uint8_t type, length, bus, source;
    uint32_t gsi;
    uint16_t flags;
} __attribute__((packed));

struct madt_nmi {
    uint8_t type, length, processor;
    uint16_t flags;
    uint8_t lint;
} __attribute__((packed));

struct mcfg {
    struct header header;
    uint64_t reserved;
    uint64_t base;
    uint16_t segment;
    uint8_t first_bus, last_bus;
    uint32_t reserved2;
} __attribute__((packed));

static_assert(sizeof(struct header) == 36, "ACPI 6.4 table 5.4");
static_assert(sizeof(struct rsdp) == 36, "table 5.3");
static_assert(sizeof(struct fadt) == 276, "table 5.9");
static_assert(sizeof(struct facs) == 64, "table 5.12");
static_assert(sizeof(struct mcfg) == 60, "PCI Firmware Specification table 4-2");

/* Tables grow upwards from the RSDP. */
struct writer {
    const struct guest_memory *memory;
    uint64_t next;
    bool full;
};

static uint8_t checksum(const void *bytes, size_t length)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < length; i++)
        sum = (uint8_t)(sum + ((const uint8_t *)bytes)[i]);
    return (uint8_t)-sum;
}

/* Write at the next multiple of 64; returns the address. */
static uint64_t append(struct writer *w, const void *bytes, size_t length)
{
    uint64_t at = (w->next + 63) & ~UINT64_C(63);

    if (at + length > PLATFORM_ACPI_RSDP + PLATFORM_ACPI_SIZE ||
        guest_memory_write(w->memory, at, bytes, length) != CL_OK)
        w->full = true;
    w->next = at + length;
    return at;
}

static struct header table_header(const char *signature, uint8_t revision, size_t length)
{
    struct header h = { .length = (uint32_t)length, .revision = revision, .oem_revision = 1, .creator_revision = 1 };

    memcpy(h.signature, signature, sizeof(h.signature));
    memcpy(h.oem_id, OEM_ID, sizeof(h.oem_id));
    memcpy(h.oem_table_id, OEM_TABLE_ID, sizeof(h.oem_table_id));
    memcpy(h.creator, CREATOR, sizeof(h.creator));
    return h;
}

static uint64_t append_table(struct writer *w, void *table, size_t length)
{
    struct header *h = table;

    h->checksum = 0;
    h->checksum = checksum(table, length);
    return append(w, table, length);
}

static struct address io_block(unsigned port, unsigned bits)
{
    /* Access sizes: 1 byte, 2 word, 3 dword. */
    uint8_t access = bits == 32 ? 3 : bits == 16 ? 2 : 1;

    return (struct address){ .space = SPACE_IO, .width_bits = (uint8_t)bits, .access = access, .address = port };
}

static uint64_t append_fadt(struct writer *w, uint64_t facs, uint64_t dsdt)
{
    struct fadt f = { .header = table_header("FACP", 6, sizeof(f)),
                      .facs = (uint32_t)facs,
                      .dsdt = (uint32_t)dsdt,
                      .sci_irq = PLATFORM_IRQ_SCI,
                      .pm1a_event = PLATFORM_PORT_PM + PM_EVENT,
                      .pm1a_control = PLATFORM_PORT_PM + PM_CONTROL,
                      .pm_timer = PLATFORM_PORT_PM + PM_TIMER,
                      .pm1_event_length = 4,
                      .pm1_control_length = 2,
                      .pm_timer_length = 4,
                      .c2_latency = 0xFFF, /* above 100 and 1000: no C2, no C3 */
                      .c3_latency = 0xFFF,
                      .century = 0x32,
                      .boot_flags = BOOT_LEGACY_DEVICES | BOOT_VGA_ABSENT | BOOT_NO_ASPM,
                      .flags = FADT_WBINVD | FADT_PROC_C1 | FADT_SLEEP_BUTTON_CONTROL | FADT_RTC_WAKE_NONE |
                               FADT_RESET_REGISTER,
                      .reset_register = io_block(PLATFORM_PORT_RESET, 8),
                      .reset_value = PM_RESET_VALUE,
                      .minor = 4,
                      .x_dsdt = dsdt,
                      .x_pm1a_event = io_block(PLATFORM_PORT_PM + PM_EVENT, 32),
                      .x_pm1a_control = io_block(PLATFORM_PORT_PM + PM_CONTROL, 16),
                      .x_pm_timer = io_block(PLATFORM_PORT_PM + PM_TIMER, 32) };

    f.x_pm1a_event.access = 2;
    return append_table(w, &f, sizeof(f));
}

static uint64_t append_madt(struct writer *w, unsigned cpus)
{
    struct {
        struct madt madt;
        uint8_t rest[CPUS_MAX * sizeof(struct madt_local_apic) + sizeof(struct madt_ioapic) +
                     2 * sizeof(struct madt_override) + sizeof(struct madt_nmi)];
    } __attribute__((packed)) t;
    const struct madt_ioapic ioapic = { 1, sizeof(ioapic), 0, 0, (uint32_t)PLATFORM_IOAPIC, 0 };
    const struct madt_override timer = { 2, sizeof(timer), 0, PLATFORM_IRQ_PIT, 2, 0 };
    const struct madt_override sci = { 2, sizeof(sci), 0, PLATFORM_IRQ_SCI, PLATFORM_IRQ_SCI, OVERRIDE_LEVEL_HIGH };
    const struct madt_nmi nmi = { 4, sizeof(nmi), 0xFF, 0, 1 };
    size_t used = 0;

    memset(&t, 0, sizeof(t));
    for (unsigned i = 0; i < cpus; i++) {
        struct madt_local_apic cpu = { 0, sizeof(cpu), (uint8_t)i, (uint8_t)i, MADT_ENABLED };

        memcpy(t.rest + used, &cpu, sizeof(cpu));
        used += sizeof(cpu);
    }
    memcpy(t.rest + used, &ioapic, sizeof(ioapic));
    used += sizeof(ioapic);
    memcpy(t.rest + used, &timer, sizeof(timer));
    used += sizeof(timer);
    memcpy(t.rest + used, &sci, sizeof(sci));
    used += sizeof(sci);
    memcpy(t.rest + used, &nmi, sizeof(nmi));
    used += sizeof(nmi);
    t.madt.header = table_header("APIC", 4, sizeof(t.madt) + used);
    t.madt.local_apic = (uint32_t)PLATFORM_LAPIC;
    t.madt.flags = MADT_PCAT_COMPAT;
    return append_table(w, &t, sizeof(t.madt) + used);
}

static uint64_t append_mcfg(struct writer *w)
{
    struct mcfg m = { .header = table_header("MCFG", 1, sizeof(m)),
                      .base = PLATFORM_ECAM,
                      .last_bus = PLATFORM_ECAM_BUSES - 1 };

    return append_table(w, &m, sizeof(m));
}

enum cl_status acpi_tables_write(const struct guest_memory *memory, unsigned cpus)
{
    struct writer w = { .memory = memory, .next = PLATFORM_ACPI_RSDP + sizeof(struct rsdp) };
    struct facs facs = { .signature = "FACS", .length = sizeof(facs), .version = 2 };
    struct rsdp rsdp = { .signature = "RSD PTR ", .oem_id = OEM_ID, .revision = 2, .length = sizeof(rsdp) };
    struct {
        struct header header;
        uint64_t table[3];
    } __attribute__((packed)) xsdt;
    uint64_t facs_address, dsdt_address;

    if (cpus == 0 || cpus > CPUS_MAX)
        return CL_BAD_ARGUMENT;
    facs_address = append(&w, &facs, sizeof(facs));
    dsdt_address = append(&w, dsdt_aml_code, sizeof(dsdt_aml_code));
    xsdt.header = table_header("XSDT", 1, sizeof(xsdt));
    xsdt.table[0] = append_fadt(&w, facs_address, dsdt_address);
    xsdt.table[1] = append_madt(&w, cpus);
    xsdt.table[2] = append_mcfg(&w);
    rsdp.xsdt = append_table(&w, &xsdt, sizeof(xsdt));
    rsdp.checksum = checksum(&rsdp, 20);
    rsdp.extended_checksum = checksum(&rsdp, sizeof(rsdp));
    if (w.full || guest_memory_write(memory, PLATFORM_ACPI_RSDP, &rsdp, sizeof(rsdp)) != CL_OK)
        return CL_NO_MEMORY;
    return CL_OK;
}

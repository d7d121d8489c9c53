/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: vmm/capsule.c vmm/bus.c vmm/machine.c vmm/irq.c vmm/pic8259.c vmm/ioapic.c vmm/uart16550.c vmm/pit8254.c
 * vmm/rtc.c vmm/pm.c vmm/i8042.c vmm/pvpanic.c vmm/debug_exit.c vmm/delay_ports.c tests/unit/vmm/crash_harness.c
 * vmm/decode.c vmm/emulate.c vmm/emulate_alu.c vmm/emulate_memory.c vmm/emulate_string.c vmm/emulate_system.c
 * vmm/emulate_task.c vmm/guest_paging.c vmm/boot_state.c */
/* LIBS: zydis */
/* fuzz_emulate.c: the input is an exit that has to be decoded: any code, any registers, any mode, any page tables. */
#include <string.h>

#include "tests/unit/vmm/crash_harness.h"
#include "vmm/boot_state.h"
#include "vmm/emulate.h"

#define PML4 0x1000u
#define PDPT 0x2000u
#define CODE 0x8000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The head of an input; the code follows it. */
struct input {
    uint8_t mode;   /* 0 real, 1 protected, 2 protected with paging, 3 PAE, 4 long, 5 compatibility */
    uint8_t reason; /* of the exit */
    uint8_t intercept;
    uint8_t cpl;
    uint32_t rflags;
    uint64_t address; /* of the memory access */
    uint64_t gpr[GPR_COUNT];
    uint64_t table_entry; /* one that the guest's tables get, in place `table_index` */
    uint16_t table_index;
    uint8_t segment, attributes;
};

static bool apic_read(void *context, uint32_t offset, uint32_t *value)
{
    (void)context;
    *value = offset;
    return offset < 0x400;
}

static bool apic_write(void *context, uint32_t offset, uint32_t value)
{
    (void)context, (void)value;
    return offset < 0x400;
}

static bool msr_read(void *context, uint32_t index, uint64_t *value)
{
    (void)context;
    *value = index;
    return index % 2 == 0;
}

static bool msr_write(void *context, uint32_t index, uint64_t value)
{
    (void)context, (void)value;
    return index % 2 == 0;
}

static void cpuid(void *context, uint32_t leaf, uint32_t subleaf, uint32_t result[4])
{
    (void)context;
    for (unsigned i = 0; i < 4; i++)
        result[i] = leaf ^ subleaf;
}

static void registers_set(struct vcpu_page *page, const struct input *in)
{
    static const uint64_t cr0[] = { 0x10, 0x11, 0x80000011, 0x80000011, 0x80000011, 0x80000011 };
    static const uint64_t cr4[] = { 0, 0, 0x10, 0x20, 0x20, 0x20 };
    unsigned mode = in->mode % 6;

    memset(page, 0, sizeof(*page));
    boot_state_flat32(page, CODE, 8, 16);
    page->cr0 = cr0[mode];
    page->cr3 = PML4;
    page->cr4 = cr4[mode];
    page->efer = mode >= 4 ? 0xD00 : 0;
    if (mode == 4)
        page->segment[SEG_CS].attributes = 0xA09B;
    if (mode == 0)
        page->segment[SEG_CS].attributes = 0x9B;
    page->segment[SEG_SS].attributes = (uint16_t)((page->segment[SEG_SS].attributes & ~0x60u) | (in->cpl & 3u) << 5);
    page->segment[in->segment % SEG_COUNT].attributes ^= in->attributes;
    memcpy(page->gpr, in->gpr, sizeof(page->gpr));
    page->rflags = (in->rflags & 0x3F7FD7u) | 2;
}

static void exit_set(struct vcpu_page *page, const struct input *in)
{
    static const uint32_t reasons[] = { VCPU_EXIT_MEMORY, VCPU_EXIT_DECODE, VCPU_EXIT_IO };

    page->exit.reason = reasons[in->reason % 3];
    if (page->exit.reason == VCPU_EXIT_MEMORY) {
        page->exit.memory.address = in->address;
        page->exit.memory.flags = in->intercept & 7u;
    } else if (page->exit.reason == VCPU_EXIT_DECODE) {
        page->exit.decode.intercept = in->intercept % 32u;
    } else {
        page->exit.io.flags = (uint8_t)(VCPU_IO_STRING | (in->intercept & (VCPU_IO_IN | VCPU_IO_REP)));
        page->exit.io.port = (uint16_t)in->address;
        page->exit.io.size_bytes = (uint8_t)(1u << in->intercept % 3);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct emulator_ops ops = { apic_read, apic_write, msr_read, msr_write, cpuid };
    static struct fake *fake;
    static struct emulator emulator;
    static struct vcpu_page page;
    struct input in;
    uint64_t entry = PDPT | 7;

    if (size < sizeof(in) + 1 || size > sizeof(in) + 64)
        return 0;
    if (fake == NULL)
        fake = fake_create();
    memcpy(&in, data, sizeof(in));
    memset(fake->ram, 0, 0x10000);
    memcpy(fake->ram + PML4, &entry, 8);
    for (unsigned i = 0; i < 4; i++) {
        entry = (uint64_t)i << 30 | 0x87;
        memcpy(fake->ram + PDPT + i * 8, &entry, 8);
    }
    memcpy(fake->ram + PML4 + in.table_index % 1024 * 8u, &in.table_entry, 8);
    memcpy(fake->ram + CODE, data + sizeof(in), size - sizeof(in));
    emulator = (struct emulator){ .memory = &fake->machine.memory,
                                  .bus = &fake->machine.bus,
                                  .tx = &fake->tx,
                                  .ops = &ops,
                                  .cr4_allowed = 0x407FF,
                                  .xcr0_allowed = 7 };
    registers_set(&page, &in);
    exit_set(&page, &in);
    page.exit.sequence = ++fake->sequence;
    capsule_exit_begin(&fake->tx, page.exit.sequence);
    enum cl_status status = emulate(&emulator, &page);
    if (status != CL_OK && (status != CL_UNSUPPORTED || emulator.reason[0] == '\0'))
        __builtin_trap(); /* a refusal without a sentence */
    fake->outside.messages = 0;
    fake->outside.serial_total = 0;
    return 0;
}

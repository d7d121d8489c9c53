/* SPDX-License-Identifier: Apache-2.0 */
/* power.c: power-off and reset (UEFI 2.10 8.5.1), with what PCs answer to when the firmware does not. */
#include "kernel/power.h"

#include "kernel/assert.h"
#include "kernel/cpu.h"
#include "kernel/crash.h"
#include "kernel/hostmap.h"
#include "kernel/lapic.h"
#include "kernel/pagetable.h"
#include "kernel/x86.h"

#define EFI_RESET_COLD 0
#define EFI_RESET_SHUTDOWN 2
#define MMIO_MAX UINT64_C(0x1000000) /* of one firmware register range: flash, for its variables */
#define KEYBOARD_COMMAND 0x64
#define KEYBOARD_RESET 0xfe
#define BOCHS_SHUTDOWN 0x8900
#define UART_DRAIN_TURNS 1000000

typedef void efi_reset_system(uint32_t type, uint64_t status, uint64_t size, const void *data) __attribute__((ms_abi));

static struct pt firmware_map;
static efi_reset_system *reset_system;
static uint16_t reset_port, serial_port;
static uint8_t reset_value;

static void map_range(const struct boot_memory *range)
{
    enum pt_type type = range->type == BOOT_MEMORY_MMIO ? PT_UNCACHEABLE : PT_WRITE_BACK;

    for (uint64_t offset = 0; offset < range->size_bytes; offset += PAGE_SIZE) {
        struct pt_leaf leaf = { .frame = hpa(range->base + offset),
                                .page_shift = PAGE_SHIFT,
                                .rights = PT_READ | PT_WRITE | PT_EXECUTE,
                                .type = type };
        enum cl_status status = pt_set(&firmware_map, range->base + offset, leaf);
        ASSERT(status == CL_OK);
    }
}

void power_prepare(const struct boot_info *boot)
{
    enum cl_status status = pt_create(&firmware_map, &pt_format_host, NULL);

    ASSERT(status == CL_OK);
    for (uint32_t i = 0; i < boot->memory_count; i++) {
        const struct boot_memory *range = &boot->memory[i];
        bool registers = range->type == BOOT_MEMORY_MMIO && range->size_bytes <= MMIO_MAX;
        if (range->type == BOOT_MEMORY_RUNTIME || registers)
            map_range(range);
    }
    hostmap_share(firmware_map.root);
    reset_system = (efi_reset_system *)boot->efi_reset_system;
    reset_port = (uint16_t)boot->reset_port;
    reset_value = (uint8_t)boot->reset_value;
    serial_port = (uint16_t)boot->serial_port;
}

static void stop_other_cpus(void)
{
    crash_begin_stop();
    for (uint32_t i = 0; i < cpu_count; i++) {
        if (cpus[i].online && &cpus[i] != this_cpu())
            lapic_nmi(cpus[i].apic_id);
    }
}

/* The last line shall arrive: wait until the transmitter is empty (16550 LSR bit 6). */
static void drain_serial(void)
{
    for (unsigned i = 0; serial_port != 0 && i < UART_DRAIN_TURNS; i++) {
        if ((x86_inb((uint16_t)(serial_port + 5)) & 0x40) != 0)
            return;
    }
}

static void call_firmware(uint32_t type)
{
    if (reset_system == NULL)
        return;
    x86_write_cr3(pt_root(&firmware_map).value);
    reset_system(type, 0, 0, NULL);
}

void power_off(void)
{
    static const char word[] = "Shutdown";

    stop_other_cpus();
    drain_serial();
    call_firmware(EFI_RESET_SHUTDOWN);
    for (const char *c = word; *c != '\0'; c++)
        x86_outb(BOCHS_SHUTDOWN, (uint8_t)*c);
    log_line("the firmware did not power off: it is safe to switch the machine off now");
    crash_park();
}

void power_reset(void)
{
    stop_other_cpus();
    drain_serial();
    call_firmware(EFI_RESET_COLD);
    if (reset_port != 0)
        x86_outb(reset_port, reset_value);
    x86_outb(KEYBOARD_COMMAND, KEYBOARD_RESET);
    log_line("the firmware did not reset: press the reset button");
    crash_park();
}

/* SPDX-License-Identifier: Apache-2.0 */
/* power.c: power-off and reset (UEFI 2.10 8.5.1), with what PCs answer to when the firmware does not. */
#include "kernel/power.h"

#include "kernel/assert.h"
#include "kernel/crash.h"
#include "kernel/hostmap.h"
#include "kernel/log.h"
#include "kernel/x86.h"

#define EFI_RESET_COLD 0
#define EFI_RESET_SHUTDOWN 2
#define KEYBOARD_COMMAND 0x64
#define KEYBOARD_RESET 0xfe
#define BOCHS_SHUTDOWN 0x8900

typedef void efi_reset_system(uint32_t type, uint64_t status, uint64_t size, const void *data) __attribute__((ms_abi));

static struct hpa firmware_root; /* the loader's table: memory one to one, and our half */
static efi_reset_system *reset_system;
static uint16_t reset_port;
static uint8_t reset_value;

void power_prepare(const struct boot_info *boot)
{
    hostmap_share((uint64_t *)boot->page_tables);
    firmware_root = hpa(boot->page_tables);
    reset_system = (efi_reset_system *)boot->efi_reset_system;
    reset_port = (uint16_t)boot->reset_port;
    reset_value = (uint8_t)boot->reset_value;
}

/* On this CPU alone. Comes back if the firmware does. */
static void call_firmware(uint32_t type)
{
    crash_stop_others();
    log_drain();
    if (reset_system == NULL)
        return;
    x86_write_cr3(firmware_root.value);
    reset_system(type, 0, 0, NULL);
}

void power_off(void)
{
    static const char word[] = "Shutdown";

    call_firmware(EFI_RESET_SHUTDOWN);
    for (const char *c = word; *c != '\0'; c++)
        x86_outb(BOCHS_SHUTDOWN, (uint8_t)*c);
    log_line("the firmware did not power off: it is safe to switch the machine off now");
    crash_park();
}

void power_reset(void)
{
    call_firmware(EFI_RESET_COLD);
    if (reset_port != 0)
        x86_outb(reset_port, reset_value);
    x86_outb(KEYBOARD_COMMAND, KEYBOARD_RESET);
    log_line("the firmware did not reset: press the reset button");
    crash_park();
}

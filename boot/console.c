/* SPDX-License-Identifier: Apache-2.0 */
/* console.c: short text to the firmware's console. */
#include "boot/firmware.h"

#define LINE_BYTES 512
#define WAIT_SECONDS 30u
#define UNITS_PER_SECOND UINT64_C(10000000) /* UEFI timers count in 100 ns */

EFI_HANDLE firmware_self;
EFI_SYSTEM_TABLE *firmware;

void say(const char *format, ...)
{
    char line[LINE_BYTES];
    CHAR16 wide[2 * LINE_BYTES];
    va_list values;
    size_t used = 0;

    va_start(values, format);
    text_format_list(line, sizeof line, format, values);
    va_end(values);
    for (const char *c = line; *c != '\0'; c++) {
        if (*c == '\n')
            wide[used++] = L'\r';
        wide[used++] = (CHAR16)*c;
    }
    wide[used] = 0;
    if (firmware->ConOut != NULL)
        firmware->ConOut->OutputString(firmware->ConOut, wide);
}

void say_progress(unsigned *dots, uint64_t done, uint64_t total)
{
    while (*dots < 10 && (total == 0 || done * 10 >= total * (*dots + 1))) {
        say(".");
        (*dots)++;
    }
}

/* A key or the timer, whichever comes first. */
static void wait_for_key(void)
{
    EFI_BOOT_SERVICES *boot = firmware->BootServices;
    EFI_EVENT timer, events[2];
    UINTN index, count = 0;

    if (boot->CreateEvent(EVT_TIMER, 0, NULL, NULL, &timer) != EFI_SUCCESS)
        return;
    if (boot->SetTimer(timer, TimerRelative, WAIT_SECONDS * UNITS_PER_SECOND) == EFI_SUCCESS)
        events[count++] = timer;
    if (firmware->ConIn != NULL) {
        firmware->ConIn->Reset(firmware->ConIn, FALSE); /* a key pressed earlier was not meant for this */
        events[count++] = firmware->ConIn->WaitForKey;
    }
    if (count != 0)
        boot->WaitForEvent(count, events, &index);
    boot->CloseEvent(timer);
}

void console_show_refusal(void)
{
    say("\nCloison cannot start. %s\n", refusal());
    say("Press a key to return to the firmware (it goes on by itself after %u seconds).\n", WAIT_SECONDS);
    wait_for_key();
}

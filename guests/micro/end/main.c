/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: ends as its command line says, for the tests of what follows then (tests/system/test_supervisor.py):
 *
 *   how=panic   says through pvpanic that it has crashed, and halts
 *   how=never   halts at once and for ever, interrupts off: deaf to the power button, but no burden
 */
#include "micro.h"

#define PVPANIC_PORT 0x505
#define PVPANIC_PANICKED 1

void micro_main(void)
{
    const char *how = micro_argument("how");

    if (how != NULL && how[0] == 'p') {
        CHECK_EQUAL(inb(PVPANIC_PORT) & PVPANIC_PANICKED, PVPANIC_PANICKED, "pvpanic's list of events");
        micro_step("about to panic");
        outb(PVPANIC_PORT, PVPANIC_PANICKED);
    } else if (how != NULL && how[0] == 'n') {
        micro_step("halting");
    } else {
        micro_skip("the command line says neither how=panic nor how=never");
    }
    for (;;)
        asm volatile("cli; hlt");
}

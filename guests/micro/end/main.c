/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: ends as its command line says, for the tests of what follows then (tests/system/test_supervisor.py):
 *
 *   how=panic   says through pvpanic that it has crashed, and halts
 *   how=wide    reads a device by an instruction that no monitor emulates
 *   how=never   halts at once and for ever, interrupts off: deaf to the power button, but no burden
 */
#include "pc.h"
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
    } else if (how != NULL && how[0] == 'w') {
        asm volatile("mov %%cr4, %%rax; or %0, %%rax; mov %%rax, %%cr4; movaps (%1), %%xmm0"
                     :
                     : "i"(CR4_OSFXSR), "r"(IOAPIC_PAGE)
                     : "rax", "memory");
        micro_fail("the instruction was carried out");
    } else if (how != NULL && how[0] == 'n') {
        micro_step("halting");
    } else {
        micro_skip("the command line says none of how=panic, how=wide and how=never");
    }
    for (;;)
        asm volatile("cli; hlt");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: a triple fault shuts the CPU down (SDM Vol. 3A 6.15, "Double Fault"; APM Vol. 2 8.2.9).
 *
 * What follows is the machine's choice: most reset. The guest says `about to triple-fault` and must never speak again
 * but for another boot; with the word `expected` missing from the command line it does nothing.
 */
#include "trap.h"

void micro_main(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) none = { 0, 0 };

    if (!micro_argument_flag("expected"))
        micro_skip("the word `expected` is not on the command line");
    micro_step("about to triple-fault");
    asm volatile("lidt %0; ud2" : : "m"(none));
    micro_fail("alive behind a triple fault");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: hostile: spins with interrupts off, for ever or for `seconds` of 10^9 TSC ticks each.
 *
 * The host must take the CPU away from it: its neighbours keep their share, and it can be destroyed at any time.
 */
#include "micro.h"

void micro_main(void)
{
    uint64_t seconds = micro_argument_number("seconds", 0), start = rdtsc();

    micro_step("spinning");
    for (;;) {
        if (seconds != 0 && rdtsc() - start > seconds * 1000000000ull)
            return;
        asm volatile("" : : : "memory");
    }
}

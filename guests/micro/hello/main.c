/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: a micro-guest that boots, reads what the loader said, and ends.
 *
 * Multiboot Specification 0.6.96 §3.2 and §3.3: machine state, memory information, command line.
 */
#include "micro.h"
#include "paging.h"

#define ARGUMENT_EXPECTED 4711u

void micro_main(void)
{
    micro_printf("Hello from a guest: %lu KiB above 1 MiB, %u ranges, %u modules.\n", micro_memory.upper_kib,
                 micro_memory.ranges, micro_memory.modules);
    CHECK(micro_memory.upper_kib >= 8192, "the loader reports %lu KiB above 1 MiB", micro_memory.upper_kib);
    CHECK(micro_memory.lower_kib >= 512 && micro_memory.lower_kib <= 640, "the loader reports %lu KiB below 1 MiB",
          micro_memory.lower_kib);
    CHECK(micro_memory.ranges >= 2, "the memory map has %u ranges", micro_memory.ranges);
    CHECK(!micro_memory.overlapping, "ranges of RAM overlap in the memory map");
    CHECK(micro_memory.ram_bytes >= micro_memory.upper_kib * 1024, "the map has less RAM than mem_upper");
    CHECK((read_rflags() & RFLAGS_IF) == 0, "interrupts are on at entry");
    /* `argument=4711` is on the command line wherever list.json is followed */
    CHECK_EQUAL(micro_argument_number("argument", 0), ARGUMENT_EXPECTED, "the word `argument` of the command line");
    if (micro_argument("outcome") != NULL)
        micro_finish((enum micro_outcome)(micro_argument_number("outcome", 0) & 3), "as the command line asked");
}

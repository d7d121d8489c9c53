/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: hostile: reads all 65,536 ports, in each width where the machine stands it, and writes to absent ones.
 *
 * Guest and host must live on, and absent ports read all ones. Says how many ports answered with something else.
 */
#include "pc.h"
#include "trap.h"

void micro_main(void)
{
    uint32_t answered = 0;
    /* QEMU 7.2 asserts on a word read of its 16550 */
    bool wide = micro_on_cloison() || micro_argument_flag("wide");

    for (uint32_t port = 0; port < 0x10000; port++) {
        uint8_t byte;
        byte = inb((uint16_t)port);
        if (wide) {
            (void)inw((uint16_t)port);
            (void)inl((uint16_t)port);
        }
        answered += byte != 0xFF;
        if ((port & 0x3FFF) == 0)
            micro_step("port %#x", port);
    }
    for (uint32_t port = 0x1000; port < 0x10000 && wide; port += 7) {
        if (inl((uint16_t)port) != 0xFFFFFFFFu)
            continue; /* some device, or part of one */
        outb((uint16_t)port, 0);
        outw((uint16_t)port, 0xFFFF);
        outl((uint16_t)port, 0);
    }
    micro_printf("micro: port_sweep got answers from %u ports\n", answered);
    CHECK_EQUAL(inb(PORT_ABSENT), 0xFF, "an absent port");
    if (micro_on_cloison())
        CHECK(answered < 256, "%u ports answer", answered);
}

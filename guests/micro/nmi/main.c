/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: NMIs: delivered with interrupts off, held back until IRET, one remembered, on a stack of their own.
 *
 * SDM Vol. 3A 6.7 (NMI blocking), 6.7.1, 11.6.1 (delivery mode NMI); APM Vol. 2 8.2.3 and 15.21.
 */
#include "apic.h"
#include "trap.h"

static volatile unsigned inside, seen, deepest, send_from_handler;
static volatile uint64_t stack;

static void send_nmi(void)
{
    apic_send(apic_id(), APIC_DELIVERY_NMI | APIC_ICR_ASSERT);
}

static void nmi_handler(struct micro_frame *frame)
{
    seen = seen + 1;
    inside = inside + 1;
    stack = (uint64_t)frame;
    if (inside > deepest)
        deepest = inside;
    if (send_from_handler != 0) {
        send_from_handler = send_from_handler - 1;
        send_nmi();
        send_nmi();
        /* exits inside the handler must not end the blocking */
        (void)cpuid(0, 0);
        spin_ticks(100000);
    }
    inside = inside - 1;
}

static bool wait_seen(unsigned count)
{
    uint64_t start = rdtsc();

    while (seen < count && rdtsc() - start < 1000000000ull)
        cpu_pause();
    return seen >= count;
}

static void halt_and_send(struct micro_frame *frame)
{
    (void)frame;
    apic_eoi();
}

void micro_main(void)
{
    apic_enable_xapic();
    micro_handle(VECTOR_NMI, nmi_handler);
    micro_set_ist(VECTOR_NMI, 2);

    send_nmi();
    CHECK(wait_seen(1), "no NMI with interrupts off");
    CHECK((stack ^ (uint64_t)&stack) >= 64, "the NMI's frame lies in its own variable");

    seen = 0;
    send_from_handler = 1;
    send_nmi();
    CHECK(wait_seen(2), "the NMI that came inside the handler is lost");
    spin_ticks(1000000);
    CHECK_EQUAL(deepest, 1, "depth of NMI handlers");
    CHECK(seen == 2 || seen == 3, "%u NMIs, expected 2 or 3", seen);

    /* an NMI ends HLT although interrupts are off */
    seen = 0;
    micro_handle(0x44, halt_and_send);
    send_nmi();
    CHECK(wait_seen(1), "no NMI behind the blocked ones");

    for (unsigned i = 0; i < 100; i++) {
        seen = 0;
        send_nmi();
        if (!CHECK(wait_seen(1), "no NMI in round %u", i))
            return;
    }
    if (apic_enable_x2apic()) {
        seen = 0;
        send_nmi();
        CHECK(wait_seen(1), "no NMI in x2APIC mode");
    }
}

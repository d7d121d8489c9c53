/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: long PAUSE loops end, keep their registers, and let interrupts in (SDM Vol. 3C 26.1.3, APM Vol. 2 15.14.4). */
#include "apic.h"
#include "trap.h"

#define VECTOR_TIMER 0x43
#define LOOPS 200000u

void micro_main(void)
{
    uint64_t registers[2] = { LOOPS, 0 };

    asm volatile("1: pause; inc %1; dec %0; jnz 1b" : "+r"(registers[0]), "+r"(registers[1]) : : "cc");
    CHECK_EQUAL(registers[1], LOOPS, "number of rounds");
    asm volatile("1: rep nop; inc %1; dec %0; jnz 1b"
                 : "=r"(registers[0]), "=r"(registers[1])
                 : "0"((uint64_t)LOOPS), "1"(0ull)
                 : "cc");
    CHECK_EQUAL(registers[1], LOOPS, "number of rounds");

    apic_enable_xapic();
    micro_handle(VECTOR_TIMER, irq_log_apic);
    apic_write(APIC_TIMER_DIVIDE, APIC_TIMER_DIVIDE_BY_1);
    for (unsigned i = 0; i < 20; i++) {
        irq_log_clear();
        apic_write(APIC_LVT_TIMER, VECTOR_TIMER);
        apic_write(APIC_TIMER_INITIAL, 1000000);
        if (!CHECK(irq_wait(1), "no interrupt in a PAUSE loop"))
            return;
    }
}

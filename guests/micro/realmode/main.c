/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: 64-bit mode to flat, 4 MiB-page, PAE, 16-bit protected, real and "unreal" mode and back, with exits in each.
 *
 * SDM Vol. 3A 10.9 (switching modes), 4.3 and 4.4 (32-bit and PAE paging), chapter 21 (real mode); APM Vol. 2 14.6.
 */
#include "apic.h"
#include "pc.h"
#include "trap.h"

#define RESULTS ((volatile uint32_t *)0x9000)
#define VECTOR_TIMER 0x48
#define ROUNDS 20

void realmode_visit(void);

static void visit(unsigned round)
{
    for (unsigned i = 0; i < 16; i++)
        RESULTS[i] = 0;
    apic_write(APIC_TIMER_DIVIDE, APIC_TIMER_DIVIDE_BY_1);
    apic_write(APIC_LVT_TIMER, VECTOR_TIMER);
    apic_write(APIC_TIMER_INITIAL, 100000 + round * 10000);
    realmode_visit();

    CHECK_EQUAL(RESULTS[14], 0x600D600D, "the last station");
    CHECK_EQUAL(RESULTS[0], cpuid(1, 0).eax, "CPUID in flat 32-bit mode");
    CHECK_EQUAL(RESULTS[1], ioapic_read(1), "the IOAPIC's version in flat 32-bit mode");
    CHECK_EQUAL(RESULTS[2], 0x32, "a port in flat 32-bit mode");
    CHECK_EQUAL(RESULTS[3], 0x4D4D4D4D, "what was written under 4 MiB pages");
    CHECK_EQUAL(RESULTS[4], 0x9A9A9A9B, "what was written under PAE paging");
    CHECK_EQUAL(RESULTS[12], cpuid(0, 0).eax, "CPUID in 16-bit protected mode");
    CHECK_EQUAL(RESULTS[5], cpuid(1, 0).eax, "CPUID in real mode");
    CHECK_EQUAL(RESULTS[13], (uint32_t)rdmsr(MSR_APIC_BASE), "RDMSR in real mode");
    CHECK_EQUAL(RESULTS[6], 0x16, "a port in real mode");
    CHECK_EQUAL(RESULTS[7], 0x63, "REP OUTSB in real mode");
    CHECK_EQUAL(RESULTS[8], ioapic_read(1), "the IOAPIC's version above real mode's limit");
    CHECK_EQUAL(RESULTS[9], 2, "number of INT 60h");
    CHECK_EQUAL(RESULTS[10], 1, "number of #DE");
    CHECK_EQUAL(RESULTS[11], 1, "number of timer interrupts");
}

void micro_main(void)
{
    apic_enable_xapic();
    for (unsigned round = 0; round < ROUNDS; round++)
        visit(round);
    /* and all is as it was */
    CHECK(rdmsr(MSR_EFER) & EFER_LMA, "EFER.LMA is clear behind the visit");
    TRY("ud2", : : : "memory");
    check_trap(VECTOR_UD, "UD2 behind the visit");
}

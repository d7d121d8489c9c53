/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: hostile: reads every MSR of the three ranges, writes back what it read, writes zeros and ones to the rest.
 *
 * Whatever each one answers, guest and host must live on. Says how many could be read. MSRs whose value this guest
 * needs to go on are left alone: APIC_BASE, EFER, FS and GS bases, the x2APIC's own.
 */
#include "trap.h"

#define RANGE_LENGTH 0x2000u

static bool is_vital(uint32_t msr)
{
    return msr == MSR_APIC_BASE || msr == MSR_EFER || (msr >= MSR_X2APIC_FIRST && msr < MSR_X2APIC_FIRST + 0x100) ||
           msr == 0x00000079u || msr == 0xC0010020u; /* microcode loaders of bare machines */
}

void micro_main(void)
{
    static const uint32_t ranges[] = { 0, 0x40000000u, 0x4B564D00u, 0xC0000000u, 0xC0010000u };
    uint32_t readable = 0, wrong = 0;

    for (size_t r = 0; r < ARRAY_LENGTH(ranges); r++) {
        for (uint32_t i = 0; i < RANGE_LENGTH; i++) {
            uint32_t msr = ranges[r] + i;
            uint64_t value = 0;

            if (is_vital(msr))
                continue;
            if (rdmsr_try(msr, &value)) {
                readable++;
                wrmsr_try(msr, value);
                wrong += micro_trap.vector != VECTOR_NONE && micro_trap.vector != VECTOR_GP;
                continue;
            }
            wrong += micro_trap.vector != VECTOR_GP || micro_trap.error != 0;
            wrmsr_try(msr, 0);
            wrmsr_try(msr, ~0ull);
        }
        micro_step("range %#x", ranges[r]);
    }
    micro_printf("micro: msr_sweep could read %u\n", readable);
    CHECK_EQUAL(wrong, 0, "number of MSRs with another exception than #GP(0)");
    if (micro_on_cloison())
        CHECK(readable < 400, "%u MSRs can be read: unknown ones must raise #GP", readable);
}

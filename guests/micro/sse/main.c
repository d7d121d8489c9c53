/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: x87, SSE and AVX registers keep their contents over exits of every kind.
 *
 * SDM Vol. 1 chapter 13 (XSAVE). The state is put in with XRSTOR and taken out with XSAVE, the exits in between touch
 * the kernel, the VMM and, in HLT, the scheduler, which may run another guest meanwhile.
 */
#include "apic.h"
#include "pc.h"
#include "trap.h"

#define AREA_SIZE 4096
#define HEADER 512
#define AVX_STATE 576
#define AVX_SIZE 256
#define XMM_STATE 160
#define XMM_SIZE 256
#define X87_STATE 32
#define X87_SIZE 128
#define MXCSR 24
#define XCR0_X87_SSE 3u
#define XCR0_AVX 4u
#define VECTOR_TIMER 0x42
#define ROUNDS 200

static uint8_t before[AREA_SIZE] __attribute__((aligned(64)));
static uint8_t after[AREA_SIZE] __attribute__((aligned(64)));

static void fill(uint32_t features, uint8_t seed)
{
    memset(before, 0, sizeof(before));
    memset(after, 0, sizeof(after));
    before[0] = 0x7F; /* FCW 037Fh */
    before[1] = 0x03;
    before[4] = 0xFF; /* all x87 registers in use */
    before[MXCSR] = 0x80;
    before[MXCSR + 1] = 0x1F;
    for (unsigned i = 0; i < 8; i++) {
        for (unsigned j = 0; j < 8; j++)
            before[X87_STATE + i * 16 + j] = (uint8_t)(seed + i * 11 + j + 0x80);
        before[X87_STATE + i * 16 + 7] |= 0x80; /* a normal number: integer bit set, exponent 3FFFh */
        before[X87_STATE + i * 16 + 8] = 0xFF;
        before[X87_STATE + i * 16 + 9] = 0x3F;
    }
    for (unsigned i = 0; i < XMM_SIZE; i++)
        before[XMM_STATE + i] = (uint8_t)(seed + i * 7 + 1);
    for (unsigned i = 0; i < AVX_SIZE; i++)
        before[AVX_STATE + i] = (uint8_t)(seed + i * 5 + 3);
    before[HEADER] = (uint8_t)features;
}

static void exits(void)
{
    (void)cpuid(0, 0);
    (void)inb(RTC_DATA);
    outb(COM1_SCRATCH, 0);
    (void)inw(PORT_ABSENT);
    (void)ioapic_read(1);
    (void)rdmsr(MSR_APIC_BASE);
    irq_log_clear();
    apic_write(APIC_LVT_TIMER, VECTOR_TIMER);
    apic_write(APIC_TIMER_INITIAL, 20000);
    sti_hlt_cli();
}

static void compare(uint32_t features, unsigned round)
{
    CHECK(memcmp(before + X87_STATE, after + X87_STATE, X87_SIZE) == 0, "round %u: x87 registers changed", round);
    CHECK(memcmp(before + XMM_STATE, after + XMM_STATE, XMM_SIZE) == 0, "round %u: XMM registers changed", round);
    CHECK(memcmp(before, after, 2) == 0, "round %u: FCW changed", round);
    CHECK(memcmp(before + MXCSR, after + MXCSR, 4) == 0, "round %u: MXCSR changed", round);
    if (features & XCR0_AVX)
        CHECK(memcmp(before + AVX_STATE, after + AVX_STATE, AVX_SIZE) == 0, "round %u: YMM registers changed", round);
}

static void check_xsave(void)
{
    uint32_t features = XCR0_X87_SSE | (cpuid(1, 0).ecx & CPUID_1_ECX_AVX ? XCR0_AVX : 0);

    write_cr4(read_cr4() | CR4_OSXSAVE);
    asm volatile("xsetbv" : : "c"(0), "a"(features), "d"(0));
    for (unsigned round = 0; round < ROUNDS; round++) {
        fill(features, (uint8_t)round);
        asm volatile("xrstor64 %0" : : "m"(before), "a"(features), "d"(0) : "memory");
        exits();
        asm volatile("xsave64 %0" : "=m"(after) : "a"(features), "d"(0) : "memory");
        compare(features, round);
        CHECK_EQUAL(xgetbv(0), features, "XCR0");
    }
}

static void check_fxsave(void)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        fill(0, (uint8_t)round);
        asm volatile("fxrstor64 %0" : : "m"(before) : "memory");
        exits();
        asm volatile("fxsave64 %0" : "=m"(after) : : "memory");
        compare(0, round);
    }
}

/* A VM begins with registers that hold nothing, the addresses of the last x87 instruction included: what another VM or
 * the host did is not for it to see (SDM Vol. 3A table 10-1).
 */
static void check_nothing_left(void)
{
    asm volatile("fxsave64 %0" : "=m"(after) : : "memory");
    for (unsigned i = 5; i < 24; i++)
        CHECK(after[i] == 0, "byte %u of the x87 state is %#x at the beginning", i, after[i]);
    for (unsigned i = X87_STATE; i < XMM_STATE + XMM_SIZE; i++)
        CHECK(after[i] == 0, "byte %u of the x87 and XMM registers is %#x at the beginning", i, after[i]);
}

/* CR0.TS is the guest's own: #NM comes exactly when the guest has set it. */
static void check_lazy(void)
{
    write_cr0(read_cr0() | CR0_TS);
    (void)cpuid(0, 0);
    TRY("movaps %%xmm0, %%xmm1", : : : "memory");
    check_trap(VECTOR_NM, "SSE with CR0.TS");
    asm volatile("clts");
    (void)cpuid(0, 0);
    TRY("movaps %%xmm0, %%xmm1", : : : "memory");
    check_trap(VECTOR_NONE, "SSE behind CLTS");
}

void micro_main(void)
{
    apic_enable_xapic();
    apic_write(APIC_TIMER_DIVIDE, APIC_TIMER_DIVIDE_BY_1);
    micro_handle(VECTOR_TIMER, irq_log_apic);
    write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT);
    if (micro_on_cloison())
        check_nothing_left();
    check_fxsave();
    if (cpuid(1, 0).ecx & CPUID_1_ECX_XSAVE)
        check_xsave();
    check_lazy();
}

/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: XSETBV takes what CPUID leaf Dh announces and refuses the rest (SDM Vol. 1 13.3, Vol. 2C "XSETBV"); XSAVEC stores
 * what it announces where it says (13.4.3). */
#include "paging.h"
#include "trap.h"

#define XCR0_X87 1ull
#define XCR0_SSE 2ull
#define XCR0_AVX 4ull

static bool xsetbv_try(uint32_t index, uint64_t value)
{
    TRY("xsetbv", : : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
    return micro_trap.vector == VECTOR_NONE;
}

static void refuse(uint32_t index, uint64_t value, const char *what)
{
    uint64_t before = xgetbv(0);

    CHECK(!xsetbv_try(index, value), "XSETBV takes %s", what);
    check_trap_error(VECTOR_GP, 0, what);
    CHECK_EQUAL(xgetbv(0), before, "XCR0 behind a refused XSETBV");
}

/* A write to a control register may be emulated by somebody who hands all of them back: with XCR0 as it is by then. */
static void check_across_control_registers(uint64_t all)
{
    uint64_t cr0 = read_cr0(), cr4 = read_cr4();

    for (unsigned i = 0; i < 64; i++) {
        uint64_t value = i & 1 ? XCR0_X87 : all;

        CHECK(xsetbv_try(0, value), "XSETBV refuses %#lx", value);
        if (i & 2)
            write_cr0(i & 4 ? cr0 | CR0_CD : cr0);
        else
            write_cr4(i & 4 ? cr4 | CR4_TSD : cr4);
        CHECK_EQUAL(xgetbv(0), value, "XCR0 behind a write to a control register");
    }
    write_cr0(cr0);
    write_cr4(cr4);
    CHECK(xsetbv_try(0, all), "XSETBV refuses %#lx", all);
}

#define CPUID_D_1_EAX_XSAVEC (1u << 1)
#define AVX_OFFSET 576

/* Whose XSAVEC is wrong is not to announce it: a system that switches tasks with it loses registers. */
static void check_compaction(void)
{
    static uint8_t area[1024] __attribute__((aligned(64)));

    if (!(cpuid(0xD, 1).eax & CPUID_D_1_EAX_XSAVEC))
        return;
    asm volatile("vcmptrueps %%ymm0, %%ymm0, %%ymm0\n\t"
                 "xsavec %0\n\t"
                 "vxorps %%ymm0, %%ymm0, %%ymm0"
                 : "+m"(area)
                 : "a"(XCR0_SSE | XCR0_AVX), "d"(0)
                 : "memory");
    CHECK_DEPARTURE("xsavec", area[AVX_OFFSET] == 0xFF, "XSAVEC does not store AVX state behind the header");
}

void micro_main(void)
{
    struct cpuid_result supported;
    uint64_t all;

    if (!(cpuid(1, 0).ecx & CPUID_1_ECX_XSAVE))
        micro_skip("CPUID does not announce XSAVE");
    TRY("xsetbv", : : "c"(0), "a"(1), "d"(0) : "memory");
    check_trap(VECTOR_UD, "XSETBV with CR4.OSXSAVE clear");
    TRY("xgetbv", : : "c"(0) : "rax", "rdx", "memory");
    check_trap(VECTOR_UD, "XGETBV with CR4.OSXSAVE clear");
    write_cr4(read_cr4() | CR4_OSXSAVE | CR4_OSFXSR);
    supported = cpuid(0xD, 0);
    all = (uint64_t)supported.edx << 32 | supported.eax;

    CHECK(xsetbv_try(0, XCR0_X87), "XSETBV refuses x87");
    CHECK_EQUAL(xgetbv(0), XCR0_X87, "XCR0");
    CHECK(xsetbv_try(0, XCR0_X87 | XCR0_SSE), "XSETBV refuses x87 and SSE");
    CHECK(xsetbv_try(0, all), "XSETBV refuses %#lx, which CPUID announces", all);
    CHECK_EQUAL(xgetbv(0), all, "XCR0");
    (void)cpuid(0, 0);
    CHECK_EQUAL(xgetbv(0), all, "XCR0 behind an exit");
    check_across_control_registers(all);

    if (all & XCR0_AVX)
        check_compaction();

    refuse(0, 0, "XCR0 without x87");
    refuse(0, XCR0_SSE, "SSE without x87");
    if (all & XCR0_AVX)
        refuse(0, XCR0_X87 | XCR0_AVX, "AVX without SSE");
    refuse(0, XCR0_X87 | 1ull << 62, "bit 62 of XCR0");
    refuse(0, all | (~all & (all + 1)), "a component that CPUID does not announce");
    refuse(1, XCR0_X87, "XCR1");
    refuse(0xFFFFFFFFu, XCR0_X87, "XCR -1");

    paging_allow_user();
    TRY_USER(2, "xsetbv", : : "c"(0), "a"(3), "d"(0) : "memory");
    check_trap_error(VECTOR_GP, 0, "XSETBV at CPL 3");
    CHECK_EQUAL(xgetbv(0), all, "XCR0 behind XSETBV at CPL 3");
}

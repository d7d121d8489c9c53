/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: CPUID: sane ranges, live bits, and what Cloison shows and hides.
 *
 * SDM Vol. 2A "CPUID"; APM Vol. 3 appendix E; SDM Vol. 1 13.2 (leaf Dh). Hidden features: VMX, SVM, SMX, MONITOR, the
 * PMU, CET and PKS, because the hypervisor does not switch their state. Shown whatever the host has: x2APIC and
 * TSC-deadline.
 */
#include "apic.h"
#include "abi/hypercall.h"
#include "trap.h"

#define KVM_SIGNATURE_EBX 0x4B4D564Bu /* "KVMK", "VMKV", "M\0\0\0" */
#define KVM_SIGNATURE_ECX 0x564B4D56u
#define KVM_SIGNATURE_EDX 0x0000004Du

#define XSAVE_LEGACY_AND_HEADER 576u
#define XCR0_X87_SSE 3u
#define XCR0_AVX 4u

static bool is(const struct cpuid_result *r, uint32_t ebx, uint32_t edx, uint32_t ecx)
{
    return r->ebx == ebx && r->edx == edx && r->ecx == ecx;
}

static void check_ranges(void)
{
    struct cpuid_result basic = cpuid(0, 0), extended = cpuid(0x80000000u, 0);
    uint32_t sizes;

    CHECK(is(&basic, 0x756E6547u, 0x49656E69u, 0x6C65746Eu) || is(&basic, 0x68747541u, 0x69746E65u, 0x444D4163u) ||
              is(&basic, 0x6F677948u, 0x6E65476Eu, 0x656E6975u),
          "vendor %08x %08x %08x is none of Intel, AMD, Hygon", basic.ebx, basic.edx, basic.ecx);
    CHECK(basic.eax >= 0xD && basic.eax <= 0x40, "highest basic leaf is %#x", basic.eax);
    CHECK(extended.eax >= 0x80000008u && extended.eax <= 0x80000040u, "highest extended leaf is %#x", extended.eax);
    CHECK(cpuid(0x80000001u, 0).edx & CPUID_81_EDX_LM, "no long mode in a CPU that runs in it");
    sizes = cpuid(0x80000008u, 0).eax;
    CHECK((sizes & 0xFF) >= 36 && (sizes & 0xFF) <= 52, "%u physical address bits", sizes & 0xFF);
    CHECK((sizes >> 8 & 0xFF) == 48 || (sizes >> 8 & 0xFF) == 57, "%u linear address bits", sizes >> 8 & 0xFF);
}

/* CPUID clears the high halves of its four registers and touches no other one. */
static void check_registers(void)
{
    uint64_t a = 0xFFFFFFFF00000000ull, b = ~0ull, c = 0xFFFFFFFF00000000ull, d = ~0ull;
    uint64_t flags_before, flags_after;

    asm volatile("stc; std; pushfq; pop %4; cpuid; pushfq; pop %5; cld; clc"
                 : "+a"(a), "+b"(b), "+c"(c), "+d"(d), "=&r"(flags_before), "=&r"(flags_after));
    CHECK((a | b | c | d) >> 32 == 0, "CPUID leaves bits in the high halves of RAX to RDX");
    CHECK_EQUAL(flags_after, flags_before, "RFLAGS behind CPUID");
}

static void check_live_bits(void)
{
    struct cpuid_result one = cpuid(1, 0);
    bool avx = one.ecx & CPUID_1_ECX_AVX;
    uint64_t cr4 = read_cr4();

    apic_enable_xapic();
    CHECK_EQUAL(one.ebx >> 24, apic_id(), "initial APIC ID of leaf 1");
    if (!(one.ecx & CPUID_1_ECX_XSAVE))
        return;
    CHECK(!(one.ecx & CPUID_1_ECX_OSXSAVE), "OSXSAVE is shown while CR4.OSXSAVE is clear");
    write_cr4(cr4 | CR4_OSXSAVE);
    CHECK(cpuid(1, 0).ecx & CPUID_1_ECX_OSXSAVE, "OSXSAVE is not shown while CR4.OSXSAVE is set");

    asm volatile("xsetbv" : : "c"(0), "a"(XCR0_X87_SSE), "d"(0));
    CHECK_EQUAL(cpuid(0xD, 0).ebx, XSAVE_LEGACY_AND_HEADER, "XSAVE size of x87 and SSE");
    if (avx) {
        struct cpuid_result component = cpuid(0xD, 2);
        asm volatile("xsetbv" : : "c"(0), "a"(XCR0_X87_SSE | XCR0_AVX), "d"(0));
        CHECK_EQUAL(cpuid(0xD, 0).ebx, component.ebx + component.eax, "XSAVE size with AVX");
        CHECK_EQUAL(component.eax, 256, "size of the AVX component");
    }
    CHECK(cpuid(0xD, 0).ecx >= cpuid(0xD, 0).ebx, "largest XSAVE size is below the current one");
    write_cr4(cr4);

    if (cpuid_checked(7, 0).ecx & CPUID_7_ECX_PKU) {
        write_cr4(cr4 | CR4_PKE);
        CHECK(cpuid(7, 0).ecx & CPUID_7_ECX_OSPKE, "OSPKE does not follow CR4.PKE");
        write_cr4(cr4);
    }
}

static void check_cloison_leaves(void)
{
    struct cpuid_result kvm = cpuid(CL_CPUID_KVM, 0), own = cpuid(CL_CPUID_BASE, 0);

    CHECK(is(&kvm, KVM_SIGNATURE_EBX, KVM_SIGNATURE_EDX, KVM_SIGNATURE_ECX), "no KVM signature at 0x40000000");
    CHECK(kvm.eax >= 0x40000001u && kvm.eax < CL_CPUID_BASE, "highest KVM leaf is %#x", kvm.eax);
    CHECK(own.eax >= CL_CPUID_BASE && own.eax < CL_CPUID_BASE + 0x100, "highest own leaf is %#x", own.eax);
}

static void check_cloison_policy(void)
{
    struct cpuid_result one = cpuid(1, 0), seven = cpuid_checked(7, 0), extended = cpuid(0x80000001u, 0);
    struct cpuid_result pmu = cpuid_checked(0xA, 0), svm = cpuid_checked(0x8000000Au, 0);

    CHECK(one.ecx & CPUID_1_ECX_X2APIC, "x2APIC is not offered");
    CHECK(one.ecx & CPUID_1_ECX_TSC_DEADLINE, "TSC-deadline is not offered");
    CHECK(!(one.ecx & CPUID_1_ECX_VMX), "VMX is shown");
    CHECK(!(one.ecx & CPUID_1_ECX_SMX), "SMX is shown");
    CHECK(!(one.ecx & CPUID_1_ECX_MONITOR), "MONITOR is shown");
    CHECK(!(extended.ecx & CPUID_81_ECX_SVM), "SVM is shown");
    CHECK((svm.eax | svm.ebx | svm.ecx | svm.edx) == 0, "the SVM leaf is not empty");
    CHECK((pmu.eax & 0xFF) == 0, "version %u of the PMU is shown", pmu.eax & 0xFF);
    CHECK(!(extended.ecx & 1u << 23), "AMD's extended performance counters are shown");
    CHECK(!(seven.ecx & CPUID_7_ECX_CET_SS) && !(seven.edx & CPUID_7_EDX_CET_IBT), "CET is shown");
    CHECK(!(seven.ecx & CPUID_7_ECX_PKS), "PKS is shown");
}

void micro_main(void)
{
    check_ranges();
    check_registers();
    check_live_bits();
    if (!micro_on_cloison())
        return;
    CHECK(cpuid(1, 0).ecx & CPUID_1_ECX_HYPERVISOR, "the hypervisor bit is clear");
    check_cloison_leaves();
    check_cloison_policy();
}

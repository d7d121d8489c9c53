/* SPDX-License-Identifier: Apache-2.0 */
/* cpu.c: CPUID and capability MSRs (SDM Vol. 3C 23.6, 23.7 and A.3.3; APM Vol. 2 15.4 and 15.30.1). */
#include "boot/cpu.h"

#include <string.h>

#include "boot/ports.h"

#define MSR_TSC 0x10u
#define MSR_TSC_ADJUST 0x3Bu
#define MSR_FEATURE_CONTROL 0x3Au
#define FEATURE_CONTROL_LOCK 1u
#define FEATURE_CONTROL_VMX 4u /* VMX outside SMX */
#define MSR_VMX_PROCBASED_CTLS 0x482u
#define MSR_VMX_PROCBASED_CTLS2 0x48Bu
#define MSR_VM_CR 0xC0010114u
#define VM_CR_LOCK (1u << 3)
#define VM_CR_SVMDIS (1u << 4)
#define CR4_LA57 (UINT64_C(1) << 12)

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r;

    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

/* A leaf above the maximum echoes another one on some CPUs: it reads as zeros here. */
static struct cpuid cpuid_checked(uint32_t leaf, uint32_t subleaf)
{
    uint32_t highest = cpuid(leaf & 0x80000000u, 0).eax;

    return highest >= leaf ? cpuid(leaf, subleaf) : (struct cpuid){ 0 };
}

/* A VMX control may be set when its bit in the upper half of its capability MSR is. */
static bool control_may_be_set(uint32_t msr, unsigned bit)
{
    return (msr_read(msr) >> 32 >> bit & 1) != 0;
}

static void read_vmx(struct cpu_facts *facts)
{
    uint64_t control = msr_read(MSR_FEATURE_CONTROL);

    facts->vmx_locked_off = (control & FEATURE_CONTROL_LOCK) != 0 && (control & FEATURE_CONTROL_VMX) == 0;
    if (!control_may_be_set(MSR_VMX_PROCBASED_CTLS, 31)) /* no secondary controls, no MSR for them */
        return;
    facts->vmx_ept = control_may_be_set(MSR_VMX_PROCBASED_CTLS2, 1);
    facts->vmx_unrestricted = control_may_be_set(MSR_VMX_PROCBASED_CTLS2, 7);
}

void cpu_read_facts(struct cpu_facts *facts)
{
    struct cpuid basic = cpuid_checked(1, 0), extended = cpuid_checked(0x80000001u, 0);
    uint64_t cr4;

    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    *facts = (struct cpu_facts){
        .long_mode = (extended.edx >> 29 & 1) != 0,
        .nx = (extended.edx >> 20 & 1) != 0,
        .pages_1gib = (extended.edx >> 26 & 1) != 0,
        .five_level = (cr4 & CR4_LA57) != 0,
        .vmx = (basic.ecx >> 5 & 1) != 0,
        .svm = (extended.ecx >> 2 & 1) != 0,
    };
    if (facts->vmx)
        read_vmx(facts);
    if (facts->svm) {
        uint64_t control = msr_read(MSR_VM_CR);

        facts->svm_locked_off = (control & VM_CR_SVMDIS) != 0 && (control & VM_CR_LOCK) != 0;
        facts->svm_nested_paging = (cpuid_checked(0x8000000Au, 0).edx & 1) != 0;
    }
}

void cpu_describe(struct info_page *page)
{
    static const struct {
        uint32_t ecx; /* of leaf 0: the last four letters of the name */
        enum info_vendor vendor;
    } vendors[] = { { 0x6c65746e, INFO_VENDOR_INTEL }, { 0x444d4163, INFO_VENDOR_AMD } };
    struct cpuid basic = cpuid_checked(1, 0);

    for (unsigned i = 0; i < sizeof vendors / sizeof vendors[0]; i++) {
        if (cpuid(0, 0).ecx == vendors[i].ecx)
            page->vendor = (uint32_t)vendors[i].vendor;
    }
    page->features |= (basic.ecx >> 21 & 1) != 0 ? INFO_FEATURE_X2APIC : 0u;
    page->features |= (basic.ecx >> 24 & 1) != 0 ? INFO_FEATURE_TSC_DEADLINE : 0u;
    page->features |= (cpuid_checked(0x80000001u, 0).edx >> 26 & 1) != 0 ? INFO_FEATURE_PAGES_1GIB : 0u;
    page->features |= (cpuid_checked(0x80000007u, 0).edx >> 8 & 1) != 0 ? INFO_FEATURE_INVARIANT_TSC : 0u;
    for (uint32_t i = 0; i < 3; i++) {
        struct cpuid part = cpuid_checked(0x80000002u + i, 0);

        memcpy(page->cpu_name + i * sizeof part, &part, sizeof part);
    }
    page->cpu_name[sizeof page->cpu_name - 1] = '\0';
}

enum cl_status cpu_check(const struct cpu_facts *facts)
{
    if (!facts->long_mode || !facts->nx)
        return refuse(CL_UNSUPPORTED,
                      "This CPU has no %s. If it can be switched on in the firmware's setup, do that; "
                      "otherwise Cloison needs another machine.",
                      facts->long_mode ? "no-execute protection (NX)" : "64-bit mode");
    if (facts->five_level)
        return refuse(CL_UNSUPPORTED, "The firmware runs with five-level paging, which Cloison does not support. "
                                      "Switch it off in the firmware's setup.");
    if (!facts->vmx && !facts->svm)
        return refuse(CL_UNSUPPORTED, "This CPU shows neither VT-x nor AMD-V. Switch virtualisation on in the "
                                      "firmware's setup, or in an emulator choose a CPU model that has it.");
    if (facts->vmx && facts->vmx_locked_off)
        return refuse(CL_UNSUPPORTED, "VT-x is disabled in the firmware. Enter its setup, enable \"Intel "
                                      "Virtualization Technology\" (VT-x), save, and switch the machine off and on.");
    if (facts->svm && facts->svm_locked_off)
        return refuse(CL_UNSUPPORTED, "AMD-V is disabled in the firmware. Enter its setup, enable \"SVM Mode\" "
                                      "(AMD-V), save, and switch the machine off and on.");
    if (facts->vmx && (!facts->vmx_ept || !facts->vmx_unrestricted))
        return refuse(CL_UNSUPPORTED,
                      "This CPU's VT-x has no %s. Cloison needs a newer one: any Intel Core i3, i5 or "
                      "i7 from 2010 (Westmere) on will do.",
                      facts->vmx_ept ? "unrestricted guests" : "nested paging (EPT)");
    if (facts->svm && !facts->svm_nested_paging)
        return refuse(CL_UNSUPPORTED, "This CPU's AMD-V has no nested paging (NPT). Cloison needs a newer one: any "
                                      "AMD CPU from 2008 (Family 10h) on will do.");
    return CL_OK;
}

uint32_t cpu_apic_id(void)
{
    struct cpuid topology = cpuid_checked(0xB, 0);

    if (topology.ebx != 0)
        return topology.edx; /* all 32 bits of an x2APIC ID */
    return cpuid_checked(1, 0).ebx >> 24;
}

uint64_t cpu_tsc(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

uint32_t cpu_tsc_msr(void)
{
    return (cpuid_checked(7, 0).ebx >> 1 & 1) != 0 ? MSR_TSC_ADJUST : MSR_TSC;
}

bool cpu_random(uint64_t *value)
{
    bool has_rdseed = (cpuid_checked(7, 0).ebx >> 18 & 1) != 0;
    bool has_rdrand = (cpuid_checked(1, 0).ecx >> 30 & 1) != 0;
    uint8_t good = 0;

    for (unsigned tries = 0; tries < 10 && !good; tries++) {
        if (has_rdseed)
            __asm__ volatile("rdseed %0; setc %1" : "=r"(*value), "=qm"(good) : : "cc");
        if (!good && has_rdrand)
            __asm__ volatile("rdrand %0; setc %1" : "=r"(*value), "=qm"(good) : : "cc");
    }
    return good != 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: MSRs that every 64-bit system uses keep what is written, refuse what the manual refuses.
 *
 * SDM Vol. 4 table 2-2; SDM Vol. 3A 12.12 (PAT), 5.8.7 (SYSCALL), APM Vol. 2 3.1.7 (EFER). An MSR that does not exist
 * raises #GP (SDM Vol. 2B "RDMSR"); under Cloison every MSR outside its list is one.
 */
#include "trap.h"

#define CANONICAL_HIGH 0xFFFF800000001000ull
#define NON_CANONICAL 0x0000800000000000ull

static const struct {
    uint32_t msr;
    const char *name;
    uint64_t first, second;
    bool canonical; /* refuses what is no canonical address */
} kept[] = {
    { MSR_STAR, "STAR", 0x0013000800000000ull, 0xFFFFFFFFFFFFFFFFull, false },
    { MSR_LSTAR, "LSTAR", CANONICAL_HIGH, 0x1000, true },
    { MSR_CSTAR, "CSTAR", CANONICAL_HIGH, 0x1000, true },
    { MSR_SFMASK, "SFMASK", 0x47700, 0, false },
    { MSR_FS_BASE, "FS_BASE", CANONICAL_HIGH, 0x1234, true },
    { MSR_GS_BASE, "GS_BASE", CANONICAL_HIGH, 0x1234, true },
    { MSR_KERNEL_GS_BASE, "KERNEL_GS_BASE", CANONICAL_HIGH, 0x1234, true },
    { MSR_SYSENTER_CS, "SYSENTER_CS", 0x08, 0xFFFF, false },
    { MSR_SYSENTER_ESP, "SYSENTER_ESP", 0xFFFFFFFF, 0x1000, false },
    { MSR_SYSENTER_EIP, "SYSENTER_EIP", 0xFFFFFFFF, 0x1000, false },
    { MSR_PAT, "PAT", 0x0007040600070406ull, 0x0606060606060606ull, false },
};

static void check_kept(void)
{
    for (size_t i = 0; i < ARRAY_LENGTH(kept); i++) {
        uint64_t before = 0, after = 0;

        if (!CHECK(rdmsr_try(kept[i].msr, &before), "RDMSR of %s raises #GP", kept[i].name))
            continue;
        CHECK(wrmsr_try(kept[i].msr, kept[i].first), "WRMSR of %s raises #GP", kept[i].name);
        /* an exit between write and read: the value has to survive one */
        (void)cpuid(0, 0);
        rdmsr_try(kept[i].msr, &after);
        CHECK_EQUAL(after, kept[i].first, kept[i].name);
        wrmsr_try(kept[i].msr, kept[i].second);
        rdmsr_try(kept[i].msr, &after);
        CHECK_EQUAL(after, kept[i].second, kept[i].name);
        if (kept[i].canonical)
            CHECK_DEPARTURE("msr-canonical", !wrmsr_try(kept[i].msr, NON_CANONICAL),
                            "%s takes an address that is not canonical", kept[i].name);
        wrmsr(kept[i].msr, before);
    }
}

static void check_pat_refusals(void)
{
    uint64_t before = rdmsr(MSR_PAT);

    CHECK_DEPARTURE("pat-reserved", !wrmsr_try(MSR_PAT, 0x0202020202020202ull), "PAT takes the reserved type 2");
    CHECK_DEPARTURE("pat-reserved", !wrmsr_try(MSR_PAT, 0x0000000000000008ull), "PAT takes the reserved type 8");
    wrmsr(MSR_PAT, before);
}

static void check_efer(void)
{
    uint64_t efer = rdmsr(MSR_EFER);

    CHECK_EQUAL(efer & (EFER_LME | EFER_LMA | EFER_NXE), EFER_LME | EFER_LMA | EFER_NXE, "EFER in 64-bit mode");
    wrmsr(MSR_EFER, efer | EFER_SCE);
    CHECK_EQUAL(rdmsr(MSR_EFER), efer | EFER_SCE, "EFER with SCE set");
    wrmsr(MSR_EFER, efer & ~(EFER_SCE | EFER_NXE));
    CHECK_EQUAL(rdmsr(MSR_EFER), efer & ~(EFER_SCE | EFER_NXE), "EFER with SCE and NXE clear");
    wrmsr(MSR_EFER, efer);
    CHECK_DEPARTURE("efer-lme", !wrmsr_try(MSR_EFER, efer & ~EFER_LME), "EFER.LME can be cleared with paging on");
    wrmsr_try(MSR_EFER, efer);
    CHECK_DEPARTURE("efer-reserved", !wrmsr_try(MSR_EFER, efer | 1ull << 63), "EFER takes bit 63");
    CHECK_DEPARTURE("efer-reserved", !wrmsr_try(MSR_EFER, efer | 1ull << 1), "EFER takes bit 1");
    CHECK_EQUAL(rdmsr(MSR_EFER), efer, "EFER behind refused writes");
}

/* FS and GS bases reach memory accesses; SWAPGS exchanges them. */
static void check_bases(void)
{
    static uint64_t one = 0x1111, two = 0x2222;
    uint64_t fs, gs, swapped;

    wrmsr(MSR_FS_BASE, (uint64_t)&one);
    wrmsr(MSR_GS_BASE, (uint64_t)&one);
    wrmsr(MSR_KERNEL_GS_BASE, (uint64_t)&two);
    (void)cpuid(0, 0);
    asm volatile("mov %%fs:0, %0; mov %%gs:0, %1; swapgs; mov %%gs:0, %2; swapgs"
                 : "=&r"(fs), "=&r"(gs), "=&r"(swapped)
                 :
                 : "memory");
    CHECK_EQUAL(fs, one, "memory at FS:0");
    CHECK_EQUAL(gs, one, "memory at GS:0");
    CHECK_EQUAL(swapped, two, "memory at GS:0 behind SWAPGS");
    wrmsr(MSR_FS_BASE, 0);
    wrmsr(MSR_GS_BASE, 0);
    wrmsr(MSR_KERNEL_GS_BASE, 0);
}

static void check_tsc(void)
{
    uint64_t first = rdmsr(MSR_TSC), second = rdtsc(), aux = 0;
    uint32_t ecx = 0;

    CHECK(second > first, "RDTSC gives %#lx after IA32_TSC gave %#lx", second, first);
    if (cpuid(0x80000001u, 0).edx & CPUID_81_EDX_RDTSCP) {
        wrmsr(MSR_TSC_AUX, 0x12345678);
        asm volatile("rdtscp" : "=c"(ecx) : : "rax", "rdx");
        CHECK_EQUAL(ecx, 0x12345678, "RDTSCP's ECX");
        rdmsr_try(MSR_TSC_AUX, &aux);
        CHECK_EQUAL(aux, 0x12345678, "TSC_AUX");
    }
}

static void check_apic_base(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE);

    CHECK_EQUAL(base & ~0x500ull, 0xFEE00800ull, "APIC_BASE without its BSP and x2APIC bits");
    CHECK(base & 1ull << 8, "the first CPU is not the bootstrap processor");
    CHECK_DEPARTURE("apic-base-reserved", !wrmsr_try(MSR_APIC_BASE, base | 1), "APIC_BASE takes reserved bit 0");
    wrmsr_try(MSR_APIC_BASE, base);
}

/* Every 64-bit CPU has DEBUGCTL; last-branch records are hidden, so that it keeps no bit. */
static void check_debugctl(void)
{
    uint64_t value = 0;

    CHECK(wrmsr_try(MSR_DEBUGCTL, 1), "WRMSR of DEBUGCTL raises #GP");
    CHECK(rdmsr_try(MSR_DEBUGCTL, &value), "RDMSR of DEBUGCTL raises #GP");
    CHECK_EQUAL(value, 0, "DEBUGCTL behind a write of LBR");
}

/* Numbers that belong to nothing, and MSRs of features that Cloison hides. */
static void check_refused(void)
{
    static const uint32_t refused[] = {
        0x00004711, 0x12345678, 0x3FFFFFFF, 0x80000000, 0xC0000085, 0xC0001FFF, 0xC0002000, 0xC0010117,
        0xC0012345, 0xFFFFFFFF, 0x00000480, 0x000000C1, 0x00000186, 0xC0010000, 0x000006A0, 0x00000DA0,
    };
    uint64_t value = 0;

    for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
        CHECK(!rdmsr_try(refused[i], &value), "RDMSR of %#x gives %#lx instead of #GP", refused[i], value);
        if (micro_trap.vector != VECTOR_NONE)
            check_trap_error(VECTOR_GP, 0, "RDMSR of a refused MSR");
        CHECK(!wrmsr_try(refused[i], 0), "WRMSR of %#x does not raise #GP", refused[i]);
    }
    CHECK(!wrmsr_try(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME), "EFER.SVME can be set");
    CHECK_EQUAL(rdmsr(MSR_EFER) & EFER_SVME, 0, "EFER.SVME");
}

void micro_main(void)
{
    check_kept();
    check_pat_refusals();
    check_efer();
    check_bases();
    check_tsc();
    check_apic_base();
    if (micro_on_cloison()) {
        check_debugctl();
        check_refused();
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* cpu.h: single instructions as inline functions, and the names of the bits that they move.
 *
 * Names are those of the SDM and the APM. Nothing here catches a fault: see trap.h for that.
 */
#ifndef MICRO_CPU_H
#define MICRO_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CR0_PE (1ull << 0)
#define CR0_MP (1ull << 1)
#define CR0_EM (1ull << 2)
#define CR0_TS (1ull << 3)
#define CR0_ET (1ull << 4)
#define CR0_NE (1ull << 5)
#define CR0_WP (1ull << 16)
#define CR0_AM (1ull << 18)
#define CR0_NW (1ull << 29)
#define CR0_CD (1ull << 30)
#define CR0_PG (1ull << 31)

#define CR4_TSD (1ull << 2)
#define CR4_DE (1ull << 3)
#define CR4_PSE (1ull << 4)
#define CR4_PAE (1ull << 5)
#define CR4_MCE (1ull << 6)
#define CR4_PGE (1ull << 7)
#define CR4_PCE (1ull << 8)
#define CR4_OSFXSR (1ull << 9)
#define CR4_OSXMMEXCPT (1ull << 10)
#define CR4_UMIP (1ull << 11)
#define CR4_LA57 (1ull << 12)
#define CR4_VMXE (1ull << 13)
#define CR4_SMXE (1ull << 14)
#define CR4_FSGSBASE (1ull << 16)
#define CR4_PCIDE (1ull << 17)
#define CR4_OSXSAVE (1ull << 18)
#define CR4_SMEP (1ull << 20)
#define CR4_SMAP (1ull << 21)
#define CR4_PKE (1ull << 22)
#define CR4_CET (1ull << 23)

#define RFLAGS_CF (1ull << 0)
#define RFLAGS_TF (1ull << 8)
#define RFLAGS_IF (1ull << 9)
#define RFLAGS_DF (1ull << 10)
#define RFLAGS_RF (1ull << 16)
#define RFLAGS_AC (1ull << 18)

#define MSR_TSC 0x00000010u
#define MSR_APIC_BASE 0x0000001Bu
#define MSR_FEATURE_CONTROL 0x0000003Au
#define MSR_MTRRCAP 0x000000FEu
#define MSR_SYSENTER_CS 0x00000174u
#define MSR_SYSENTER_ESP 0x00000175u
#define MSR_SYSENTER_EIP 0x00000176u
#define MSR_DEBUGCTL 0x000001D9u
#define MSR_PAT 0x00000277u
#define MSR_MTRR_DEF_TYPE 0x000002FFu
#define MSR_TSC_DEADLINE 0x000006E0u
#define MSR_X2APIC_FIRST 0x00000800u
#define MSR_EFER 0xC0000080u
#define MSR_STAR 0xC0000081u
#define MSR_LSTAR 0xC0000082u
#define MSR_CSTAR 0xC0000083u
#define MSR_SFMASK 0xC0000084u
#define MSR_FS_BASE 0xC0000100u
#define MSR_GS_BASE 0xC0000101u
#define MSR_KERNEL_GS_BASE 0xC0000102u
#define MSR_TSC_AUX 0xC0000103u
#define MSR_VM_HSAVE_PA 0xC0010117u

#define EFER_SCE (1ull << 0)
#define EFER_LME (1ull << 8)
#define EFER_LMA (1ull << 10)
#define EFER_NXE (1ull << 11)
#define EFER_SVME (1ull << 12)

#define CPUID_1_ECX_MONITOR (1u << 3)
#define CPUID_1_ECX_VMX (1u << 5)
#define CPUID_1_ECX_SMX (1u << 6)
#define CPUID_1_ECX_PCID (1u << 17)
#define CPUID_1_ECX_X2APIC (1u << 21)
#define CPUID_1_ECX_TSC_DEADLINE (1u << 24)
#define CPUID_1_ECX_XSAVE (1u << 26)
#define CPUID_1_ECX_OSXSAVE (1u << 27)
#define CPUID_1_ECX_AVX (1u << 28)
#define CPUID_1_ECX_HYPERVISOR (1u << 31)
#define CPUID_7_EBX_FSGSBASE (1u << 0)
#define CPUID_7_EBX_SMEP (1u << 7)
#define CPUID_7_EBX_SMAP (1u << 20)
#define CPUID_7_ECX_UMIP (1u << 2)
#define CPUID_7_ECX_PKU (1u << 3)
#define CPUID_7_ECX_OSPKE (1u << 4)
#define CPUID_7_ECX_CET_SS (1u << 7)
#define CPUID_7_ECX_LA57 (1u << 16)
#define CPUID_7_ECX_PKS (1u << 31)
#define CPUID_7_EDX_CET_IBT (1u << 20)
#define CPUID_81_ECX_SVM (1u << 2)
#define CPUID_81_EDX_NX (1u << 20)
#define CPUID_81_EDX_1G (1u << 26)
#define CPUID_81_EDX_RDTSCP (1u << 27)
#define CPUID_81_EDX_LM (1u << 29)

struct cpuid_result {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid_result cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_result r;

    asm volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

/* The answer for a leaf that may lie above the maximum of its range: zeros then, instead of another leaf's bits. */
static inline struct cpuid_result cpuid_checked(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_result none = { 0 };
    uint32_t highest = cpuid(leaf & 0xFFFF0000u, 0).eax;

    return leaf <= highest && highest - (leaf & 0xFFFF0000u) < 0x10000u ? cpuid(leaf, subleaf) : none;
}

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t low, high;

    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
    asm volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

/* RDTSC between two LFENCEs, so that a difference counts what stands between two calls and nothing else. */
static inline uint64_t rdtsc(void)
{
    uint32_t low, high;

    asm volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

static inline uint64_t xgetbv(uint32_t index)
{
    uint32_t low, high;

    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(index));
    return (uint64_t)high << 32 | low;
}

#define MICRO_DEFINE_REGISTER(reg)                                                                                     \
    static inline uint64_t read_##reg(void)                                                                            \
    {                                                                                                                  \
        uint64_t value;                                                                                                \
        asm volatile("mov %%" #reg ", %0" : "=r"(value) : : "memory");                                                 \
        return value;                                                                                                  \
    }                                                                                                                  \
    static inline void write_##reg(uint64_t value)                                                                     \
    {                                                                                                                  \
        asm volatile("mov %0, %%" #reg : : "r"(value) : "memory");                                                     \
    }

MICRO_DEFINE_REGISTER(cr0)
MICRO_DEFINE_REGISTER(cr2)
MICRO_DEFINE_REGISTER(cr3)
MICRO_DEFINE_REGISTER(cr4)
MICRO_DEFINE_REGISTER(cr8)
MICRO_DEFINE_REGISTER(dr0)
MICRO_DEFINE_REGISTER(dr1)
MICRO_DEFINE_REGISTER(dr2)
MICRO_DEFINE_REGISTER(dr3)
MICRO_DEFINE_REGISTER(dr6)
MICRO_DEFINE_REGISTER(dr7)

#define MICRO_DEFINE_PORT(suffix, type)                                                                                \
    static inline type in##suffix(uint16_t port)                                                                       \
    {                                                                                                                  \
        type value;                                                                                                    \
        asm volatile("in" #suffix " %1, %0" : "=a"(value) : "Nd"(port) : "memory");                                    \
        return value;                                                                                                  \
    }                                                                                                                  \
    static inline void out##suffix(uint16_t port, type value)                                                          \
    {                                                                                                                  \
        asm volatile("out" #suffix " %0, %1" : : "a"(value), "Nd"(port) : "memory");                                   \
    }

MICRO_DEFINE_PORT(b, uint8_t)
MICRO_DEFINE_PORT(w, uint16_t)
MICRO_DEFINE_PORT(l, uint32_t)

static inline uint64_t read_rflags(void)
{
    uint64_t value;

    asm volatile("pushfq; pop %0" : "=r"(value) : : "memory");
    return value;
}

static inline void cpu_pause(void)
{
    asm volatile("pause" : : : "memory");
}

static inline void interrupts_on(void)
{
    asm volatile("sti" : : : "memory");
}

static inline void interrupts_off(void)
{
    asm volatile("cli" : : : "memory");
}

/* STI and HLT back to back: the shadow of STI lets no interrupt slip in before the halt. Returns with IF clear. */
static inline void sti_hlt_cli(void)
{
    asm volatile("sti; hlt; cli" : : : "memory");
}

static inline void invlpg(const volatile void *address)
{
    asm volatile("invlpg (%0)" : : "r"(address) : "memory");
}

#endif

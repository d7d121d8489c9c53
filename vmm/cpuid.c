/* SPDX-License-Identifier: Apache-2.0 */
/* cpuid.c: the CPUID policy, by lists of what is let through: a feature that nobody here has heard of stays hidden.
 *
 * Bits as in SDM Vol. 2A "CPUID" and APM Vol. 3 appendix E. x2APIC, TSC deadline and the hypervisor bit are the
 * kernel's own and always there; VMX, SVM, MONITOR, performance counters, LBR, CET, speculation controls and MCE injection
 * are not (docs/limits.md).
 */
#include <string.h>

#include "abi/hypercall.h"
#include "vmm/cpuid.h"

#define BIT(n) (UINT32_C(1) << (n))
#define XCR0_AVX UINT64_C(4)
#define XCR0_AVX512 UINT64_C(0xE0)
#define XCR0_PKRU UINT64_C(0x200)
#define XSAVE_ALIGNED BIT(1) /* leaf 0Dh: this component begins at 64 bytes in the compacted format */
#define XSAVEC BIT(1)

/* Leaf 1. */
#define L1_ECX_LET                                                                                                     \
    (BIT(0) | BIT(1) | BIT(9) | BIT(12) | BIT(13) | BIT(17) | BIT(19) | BIT(20) | BIT(22) | BIT(23) | BIT(25) |        \
     BIT(26) | BIT(28) | BIT(29) | BIT(30))
#define L1_ECX_ALWAYS (BIT(21) | BIT(24) | BIT(31)) /* x2APIC, TSC deadline, hypervisor */
#define L1_ECX_AVX (BIT(12) | BIT(28) | BIT(29))
#define L1_ECX_PCID BIT(17)
#define L1_ECX_XSAVE BIT(26)
#define L1_ECX_OSXSAVE BIT(27)
#define L1_EDX_LET UINT32_C(0x0F8BFBFF) /* without DS, ACPI, HTT, TM, PBE */
#define L1_EDX_HTT BIT(28)

/* Leaf 7, subleaf 0. */
#define L7_EBX_LET                                                                                                     \
    (BIT(0) | BIT(3) | BIT(5) | BIT(7) | BIT(8) | BIT(9) | BIT(10) | L7_EBX_AVX512 | BIT(18) | BIT(19) | BIT(20) |     \
     BIT(23) | BIT(24) | BIT(29))
#define L7_EBX_AVX512 (BIT(16) | BIT(17) | BIT(21) | BIT(28) | BIT(30) | BIT(31))
#define L7_EBX_AVX2 BIT(5)
#define L7_EBX_FSGSBASE BIT(0)
#define L7_EBX_SMEP BIT(7)
#define L7_EBX_SMAP BIT(20)
#define L7_ECX_AVX512 (BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14))
#define L7_ECX_LET (BIT(2) | BIT(3) | BIT(8) | BIT(9) | BIT(10) | BIT(22) | L7_ECX_AVX512)
#define L7_ECX_UMIP BIT(2)
#define L7_ECX_PKU BIT(3)
#define L7_ECX_OSPKE BIT(4)
#define L7_ECX_AVX (BIT(9) | BIT(10))
#define L7_EDX_AVX512 (BIT(2) | BIT(3) | BIT(8))
#define L7_EDX_LET (BIT(4) | L7_EDX_AVX512)

/* Leaf 80000001h. */
#define E1_ECX_LET (BIT(0) | BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(11) | BIT(16) | BIT(21) | BIT(22))
#define E1_ECX_CMP_LEGACY BIT(1)
#define E1_ECX_AVX (BIT(11) | BIT(16))
#define E1_EDX_LET (UINT32_C(0x0183F3FF) | BIT(11) | BIT(20) | BIT(22) | BIT(25) | BIT(26) | BIT(27) | BIT(29))

#define E7_EDX_INVARIANT_TSC BIT(8)
#define E8_EBX_LET (BIT(0) | BIT(2)) /* CLZERO, XSAVE of error pointers */

/* KVM's leaf 40000001h (Linux Documentation/virt/kvm/x86/cpuid.rst). */
#define KVM_CLOCKSOURCE BIT(0)
#define KVM_NOP_IO_DELAY BIT(1)
#define KVM_CLOCKSOURCE2 BIT(3)
#define KVM_CLOCKSOURCE_STABLE BIT(24)
#define KVM_TIMING_LEAF 0x40000010u /* EAX: TSC kHz, EBX: APIC timer kHz */

#define CR4_ALWAYS UINT64_C(0x7FF) /* VME to OSXMMEXCPT */

struct builder {
    struct cpuid_policy *policy;
    const struct vm_cpuid_entry *host;
    unsigned host_count;
    bool full;
};

static struct vm_cpuid_entry host_leaf(const struct builder *b, uint32_t leaf, uint32_t subleaf)
{
    for (unsigned i = 0; i < b->host_count; i++) {
        const struct vm_cpuid_entry *e = &b->host[i];

        if (e->leaf == leaf && (!(e->flags & VM_CPUID_SUBLEAF) || e->subleaf == subleaf))
            return *e;
    }
    return (struct vm_cpuid_entry){ .leaf = leaf, .subleaf = subleaf };
}

/* Insert at its place. */
static void put(struct builder *b, struct vm_cpuid_entry entry)
{
    struct cpuid_policy *p = b->policy;
    unsigned at = p->count;

    if (p->count == VM_CPUID_MAX) {
        b->full = true;
        return;
    }
    while (at > 0 && (p->entry[at - 1].leaf > entry.leaf ||
                      (p->entry[at - 1].leaf == entry.leaf && p->entry[at - 1].subleaf > entry.subleaf))) {
        p->entry[at] = p->entry[at - 1];
        at--;
    }
    p->entry[at] = entry;
    p->count++;
}

static void put_words(struct builder *b, uint32_t leaf, uint32_t eax, uint32_t ebx, uint32_t ecx, uint32_t edx)
{
    put(b, (struct vm_cpuid_entry){ .leaf = leaf, .eax = eax, .ebx = ebx, .ecx = ecx, .edx = edx });
}

static void put_same(struct builder *b, uint32_t leaf)
{
    struct vm_cpuid_entry e = host_leaf(b, leaf, 0);

    e.flags = e.subleaf = 0;
    put(b, e);
}

static void put_signature(struct builder *b, uint32_t leaf, uint32_t highest, const char *signature)
{
    uint32_t words[3];

    memcpy(words, signature, sizeof(words));
    put_words(b, leaf, highest, words[0], words[1], words[2]);
}

static bool is_amd(const struct builder *b)
{
    uint32_t ebx = host_leaf(b, 0, 0).ebx;

    return ebx == 0x68747541u || ebx == 0x6F677948u; /* "Auth", "Hygo" */
}

static uint32_t bits_for(unsigned cpus)
{
    return cpus <= 1 ? 0 : 32u - (uint32_t)__builtin_clz(cpus - 1);
}

static void build_features(struct builder *b, const struct cpuid_options *options)
{
    struct cpuid_policy *p = b->policy;
    struct vm_cpuid_entry one = host_leaf(b, 1, 0), seven = host_leaf(b, 7, 0);
    bool avx = (p->xcr0 & XCR0_AVX) != 0, avx512 = (p->xcr0 & XCR0_AVX512) == XCR0_AVX512;

    one.ebx = options->cpus << 16 | 8u << 8; /* CLFLUSH of 64 bytes; APIC ID by the kernel */
    one.ecx = (one.ecx & L1_ECX_LET) | L1_ECX_ALWAYS;
    one.edx = (one.edx & L1_EDX_LET) | (options->cpus > 1 ? L1_EDX_HTT : 0);
    seven.eax = 0;
    seven.ebx &= L7_EBX_LET;
    seven.ecx &= L7_ECX_LET;
    seven.edx &= L7_EDX_LET;
    if (!avx) {
        one.ecx &= ~L1_ECX_AVX;
        seven.ebx &= ~L7_EBX_AVX2;
        seven.ecx &= ~L7_ECX_AVX;
    }
    if (!avx512) {
        seven.ebx &= ~L7_EBX_AVX512;
        seven.ecx &= ~L7_ECX_AVX512;
        seven.edx &= ~L7_EDX_AVX512;
    }
    if (p->xcr0 == 0)
        one.ecx &= ~L1_ECX_XSAVE;
    if (!(p->xcr0 & XCR0_PKRU))
        seven.ecx &= ~L7_ECX_PKU;
    seven.flags = VM_CPUID_SUBLEAF;
    seven.subleaf = 0;
    put(b, one);
    put(b, seven);
    p->cr4 = CR4_ALWAYS;
    p->cr4 |= seven.ecx & L7_ECX_UMIP ? UINT64_C(1) << 11 : 0;
    p->cr4 |= seven.ebx & L7_EBX_FSGSBASE ? UINT64_C(1) << 16 : 0;
    p->cr4 |= one.ecx & L1_ECX_PCID ? UINT64_C(1) << 17 : 0;
    p->cr4 |= one.ecx & L1_ECX_XSAVE ? UINT64_C(1) << 18 : 0;
    p->cr4 |= seven.ebx & L7_EBX_SMEP ? UINT64_C(1) << 20 : 0;
    p->cr4 |= seven.ebx & L7_EBX_SMAP ? UINT64_C(1) << 21 : 0;
    p->cr4 |= seven.ecx & L7_ECX_PKU ? UINT64_C(1) << 22 : 0;
}

/* Caches: the same sizes, shared with nobody, one package. */
static void build_caches(struct builder *b, const struct cpuid_options *options)
{
    uint32_t leaf = is_amd(b) ? 0x8000001D : 4;

    for (uint32_t sub = 0; sub < 8; sub++) {
        struct vm_cpuid_entry e = host_leaf(b, leaf, sub);

        if ((e.eax & 31) == 0 || e.subleaf != sub)
            break;
        e.eax &= 0x3FFF;
        if (leaf == 4)
            e.eax |= ((1u << bits_for(options->cpus)) - 1) << 26;
        e.flags = VM_CPUID_SUBLEAF;
        put(b, e);
    }
    if (leaf == 4)
        put_same(b, 2);
}

static void build_topology(struct builder *b, const struct cpuid_options *options)
{
    put(b, (struct vm_cpuid_entry){ .leaf = 0xB, .subleaf = 0, .flags = VM_CPUID_SUBLEAF, .ebx = 1, .ecx = 1u << 8 });
    put(b, (struct vm_cpuid_entry){ .leaf = 0xB,
                                    .subleaf = 1,
                                    .flags = VM_CPUID_SUBLEAF,
                                    .eax = bits_for(options->cpus),
                                    .ebx = options->cpus,
                                    .ecx = 2u << 8 | 1 });
}

static void build_xsave(struct builder *b, const struct cpuid_options *options)
{
    uint64_t xcr0 = b->policy->xcr0;
    struct vm_cpuid_entry one = host_leaf(b, 0xD, 1);
    uint32_t size = 576, compact = size; /* legacy region and header */

    if (xcr0 == 0)
        return;
    if (options->no_xsavec)
        one.eax &= ~(uint32_t)XSAVEC;
    for (uint32_t sub = 2; sub < 32; sub++) {
        struct vm_cpuid_entry e = host_leaf(b, 0xD, sub);

        if (!(xcr0 >> sub & 1))
            continue;
        if (e.ebx + e.eax > size)
            size = e.ebx + e.eax;
        if (e.ecx & XSAVE_ALIGNED)
            compact = (compact + 63) & ~63u;
        compact += e.eax;
        e.flags = VM_CPUID_SUBLEAF;
        e.subleaf = sub;
        put(b, e);
    }
    put(b, (struct vm_cpuid_entry){ .leaf = 0xD,
                                    .flags = VM_CPUID_SUBLEAF,
                                    .eax = (uint32_t)xcr0,
                                    .ebx = size,
                                    .ecx = size,
                                    .edx = (uint32_t)(xcr0 >> 32) });
    /* XSAVEOPT, XSAVEC, XGETBV with ECX = 1; no supervisor state. EBX is for the compacted format. */
    put(b, (struct vm_cpuid_entry){ .leaf = 0xD,
                                    .subleaf = 1,
                                    .flags = VM_CPUID_SUBLEAF,
                                    .eax = one.eax & 7,
                                    .ebx = one.eax & XSAVEC ? compact : 0 });
}

static void build_extended(struct builder *b, const struct cpuid_options *options)
{
    uint32_t highest = host_leaf(b, 0x80000000, 0).eax, wanted = is_amd(b) ? 0x8000001E : 0x80000008;
    struct vm_cpuid_entry e = host_leaf(b, 0x80000001, 0);
    struct vm_cpuid_entry base = host_leaf(b, 0x80000000, 0);

    if (highest < 0x80000001 || highest > 0x8000FFFF)
        return;
    base.eax = highest < wanted ? highest : wanted;
    put(b, base);
    e.ecx &= E1_ECX_LET;
    if (is_amd(b) && options->cpus > 1)
        e.ecx |= E1_ECX_CMP_LEGACY;
    if (!(b->policy->xcr0 & XCR0_AVX))
        e.ecx &= ~E1_ECX_AVX;
    e.edx &= E1_EDX_LET;
    put(b, e);
    for (uint32_t leaf = 0x80000002; leaf <= 0x80000006; leaf++)
        put_same(b, leaf);
    put_words(b, 0x80000007, 0, 0, 0, host_leaf(b, 0x80000007, 0).edx & E7_EDX_INVARIANT_TSC);
    e = host_leaf(b, 0x80000008, 0);
    e.eax &= 0xFFFF;
    e.ebx &= E8_EBX_LET;
    e.ecx = is_amd(b) ? bits_for(options->cpus) << 12 | (options->cpus - 1) : 0;
    e.edx = 0;
    put(b, e);
    if (!is_amd(b))
        return;
    put_same(b, 0x80000019);
    put_same(b, 0x8000001A);
    put_words(b, 0x8000001E, 0, 0, 0, 0); /* the kernel lays the APIC ID over it */
}

static void build_hypervisor(struct builder *b, const struct cpuid_options *options)
{
    put_signature(b, CL_CPUID_KVM, KVM_TIMING_LEAF, "KVMKVMKVM\0\0\0");
    put_words(b, CL_CPUID_KVM_FEATURES, KVM_CLOCKSOURCE | KVM_NOP_IO_DELAY | KVM_CLOCKSOURCE2 | KVM_CLOCKSOURCE_STABLE,
              0, 0, 0);
    put_words(b, KVM_TIMING_LEAF, (uint32_t)(options->tsc_hz / 1000), (uint32_t)(options->apic_hz / 1000), 0, 0);
    put_signature(b, CL_CPUID_BASE, CL_CPUID_VERSION, CL_CPUID_SIGNATURE);
    put_words(b, CL_CPUID_VERSION, CL_HYPERCALL_VERSION, 0, 0, 0);
}

enum cl_status cpuid_build(struct cpuid_policy *policy, const struct vm_cpuid_entry *host, unsigned host_count,
                           const struct cpuid_options *options)
{
    struct builder b = { .policy = policy, .host = host, .host_count = host_count };
    struct vm_cpuid_entry zero = host_leaf(&b, 0, 0), xsave = host_leaf(&b, 0xD, 0);

    memset(policy, 0, sizeof(*policy));
    if (zero.eax == 0 || options->cpus == 0 || options->cpus > 255)
        return CL_BAD_ARGUMENT;
    if (host_leaf(&b, 1, 0).ecx & L1_ECX_XSAVE && zero.eax >= 0xD)
        policy->xcr0 = options->xcr0 & (xsave.eax | (uint64_t)xsave.edx << 32);
    if ((policy->xcr0 & 3) != 3)
        policy->xcr0 = 0;
    zero.eax = 0xD;
    put(&b, zero);
    build_features(&b, options);
    build_caches(&b, options);
    put_words(&b, 6, BIT(2), 0, 0, 0); /* the APIC timer always runs */
    build_topology(&b, options);
    build_xsave(&b, options);
    build_extended(&b, options);
    build_hypervisor(&b, options);
    return b.full ? CL_LIMIT : CL_OK;
}

void cpuid_query(const struct cpuid_policy *policy, const struct vcpu_page *cpu, uint32_t apic_id, uint32_t leaf,
                 uint32_t subleaf, uint32_t result[4])
{
    memset(result, 0, 4 * sizeof(result[0]));
    for (unsigned i = 0; i < policy->count; i++) {
        const struct vm_cpuid_entry *e = &policy->entry[i];

        if (e->leaf != leaf || (e->flags & VM_CPUID_SUBLEAF && e->subleaf != subleaf))
            continue;
        result[0] = e->eax;
        result[1] = e->ebx;
        result[2] = e->ecx;
        result[3] = e->edx;
        break;
    }
    switch (leaf) {
    case 1:
        result[1] = (result[1] & 0x00FFFFFF) | apic_id << 24;
        if (cpu->cr4 & UINT64_C(1) << 18)
            result[2] |= L1_ECX_OSXSAVE;
        break;
    case 7:
        if (subleaf == 0 && cpu->cr4 & UINT64_C(1) << 22)
            result[2] |= L7_ECX_OSPKE;
        break;
    case 0xB:
        result[3] = apic_id;
        break;
    case 0x8000001E:
        result[0] = apic_id;
        result[1] = apic_id & 0xFF;
        break;
    default:
        break;
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: vmm/cpuid.c vmm/msr_policy.c */
/* test_cpuid.c: what a VM's CPUID shows and hides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>

#include "vmm/cpuid.h"
#include "vmm/msr_policy.h"

static struct cpuid_policy policy;

#define AMD 0x68747541, 0x444D4163, 0x69746E65
#define INTEL 0x756E6547, 0x6C65746E, 0x49656E69

/* A host with every feature bit set: whatever is not let through on purpose must be gone. */
static const struct vm_cpuid_entry amd_host[] = {
    { 0, 0, 0, 0x10, AMD, 0 },
    { 1, 0, 0, 0x00830F10, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0 },
    { 7, 0, 1, 5, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0 },
    { 0xD, 0, 1, 0xFFFFFFFF, 4096, 4096, 0xFFFFFFFF, 0 },
    { 0xD, 1, 1, 0xFFFFFFFF, 4096, 0xFFFFFFFF, 0, 0 },
    { 0xD, 2, 1, 256, 576, 0, 0, 0 },
    { 0xD, 9, 1, 8, 2688, 0, 0, 0 },
    { 0x80000000, 0, 0, 0x80000020, AMD, 0 },
    { 0x80000001, 0, 0, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF, 0 },
    { 0x80000007, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0 },
    { 0x80000008, 0, 0, 0xFF3030, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0 },
    { 0x8000000A, 0, 0, 1, 0x8000, 0, 0xFFFFFFFF, 0 },
    { 0x8000001D, 0, 1, 0x3C121, 0x1C0003F, 0x3F, 0, 0 },
    { 0x8000001D, 1, 1, 0, 0, 0, 0, 0 },
};

static struct cpuid_options options = { .cpus = 4, .tsc_hz = 2000000000, .apic_hz = 1000000000, .xcr0 = 7 };

static void query(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    static struct vcpu_page page;

    cpuid_query(&policy, &page, 2, leaf, subleaf, out);
}

static void build(void)
{
    assert_int_equal(cpuid_build(&policy, amd_host, sizeof(amd_host) / sizeof(amd_host[0]), &options), CL_OK);
}

static void what_a_guest_must_not_have_is_hidden(void **unused)
{
    uint32_t r[4];

    (void)unused;
    build();
    query(1, 0, r);
    assert_int_equal(r[2] & (1u << 3 | 1u << 5 | 1u << 6 | 1u << 15 | 1u << 18), 0); /* MONITOR VMX SMX PDCM DCA */
    assert_int_equal(r[3] & (1u << 21 | 1u << 22 | 1u << 29), 0);                    /* DS ACPI TM */
    query(7, 0, r);
    assert_int_equal(r[1] & (1u << 2 | 1u << 4 | 1u << 11 | 1u << 25), 0); /* SGX HLE RTM PT */
    assert_int_equal(r[1] & (1u << 16), 0);                                /* AVX-512 without its state */
    assert_int_equal(r[2] & (1u << 7 | 1u << 16 | 1u << 3), 0);            /* CET LA57 PKU */
    assert_int_equal(r[3] & (1u << 26 | 1u << 20 | 1u << 29), 0);          /* SPEC_CTRL IBT ARCH_CAPABILITIES */
    query(0x80000001, 0, r);
    assert_int_equal(r[2] & (1u << 2 | 1u << 10 | 1u << 12 | 1u << 23 | 1u << 29), 0); /* SVM IBS SKINIT PERF MWAITX */
    query(0x8000000A, 0, r);
    assert_int_equal(r[0] | r[1] | r[2] | r[3], 0);
    query(5, 0, r);
    assert_int_equal(r[0] | r[1] | r[2] | r[3], 0);
    query(0xA, 0, r);
    assert_int_equal(r[0] | r[1] | r[2] | r[3], 0);
    query(0xD, 1, r);
    assert_int_equal(r[0], 7);
}

static void what_the_kernel_gives_is_shown(void **unused)
{
    uint32_t r[4];

    (void)unused;
    build();
    query(1, 0, r);
    assert_int_equal(r[2] & (1u << 21 | 1u << 24 | 1u << 31), 1u << 21 | 1u << 24 | 1u << 31);
    assert_int_equal(r[1] >> 24, 2);
    assert_int_equal(r[1] >> 16 & 0xFF, 4);
    assert_int_equal(r[3] >> 28 & 1, 1);
    query(0xB, 1, r);
    assert_int_equal(r[0], 2);
    assert_int_equal(r[1], 4);
    assert_int_equal(r[3], 2);
    query(0xD, 0, r);
    assert_int_equal(r[0], 7);
    assert_int_equal(r[2], 832);
    assert_int_equal(policy.xcr0, 7);
    assert_int_equal(policy.cr4 & (1u << 13 | 1u << 14 | 1u << 12), 0);
    assert_int_equal(policy.cr4 & 1u << 18, 1u << 18);
}

static void hypervisor_leaves_name_kvm_and_cloison(void **unused)
{
    uint32_t r[4];

    (void)unused;
    build();
    query(0x40000000, 0, r);
    assert_memory_equal(&r[1], "KVMKVMKVM\0\0\0", 12);
    query(0x40000001, 0, r);
    assert_int_equal(r[0] & (1u << 0 | 1u << 3 | 1u << 24), 1u << 0 | 1u << 3 | 1u << 24);
    query(0x40000010, 0, r);
    assert_int_equal(r[0], 2000000);
    query(0x40000100, 0, r);
    assert_memory_equal(&r[1], "CloisonHypVM", 12);
}

static void the_table_is_sorted_as_the_kernel_wants_it(void **unused)
{
    (void)unused;
    build();
    for (unsigned i = 1; i < policy.count; i++) {
        const struct vm_cpuid_entry *a = &policy.entry[i - 1], *b = &policy.entry[i];

        assert_true(a->leaf < b->leaf || (a->leaf == b->leaf && a->subleaf < b->subleaf));
    }
}

static void without_xsave_there_is_no_avx(void **unused)
{
    struct cpuid_options none = options;
    uint32_t r[4];

    (void)unused;
    none.xcr0 = 0;
    none.cpus = 1;
    assert_int_equal(cpuid_build(&policy, amd_host, sizeof(amd_host) / sizeof(amd_host[0]), &none), CL_OK);
    query(1, 0, r);
    assert_int_equal(r[2] & (1u << 26 | 1u << 28 | 1u << 12), 0);
    assert_int_equal(r[3] >> 28 & 1, 0);
    query(0xD, 0, r);
    assert_int_equal(r[0], 0);
}

/* SDM Vol. 1 13.4.3: behind AVX the compacted format leaves no room for MPX, which is not there. */
static void the_compacted_size_has_no_gaps_but_for_alignment(void **unused)
{
    const struct vm_cpuid_entry host[] = {
        { 0, 0, 0, 0x16, INTEL, 0 },           { 1, 0, 0, 0x50654, 0, 0xFFFFFFFF, 0xFFFFFFFF, 0 },
        { 0xD, 0, 1, 0xE7, 2688, 2688, 0, 0 }, { 0xD, 1, 1, 0xF, 2432, 0, 0, 0 },
        { 0xD, 2, 1, 256, 576, 0, 0, 0 },      { 0xD, 5, 1, 64, 1088, 0, 0, 0 },
        { 0xD, 6, 1, 512, 1152, 0, 0, 0 },     { 0xD, 7, 1, 1024, 1664, 2, 0, 0 },
    };
    struct cpuid_options avx512 = options;
    uint32_t r[4];

    (void)unused;
    avx512.xcr0 = 0xE7;
    assert_int_equal(cpuid_build(&policy, host, sizeof(host) / sizeof(host[0]), &avx512), CL_OK);
    query(0xD, 0, r);
    assert_int_equal(r[2], 2688);
    query(0xD, 1, r);
    assert_int_equal(r[0], 7);
    assert_int_equal(r[1], 576 + 256 + 64 + 512 + 1024);
    avx512.no_xsavec = true;
    assert_int_equal(cpuid_build(&policy, host, sizeof(host) / sizeof(host[0]), &avx512), CL_OK);
    query(0xD, 1, r);
    assert_int_equal(r[0], 7 & ~2);
    assert_int_equal(r[1], 0);
}

static void an_intel_host_keeps_its_cache_leaf(void **unused)
{
    const struct vm_cpuid_entry host[] = { { 0, 0, 0, 0x16, INTEL, 0 },
                                           { 1, 0, 0, 0x50654, 0, 0xFFFFFFFF, 0xFFFFFFFF, 0 },
                                           { 4, 0, 1, 0xFC004121, 0x1C0003F, 0x3F, 0, 0 },
                                           { 4, 1, 1, 0, 0, 0, 0, 0 },
                                           { 0x80000000, 0, 0, 0x80000008, 0, 0, 0, 0 } };
    uint32_t r[4];

    (void)unused;
    assert_int_equal(cpuid_build(&policy, host, 5, &options), CL_OK);
    query(4, 0, r);
    assert_int_equal(r[0], 3u << 26 | 0x121);
    query(0x8000001E, 0, r);
    assert_int_equal(r[2], 0);
}

static void impossible_options_are_refused(void **unused)
{
    struct cpuid_options none = options;

    (void)unused;
    assert_int_equal(cpuid_build(&policy, NULL, 0, &options), CL_BAD_ARGUMENT);
    none.cpus = 0;
    assert_int_equal(cpuid_build(&policy, amd_host, 3, &none), CL_BAD_ARGUMENT);
    none.cpus = 256;
    assert_int_equal(cpuid_build(&policy, amd_host, 3, &none), CL_BAD_ARGUMENT);
}

static void msr_tables_are_sorted_and_short_enough(void **unused)
{
    (void)unused;
    for (unsigned amd = 0; amd < 2; amd++) {
        unsigned count;
        const struct vm_msr_entry *e = msr_policy(amd, &count);

        assert_in_range(count, 10, VM_MSR_MAX);
        for (unsigned i = 1; i < count; i++)
            assert_true(e[i - 1].index < e[i].index);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_guest_must_not_have_is_hidden),
        cmocka_unit_test(what_the_kernel_gives_is_shown),
        cmocka_unit_test(hypervisor_leaves_name_kvm_and_cloison),
        cmocka_unit_test(the_table_is_sorted_as_the_kernel_wants_it),
        cmocka_unit_test(without_xsave_there_is_no_avx),
        cmocka_unit_test(the_compacted_size_has_no_gaps_but_for_alignment),
        cmocka_unit_test(an_intel_host_keeps_its_cache_leaf),
        cmocka_unit_test(impossible_options_are_refused),
        cmocka_unit_test(msr_tables_are_sorted_and_short_enough),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

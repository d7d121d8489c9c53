/* SPDX-License-Identifier: Apache-2.0 */
/* msr_policy.c: constants in place of the model-specific registers that operating systems insist on.
 *
 * MTRRs say "write-back everywhere" and cannot be changed: guest memory is write-back whatever a guest asks for. Names
 * and bits: SDM Vol. 4, APM Vol. 2 appendix A, Linux Documentation/virt/kvm/x86/msr.rst.
 */
#include "vmm/kvmclock.h"
#include "vmm/msr_policy.h"

#define MTRR_CAP_FIXED_WC_2 UINT64_C(0x502) /* fixed ranges, write-combining, 2 variable ranges */
#define MTRR_DEFAULT_WB_ENABLED UINT64_C(0xC06)
#define MTRR_ALL_WB UINT64_C(0x0606060606060606)
#define DE_CFG_LFENCE_SERIALIZES UINT64_C(2)
#define MICROCODE_REVISION (UINT64_C(0xFFFFFFFF) << 32) /* newer than any: guests load none (docs/limits.md) */

#define COMMON_LOW                                                                                                     \
    { 0x17, VM_MSR_FIXED, 0 }, { 0x8B, VM_MSR_WRITE_IGNORED, MICROCODE_REVISION },                                     \
        { 0xFE, VM_MSR_FIXED, MTRR_CAP_FIXED_WC_2 }, { 0x179, VM_MSR_FIXED, 0 }, { 0x17A, VM_MSR_WRITE_IGNORED, 0 },   \
        { 0x1D9, VM_MSR_WRITE_IGNORED, 0 }, { 0x200, VM_MSR_WRITE_IGNORED, 0 }, { 0x201, VM_MSR_WRITE_IGNORED, 0 },    \
        { 0x202, VM_MSR_WRITE_IGNORED, 0 }, { 0x203, VM_MSR_WRITE_IGNORED, 0 },                                        \
        { 0x250, VM_MSR_WRITE_IGNORED, MTRR_ALL_WB }, { 0x258, VM_MSR_WRITE_IGNORED, MTRR_ALL_WB },                    \
        { 0x259, VM_MSR_WRITE_IGNORED, MTRR_ALL_WB }, { 0x268, VM_MSR_WRITE_IGNORED, MTRR_ALL_WB },                    \
        { 0x269, VM_MSR_WRITE_IGNORED, MTRR_ALL_WB }, { 0x26A, VM_MSR_WRITE_IGNORED, MTRR_ALL_WB },                    \
        { 0x26B, VM_MSR_WRITE_IGNORED, MTRR_ALL_WB }, { 0x26C, VM_MSR_WRITE_IGNORED, MTRR_ALL_WB },                    \
        { 0x26D, VM_MSR_WRITE_IGNORED, MTRR_ALL_WB }, { 0x26E, VM_MSR_WRITE_IGNORED, MTRR_ALL_WB },                    \
        { 0x26F, VM_MSR_WRITE_IGNORED, MTRR_ALL_WB },                                                                  \
    {                                                                                                                  \
        0x2FF, VM_MSR_WRITE_IGNORED, MTRR_DEFAULT_WB_ENABLED                                                           \
    }

#define KVM_CLOCK                                                                                                      \
    { KVM_MSR_WALL_CLOCK, VM_MSR_TO_VMM, 0 },                                                                          \
    {                                                                                                                  \
        KVM_MSR_SYSTEM_TIME, VM_MSR_TO_VMM, 0                                                                          \
    }

static const struct vm_msr_entry amd_entries[] = {
    { KVM_MSR_WALL_CLOCK_OLD, VM_MSR_TO_VMM, 0 },
    { KVM_MSR_SYSTEM_TIME_OLD, VM_MSR_TO_VMM, 0 },
    COMMON_LOW,
    KVM_CLOCK,
    { 0xC0010010, VM_MSR_WRITE_IGNORED, 0 }, /* SYSCFG */
    { 0xC0010015, VM_MSR_WRITE_IGNORED, 0 }, /* HWCR */
    { 0xC001001A, VM_MSR_FIXED, 0 },         /* TOP_MEM */
    { 0xC001001D, VM_MSR_FIXED, 0 },         /* TOP_MEM2 */
    { 0xC001001F, VM_MSR_WRITE_IGNORED, 0 }, /* NB_CFG */
    { 0xC0010020, VM_MSR_WRITE_IGNORED, 0 }, /* patch loader */
    { 0xC0010055, VM_MSR_FIXED, 0 },         /* interrupt pending message */
    { 0xC0010058, VM_MSR_WRITE_IGNORED, 0 }, /* MMIO configuration base */
    { 0xC0010112, VM_MSR_FIXED, 0 },         /* SMM address */
    { 0xC0010113, VM_MSR_FIXED, 0 },         /* SMM mask */
    { 0xC0010114, VM_MSR_FIXED, 8 },         /* VM_CR: SVM disabled */
    { 0xC0010140, VM_MSR_FIXED, 0 },         /* OSVW: no errata listed */
    { 0xC0010141, VM_MSR_FIXED, 0 },
    { 0xC0011020, VM_MSR_WRITE_IGNORED, 0 }, /* LS_CFG */
    { 0xC0011022, VM_MSR_WRITE_IGNORED, 0 }, /* DC_CFG */
    { 0xC0011023, VM_MSR_WRITE_IGNORED, 0 },
    { 0xC0011029, VM_MSR_WRITE_IGNORED, DE_CFG_LFENCE_SERIALIZES },
    { 0xC001102A, VM_MSR_WRITE_IGNORED, 0 },
};

static const struct vm_msr_entry intel_entries[] = {
    { KVM_MSR_WALL_CLOCK_OLD, VM_MSR_TO_VMM, 0 },
    { KVM_MSR_SYSTEM_TIME_OLD, VM_MSR_TO_VMM, 0 },
    { 0x34, VM_MSR_FIXED, 0 }, /* SMI count */
    { 0x3A, VM_MSR_FIXED, 1 }, /* feature control: locked, nothing enabled */
    { 0xCE, VM_MSR_FIXED, 0 }, /* platform information */
    COMMON_LOW,
    { 0x1A0, VM_MSR_WRITE_IGNORED, 1 }, /* miscellaneous enables: fast strings */
    KVM_CLOCK,
};

#define SORTED_MAX VM_MSR_MAX
static_assert(sizeof(amd_entries) / sizeof(amd_entries[0]) <= SORTED_MAX, "the kernel's table is that long");
static_assert(sizeof(intel_entries) / sizeof(intel_entries[0]) <= SORTED_MAX, "the kernel's table is that long");

const struct vm_msr_entry *msr_policy(bool amd, unsigned *count)
{
    static struct vm_msr_entry sorted[SORTED_MAX];
    const struct vm_msr_entry *from = amd ? amd_entries : intel_entries;
    unsigned n = amd ? sizeof(amd_entries) / sizeof(amd_entries[0]) : sizeof(intel_entries) / sizeof(intel_entries[0]);

    for (unsigned i = 0; i < n; i++) {
        unsigned at = i;

        for (; at > 0 && sorted[at - 1].index > from[i].index; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = from[i];
    }
    *count = n;
    return sorted;
}

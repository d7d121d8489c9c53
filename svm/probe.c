/* SPDX-License-Identifier: Apache-2.0 */
/* probe.c: what this processor's AMD-V can do (CPUID Fn8000_000A, APM Vol. 3 appendix E.4.9), said in the boot log. */
#include "kernel/assert.h"
#include "svm/svm.h"

struct svm_host svm_host;

/* A feature, and what is done with it. `unused` features are named when present, the others also when absent. */
static const struct feature {
    uint32_t bit;
    bool unused;
    const char *name;
    const char *instead;
} features[] = {
    { SVM_FEATURE_NRIPS, false, "next-RIP save", "lengths of the usual encodings, and decoding" },
    { SVM_FEATURE_FLUSH_BY_ASID, false, "flush by ASID", "a new ASID" },
    { SVM_FEATURE_PAUSE_FILTER, false, "PAUSE filter", "time slices alone" },
    { SVM_FEATURE_VNMI, true, "virtual NMI", NULL },
    { SVM_FEATURE_DECODE_ASSISTS, true, "decode assists", NULL },
    { SVM_FEATURE_CLEAN, true, "VMCB clean bits", NULL },
    { SVM_FEATURE_AVIC, true, "AVIC", NULL },
    { SVM_FEATURE_VGIF, true, "virtual GIF", NULL },
    { SVM_FEATURE_VIRTUAL_VMLOAD, true, "virtual VMLOAD and VMSAVE", NULL },
    { SVM_FEATURE_LBR, true, "LBR virtualisation", NULL },
    { SVM_FEATURE_TSC_RATE, true, "TSC rate", NULL },
};

/* CR4 bits that hang on a CPUID feature; those that every 64-bit processor has are added below. */
static const struct cr4_feature {
    uint32_t leaf;
    uint8_t reg; /* 1 EBX, 2 ECX */
    uint8_t bit;
    uint64_t cr4;
} cr4_features[] = {
    { 7, 2, 2, CR4_UMIP },   { 7, 2, 16, CR4_LA57 },    { 7, 1, 0, CR4_FSGSBASE },
    { 1, 2, 17, CR4_PCIDE }, { 1, 2, 26, CR4_OSXSAVE }, { 7, 1, 7, CR4_SMEP },
    { 7, 1, 20, CR4_SMAP },  { 7, 2, 3, CR4_PKE },      { 7, 2, 7, CR4_CET },
};
#define CR4_EVERYWHERE                                                                                                 \
    (CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | CR4_OSFXSR |             \
     CR4_OSXMMEXCPT)

#define EFER_TCE (UINT64_C(1) << 15)

/* A leaf, zero above the highest one: some processors answer those with another leaf. */
static struct x86_cpuid leaf(uint32_t number)
{
    return x86_cpuid(number & 0x80000000u, 0).eax < number ? (struct x86_cpuid){ 0 } : x86_cpuid(number, 0);
}

static void find_registers(void)
{
    struct x86_cpuid extended = leaf(0x80000001u);
    struct x86_cpuid sizes = leaf(0x80000008u);
    unsigned linear_bits = sizes.eax != 0 ? (sizes.eax >> 8) & 0xFF : 48;

    svm_host.physical_bits = sizes.eax != 0 ? sizes.eax & 0xFF : 36;
    svm_host.canonical_high = ~UINT64_C(0) << (linear_bits - 1);
    svm_host.has_rdpru = sizes.ebx & (1u << 4);
    svm_host.has_rdtscp = extended.edx & (1u << 27);

    svm_host.efer_valid = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE | EFER_SVME;
    if (extended.edx & (1u << 25))
        svm_host.efer_valid |= EFER_FFXSR;
    if (extended.ecx & (1u << 17))
        svm_host.efer_valid |= EFER_TCE;

    svm_host.cr4_valid = CR4_EVERYWHERE;
    for (unsigned i = 0; i < ARRAY_SIZE(cr4_features); i++) {
        struct x86_cpuid found = leaf(cr4_features[i].leaf);

        if ((cr4_features[i].reg == 1 ? found.ebx : found.ecx) & (1u << cr4_features[i].bit))
            svm_host.cr4_valid |= cr4_features[i].cr4;
    }
}

static void log_features(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
        const struct feature *f = &features[i];

        if (!(svm_host.features & f->bit)) {
            if (!f->unused)
                log_line("AMD-V: %s: absent, %s instead", f->name, f->instead);
        } else {
            log_line("AMD-V: %s: %s", f->name, f->unused ? "present, unused" : "used");
        }
    }
}

/* APM Vol. 2 15.4. */
enum cl_status svm_probe(void)
{
    struct x86_cpuid svm;

    if (!(leaf(0x80000001u).ecx & (1u << 2)))
        return refuse(CL_UNSUPPORTED, "this processor has no AMD-V (CPUID 8000_0001h ECX bit 2)");
    svm = leaf(0x8000000Au);
    svm_host.features = svm.edx;
    svm_host.asid_count = svm.ebx;
    if (x86_rdmsr(MSR_VM_CR) & VM_CR_SVMDIS)
        return refuse(CL_UNSUPPORTED, "AMD-V is disabled%s: enable SVM in the firmware's setup",
                      svm.edx & SVM_FEATURE_SVML ? " and locked" : "");
    if (!(svm.edx & SVM_FEATURE_NP))
        return refuse(CL_UNSUPPORTED, "this processor's AMD-V has no nested paging (CPUID 8000_000Ah EDX bit 0)");
    if (svm.ebx < 2)
        return refuse(CL_UNSUPPORTED, "this processor's AMD-V has %u ASIDs, 2 are needed", svm.ebx);
    find_registers();

    log_line("AMD-V: revision %u, nested paging, %u ASIDs", svm.eax & 0xFF, svm.ebx);
    log_features();
    return CL_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* probe_table.c: features that CPUID tells (APM Vol. 3 appendix E), and the bits of CR4 and EFER that hang on one. */
#include "svm/probe_table.h"

#define EFER_TCE (UINT64_C(1) << 15)

const struct svm_feature svm_features[SVM_FEATURE_COUNT] = {
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

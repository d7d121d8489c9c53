/* SPDX-License-Identifier: Apache-2.0 */
/* probe_table.h: a row for each feature of AMD-V, and for each bit of a register that not every processor has. */
#ifndef CL_SVM_PROBE_TABLE_H
#define CL_SVM_PROBE_TABLE_H

#include "svm/svm.h"

/* A feature, and what is done with it. `unused` features are named when present, the others also when absent. */
struct svm_feature {
    uint32_t bit; /* SVM_FEATURE_* */
    bool unused;
    const char *name;
    const char *instead;
};
#define SVM_FEATURE_COUNT 11
extern const struct svm_feature svm_features[SVM_FEATURE_COUNT];

enum svm_cpuid_register { EAX, EBX, ECX, EDX };

/* `value` belongs to `*valid` where bit `bit` of the CPUID leaf is set. */
struct svm_conditional {
    uint32_t leaf;
    uint8_t reg; /* enum svm_cpuid_register */
    uint8_t bit;
    uint64_t *valid;
    uint64_t value;
};
#define SVM_CONDITIONAL_COUNT 11
extern const struct svm_conditional svm_conditional[SVM_CONDITIONAL_COUNT];

/* What every 64-bit processor has. */
#define CR4_EVERYWHERE                                                                                                 \
    (CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | CR4_OSFXSR |             \
     CR4_OSXMMEXCPT)

#endif

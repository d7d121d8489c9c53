/* SPDX-License-Identifier: Apache-2.0 */
/* probe_table.h: a row for each feature of AMD-V. */
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

#endif

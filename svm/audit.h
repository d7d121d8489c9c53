/* SPDX-License-Identifier: Apache-2.0 */
/* audit.h: which of the manual's rules for VMRUN a control block breaks, in words. */
#ifndef CL_SVM_AUDIT_H
#define CL_SVM_AUDIT_H

#include "svm/svm.h"

struct svm_finding {
    const char *rule;    /* what is wrong, as the manual words it */
    const char *section; /* of APM Vol. 2 */
    uint64_t value;      /* of the field concerned */
};

/* Broken rules, up to `capacity` of them, in `findings`; the number of all. Guest state, and the controls. */
unsigned svm_audit_state(const struct vmcb_save *s, struct svm_finding *findings, unsigned capacity);
unsigned svm_audit_control(const struct vmcb_control *c, const struct vmcb_save *s, struct svm_finding *findings,
                           unsigned capacity);

#endif

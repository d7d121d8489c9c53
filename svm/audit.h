/* SPDX-License-Identifier: Apache-2.0 */
/* audit.h: which of the manual's rules for VMRUN a control block breaks, in words. */
#ifndef CL_SVM_AUDIT_H
#define CL_SVM_AUDIT_H

#include "kernel/assert.h"
#include "svm/svm.h"

struct svm_finding {
    const char *of;      /* the segment concerned: "SS: "; else "" */
    const char *rule;    /* what is wrong, as the manual words it */
    const char *section; /* of APM Vol. 2 */
    uint64_t value;      /* of the field concerned */
};

static inline enum cl_status CL_MUST_CHECK svm_finding_refuse(const struct svm_finding *f)
{
    return refuse(CL_BAD_ARGUMENT, "%s%s (APM Vol. 2 %s): %lx", f->of, f->rule, f->section, f->value);
}

/* Broken rules, up to `capacity` of them, in `findings`; the number of all. What a VMM hands in; guest
 * state; the controls. */
unsigned svm_audit_page(const struct vcpu_page *p, uint32_t groups, struct svm_finding *findings, unsigned capacity);
unsigned svm_audit_state(const struct vmcb_save *s, struct svm_finding *findings, unsigned capacity);
unsigned svm_audit_control(const struct vmcb_control *c, const struct vmcb_save *s, struct svm_finding *findings,
                           unsigned capacity);

#endif

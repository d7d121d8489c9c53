/* SPDX-License-Identifier: Apache-2.0 */
/* audit.h: which of the manual's rules for VMRUN a control block breaks, in words. */
#ifndef CL_SVM_AUDIT_H
#define CL_SVM_AUDIT_H

#include "kernel/audit.h"
#include "svm/svm.h"

/* Broken rules, up to `capacity` of them, in `findings`; the number of all. Guest state; the event to be injected into
 * it; the controls, that event among them. */
unsigned svm_audit_state(const struct vmcb_save *s, struct finding *findings, unsigned capacity);
unsigned svm_audit_event(uint64_t event, const struct vmcb_save *s, struct finding *findings, unsigned capacity);
unsigned svm_audit_control(const struct vmcb_control *c, const struct vmcb_save *s, struct finding *findings,
                           unsigned capacity);

#endif

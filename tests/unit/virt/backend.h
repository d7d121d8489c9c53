/* SPDX-License-Identifier: Apache-2.0 */
/* backend.h: both backends in one test program, each behind the kernel's own seam.
 *
 * Their headers give the same names to different things, so what a test wants to know of a backend's insides is asked for
 * here, and answered in a file of each.
 */
#ifndef CL_TESTS_VIRT_BACKEND_H
#define CL_TESTS_VIRT_BACKEND_H

#include "kernel/audit.h"
#include "kernel/vcpu.h"
#include "kernel/virt.h"

struct backend {
    const struct virt_ops *ops;
    bool has_pdptes; /* as registers: they are state */
    unsigned cpu;    /* of the fake ones, its own */

    /* That CPU, without vCPUs. It says what guest_cpu is, too. */
    void (*start)(void);
    /* Broken rules of guest state, the first of them in `finding`. */
    unsigned (*audit)(const struct vcpu *vcpu, struct finding *finding);
    /* The same of all that the next entry depends on, prepared for it. It has to be set before it is looked at again. */
    unsigned (*audit_entry)(struct vcpu *vcpu, struct finding *finding);
};

extern const struct backend amd, intel;

#endif

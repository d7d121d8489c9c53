/* SPDX-License-Identifier: Apache-2.0 */
/* audit.h: which of the manuals' rules a vCPU's state breaks, in words; the backends' auditors are made of it. */
#ifndef CL_KERNEL_AUDIT_H
#define CL_KERNEL_AUDIT_H

#include "abi/vcpu.h"
#include "kernel/types.h"

struct finding {
    const char *of;      /* the segment concerned: "SS: "; else "" */
    const char *rule;    /* what is wrong, as the manual words it */
    const char *manual;  /* "SDM Vol. 3C " */
    const char *section; /* of it */
    uint64_t value;      /* of the field concerned */
};

struct report {
    const char *manual, *of; /* of the findings to come */
    struct finding *findings;
    unsigned capacity, count;
};

static inline struct report report_begin(const char *manual, struct finding *findings, unsigned capacity)
{
    return (struct report){ .manual = manual, .of = "", .findings = findings, .capacity = capacity };
}

/* One rule: what is wrong, where the manual says so, when, the value. */
static inline void rule(struct report *r, const char *words, const char *section, bool broken, uint64_t value)
{
    if (!broken)
        return;
    if (r->count < r->capacity)
        r->findings[r->count] = (struct finding){ r->of, words, r->manual, section, value };
    r->count++;
}

enum cl_status finding_refuse(const struct finding *f) CL_MUST_CHECK;

/* `count` of them were found, of which the first `capacity` stand in `findings`: into the log. */
void finding_log(const struct finding *findings, unsigned capacity, unsigned count, unsigned vcpu_index);

/* What a VMM hands in, where no processor looks or where the host's bits hide the guest's: broken rules, up to
 * `capacity` of them, in `findings`; the number of all. */
unsigned audit_page(const struct vcpu_page *p, uint32_t groups, struct finding *findings, unsigned capacity);

/* What its mode says of a vCPU's segments, RIP and RFLAGS: SDM Vol. 3C 27.3.1.2 to 27.3.1.4, which VT-x checks at the entry
 * and AMD-V does not. CR0 is the one that the guest runs with; `event` is injected. */
void audit_mode(struct report *r, const struct vcpu_page *p, uint64_t cr0, uint64_t event);

#endif

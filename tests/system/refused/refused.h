/* SPDX-License-Identifier: Apache-2.0 */
/* refused.h: a guest's good state, broken one rule at a time, shown to the auditor and to the processor. */
#ifndef CL_TESTS_SYSTEM_REFUSED_REFUSED_H
#define CL_TESTS_SYSTEM_REFUSED_REFUSED_H

#include "kernel/assert.h"
#include "kernel/audit.h"
#include "kernel/vcpu.h"
#include "kernel/virt.h"
#include "kernel/vm.h"

/* The VM's name says which cases of the table are left out, because an emulator dies of them: "but-9-17". */
static inline bool refused_wanted(const struct vcpu *vcpu, unsigned number)
{
    unsigned named = 0;

    for (const char *c = vcpu->vm->name; *c != '\0'; c++) {
        if (*c < '0' || *c > '9')
            continue;
        named = named * 10 + (unsigned)(*c - '0');
        if (c[1] >= '0' && c[1] <= '9')
            continue;
        if (named == number)
            return false;
        named = 0;
    }
    return true;
}

/* The line that test_refused.py reads: the rule that was broken, how many the auditor names, the first of them, and what
 * the processor made of it. */
static inline void refused_report(const char *rule, unsigned count, const struct finding *finding,
                                  const struct virt_exit *exit)
{
    log_line("refused: %s | %u: %s%s | %s", rule, count, count != 0 ? finding->of : "",
             count != 0 ? finding->rule : "nothing", exit->kind == VIRT_EXIT_INVALID_STATE ? "refused" : "entered");
}

#endif

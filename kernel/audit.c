/* SPDX-License-Identifier: Apache-2.0 */
/* audit.c: collect broken rules, and tell a person. */
#include "kernel/audit.h"

#include "kernel/assert.h"

enum cl_status finding_refuse(const struct finding *f)
{
    return refuse(CL_BAD_ARGUMENT, "%s%s (%s%s): %lx", f->of, f->rule, f->manual, f->section, f->value);
}

void finding_log(const struct finding *f, unsigned capacity, unsigned count, unsigned vcpu_index)
{
    for (unsigned i = 0; i < count && i < capacity; i++)
        log_line("vCPU %u: %s%s (%s%s): %lx", vcpu_index, f[i].of, f[i].rule, f[i].manual, f[i].section, f[i].value);
}

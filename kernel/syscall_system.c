/* SPDX-License-Identifier: Apache-2.0 */
/* syscall_system.c: reports, the log, the trace, and the end. */
#include "kernel/account.h"
#include "kernel/assert.h"
#include "kernel/cpu.h"
#include "kernel/domain.h"
#include "kernel/frames.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/pool.h"
#include "kernel/power.h"
#include "kernel/string.h"
#include "kernel/syscall.h"
#include "kernel/thread.h"
#include "kernel/trace.h"

static void info_account(const struct account *account, struct account_report *out)
{
    *out = (struct account_report){ account->used[PURSE_KERNEL],
                                    account->limit[PURSE_KERNEL],
                                    account->used[PURSE_MEMORY],
                                    account->limit[PURSE_MEMORY],
                                    0,
                                    account->object_count };
    for (uint32_t i = 0; i < cpu_count; i++)
        out->cpu_tsc += account->sched.group[i].run_tsc;
}

/* As many occupied slots as fit the page, from `slot` on; the caller goes on behind the last one. Returns the count. */
static uint64_t info_caps(const struct domain *domain, uint64_t slot, struct cap_report *out)
{
    uint64_t count = 0;

    for (; slot < domain->slot_count && count < THREAD_PAGE_DATA_MAX / sizeof(*out); slot++) {
        capability cap = cap_read(domain, slot);
        const struct object *object = cap_object(cap);
        if (cap != 0)
            out[count++] =
                (struct cap_report){ (uint32_t)slot, object->type, cap_rights(cap), object->dead, object->identity };
    }
    return count;
}

static enum cl_status check_cpu(const struct call *call)
{
    return call->argument[1] < cpu_count ? CL_OK
                                         : refuse(CL_NOT_FOUND, "CPU %lu: there are %u", call->argument[1], cpu_count);
}

static enum cl_status check_object(struct call *call, enum object_type type)
{
    return call_lookup(call, 1, type, RIGHT_READ);
}

enum cl_status sys_system_info(struct call *call)
{
    void *out = call->thread->page->data;

    switch (call->argument[0]) {
    case SYSTEM_INFO_ACCOUNT:
        TRY(check_object(call, OBJECT_ACCOUNT));
        info_account(CALL_OBJECT(call, account, 1), out);
        return CL_OK;
    case SYSTEM_INFO_CPU:
        TRY(check_cpu(call));
        const struct cpu *cpu = &cpus[call->argument[1]];
        *(struct cpu_report *)out =
            (struct cpu_report){ cpu->sched.idle_tsc, cpu->switches, cpu->interrupts, cpu->ipis };
        return CL_OK;
    case SYSTEM_INFO_CAPS:
        TRY(check_object(call, OBJECT_DOMAIN));
        call->value = info_caps(CALL_OBJECT(call, domain, 1), call->argument[2], out);
        return CL_OK;
    case SYSTEM_INFO_MEMORY:
        *(struct memory_report *)out = (struct memory_report){ frames_total() * PAGE_SIZE, frames_free() * PAGE_SIZE,
                                                               pool_size(), pool_free_bytes() };
        return CL_OK;
    default:
        return refuse(CL_BAD_ARGUMENT, "system_info has no kind %lu", call->argument[0]);
    }
}

enum cl_status sys_log_read(struct call *call)
{
    uint64_t position = call->argument[1];

    call->value = log_copy(&position, (char *)call->thread->page->data, THREAD_PAGE_DATA_MAX);
    call->thread->page->argument[0] = position;
    return CL_OK;
}

enum cl_status sys_log_write(struct call *call)
{
    char line[LOG_LINE_MAX];

    memcpy(line, call->thread->page->data, call->argument[0]);
    log_append(call->domain->name, line, call->argument[0]);
    return CL_OK;
}

enum cl_status sys_trace_map(struct call *call)
{
    TRY(check_cpu(call));
    return space_map_kernel_page(&call->domain->space, cpus[call->argument[1]].trace, call->argument[2], PT_READ);
}

enum cl_status sys_system_control(struct call *call)
{
    switch (call->argument[1]) {
    case SYSTEM_POWER_OFF:
        power_off();
    case SYSTEM_RESET:
        power_reset();
    case SYSTEM_RELEASE_SERIAL:
        log_serial(0);
        return CL_OK;
    default:
        return refuse(CL_BAD_ARGUMENT, "system_control has no operation %lu", call->argument[1]);
    }
}

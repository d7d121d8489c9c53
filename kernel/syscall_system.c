/* SPDX-License-Identifier: Apache-2.0 */
/* syscall_system.c: reports, the log, the trace, and the end. */
#include "kernel/account_object.h"
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
#include "kernel/system.h"
#include "kernel/thread.h"
#include "kernel/trace.h"

static enum cl_status info_account(struct call *call)
{
    struct account *account;

    TRY(cap_lookup(call->domain, call->b, OBJECT_ACCOUNT, RIGHT_READ, &account));
    struct account_report report = { account->used[PURSE_KERNEL],
                                     account->limit[PURSE_KERNEL],
                                     account->used[PURSE_MEMORY],
                                     account->limit[PURSE_MEMORY],
                                     0,
                                     account->object_count };
    for (uint32_t i = 0; i < cpu_count; i++)
        report.cpu_tsc += account->sched.group[i].run_tsc;
    memcpy(call->thread->page->data, &report, sizeof(report));
    return CL_OK;
}

static enum cl_status info_cpu(struct call *call)
{
    if (call->b >= cpu_count)
        return refuse(CL_NOT_FOUND, "CPU %lu: there are %u", call->b, cpu_count);
    const struct cpu *cpu = &cpus[call->b];
    struct cpu_report report = { cpu->sched.idle_tsc, cpu->switches, cpu->interrupts, cpu->ipis };
    memcpy(call->thread->page->data, &report, sizeof(report));
    return CL_OK;
}

/* As many occupied slots as fit the page, from `c` on; the caller goes on behind the last one. */
static enum cl_status info_caps(struct call *call)
{
    struct cap_report *out = (struct cap_report *)call->thread->page->data;
    struct domain *domain;
    struct object *object;
    unsigned rights;

    TRY(cap_lookup(call->domain, call->b, OBJECT_DOMAIN, RIGHT_READ, &domain));
    for (uint64_t slot = call->c; slot < domain->slot_count && call->value < THREAD_PAGE_DATA_MAX / sizeof(*out);
         slot++) {
        if (__atomic_load_n(&domain->slots[slot], __ATOMIC_RELAXED) == 0 ||
            cap_lookup_any(domain, slot, 0, &object, &rights) != CL_OK)
            continue;
        out[call->value++] =
            (struct cap_report){ (uint32_t)slot, object->type, rights, object->dead, object->identity };
    }
    return CL_OK;
}

static enum cl_status sys_system_info(struct call *call)
{
    struct memory_report report;

    switch (call->a) {
    case SYSTEM_INFO_ACCOUNT:
        return info_account(call);
    case SYSTEM_INFO_CPU:
        return info_cpu(call);
    case SYSTEM_INFO_CAPS:
        return info_caps(call);
    case SYSTEM_INFO_MEMORY:
        report = (struct memory_report){ frames_total() * PAGE_SIZE, frames_free() * PAGE_SIZE, pool_size(),
                                         pool_free_bytes() };
        memcpy(call->thread->page->data, &report, sizeof(report));
        return CL_OK;
    default:
        return refuse(CL_BAD_ARGUMENT, "system_info has no kind %lu", call->a);
    }
}

static enum cl_status sys_log_read(struct call *call)
{
    struct object *system;
    uint64_t position = call->b;

    TRY(cap_lookup(call->domain, call->a, OBJECT_SYSTEM, RIGHT_READ, &system));
    call->value = log_copy(&position, (char *)call->thread->page->data, THREAD_PAGE_DATA_MAX);
    call->thread->page->argument[0] = position;
    return CL_OK;
}

static enum cl_status sys_log_write(struct call *call)
{
    char line[LOG_LINE_MAX];

    if (call->a > LOG_LINE_MAX)
        return refuse(CL_BAD_ARGUMENT, "a line has at most %u bytes, not %lu", LOG_LINE_MAX, call->a);
    memcpy(line, call->thread->page->data, call->a);
    log_append(call->domain->name, line, call->a);
    return CL_OK;
}

static enum cl_status sys_trace_map(struct call *call)
{
    struct object *system;

    TRY(cap_lookup(call->domain, call->a, OBJECT_SYSTEM, RIGHT_READ, &system));
    if (call->b >= cpu_count)
        return refuse(CL_NOT_FOUND, "CPU %lu: there are %u", call->b, cpu_count);
    return space_map_kernel_page(&call->domain->space, call->domain->object.account, trace_ring(&cpus[call->b]),
                                 call->c, PT_READ);
}

static enum cl_status sys_system_control(struct call *call)
{
    struct object *system;

    TRY(cap_lookup(call->domain, call->a, OBJECT_SYSTEM, RIGHT_CONFIGURE, &system));
    switch (call->b) {
    case SYSTEM_POWER_OFF:
        power_off();
    case SYSTEM_RESET:
        power_reset();
    case SYSTEM_RELEASE_SERIAL:
        log_serial(0);
        return CL_OK;
    default:
        return refuse(CL_BAD_ARGUMENT, "system_control has no operation %lu", call->b);
    }
}

enum cl_status syscall_system(struct call *call, enum syscall_number number)
{
    enum cl_status status = CL_BAD_CALL;

    if (number == SYS_LOG_READ)
        return sys_log_read(call);
    if (number == SYS_LOG_WRITE)
        return sys_log_write(call);
    lock_acquire(&structure_lock);
    if (number == SYS_SYSTEM_INFO)
        status = sys_system_info(call);
    else if (number == SYS_TRACE_MAP)
        status = sys_trace_map(call);
    else if (number == SYS_SYSTEM_CONTROL)
        status = sys_system_control(call);
    lock_release(&structure_lock);
    return status;
}

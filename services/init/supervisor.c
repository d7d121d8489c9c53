/* SPDX-License-Identifier: Apache-2.0 */
/* supervisor.c: one round of the loop after the other. */
#include "services/init/supervisor.h"

#include <stdarg.h>
#include <stdio.h>

#include "lib/log.h"
#include "lib/runtime.h"
#include "services/init/console.h"
#include "services/init/host_end.h"
#include "services/init/operator.h"
#include "services/init/switch.h"
#include "services/init/vm_end.h"
#include "services/protocol/control.h"

#define ENDED_RECHECK_NS UINT64_C(20000000)
#define ENDED_RECHECKS 10u

static uint64_t recheck_ns; /* a program said that it ends: look until it has */
static unsigned rechecks;

void supervisor_tell(const char *format, ...)
{
    struct operator_text message;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message.text, sizeof(message.text), format, arguments);
    va_end(arguments);
    cl_log("%s", message.text);
    /* a console that is too busy to take it finds it in the log */
    (void)!link_send(&console_service()->link, OPERATOR_EVENT, 0, &message, sizeof(message));
}

/* Read what one VMM says, a bounded number of messages. */
static void listen(struct vm *vm)
{
    union {
        struct vmm_report report;
        struct control_statistics statistics;
        struct control_audit audit;
    } message;
    struct channel_descriptor descriptor;

    for (unsigned i = 0; vm->held && i < CONTROL_RING_ENTRIES; i++) {
        enum cl_status status = link_receive(&vm->control, &descriptor, &message, sizeof(message));
        if (status == CL_CORRUPT) {
            vm_end_lost(vm, "it wrote indices into its control channel that cannot be");
            return;
        }
        if (status != CL_OK)
            return;
        if (descriptor.kind == VMM_CONTROL_REPORT && descriptor.length == sizeof(message.report)) {
            struct vmm_report report = message.report;
            report.reason[sizeof(report.reason) - 1] = '\0';
            vm_end_report(vm, &report);
        } else if (descriptor.cookie == 0 || descriptor.cookie != vm->awaited_cookie) {
            continue;
        } else if (descriptor.kind == CONTROL_STATISTICS_ARE && descriptor.length == sizeof(message.statistics)) {
            operator_statistics_arrived(vm, &message.statistics);
        } else if (descriptor.kind == CONTROL_AUDIT_IS && descriptor.length == sizeof(message.audit)) {
            operator_audit_arrived(vm, &message.audit);
        }
    }
}

static void look_for_deaths(uint64_t bits)
{
    if (console_revive(bits, host_end_is_headless())) {
        operator_forget();
        supervisor_tell("the console had died and was started again");
    }
    if (switch_revive(bits))
        supervisor_tell("the switch had died and was started again");
    for (uint32_t i = 0; i < config.vm_count; i++) {
        bool faulted = (bits & UINT64_C(1) << INIT_EVENT_FAULT_BIT(PROGRAM_INDEX_VM(i))) != 0;
        if (vms[i].held && vms[i].vmm.alive && (faulted || program_has_ended(&vms[i].vmm))) {
            uint64_t started_ns = vms[i].started_ns;
            listen(&vms[i]); /* what it said last, which may have started it again */
            if (vms[i].held && vms[i].started_ns == started_ns && vms[i].state != OPERATOR_STATE_OFF)
                vm_end_lost(&vms[i], faulted ? "it faulted" : "");
        }
    }
}

void supervisor_serve(uint64_t bits)
{
    uint64_t now_ns = cl_monotonic_ns();

    bits |= program_noted_bits();
    if ((bits & INIT_EVENT_ENDED) != 0)
        rechecks = ENDED_RECHECKS;
    /* before anything is started again: these faults are those of programs that run now */
    if (bits >> INIT_EVENT_FAULT_BIT(0) != 0 || rechecks > 0)
        look_for_deaths(bits);
    for (uint32_t i = 0; i < config.vm_count; i++) {
        if (vms[i].held)
            listen(&vms[i]);
    }
    /* who says that he ends runs on for a few instructions */
    if (rechecks > 0) {
        rechecks--;
        recheck_ns = now_ns + ENDED_RECHECK_NS;
    }
    operator_serve();
    operator_deadlines(now_ns);
    wish_deadlines(now_ns);
    host_end_serve(now_ns);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t supervisor_next_ns(void)
{
    uint64_t next = earlier(operator_next_ns(), earlier(wish_next_ns(), host_end_next_ns()));

    return rechecks > 0 ? earlier(next, recheck_ns) : next;
}

bool supervisor_arm(void)
{
    bool busy = program_bits_are_noted() || link_arm(&console_service()->link);

    for (uint32_t i = 0; i < config.vm_count; i++) {
        if (vms[i].held && link_arm(&vms[i].control))
            busy = true;
    }
    return busy;
}

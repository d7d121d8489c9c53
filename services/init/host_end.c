/* SPDX-License-Identifier: Apache-2.0 */
/* host_end.c: guests first, then the last line on the console, then the firmware. */
#include "services/init/host_end.h"

#include <stdio.h>

#include "lib/log.h"
#include "lib/runtime.h"
#include "lib/syscall.h"
#include "services/init/console.h"
#include "services/init/supervisor.h"

static bool headless;
static bool begun;
static enum system_operation end_operation;
static uint64_t end_deadline_ns;
static char no_vms[OPERATOR_TEXT_MAX];

static _Noreturn void end_host(const char *last_line, enum system_operation operation)
{
    enum cl_status status;

    for (uint32_t i = 0; i < config.vm_count; i++)
        vm_release(&vms[i]);
    console_last_line(last_line);
    status = cl_system_control(INIT_SLOT_SYSTEM, operation);
    cl_log_refusal(status, "the machine cannot be switched off");
    for (;;)
        (void)!cl_wait(program_init_events(), CL_NEVER, &(uint64_t){ 0 });
}

static _Noreturn void fail(const char *who, const char *why)
{
    char line[OPERATOR_TEXT_MAX];

    snprintf(line, sizeof(line), "cloison: failed: %.32s%s%.360s", who, who[0] != '\0' ? ": " : "", why);
    end_host(line, SYSTEM_POWER_OFF);
}

void host_end_set_headless(void)
{
    headless = true;
}

bool host_end_is_headless(void)
{
    return headless;
}

void host_end_nothing_to_run(const char *reason)
{
    snprintf(no_vms, sizeof(no_vms), "%s", reason);
}

const char *host_end_no_vms(void)
{
    return no_vms;
}

bool host_end_begun(void)
{
    return begun;
}

void host_end_begin(enum system_operation operation)
{
    if (begun)
        return;
    begun = true;
    end_operation = operation;
    end_deadline_ns = cl_monotonic_ns() + HOST_END_NS;
    for (uint32_t i = 0; i < config.vm_count; i++) {
        struct vm *vm = &vms[i];
        if (!vm->held || vm->state == OPERATOR_STATE_CRASHED || vm->state == OPERATOR_STATE_OFF)
            continue;
        if (vm->state == OPERATOR_STATE_PAUSED)
            (void)!vm_ask(vm, VMM_CONTROL_RESUME, 0); /* a paused guest cannot react */
        (void)!vm_ask(vm, VMM_CONTROL_POWER_BUTTON, 0);
        vm->state = OPERATOR_STATE_STOPPING;
    }
}

/* Whether guests that were asked to stop have not. One that is preserved, crashed or off, is not waited for. */
static bool guests_are_stopping(void)
{
    for (uint32_t i = 0; i < config.vm_count; i++) {
        if (vms[i].held && vms[i].state == OPERATOR_STATE_STOPPING)
            return true;
    }
    return false;
}

/* The run is over when every VM that was started has ended, and a failure ends it at once. */
static void end_headless_run(void)
{
    bool running = false;

    if (no_vms[0] != '\0')
        fail("", no_vms);
    for (uint32_t i = 0; i < config.vm_count; i++) {
        const struct vm *vm = &vms[i];
        if (!vm->config->autostart && vm->outcome == VM_OUTCOME_NONE)
            continue;
        if (vm->outcome == VM_OUTCOME_BAD)
            fail(vm->config->name, vm->last);
        running = running || vm->outcome != VM_OUTCOME_GOOD;
    }
    if (!running)
        end_host("cloison: stopped", SYSTEM_POWER_OFF);
}

void host_end_serve(uint64_t now_ns)
{
    if (!begun) {
        if (headless)
            end_headless_run();
        return;
    }
    if (guests_are_stopping() && now_ns < end_deadline_ns)
        return;
    for (uint32_t i = 0; i < config.vm_count; i++) {
        if (vms[i].held && vms[i].state == OPERATOR_STATE_STOPPING)
            supervisor_tell("%s did not stop in time: its plug is pulled", vms[i].config->name);
    }
    end_host("cloison: stopped", end_operation);
}

uint64_t host_end_next_ns(void)
{
    return begun ? end_deadline_ns : UINT64_MAX;
}

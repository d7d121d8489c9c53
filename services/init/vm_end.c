/* SPDX-License-Identifier: Apache-2.0 */
/* vm_end.c: ends and their policies: on_poweroff, on_reboot, on_crash. */
#include "services/init/vm_end.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "lib/runtime.h"
#include "services/init/host_end.h"
#include "services/init/supervisor.h"

/* Start it again if it does not do nothing but end. */
static void restart(struct vm *vm)
{
    uint32_t resets = vm->resets, restarts = 0;
    char last[OPERATOR_TEXT_MAX];
    enum cl_status status;

    if (cl_monotonic_ns() - vm->started_ns < VM_RESTART_WINDOW_NS)
        restarts = vm->restarts + 1;
    memcpy(last, vm->last, sizeof(last));
    vm_release(vm);
    if (host_end_begun())
        return;
    if (restarts > VM_RESTARTS_MAX) {
        vm->state = OPERATOR_STATE_CRASHED;
        vm->outcome = VM_OUTCOME_BAD;
        vm_set_last(vm, "it was started %u times in a row and ended at once each time; the last time: %.100s", restarts,
                    last);
        supervisor_tell("%s: %s", vm->config->name, vm->last);
        return;
    }
    status = vm_start(vm);
    vm->resets = resets + 1;
    vm->restarts = restarts;
    if (status != CL_OK) {
        vm->outcome = VM_OUTCOME_BAD;
        supervisor_tell("%s cannot be started again: %s", vm->config->name, vm->last);
    }
}

/* What the configuration says about an end. A VM that is preserved shows `state`, and keeps its memory if the VMM is
 * there to show it. */
static void act(struct vm *vm, uint32_t action, enum operator_state state, bool vmm_lives)
{
    if (action == CONFIG_RESTART) {
        restart(vm);
        return;
    }
    if (action == CONFIG_DESTROY || !vmm_lives)
        vm_release(vm);
    vm->state = action == CONFIG_PRESERVE ? state : OPERATOR_STATE_OFF;
    vm->shutdown_deadline_ns = 0;
}

static void ended(struct vm *vm, bool as_expected)
{
    vm->outcome = as_expected ? VM_OUTCOME_GOOD : VM_OUTCOME_BAD;
    supervisor_tell("%s: %s", vm->config->name, vm->last);
}

static void powered_off(struct vm *vm)
{
    bool stopping = vm->state == OPERATOR_STATE_STOPPING;

    if (vm->config->debug_exit == CONFIG_NO_VALUE)
        vm_set_last(vm, "the guest switched itself off");
    else
        vm_set_last(vm, "the guest switched itself off instead of writing %" PRIu32 " to the debug-exit port",
                    vm->config->debug_exit);
    ended(vm, vm->config->debug_exit == CONFIG_NO_VALUE);
    act(vm, stopping ? CONFIG_DESTROY : vm->config->on_poweroff, OPERATOR_STATE_OFF, true);
}

static void debug_exited(struct vm *vm, uint32_t value)
{
    uint32_t right = vm->config->debug_exit;

    if (right == value)
        vm_set_last(vm, "the guest ended with debug-exit value %" PRIu32 ", as expected", value);
    else if (right == CONFIG_NO_VALUE)
        vm_set_last(vm, "the guest ended with debug-exit value %" PRIu32 "; none was expected", value);
    else
        vm_set_last(vm, "the guest ended with debug-exit value %" PRIu32 "; %" PRIu32 " was expected", value, right);
    ended(vm, right == value);
    act(vm, vm->config->on_poweroff, OPERATOR_STATE_OFF, true);
}

static void wants_reset(struct vm *vm, const char *reason)
{
    vm_set_last(vm, "the guest reset itself%s%.120s", reason[0] != '\0' ? ": " : "", reason);
    ended(vm, vm->config->debug_exit == CONFIG_NO_VALUE);
    act(vm, vm->config->on_reboot, OPERATOR_STATE_OFF, true);
}

static void panicked(struct vm *vm)
{
    if (vm->state == OPERATOR_STATE_CRASHED)
        return;
    vm_set_last(vm, "the guest says that it has crashed (pvpanic)");
    ended(vm, false);
    if (vm->config->on_crash == CONFIG_PRESERVE)
        (void)!vm_ask(vm, VMM_CONTROL_PAUSE, 0);
    act(vm, vm->config->on_crash, OPERATOR_STATE_CRASHED, true);
}

void vm_end_lost(struct vm *vm, const char *reason)
{
    vm_set_last(vm, "its VMM ended%s%.120s", reason[0] != '\0' ? ": " : "", reason);
    ended(vm, false);
    act(vm, vm->config->on_crash, OPERATOR_STATE_CRASHED, false);
}

void vm_end_report(struct vm *vm, const struct vmm_report *report)
{
    switch (report->request) {
    case MACHINE_RUN:
        if (vm->state == OPERATOR_STATE_STARTING) {
            vm->state = OPERATOR_STATE_RUNNING;
            supervisor_tell("%s runs", vm->config->name);
        }
        break;
    case MACHINE_RESET:
        wants_reset(vm, report->reason);
        break;
    case MACHINE_POWER_OFF:
        powered_off(vm);
        break;
    case MACHINE_DEBUG_EXIT:
        debug_exited(vm, report->value);
        break;
    case MACHINE_PANICKED:
        panicked(vm);
        break;
    case MACHINE_STOPPED:
        vm_end_lost(vm, report->reason);
        break;
    default:
        cl_log("%s: its VMM reports %" PRIu32 ", which means nothing", vm->config->name, report->request);
        break;
    }
}

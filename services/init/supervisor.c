/* SPDX-License-Identifier: Apache-2.0 */
/* supervisor.c: reports of VMMs, deaths of programs, deadlines. */
#include "services/init/supervisor.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "lib/refusal.h"
#include "lib/runtime.h"
#include "lib/syscall.h"
#include "services/init/services.h"
#include "services/protocol/control.h"

#define SECOND_NS UINT64_C(1000000000)
#define SHUTDOWN_NS (30 * SECOND_NS)       /* how long a guest may take to react to its power button */
#define RESTART_WINDOW_NS (30 * SECOND_NS) /* a VM that lives shorter than this ... */
#define RESTARTS_MAX 5u                    /* ... so many times in a row is not started again */
#define ENDED_RECHECK_NS (SECOND_NS / 50)
#define ENDED_RECHECKS 10u

static bool headless;
static bool host_is_ending;
static enum system_operation host_end;
static uint64_t host_deadline_ns;
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
    (void)!link_send(services_console(), OPERATOR_EVENT, 0, &message, sizeof(message));
}

/* ------------------------------------------------------------------------------------------- the end of it all */

static _Noreturn void end_host(const char *last_line, enum system_operation operation)
{
    enum cl_status status;

    for (uint32_t i = 0; i < config.vm_count; i++)
        vm_release(&vms[i]);
    services_last_line(last_line);
    status = cl_system_control(INIT_SLOT_SYSTEM, operation);
    cl_log_refusal(status, "the machine cannot be switched off");
    for (;;)
        (void)!cl_wait(program_init_events(), CL_NEVER, &(uint64_t){ 0 });
}

static bool any_vm_held(void)
{
    for (uint32_t i = 0; i < config.vm_count; i++) {
        if (vms[i].held && vms[i].state != OPERATOR_STATE_OFF)
            return true;
    }
    return false;
}

/* Headless: the run is over when every VM that was started has ended, and a failure ends it at once. */
static void end_headless_run(void)
{
    char line[OPERATOR_TEXT_MAX];
    bool running = false;

    if (!headless || host_is_ending)
        return;
    for (uint32_t i = 0; i < config.vm_count; i++) {
        const struct vm *vm = &vms[i];
        if (!vm->config->autostart && vm->outcome == VM_OUTCOME_NONE)
            continue;
        if (vm->outcome == VM_OUTCOME_BAD) {
            snprintf(line, sizeof(line), "cloison: failed: %s: %.140s", vm->config->name, vm->last);
            end_host(line, SYSTEM_POWER_OFF);
        }
        running = running || vm->outcome != VM_OUTCOME_GOOD;
    }
    if (!running)
        end_host("cloison: stopped", SYSTEM_POWER_OFF);
}

void supervisor_set_headless(void)
{
    headless = true;
}

void supervisor_shut_down_host(enum system_operation operation)
{
    if (host_is_ending)
        return;
    host_is_ending = true;
    host_end = operation;
    host_deadline_ns = cl_monotonic_ns() + SHUTDOWN_NS;
    for (uint32_t i = 0; i < config.vm_count; i++) {
        if (vms[i].held && vms[i].state == OPERATOR_STATE_PAUSED)
            (void)!vm_ask(&vms[i], VMM_CONTROL_RESUME, 0); /* a paused guest cannot react */
        if (vms[i].held && vms[i].state != OPERATOR_STATE_CRASHED && vms[i].state != OPERATOR_STATE_OFF) {
            (void)!vm_ask(&vms[i], VMM_CONTROL_POWER_BUTTON, 0);
            vms[i].state = OPERATOR_STATE_STOPPING;
        }
    }
}

/* ------------------------------------------------------------------------------------------------ ends of VMs */

__attribute__((format(printf, 2, 3))) static void set_last(struct vm *vm, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(vm->last, sizeof(vm->last), format, arguments);
    va_end(arguments);
}

/* Start it again if it does not do nothing but end. */
static void restart(struct vm *vm)
{
    uint32_t resets = vm->resets, restarts = 0;
    char last[OPERATOR_TEXT_MAX];
    enum cl_status status;

    if (cl_monotonic_ns() - vm->started_ns < RESTART_WINDOW_NS)
        restarts = vm->restarts + 1;
    memcpy(last, vm->last, sizeof(last));
    vm_release(vm);
    if (host_is_ending)
        return;
    if (restarts > RESTARTS_MAX) {
        vm->state = OPERATOR_STATE_CRASHED;
        vm->outcome = VM_OUTCOME_BAD;
        set_last(vm, "it was started %u times in a row and ended at once each time; the last time: %.100s", restarts,
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

/* What the configuration says about such an end. `keeps` : there is something left to be looked at. */
static void act(struct vm *vm, uint32_t action, uint32_t state, bool keeps)
{
    switch (action) {
    case CONFIG_RESTART:
        restart(vm);
        return;
    case CONFIG_PRESERVE:
        if (keeps) {
            vm->state = state;
            vm->shutdown_deadline_ns = 0;
            return;
        }
        break;
    default:
        break;
    }
    vm_release(vm);
    vm->state = state;
}

static void powered_off(struct vm *vm)
{
    bool expected = vm->config->debug_exit == CONFIG_NO_VALUE;

    vm->outcome = expected ? VM_OUTCOME_GOOD : VM_OUTCOME_BAD;
    set_last(vm,
             expected ? "the guest switched itself off"
                      : "the guest switched itself off instead of writing %" PRIu32 " to the debug-exit port",
             vm->config->debug_exit);
    supervisor_tell("%s: %s", vm->config->name, vm->last);
    act(vm, vm->state == OPERATOR_STATE_STOPPING ? CONFIG_DESTROY : vm->config->on_poweroff, OPERATOR_STATE_OFF, true);
}

static void debug_exited(struct vm *vm, uint32_t value)
{
    bool expected = vm->config->debug_exit == value;

    vm->outcome = expected ? VM_OUTCOME_GOOD : VM_OUTCOME_BAD;
    if (expected)
        set_last(vm, "the guest ended with debug-exit value %" PRIu32 ", as expected", value);
    else if (vm->config->debug_exit == CONFIG_NO_VALUE)
        set_last(vm, "the guest ended with debug-exit value %" PRIu32 "; none was expected", value);
    else
        set_last(vm, "the guest ended with debug-exit value %" PRIu32 "; %" PRIu32 " was expected", value,
                 vm->config->debug_exit);
    supervisor_tell("%s: %s", vm->config->name, vm->last);
    act(vm, vm->config->on_poweroff, OPERATOR_STATE_OFF, true);
}

static void wants_reset(struct vm *vm, const char *reason)
{
    set_last(vm, "the guest reset itself%s%.120s", reason[0] != '\0' ? ": " : "", reason);
    supervisor_tell("%s: %s", vm->config->name, vm->last);
    if (vm->config->on_reboot == CONFIG_RESTART) {
        restart(vm);
        return;
    }
    vm->outcome = vm->config->debug_exit == CONFIG_NO_VALUE ? VM_OUTCOME_GOOD : VM_OUTCOME_BAD;
    act(vm, vm->config->on_reboot, OPERATOR_STATE_OFF, true);
}

static void panicked(struct vm *vm)
{
    if (vm->state == OPERATOR_STATE_CRASHED)
        return;
    set_last(vm, "the guest says that it has crashed (pvpanic)");
    supervisor_tell("%s: %s", vm->config->name, vm->last);
    vm->outcome = VM_OUTCOME_BAD;
    if (vm->config->on_crash == CONFIG_PRESERVE)
        (void)!vm_ask(vm, VMM_CONTROL_PAUSE, 0);
    act(vm, vm->config->on_crash, OPERATOR_STATE_CRASHED, true);
}

/* The VMM cannot go on, or is dead: nothing is kept that only it could show. */
static void vmm_lost(struct vm *vm, const char *reason)
{
    set_last(vm, "its VMM ended%s%.120s", reason[0] != '\0' ? ": " : "", reason);
    supervisor_tell("%s: %s", vm->config->name, vm->last);
    vm->outcome = VM_OUTCOME_BAD;
    act(vm, vm->config->on_crash, OPERATOR_STATE_CRASHED, false);
}

static void report(struct vm *vm, const struct vmm_report *message)
{
    switch (message->request) {
    case MACHINE_RUN:
        if (vm->state == OPERATOR_STATE_STARTING) {
            vm->state = OPERATOR_STATE_RUNNING;
            supervisor_tell("%s runs", vm->config->name);
        }
        break;
    case MACHINE_RESET:
        wants_reset(vm, message->reason);
        break;
    case MACHINE_POWER_OFF:
        powered_off(vm);
        break;
    case MACHINE_DEBUG_EXIT:
        debug_exited(vm, message->value);
        break;
    case MACHINE_PANICKED:
        panicked(vm);
        break;
    case MACHINE_STOPPED:
        vmm_lost(vm, message->reason);
        break;
    default:
        cl_log("%s: its VMM reports %" PRIu32 ", which means nothing", vm->config->name, message->request);
        break;
    }
}

/* Read what one VMM says, a bounded number of messages. */
static void listen(struct vm *vm)
{
    union {
        struct vmm_report report;
        struct control_statistics statistics;
    } message;
    struct channel_descriptor descriptor;

    for (unsigned i = 0; vm->held && i < CONTROL_RING_ENTRIES; i++) {
        enum cl_status status = link_receive(&vm->control, &descriptor, &message, sizeof(message));
        if (status == CL_CORRUPT) {
            vmm_lost(vm, "it wrote indices into its control channel that cannot be");
            return;
        }
        if (status != CL_OK)
            return;
        if (descriptor.kind == VMM_CONTROL_REPORT && descriptor.length == sizeof(message.report)) {
            struct vmm_report copy = message.report;
            copy.reason[sizeof(copy.reason) - 1] = '\0';
            report(vm, &copy);
        } else if (descriptor.kind == CONTROL_STATISTICS_ARE && descriptor.cookie == vm->statistics_cookie &&
                   descriptor.length == sizeof(message.statistics)) {
            operator_statistics_arrived(vm, &message.statistics);
        }
    }
}

static void look_for_deaths(uint64_t bits)
{
    if (services_console_died(bits))
        services_restart_console();
    if (services_switch_died(bits))
        services_restart_switch();
    for (uint32_t i = 0; i < config.vm_count; i++) {
        bool faulted = (bits & UINT64_C(1) << INIT_EVENT_FAULT_BIT(PROGRAM_INDEX_VM(i))) != 0;
        if (vms[i].held && vms[i].vmm.alive && (faulted || program_has_ended(&vms[i].vmm))) {
            uint64_t started_ns = vms[i].started_ns;
            listen(&vms[i]); /* what it said last, which may have started it again */
            if (vms[i].held && vms[i].started_ns == started_ns && vms[i].state != OPERATOR_STATE_OFF)
                vmm_lost(&vms[i], faulted ? "it faulted" : "");
        }
    }
}

/* --------------------------------------------------------------------------------------------------- the loop */

static void serve_deadlines(uint64_t now_ns)
{
    for (uint32_t i = 0; i < config.vm_count; i++) {
        struct vm *vm = &vms[i];
        if (vm->shutdown_deadline_ns != 0 && now_ns >= vm->shutdown_deadline_ns) {
            vm->shutdown_deadline_ns = 0;
            if (vm->held && vm->state == OPERATOR_STATE_STOPPING) {
                vm->state = OPERATOR_STATE_RUNNING;
                supervisor_tell("%s has not reacted to its power button for %d s: 'destroy %s' pulls the plug, "
                                "'console %s' shows what it does",
                                vm->config->name, (int)(SHUTDOWN_NS / SECOND_NS), vm->config->name, vm->config->name);
            }
        }
    }
    if (host_is_ending && (!any_vm_held() || now_ns >= host_deadline_ns)) {
        for (uint32_t i = 0; i < config.vm_count; i++) {
            if (vms[i].held && vms[i].state == OPERATOR_STATE_STOPPING)
                cl_log("%s did not stop in time: its plug is pulled", vms[i].config->name);
        }
        end_host("cloison: stopped", host_end);
    }
    operator_deadlines(now_ns);
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
    serve_deadlines(now_ns);
    end_headless_run();
}

uint64_t supervisor_next_ns(void)
{
    uint64_t next = operator_next_ns();

    if (rechecks > 0 && recheck_ns < next)
        next = recheck_ns;
    if (host_is_ending && host_deadline_ns < next)
        next = host_deadline_ns;
    for (uint32_t i = 0; i < config.vm_count; i++) {
        if (vms[i].shutdown_deadline_ns != 0 && vms[i].shutdown_deadline_ns < next)
            next = vms[i].shutdown_deadline_ns;
    }
    return next;
}

bool supervisor_arm(void)
{
    bool busy = link_arm(services_console());

    for (uint32_t i = 0; i < config.vm_count; i++) {
        if (vms[i].held && link_arm(&vms[i].control))
            busy = true;
    }
    return busy;
}

static void tell_refusal(struct vm *vm, enum cl_status status, char text[OPERATOR_TEXT_MAX])
{
    snprintf(text, OPERATOR_TEXT_MAX, "%s cannot be started: %.120s", vm->config->name,
             status == CL_STOPPED ? "the machine is shutting down" : vm->last);
}

/* All are prepared before the first one runs. */
void supervisor_autostart(void)
{
    enum cl_status status[CONFIG_VMS_MAX];
    char text[OPERATOR_TEXT_MAX];

    for (uint32_t i = 0; i < config.vm_count; i++)
        status[i] = vms[i].config->autostart ? vm_prepare(&vms[i]) : CL_OK;
    for (uint32_t i = 0; i < config.vm_count; i++) {
        if (!vms[i].config->autostart)
            continue;
        if (status[i] == CL_OK)
            status[i] = vm_go(&vms[i]);
        if (status[i] != CL_OK) {
            vms[i].outcome = VM_OUTCOME_BAD;
            tell_refusal(&vms[i], status[i], text);
            supervisor_tell("%s", text);
        }
    }
}

/* --------------------------------------------------------------------------------------- the operator's wishes */

enum cl_status supervisor_start_vm(struct vm *vm, char text[OPERATOR_TEXT_MAX])
{
    enum cl_status status = host_is_ending ? CL_STOPPED : vm_start(vm);

    if (status == CL_OK) {
        vm->resets = vm->restarts = 0;
        snprintf(text, OPERATOR_TEXT_MAX, "%s is starting", vm->config->name);
    } else if (status == CL_OCCUPIED) {
        snprintf(text, OPERATOR_TEXT_MAX, "%s is not off", vm->config->name);
    } else {
        tell_refusal(vm, status, text);
    }
    return status;
}

static bool is_alive(const struct vm *vm)
{
    return vm->held && (vm->state == OPERATOR_STATE_STARTING || vm->state == OPERATOR_STATE_RUNNING ||
                        vm->state == OPERATOR_STATE_STOPPING);
}

static enum cl_status not_alive(const struct vm *vm, char text[OPERATOR_TEXT_MAX])
{
    snprintf(text, OPERATOR_TEXT_MAX, "%s does not run%s%.120s", vm->config->name, vm->last[0] != '\0' ? ": " : "",
             vm->last);
    return CL_NOT_FOUND;
}

enum cl_status supervisor_shutdown_vm(struct vm *vm, char text[OPERATOR_TEXT_MAX])
{
    if (!is_alive(vm))
        return not_alive(vm, text);
    TRY(vm_ask(vm, VMM_CONTROL_POWER_BUTTON, 0));
    vm->state = OPERATOR_STATE_STOPPING;
    vm->shutdown_deadline_ns = cl_monotonic_ns() + SHUTDOWN_NS;
    snprintf(text, OPERATOR_TEXT_MAX, "%s: power button pressed", vm->config->name);
    return CL_OK;
}

enum cl_status supervisor_reset_vm(struct vm *vm, char text[OPERATOR_TEXT_MAX])
{
    uint32_t resets = vm->resets;
    enum cl_status status;

    if (!vm->held)
        return not_alive(vm, text);
    vm_release(vm);
    status = vm_start(vm);
    vm->resets = resets + 1;
    if (status == CL_OK)
        snprintf(text, OPERATOR_TEXT_MAX, "%s was reset", vm->config->name);
    else
        snprintf(text, OPERATOR_TEXT_MAX, "%s cannot be started again: %.120s", vm->config->name, vm->last);
    return status;
}

enum cl_status supervisor_destroy_vm(struct vm *vm, char text[OPERATOR_TEXT_MAX])
{
    if (!vm->held)
        return not_alive(vm, text);
    vm_release(vm);
    set_last(vm, "the operator pulled the plug");
    vm->outcome = VM_OUTCOME_GOOD;
    snprintf(text, OPERATOR_TEXT_MAX, "%s is off", vm->config->name);
    return CL_OK;
}

enum cl_status supervisor_pause_vm(struct vm *vm, bool pause, char text[OPERATOR_TEXT_MAX])
{
    if (pause ? !is_alive(vm) : !vm->held || vm->state != OPERATOR_STATE_PAUSED) {
        if (pause)
            return not_alive(vm, text);
        snprintf(text, OPERATOR_TEXT_MAX, "%s is not suspended", vm->config->name);
        return CL_NOT_FOUND;
    }
    TRY(vm_ask(vm, pause ? VMM_CONTROL_PAUSE : VMM_CONTROL_RESUME, 0));
    vm->state = pause ? OPERATOR_STATE_PAUSED : OPERATOR_STATE_RUNNING;
    vm->shutdown_deadline_ns = 0;
    snprintf(text, OPERATOR_TEXT_MAX, "%s is %s", vm->config->name, pause ? "suspended" : "running again");
    return CL_OK;
}

enum cl_status supervisor_kill_vmm(struct vm *vm, char text[OPERATOR_TEXT_MAX])
{
    if (!vm->held || !vm->vmm.alive)
        return not_alive(vm, text);
    TRY(cl_domain_stop(vm->vmm.domain));
    snprintf(text, OPERATOR_TEXT_MAX, "the VMM of %s is stopped", vm->config->name);
    vmm_lost(vm, "it was killed");
    return CL_OK;
}

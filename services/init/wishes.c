/* SPDX-License-Identifier: Apache-2.0 */
/* wishes.c: what the operator wants of VMs and services, done or refused with a sentence. */
#include <stdio.h>

#include "lib/log.h"
#include "lib/runtime.h"
#include "lib/syscall.h"
#include "services/init/console.h"
#include "services/init/host_end.h"
#include "services/init/operator.h"
#include "services/init/supervisor.h"
#include "services/init/switch.h"
#include "services/init/vm_end.h"

#define SECOND_NS UINT64_C(1000000000)

static void tell_refusal(struct vm *vm, enum cl_status status, char text[OPERATOR_TEXT_MAX])
{
    snprintf(text, OPERATOR_TEXT_MAX, "%s cannot be started: %.360s", vm->config->name,
             status == CL_STOPPED ? "the machine is shutting down" : vm->last);
}

void wish_autostart(void)
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

static enum cl_status start(struct vm *vm, char text[OPERATOR_TEXT_MAX])
{
    enum cl_status status = host_end_begun() ? CL_STOPPED : vm_start(vm);

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
    if (vm->state == OPERATOR_STATE_PAUSED)
        snprintf(text, OPERATOR_TEXT_MAX, "%s is suspended: 'resume %s' lets it go on", vm->config->name,
                 vm->config->name);
    else
        snprintf(text, OPERATOR_TEXT_MAX, "%s does not run%s%.360s", vm->config->name, vm->last[0] != '\0' ? ": " : "",
                 vm->last);
    return CL_NOT_FOUND;
}

static enum cl_status shut_down(struct vm *vm, char text[OPERATOR_TEXT_MAX])
{
    if (!is_alive(vm))
        return not_alive(vm, text);
    TRY(vm_ask(vm, VMM_CONTROL_POWER_BUTTON, 0));
    vm->state = OPERATOR_STATE_STOPPING;
    vm->shutdown_deadline_ns = cl_monotonic_ns() + WISH_SHUTDOWN_NS;
    snprintf(text, OPERATOR_TEXT_MAX, "%s: power button pressed", vm->config->name);
    return CL_OK;
}

static enum cl_status reset(struct vm *vm, char text[OPERATOR_TEXT_MAX])
{
    uint32_t resets = vm->resets;
    enum cl_status status;

    if (!vm->held)
        return not_alive(vm, text);
    if (host_end_begun()) {
        tell_refusal(vm, CL_STOPPED, text);
        return CL_STOPPED;
    }
    vm_release(vm);
    status = vm_start(vm);
    vm->resets = resets + 1;
    if (status == CL_OK)
        snprintf(text, OPERATOR_TEXT_MAX, "%s was reset", vm->config->name);
    else
        tell_refusal(vm, status, text);
    return status;
}

/* A crash of which nothing is left can be put away, too. */
static enum cl_status destroy(struct vm *vm, char text[OPERATOR_TEXT_MAX])
{
    if (!vm->held && vm->state != OPERATOR_STATE_CRASHED)
        return not_alive(vm, text);
    vm_release(vm);
    vm_set_last(vm, "the operator pulled the plug");
    vm->outcome = VM_OUTCOME_GOOD;
    snprintf(text, OPERATOR_TEXT_MAX, "%s is off", vm->config->name);
    return CL_OK;
}

static enum cl_status suspend(struct vm *vm, char text[OPERATOR_TEXT_MAX])
{
    if (!is_alive(vm))
        return not_alive(vm, text);
    TRY(vm_ask(vm, VMM_CONTROL_PAUSE, 0));
    vm->state = OPERATOR_STATE_PAUSED;
    vm->shutdown_deadline_ns = 0;
    snprintf(text, OPERATOR_TEXT_MAX, "%s is suspended", vm->config->name);
    return CL_OK;
}

static enum cl_status resume(struct vm *vm, char text[OPERATOR_TEXT_MAX])
{
    if (!vm->held || vm->state != OPERATOR_STATE_PAUSED) {
        snprintf(text, OPERATOR_TEXT_MAX, "%s is not suspended", vm->config->name);
        return CL_NOT_FOUND;
    }
    TRY(vm_ask(vm, VMM_CONTROL_RESUME, 0));
    vm->state = OPERATOR_STATE_RUNNING;
    snprintf(text, OPERATOR_TEXT_MAX, "%s is running again", vm->config->name);
    return CL_OK;
}

static enum cl_status kill_vmm(struct vm *vm, char text[OPERATOR_TEXT_MAX])
{
    if (!vm->held || !vm->vmm.alive)
        return not_alive(vm, text);
    TRY(cl_domain_stop(vm->vmm.domain));
    snprintf(text, OPERATOR_TEXT_MAX, "the VMM of %s is stopped", vm->config->name);
    vm_end_lost(vm, "it was killed");
    return CL_OK;
}

enum cl_status wish_about_vm(enum operator_verb verb, struct vm *vm, char text[OPERATOR_TEXT_MAX])
{
    switch (verb) {
    case OPERATOR_START:
        return start(vm, text);
    case OPERATOR_SHUTDOWN:
        return shut_down(vm, text);
    case OPERATOR_RESET:
        return reset(vm, text);
    case OPERATOR_DESTROY:
        return destroy(vm, text);
    case OPERATOR_SUSPEND:
        return suspend(vm, text);
    case OPERATOR_RESUME:
        return resume(vm, text);
    default:
        return kill_vmm(vm, text);
    }
}

enum cl_status wish_kill_service(enum operator_verb verb, char text[OPERATOR_TEXT_MAX])
{
    struct service *service = verb == OPERATOR_KILL_CONSOLE ? console_service() : switch_service();
    enum cl_status status = service_kill(service);

    if (status == CL_OK)
        snprintf(text, OPERATOR_TEXT_MAX, "the %s is stopped", service->name);
    else if (status == CL_NOT_FOUND)
        snprintf(text, OPERATOR_TEXT_MAX, "the %s does not run", service->name);
    return status;
}

void wish_deadlines(uint64_t now_ns)
{
    for (uint32_t i = 0; i < config.vm_count; i++) {
        struct vm *vm = &vms[i];
        if (vm->shutdown_deadline_ns == 0 || now_ns < vm->shutdown_deadline_ns)
            continue;
        vm->shutdown_deadline_ns = 0;
        if (!vm->held || vm->state != OPERATOR_STATE_STOPPING)
            continue;
        vm->state = OPERATOR_STATE_RUNNING;
        supervisor_tell("%s has not reacted to its power button for %d s: 'destroy %s' pulls the plug, 'console %s' "
                        "shows what it does",
                        vm->config->name, (int)(WISH_SHUTDOWN_NS / SECOND_NS), vm->config->name, vm->config->name);
    }
}

uint64_t wish_next_ns(void)
{
    uint64_t next = UINT64_MAX;

    for (uint32_t i = 0; i < config.vm_count; i++) {
        if (vms[i].shutdown_deadline_ns != 0 && vms[i].shutdown_deadline_ns < next)
            next = vms[i].shutdown_deadline_ns;
    }
    return next;
}

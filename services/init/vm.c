/* SPDX-License-Identifier: Apache-2.0 */
/* vm.c: from nothing to a running VM and back. */
#include "services/init/vm.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/refusal.h"
#include "lib/runtime.h"
#include "lib/slots.h"
#include "lib/syscall.h"
#include "services/init/console.h"
#include "services/init/switch.h"

struct config config;
struct vm vms[CONFIG_VMS_MAX];

void vms_begin(void)
{
    for (uint32_t i = 0; i < config.vm_count; i++) {
        vms[i].config = &config.vm[i];
        vms[i].number = i;
        for (uint32_t j = 0; j < CONFIG_NICS_MAX; j++)
            vms[i].port[j] = SWITCH_PORTS_MAX;
    }
}

struct vm *vm_find(const char *name)
{
    for (uint32_t i = 0; i < config.vm_count; i++) {
        if (strcmp(vms[i].config->name, name) == 0)
            return &vms[i];
    }
    return NULL;
}

void vm_set_last(struct vm *vm, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(vm->last, sizeof(vm->last), format, arguments);
    va_end(arguments);
}

static enum cl_status give_control(struct vm *vm)
{
    TRY(program_give(&vm->vmm, VMM_SLOT_CONTROL, program_init_events(), RIGHT_SIGNAL));
    TRY(program_map(&vm->vmm, VMM_REGION_CONTROL, vm->control_cable.memory, 0, vm->control_cable.size_bytes,
                    MAP_READ | MAP_WRITE, NULL));
    return cable_open_here(&vm->control_cable, vm->number, CHANNEL_SIDE_B, vm->events, UINT64_C(1) << VMM_EVENT_CONTROL,
                           &vm->control);
}

static enum cl_status prepare(struct vm *vm)
{
    char *argument = NULL;
    enum cl_status status;

    switch_take_ports(vm);
    TRY(vm_setup_objects(vm));
    TRY(vm_setup_program(vm));
    TRY(give_control(vm));
    TRY(console_give(vm));
    TRY(switch_give(vm));
    TRY(vm_setup_argument(vm, &argument));
    console_attach(vm);
    switch_attach(vm);
    status = program_prepare(&vm->vmm, argument);
    free(argument);
    return status;
}

enum cl_status vm_prepare(struct vm *vm)
{
    enum cl_status status;

    if (vm->held && vm->state != OPERATOR_STATE_OFF && vm->state != OPERATOR_STATE_CRASHED)
        return CL_OCCUPIED;
    vm_release(vm);
    vm->last[0] = '\0';
    vm->outcome = VM_OUTCOME_NONE;
    if ((cl_info()->features & INFO_FEATURE_VIRTUAL_MACHINES) == 0) {
        vm_set_last(vm, "this machine cannot run VMs; the log says what is missing");
        return CL_UNSUPPORTED;
    }
    if (vm->config->local_apic == VCPU_APIC_HARDWARE && (cl_info()->features & INFO_FEATURE_LOCAL_APIC) == 0) {
        vm_set_last(vm,
                    "this processor does not work on a guest's local APIC; local_apic can be \"auto\" or \"software\"");
        return CL_UNSUPPORTED;
    }
    vm->held = true;
    vm->state = OPERATOR_STATE_STARTING;
    vm->started_ns = cl_monotonic_ns();
    vm->shutdown_deadline_ns = 0;
    status = prepare(vm);
    if (status != CL_OK) {
        if (vm->last[0] == '\0')
            vm_set_last(vm, "%s", cl_refusal(status));
        vm_release(vm);
    }
    return status;
}

enum cl_status vm_go(struct vm *vm)
{
    enum cl_status status = cl_thread_start(vm->vmm.thread);

    if (status != CL_OK) {
        vm_set_last(vm, "%s", cl_refusal(status));
        vm_release(vm);
    }
    return status;
}

enum cl_status vm_start(struct vm *vm)
{
    TRY(vm_prepare(vm));
    return vm_go(vm);
}

static void release_slot(uint32_t *slot)
{
    if (*slot != 0 && cl_slot_delete(*slot) != CL_OK)
        cl_slot_free(*slot);
    *slot = 0;
}

/* The VMM stops first; then the services let go of the channels; then the memory goes. */
void vm_release(struct vm *vm)
{
    enum cl_status status;

    vm->state = OPERATOR_STATE_OFF;
    vm->shutdown_deadline_ns = 0;
    vm->awaited_cookie = 0;
    if (!vm->held)
        return;
    vm->held = false;
    program_destroy(&vm->vmm);
    console_detach(vm);
    switch_detach(vm);
    if (vm->control_cable.memory != 0)
        cable_close_here(vm->number, &vm->control);
    if (vm->account != 0) {
        status = cl_object_destroy(vm->account);
        if (status != CL_OK && status != CL_BAD_CAPABILITY)
            cl_log_refusal(status, "%s: destroying what it was", vm->config->name);
    }
    cable_forget(&vm->control_cable);
    cable_forget(&vm->console_cable);
    for (uint32_t i = 0; i < CONFIG_NICS_MAX; i++)
        cable_forget(&vm->nic_cable[i]);
    release_slot(&vm->object);
    release_slot(&vm->capsule);
    release_slot(&vm->ram);
    release_slot(&vm->events);
    release_slot(&vm->account);
}

enum cl_status vm_ask(struct vm *vm, uint32_t kind, uint32_t cookie)
{
    return link_send(&vm->control, kind, cookie, "", 0);
}

uint64_t vm_overhead_bytes(const struct vm *vm, uint64_t *cpu_tsc)
{
    struct account_report own = { 0 }, vmm = { 0 };

    *cpu_tsc = 0;
    if (!vm->held || cl_info_account(vm->account, &own) != CL_OK || cl_info_account(vm->vmm.account, &vmm) != CL_OK)
        return 0;
    *cpu_tsc = own.cpu_tsc + vmm.cpu_tsc;
    uint64_t all = own.memory_used + own.kernel_used + vmm.memory_used + vmm.kernel_used;
    return all > vm->config->memory_bytes ? all - vm->config->memory_bytes : 0;
}

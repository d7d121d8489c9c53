/* SPDX-License-Identifier: Apache-2.0 */
/* syscall_guest.c: VMs and vCPUs. */
#include "kernel/assert.h"
#include "kernel/cpu.h"
#include "kernel/domain.h"
#include "kernel/notification.h"
#include "kernel/string.h"
#include "kernel/syscall.h"
#include "kernel/thread.h"
#include "kernel/vcpu_run.h"
#include "kernel/vm.h"
#include "kernel/x86.h"
#include "kernel/xstate.h"

#define EXTINT_RAISE 256

/* vm_create(new slot, account, notification, bit) data: name */
enum cl_status sys_vm_create(struct call *call)
{
    char name[VM_NAME_MAX];

    TRY(call_name(call, name, sizeof(name)));
    return vm_create(CALL_OBJECT(call, account, 1), name, CALL_OBJECT(call, notification, 2),
                     (unsigned)call->argument[3], CALL_MADE(call, vm));
}

/* vm_policy(vm, kind, first, count) data: entries */
enum cl_status sys_vm_policy(struct call *call)
{
    const void *entries = call->thread->page->data;
    bool is_cpuid = call->argument[1] == VM_POLICY_CPUID;
    size_t size = is_cpuid ? sizeof(struct vm_cpuid_entry) : sizeof(struct vm_msr_entry);

    if (call->argument[3] > THREAD_PAGE_DATA_MAX / size)
        return refuse(CL_BAD_ARGUMENT, "%lu policy entries do not fit the page", call->argument[3]);
    if (is_cpuid)
        return vm_policy_cpuid(CALL_OBJECT(call, vm, 0), call->argument[2], call->argument[3], entries);
    return vm_policy_msr(CALL_OBJECT(call, vm, 0), call->argument[2], call->argument[3], entries);
}

/* vm_doorbell(vm, port, width, notification, bit, add) */
enum cl_status sys_vm_doorbell(struct call *call)
{
    uint16_t port = (uint16_t)call->argument[1];
    unsigned width = (unsigned)call->argument[2];

    if (width != 1 && width != 2 && width != 4)
        return refuse(CL_BAD_ARGUMENT, "a doorbell is 1, 2 or 4 bytes wide, not %u", width);
    if (call->argument[5] == 0)
        return vm_doorbell_remove(CALL_OBJECT(call, vm, 0), port, width);
    TRY(call_lookup(call, 3, OBJECT_NOTIFICATION, RIGHT_SIGNAL));

    return vm_doorbell_add(CALL_OBJECT(call, vm, 0), port, width, CALL_OBJECT(call, notification, 3),
                           (unsigned)call->argument[4]);
}

/* vm_interrupt(vm, address, data) */
enum cl_status sys_vm_interrupt(struct call *call)
{
    struct vlapic_message message;

    if (!vlapic_message_from_msi(call->argument[1], (uint32_t)call->argument[2], &message))
        return refuse(CL_BAD_ARGUMENT, "%lx is no MSI address (fee00000 to feefffff)", call->argument[1]);
    vm_deliver(CALL_OBJECT(call, vm, 0), &message);
    return CL_OK;
}

/* vcpu_create(new slot, vm, account, index, page address, local APIC) */
enum cl_status sys_vcpu_create(struct call *call)
{
    return vcpu_create(CALL_OBJECT(call, vm, 1), CALL_OBJECT(call, account, 2), (uint32_t)call->argument[3],
                       (enum vcpu_apic)call->argument[5], call->domain, call->argument[4], CALL_MADE(call, vcpu));
}

/* vcpu_run(vcpu, notification, completed): vcpu_loop sets the result */
enum cl_status sys_vcpu_run(struct call *call)
{
    TRY(vcpu_run_begin(call->thread, CALL_OBJECT(call, vcpu, 0), CALL_OBJECT(call, notification, 1),
                       call->argument[2]));
    call->asleep = true;
    return CL_OK;
}

/* XSAVE components go through the thread page; what is in the registers goes home first. */
static enum cl_status access_xstate(struct call *call, struct vcpu *vcpu, bool set)
{
    uint64_t size;

    if (this_cpu()->xstate == vcpu->xstate)
        xstate_switch(this_cpu(), NULL, xstate_mask);
    TRY(xstate_component(vcpu->xstate, call->argument[2], call->thread->page->data, set, &size));
    call->value = set ? 0 : size;
    return CL_OK;
}

static enum cl_status access_lapic(struct call *call, struct vcpu *vcpu, bool set)
{
    struct vlapic_state lapic;

    if (set) {
        memcpy(&lapic, call->thread->page->data, sizeof(lapic));
        return vlapic_state_set(&vcpu->lapic, &lapic);
    }
    vlapic_state_get(&vcpu->lapic, &lapic);
    memcpy(call->thread->page->data, &lapic, sizeof(lapic));
    return CL_OK;
}

/* vcpu_state_get(vcpu, what, part), vcpu_state_set: register groups through the vCPU page. The vCPU is held. */
static enum cl_status access_state(struct call *call, struct vcpu *vcpu, bool set)
{
    uint64_t what = call->argument[1];

    if (what == VCPU_STATE_LAPIC)
        return access_lapic(call, vcpu, set);
    if (what == VCPU_STATE_XSAVE)
        return access_xstate(call, vcpu, set);
    if (what == 0 || ((what & ~(uint64_t)VCPU_GROUP_ALL) != 0 && (set || what != VCPU_STATE_AUDIT)))
        return refuse(CL_BAD_ARGUMENT, "vCPU state %lx: groups 1 to %x, or one of VCPU_STATE_*", what, VCPU_GROUP_ALL);
    if (set)
        return vcpu_set_groups(vcpu, (uint32_t)what);
    if (vcpu->broken)
        return refuse(CL_STOPPED, "the CPU refused this vCPU's state: nothing of it is left");
    if (what == VCPU_STATE_AUDIT) {
        call->value = vcpu_audit(vcpu);
        return CL_OK;
    }
    virt->vcpu_get(vcpu, (uint32_t)what);
    vcpu->page->event.activity = (uint8_t)vcpu->activity;
    return CL_OK;
}

/* vcpu_apic(vcpu, offset, value, write). The vCPU is held. */
static enum cl_status access_apic(struct call *call, struct vcpu *vcpu)
{
    struct vlapic_access access = { .write = call->argument[3] != 0,
                                    .value = call->argument[2],
                                    .now = x86_rdtsc() + vcpu->tsc_offset };

    if (!vlapic_mmio(&vcpu->lapic, (uint32_t)call->argument[1], &access))
        return refuse(CL_NOT_FOUND, "the local APIC does not answer at its page: disabled or in x2APIC mode");
    vcpu_apic_accessed(vcpu, &access);
    call->value = access.write ? 0 : access.value;
    return CL_OK;
}

/* vcpu_extint(vcpu, vector). The vCPU is held. */
static enum cl_status inject_extint(struct call *call, struct vcpu *vcpu)
{
    if (vcpu->deferred_type != VCPU_EVENT_NONE || !virt->vcpu_interruptible(vcpu, false))
        return refuse(CL_BUSY, "the guest cannot take an interrupt now: wait for VCPU_EXIT_EXTINT");
    virt->vcpu_inject(vcpu, VCPU_EVENT_INTERRUPT, (uint8_t)call->argument[1], false, 0);
    return CL_OK;
}

/* vcpu_state_get, vcpu_state_set, vcpu_apic, vcpu_extint: calls that need the vCPU to themselves. */
enum cl_status sys_vcpu_held(struct call *call)
{
    struct vcpu *vcpu = CALL_OBJECT(call, vcpu, 0);
    enum cl_status status;

    TRY(vcpu_hold(vcpu, call->thread));
    if (call->number == SYS_VCPU_APIC)
        status = access_apic(call, vcpu);
    else if (call->number == SYS_VCPU_EXTINT)
        status = inject_extint(call, vcpu);
    else
        status = access_state(call, vcpu, call->number == SYS_VCPU_STATE_SET);
    vcpu_release(vcpu);
    return status;
}

/* The 8259's output on LINT0, and LINT1: whoever runs the vCPU looks at the line itself. */
static enum cl_status set_line(struct vcpu *vcpu, unsigned pin, bool level)
{
    if (vlapic_lint(&vcpu->lapic, pin, level) != VLAPIC_NOTHING || level)
        vcpu_signal(vcpu, 0);
    return CL_OK;
}

/* vcpu_extint(vcpu, vector, or the line's level) */
enum cl_status sys_vcpu_extint(struct call *call)
{
    if (call->argument[1] >= EXTINT_RAISE)
        return set_line(CALL_OBJECT(call, vcpu, 0), 0, call->argument[1] == EXTINT_RAISE);
    return sys_vcpu_held(call);
}

/* vcpu_lint(vcpu, pin, level) */
enum cl_status sys_vcpu_lint(struct call *call)
{
    return set_line(CALL_OBJECT(call, vcpu, 0), (unsigned)call->argument[1], call->argument[2] != 0);
}

/* vcpu_kick(vcpu) */
enum cl_status sys_vcpu_kick(struct call *call)
{
    struct vcpu *vcpu = CALL_OBJECT(call, vcpu, 0);

    vcpu_signal(vcpu, VCPU_SIGNAL_KICK);
    return CL_OK;
}

/* vm_eoi_read(vm, word) */
enum cl_status sys_vm_eoi_read(struct call *call)
{
    call->value = __atomic_exchange_n(&CALL_OBJECT(call, vm, 0)->eoi[call->argument[1]], 0, __ATOMIC_ACQ_REL);
    return CL_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* syscall_guest.c: VMs and vCPUs. */
#include "kernel/account_object.h"
#include "kernel/assert.h"
#include "kernel/cpu.h"
#include "kernel/domain.h"
#include "kernel/notification.h"
#include "kernel/string.h"
#include "kernel/syscall.h"
#include "kernel/system.h"
#include "kernel/thread.h"
#include "kernel/vcpu_run.h"
#include "kernel/vm.h"
#include "kernel/x86.h"
#include "kernel/xstate.h"

#define EXTINT_RAISE 256
#define EXTINT_LOWER 257

/* vm_create(new slot, account, notification, bit) data: name */
static enum cl_status sys_vm_create(struct call *call)
{
    struct notification *events;
    struct account *account;
    char name[VM_NAME_MAX];
    struct vm *vm;

    TRY(call_name(call, name, sizeof(name)));
    TRY(cap_check_free(call->domain, call->a));
    TRY(cap_lookup(call->domain, call->b, OBJECT_ACCOUNT, RIGHT_CHARGE, &account));
    TRY(cap_lookup(call->domain, call->c, OBJECT_NOTIFICATION, RIGHT_SIGNAL, &events));
    if (call->d >= NOTIFICATION_BITS)
        return refuse(CL_BAD_ARGUMENT, "event bit %lu: a notification has bits 0 to 63", call->d);

    TRY(vm_create(account, name, events, (unsigned)call->d, &vm));
    cap_insert(call->domain, call->a, &vm->object, RIGHT_ALL);
    return CL_OK;
}

/* vm_policy(vm, kind, first, count) data: entries */
static enum cl_status sys_vm_policy(struct call *call)
{
    const void *entries = call->thread->page->data;
    struct vm *vm;

    TRY(cap_lookup(call->domain, call->a, OBJECT_VM, RIGHT_CONFIGURE, &vm));
    if (call->b == VM_POLICY_CPUID && call->d <= THREAD_PAGE_DATA_MAX / sizeof(struct vm_cpuid_entry))
        return vm_policy_cpuid(vm, call->c, call->d, entries);
    if (call->b == VM_POLICY_MSR && call->d <= THREAD_PAGE_DATA_MAX / sizeof(struct vm_msr_entry))
        return vm_policy_msr(vm, call->c, call->d, entries);
    return refuse(CL_BAD_ARGUMENT, "vm_policy has no kind %lu, or %lu entries do not fit the page", call->b, call->d);
}

/* vm_doorbell(vm, port, width, notification, bit, add) */
static enum cl_status sys_vm_doorbell(struct call *call)
{
    struct notification *target;
    struct vm *vm;

    TRY(cap_lookup(call->domain, call->a, OBJECT_VM, RIGHT_CONFIGURE, &vm));
    if (call->b > UINT16_MAX || (call->c != 1 && call->c != 2 && call->c != 4))
        return refuse(CL_BAD_ARGUMENT, "doorbell at port %lx of %lu bytes: 0 to ffff, 1, 2 or 4", call->b, call->c);
    if (call->f == 0)
        return vm_doorbell_remove(vm, (uint16_t)call->b, (unsigned)call->c);
    TRY(cap_lookup(call->domain, call->d, OBJECT_NOTIFICATION, RIGHT_SIGNAL, &target));
    if (call->e >= NOTIFICATION_BITS)
        return refuse(CL_BAD_ARGUMENT, "doorbell bit %lu: a notification has bits 0 to 63", call->e);

    return vm_doorbell_add(vm, (uint16_t)call->b, (unsigned)call->c, target, (unsigned)call->e);
}

/* vm_interrupt(vm, address, data) */
static enum cl_status sys_vm_interrupt(struct call *call)
{
    struct vlapic_message message;
    struct vm *vm;

    TRY(cap_lookup(call->domain, call->a, OBJECT_VM, RIGHT_SIGNAL, &vm));
    if (!vlapic_message_from_msi(call->b, (uint32_t)call->c, &message))
        return refuse(CL_BAD_ARGUMENT, "%lx is no MSI address (fee00000 to feefffff)", call->b);
    vm_deliver(vm, &message);
    return CL_OK;
}

/* vcpu_create(new slot, vm, account, index, page address) */
static enum cl_status sys_vcpu_create(struct call *call)
{
    struct account *account;
    struct vcpu *vcpu;
    struct vm *vm;

    TRY(cap_check_free(call->domain, call->a));
    TRY(cap_lookup(call->domain, call->b, OBJECT_VM, RIGHT_CONFIGURE, &vm));
    TRY(cap_lookup(call->domain, call->c, OBJECT_ACCOUNT, RIGHT_CHARGE, &account));
    if (call->d > UINT32_MAX)
        return refuse(CL_LIMIT, "vCPU %lu: a VM has vCPUs 0 to %u", call->d, VM_VCPUS_MAX - 1);

    TRY(vcpu_create(vm, account, (uint32_t)call->d, call->domain, call->e, &vcpu));
    cap_insert(call->domain, call->a, &vcpu->object, RIGHT_ALL);
    return CL_OK;
}

/* vcpu_run(vcpu, notification, completed) */
static enum cl_status sys_vcpu_run(struct call *call)
{
    struct notification *notification;
    struct vcpu *vcpu;

    TRY(cap_lookup(call->domain, call->a, OBJECT_VCPU, RIGHT_EXECUTE, &vcpu));
    TRY(cap_lookup(call->domain, call->b, OBJECT_NOTIFICATION, RIGHT_WAIT, &notification));
    TRY(vcpu_run_begin(call->thread, vcpu, notification, call->c));
    call->asleep = true; /* vcpu_loop sets the result */
    return CL_OK;
}

static enum cl_status sys_vcpu_kick(struct call *call)
{
    struct vcpu *vcpu;

    TRY(cap_lookup(call->domain, call->a, OBJECT_VCPU, RIGHT_SIGNAL, &vcpu));
    __atomic_fetch_or(&vcpu->signals, VCPU_SIGNAL_KICK, __ATOMIC_SEQ_CST);
    vcpu_poke(vcpu);
    return CL_OK;
}

/* Registers through the vCPU page, local APIC through the thread page. The vCPU is held. */
static enum cl_status access_state(struct call *call, struct vcpu *vcpu, bool set)
{
    struct vlapic_state lapic;

    if (vcpu->cpu != VCPU_NOWHERE && vcpu->cpu != this_cpu()->index)
        return refuse(CL_BUSY, "the vCPU is still loaded on CPU %u", vcpu->cpu);
    if (call->b == VCPU_STATE_LAPIC && set) {
        memcpy(&lapic, call->thread->page->data, sizeof(lapic));
        return vlapic_state_set(&vcpu->lapic, &lapic);
    }
    if (call->b == VCPU_STATE_LAPIC) {
        vlapic_state_get(&vcpu->lapic, &lapic);
        memcpy(call->thread->page->data, &lapic, sizeof(lapic));
        return CL_OK;
    }
    if (call->b == VCPU_STATE_XSAVE) {
        if (this_cpu()->xstate == vcpu->xstate)
            xstate_switch(this_cpu(), NULL, xstate_mask);
        return set ? xstate_component_set(vcpu->xstate, call->c, call->thread->page->data)
                   : xstate_component_get(vcpu->xstate, call->c, call->thread->page->data, &call->value);
    }
    if (call->b == 0 || (call->b & ~(uint64_t)VCPU_GROUP_ALL) != 0)
        return refuse(CL_BAD_ARGUMENT, "vCPU state %lx: groups 1 to %x, or one of VCPU_STATE_*", call->b,
                      VCPU_GROUP_ALL);
    if (set) {
        return vcpu_set_groups(vcpu, (uint32_t)call->b);
    }
    virt->vcpu_get(vcpu, (uint32_t)call->b);
    vcpu->page->event.activity = (uint8_t)vcpu->activity;
    return CL_OK;
}

static enum cl_status sys_vcpu_state(struct call *call, bool set)
{
    enum cl_status status;
    struct vcpu *vcpu;

    TRY(cap_lookup(call->domain, call->a, OBJECT_VCPU, set ? RIGHT_WRITE : RIGHT_READ, &vcpu));
    TRY(vcpu_hold(vcpu, call->thread));
    status = access_state(call, vcpu, set);
    vcpu_release(vcpu);
    return status;
}

/* vcpu_apic(vcpu, offset, value, write) */
static enum cl_status sys_vcpu_apic(struct call *call)
{
    struct vlapic_effect effect = { 0 };
    struct vcpu *vcpu;
    uint32_t value = 0;
    bool answered;

    TRY(cap_lookup(call->domain, call->a, OBJECT_VCPU, RIGHT_WRITE, &vcpu));
    if (call->b >= PAGE_SIZE)
        return refuse(CL_BAD_ARGUMENT, "APIC offset %lx: 0 to fff", call->b);
    TRY(vcpu_hold(vcpu, call->thread));
    uint64_t now = x86_rdtsc() + vcpu->tsc_offset;
    if (call->d != 0)
        answered = vlapic_mmio_write(&vcpu->lapic, (uint32_t)call->b, (uint32_t)call->c, now, &effect);
    else
        answered = vlapic_mmio_read(&vcpu->lapic, (uint32_t)call->b, now, &value);
    vcpu_apic_effect(vcpu, &effect);
    vcpu_release(vcpu);
    call->value = value;
    return answered ? CL_OK
                    : refuse(CL_NOT_FOUND, "the local APIC does not answer at its page: disabled or in x2APIC mode");
}

/* vcpu_extint(vcpu, vector, or raise or lower the line) */
static enum cl_status sys_vcpu_extint(struct call *call)
{
    enum cl_status status = CL_OK;
    struct vcpu *vcpu;

    TRY(cap_lookup(call->domain, call->a, OBJECT_VCPU, RIGHT_SIGNAL, &vcpu));
    if (call->b > EXTINT_LOWER)
        return refuse(CL_BAD_ARGUMENT, "ExtINT %lu: a vector, %u to raise the line, %u to lower it", call->b,
                      EXTINT_RAISE, EXTINT_LOWER);
    if (call->b >= EXTINT_RAISE) {
        if (vlapic_lint(&vcpu->lapic, 0, call->b == EXTINT_RAISE) != VLAPIC_NOTHING || call->b == EXTINT_RAISE)
            vcpu_poke(vcpu);
        return CL_OK;
    }
    TRY(vcpu_hold(vcpu, call->thread));
    if (virt->vcpu_interruptible(vcpu, false))
        virt->vcpu_inject(vcpu, VCPU_EVENT_INTERRUPT, (uint8_t)call->b, false, 0);
    else
        status = refuse(CL_BUSY, "the guest cannot take an interrupt now: wait for VCPU_EXIT_EXTINT");
    vcpu_release(vcpu);
    return status;
}

/* vcpu_lint(vcpu, pin, level) */
static enum cl_status sys_vcpu_lint(struct call *call)
{
    struct vcpu *vcpu;

    TRY(cap_lookup(call->domain, call->a, OBJECT_VCPU, RIGHT_SIGNAL, &vcpu));
    if (call->b > 1)
        return refuse(CL_BAD_ARGUMENT, "LINT pin %lu: 0 or 1", call->b);
    if (vlapic_lint(&vcpu->lapic, (unsigned)call->b, call->c != 0) != VLAPIC_NOTHING)
        vcpu_poke(vcpu);
    return CL_OK;
}

/* vm_eoi_read(vm, word) */
static enum cl_status sys_vm_eoi_read(struct call *call)
{
    struct vm *vm;

    TRY(cap_lookup(call->domain, call->a, OBJECT_VM, RIGHT_SIGNAL, &vm));
    if (call->b >= ARRAY_SIZE(vm->eoi))
        return refuse(CL_BAD_ARGUMENT, "EOI word %lu: 0 to 3", call->b);
    call->value = __atomic_exchange_n(&vm->eoi[call->b], 0, __ATOMIC_ACQ_REL);
    return CL_OK;
}

static enum cl_status under_structure_lock(struct call *call, enum syscall_number number)
{
    switch (number) {
    case SYS_VM_CREATE:
        return sys_vm_create(call);
    case SYS_VM_POLICY:
        return sys_vm_policy(call);
    case SYS_VM_DOORBELL:
        return sys_vm_doorbell(call);
    default:
        return sys_vcpu_create(call);
    }
}

enum cl_status syscall_guest(struct call *call, enum syscall_number number)
{
    enum cl_status status;

    switch (number) {
    case SYS_VCPU_RUN:
        return sys_vcpu_run(call);
    case SYS_VM_INTERRUPT:
        return sys_vm_interrupt(call);
    case SYS_VCPU_KICK:
        return sys_vcpu_kick(call);
    case SYS_VCPU_STATE_GET:
        return sys_vcpu_state(call, false);
    case SYS_VCPU_STATE_SET:
        return sys_vcpu_state(call, true);
    case SYS_VCPU_APIC:
        return sys_vcpu_apic(call);
    case SYS_VCPU_EXTINT:
        return sys_vcpu_extint(call);
    case SYS_VCPU_LINT:
        return sys_vcpu_lint(call);
    case SYS_VM_EOI_READ:
        return sys_vm_eoi_read(call);
    default:
        lock_acquire(&structure_lock);
        status = under_structure_lock(call, number);
        lock_release(&structure_lock);
        return status;
    }
}

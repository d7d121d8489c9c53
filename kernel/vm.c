/* SPDX-License-Identifier: Apache-2.0 */
/* vm.c: virtual machines: policy tables, doorbells, interrupt messages. */
#include "kernel/vm.h"

#include "kernel/assert.h"
#include "kernel/notification.h"
#include "kernel/string.h"
#include "kernel/system.h"
#include "kernel/vcpu_run.h"
#include "kernel/virt.h"
#include "kernel/vlapic.h"
#include "kernel/x86.h"

#define TABLE_PIECE 32

enum cl_status vm_create(struct account *account, const char *name, struct notification *events, unsigned bit,
                         struct vm **created)
{
    struct vm *vm;

    if (virt == NULL)
        return refuse(CL_UNSUPPORTED, "this machine or build cannot run VMs: the boot log says why");
    vm = *created = object_create(account, OBJECT_VM);
    if (vm == NULL)
        return CL_NO_MEMORY;
    memcpy(vm->name, name, VM_NAME_MAX - 1);
    vm->events = events;
    vm->events_bit = bit;
    vm->tsc_offset = 0 - x86_rdtsc(); /* a guest's TSC begins at zero */
    object_reference(&events->object);
    memset(vm->cpuid_first, VM_CPUID_NONE, sizeof(vm->cpuid_first));
    TRY(pt_create(&vm->space.pt, virt->nested_format, account));
    return virt->vm_create(vm, account);
}

enum cl_status vm_destroy(struct object *object)
{
    struct vm *vm = (struct vm *)object;

    for (unsigned i = 0; i < VM_VCPUS_MAX; i++) {
        if (vm->vcpu[i] != NULL) {
            TRY(object_destroy(&vm->vcpu[i]->object));
            return CL_IN_PROGRESS;
        }
    }
    for (const struct vm_doorbell *doorbell = vm->doorbell; doorbell < vm->doorbell + VM_DOORBELLS_MAX; doorbell++) {
        if (doorbell->target != NULL)
            TRY(vm_doorbell_remove(vm, doorbell->port, doorbell->width_bytes));
    }
    return space_unmap_all(&vm->space);
}

bool vm_free(struct object *object)
{
    struct vm *vm = (struct vm *)object;

    if (!pt_destroy(&vm->space.pt, TABLE_PIECE))
        return false;
    if (vm->virt != NULL)
        virt->vm_destroy(vm, object->account);
    object_drop(&vm->events->object);
    return true;
}

/* Leaves with bits that follow from the vCPU's own state: features, topology, XSAVE. */
static bool is_live_leaf(uint32_t leaf)
{
    return leaf == 0x1 || leaf == 0xb || leaf == 0xd || leaf == 0x1f || leaf == 0x8000001e;
}

static enum cl_status check_policy(const struct vm *vm, uint64_t first, uint64_t count, uint64_t have, uint64_t max)
{
    if (vm->vcpu_count != 0)
        return refuse(CL_BUSY, "a VM's policy is fixed once it has a vCPU");
    if (first != have || count == 0 || count > max - first)
        return refuse(CL_BAD_ARGUMENT, "policy entries %lu + %lu: the next one is %lu, the last %lu", first, count,
                      have, max - 1);
    return CL_OK;
}

static bool is_behind(const struct vm_cpuid_entry *entry, const struct vm_cpuid_entry *before)
{
    return before->leaf < entry->leaf || (before->leaf == entry->leaf && before->subleaf < entry->subleaf);
}

enum cl_status vm_policy_cpuid(struct vm *vm, uint64_t first, uint64_t count, const struct vm_cpuid_entry *entries)
{
    TRY(check_policy(vm, first, count, vm->cpuid_count, VM_CPUID_MAX));
    memcpy(&vm->cpuid[first], entries, count * sizeof(*entries));
    for (uint64_t i = first == 0 ? 1 : first; i < first + count; i++) {
        if (!is_behind(&vm->cpuid[i], &vm->cpuid[i - 1]))
            return refuse(CL_BAD_ARGUMENT, "CPUID policy entry %lu (leaf %x) is not in ascending order", i,
                          vm->cpuid[i].leaf);
    }
    for (uint64_t i = first; i < first + count; i++) {
        struct vm_cpuid_entry *entry = &vm->cpuid[i];
        uint8_t *first_alike = &vm->cpuid_first[vm_leaf_class(entry->leaf)][entry->leaf % VM_CPUID_SPREAD];
        if (*first_alike == VM_CPUID_NONE)
            *first_alike = (uint8_t)i;
        entry->flags = (entry->flags & VM_CPUID_SUBLEAF) | (is_live_leaf(entry->leaf) ? VM_CPUID_LIVE : 0);
    }
    vm->cpuid_count = (uint32_t)(first + count);
    return CL_OK;
}

enum cl_status vm_policy_msr(struct vm *vm, uint64_t first, uint64_t count, const struct vm_msr_entry *entries)
{
    TRY(check_policy(vm, first, count, vm->msr_count, VM_MSR_MAX));
    memcpy(&vm->msr[first], entries, count * sizeof(*entries));
    for (uint64_t i = first; i < first + count; i++) {
        if (i > 0 && vm->msr[i - 1].index >= vm->msr[i].index)
            return refuse(CL_BAD_ARGUMENT, "MSR policy entry %lu (%x) is not in ascending order", i, vm->msr[i].index);
        if (vm->msr[i].action > VM_MSR_WRITE_IGNORED)
            return refuse(CL_BAD_ARGUMENT, "MSR policy entry %lu: no action %u", i, vm->msr[i].action);
    }
    vm->msr_count = (uint32_t)(first + count);
    return CL_OK;
}

const struct vm_msr_entry *vm_msr_find(const struct vm *vm, uint32_t index)
{
    for (uint32_t i = 0; i < vm->msr_count; i++) {
        if (vm->msr[i].index == index)
            return &vm->msr[i];
    }
    return NULL;
}

static void accept(struct vcpu *vcpu, const struct vlapic_message *message)
{
    enum vlapic_accepted accepted = vlapic_accept(&vcpu->lapic, message);

    if (accepted == VLAPIC_ACCEPTED_SIPI) { /* a second one wins */
        __atomic_fetch_and(&vcpu->signals, ~UINT32_C(0xff), __ATOMIC_RELAXED);
        vcpu_signal(vcpu, VCPU_SIGNAL_SIPI | message->vector);
    } else if (accepted != VLAPIC_NOTHING) {
        vcpu_signal(vcpu, accepted == VLAPIC_ACCEPTED_INIT ? VCPU_SIGNAL_INIT : 0);
    }
}

void vm_deliver(struct vm *vm, const struct vlapic_message *message)
{
    struct vcpu *lowest = NULL;
    uint32_t lowest_priority = UINT32_MAX;

    for (unsigned i = 0, seen = 0; i < VM_VCPUS_MAX && seen < vm->vcpu_count; i++) {
        struct vcpu *vcpu = __atomic_load_n(&vm->vcpu[i], __ATOMIC_ACQUIRE);
        if (vcpu == NULL)
            continue;
        seen++;
        if (!vlapic_matches(&vcpu->lapic, message))
            continue;
        if (message->delivery != VLAPIC_LOWEST_PRIORITY) {
            accept(vcpu, message);
        } else if (vlapic_priority(&vcpu->lapic) < lowest_priority) {
            lowest = vcpu;
            lowest_priority = vlapic_priority(&vcpu->lapic);
        }
    }
    if (lowest != NULL)
        accept(lowest, message);
}

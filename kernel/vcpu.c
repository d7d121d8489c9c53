/* SPDX-License-Identifier: Apache-2.0 */
/* vcpu.c: the life of a vCPU as a kernel object. */
#include "kernel/assert.h"
#include "kernel/cpu.h"
#include "kernel/domain.h"
#include "kernel/pool.h"
#include "kernel/system.h"
#include "kernel/thread.h"
#include "kernel/vcpu_run.h"
#include "kernel/vm.h"
#include "kernel/x86.h"
#include "kernel/xstate.h"

#define XCR0_RESET 1 /* x87 */

enum cl_status vcpu_create(struct vm *vm, struct account *account, uint32_t index, enum vcpu_apic apic,
                           struct domain *domain, uint64_t page_address, struct vcpu **created)
{
    bool hardware = apic == VCPU_APIC_HARDWARE || (apic == VCPU_APIC_AUTO && vlapic_hardware_auto);
    struct vcpu *vcpu;

    if (hardware && !vlapic_hardware)
        return refuse(CL_UNSUPPORTED, "this processor does not work on the local APICs of guests");
    if (index >= VM_VCPUS_MAX)
        return refuse(CL_LIMIT, "vCPU %u: a VM has vCPUs 0 to %u", index, VM_VCPUS_MAX - 1);
    if (vm->vcpu[index] != NULL)
        return refuse(CL_OCCUPIED, "vCPU %u exists already", index);
    vcpu = *created = object_create(account, OBJECT_VCPU);
    if (vcpu == NULL)
        return CL_NO_MEMORY;
    vcpu->vm = vm;
    object_reference(&vm->object);
    vcpu->page_domain = domain;
    object_reference(&domain->object);
    vcpu->index = index;
    vcpu->cpu = VCPU_NOWHERE;
    vcpu->xcr0 = XCR0_RESET;
    vcpu->tsc_offset = vm->tsc_offset;
    vcpu->activity = index == 0 ? VCPU_RUNNING : VCPU_WAIT_FOR_SIPI;
    vcpu->page = pool_take(account, PAGE_SIZE);
    vcpu->xstate = xstate_create(account);
    vcpu->lapic.reg = pool_take(account, PAGE_SIZE);
    if (vcpu->page == NULL || vcpu->xstate == NULL || vcpu->lapic.reg == NULL)
        return CL_NO_MEMORY;
    vlapic_init(&vcpu->lapic, vcpu->lapic.reg, index, hardware);
    TRY(virt->vcpu_create(vcpu, account));
    TRY(space_map_kernel_page(&domain->space, vcpu->page, page_address, PT_READ | PT_WRITE));
    vcpu->page_address = page_address;
    vm->vcpu[index] = vcpu;
    vm->vcpu_count++;
    return CL_OK;
}

enum cl_status vcpu_hold(struct vcpu *vcpu, struct thread *thread)
{
    struct thread *nobody = NULL;

    if (!__atomic_compare_exchange_n(&vcpu->runner, &nobody, thread, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        return refuse(CL_BUSY, "another thread runs this vCPU");
    if (vcpu->cpu == VCPU_NOWHERE || vcpu->cpu == this_cpu()->index)
        return CL_OK;
    vcpu_release(vcpu);
    return refuse(CL_BUSY, "the vCPU is still loaded on CPU %u", vcpu->cpu);
}

void vcpu_release(struct vcpu *vcpu)
{
    __atomic_store_n(&vcpu->runner, NULL, __ATOMIC_RELEASE);
}

void vcpu_signal(struct vcpu *vcpu, uint32_t signals)
{
    __atomic_fetch_or(&vcpu->signals, signals, __ATOMIC_SEQ_CST);
    struct thread *runner = __atomic_load_n(&vcpu->runner, __ATOMIC_ACQUIRE);
    if (runner != NULL)
        thread_poke(runner);
}

void vcpu_unload(struct cpu *cpu)
{
    if (cpu->vcpu == NULL)
        return;
    if (cpu->xstate == cpu->vcpu->xstate) /* still in the registers: from here on others may load or free it */
        xstate_switch(cpu, NULL, xstate_mask);
    virt->vcpu_unload(cpu->vcpu);
    __atomic_store_n(&cpu->vcpu->cpu, VCPU_NOWHERE, __ATOMIC_RELEASE);
    cpu->vcpu = NULL;
}

/* The page first: it may be mapped in a domain that lives on. */
enum cl_status vcpu_destroy(struct object *object)
{
    struct vcpu *vcpu = (struct vcpu *)object;
    uint32_t where = __atomic_load_n(&vcpu->cpu, __ATOMIC_ACQUIRE);
    struct thread *runner = __atomic_load_n(&vcpu->runner, __ATOMIC_ACQUIRE);

    if (runner != NULL) {
        vcpu_signal(vcpu, VCPU_SIGNAL_KICK);
        if (READ_ONCE(runner->stop) || READ_ONCE(runner->domain->stopped))
            (void)thread_stop(runner); /* it will never come back to give the vCPU up itself */
        return CL_IN_PROGRESS;
    }
    if (where != VCPU_NOWHERE) {
        if (&cpus[where] == this_cpu())
            vcpu_unload(this_cpu());
        else
            cpu_attention(&cpus[where], ATTENTION_UNLOAD);
        return CL_IN_PROGRESS;
    }
    TRY(space_unmap_kernel_page(&vcpu->page_domain->space, vcpu->page, vcpu->page_address));
    if (vcpu->vm->vcpu[vcpu->index] == vcpu) {
        vcpu->vm->vcpu[vcpu->index] = NULL;
        vcpu->vm->vcpu_count--;
    }
    return CL_OK;
}

bool vcpu_free(struct object *object)
{
    struct vcpu *vcpu = (struct vcpu *)object;

    if (vcpu->virt != NULL)
        virt->vcpu_destroy(vcpu, object->account);
    pool_give(object->account, vcpu->page);
    pool_give(object->account, vcpu->xstate);
    pool_give(object->account, vcpu->lapic.reg);
    object_drop(&vcpu->page_domain->object);
    object_drop(&vcpu->vm->object);
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* vcpu.c: the life of a vCPU's control block: made, loaded on a CPU, entered, put away. */
#include "kernel/assert.h"
#include "kernel/cpu.h"
#include "kernel/pool.h"
#include "svm/svm.h"

static void control_reset(struct vcpu *vcpu, struct vmcb_control *control)
{
    *control = svm_reset_control;
    if (svm_host.has_rdpru)
        control->intercept_2 |= INTERCEPT_RDPRU;
    if (svm_host.features & SVM_FEATURE_PAUSE_FILTER) {
        control->intercept_1 |= INTERCEPT_PAUSE;
        control->pause_count = PAUSE_COUNT;
        if (svm_host.features & SVM_FEATURE_PAUSE_THRESHOLD)
            control->pause_threshold = PAUSE_THRESHOLD;
    }
    if (svm_host.is_tcg)
        control->intercept_dr_read = control->intercept_dr_write = INTERCEPT_DR7;
    control->iopm_base = svm_host.iopm_pa;
    control->msrpm_base = pool_physical(vcpu->vm->virt).value;
    control->nested_cr3 = pt_root(&vcpu->vm->space.pt).value;
}

/* The vCPU page gets RIP and RFLAGS; RDX, the processor's signature after RESET, is the VMM's to fill in. When memory
 * runs out, svm_vcpu_destroy() gives back what there is. */
enum cl_status svm_vcpu_create(struct vcpu *vcpu, struct account *account)
{
    struct svm_vcpu *svm = vcpu->virt = pool_take(account, sizeof *svm);

    if (svm == NULL)
        return CL_NO_MEMORY;
    svm->vmcb = pool_take(account, PAGE_SIZE);
    if (svm->vmcb == NULL)
        return CL_NO_MEMORY;
    svm->vmcb_pa = pool_physical(svm->vmcb).value;
    svm->tpr = &vcpu->lapic.reg[VLAPIC_REG_TPR].value;
    control_reset(vcpu, &svm->vmcb->control);
    svm->vmcb->save = svm_reset_save;
    svm->cr0 = CR0_CD | CR0_NW | CR0_ET;
    svm->dr7 = DR7_FIXED;
    svm->pat = PAT_RESET;
    svm_control_intercepts(svm);
    vcpu->page->rip = 0xFFF0;
    vcpu->page->rflags = RFLAGS_FIXED;
    return CL_OK;
}

/* It has to be unloaded. */
void svm_vcpu_destroy(struct vcpu *vcpu, struct account *account)
{
    struct svm_vcpu *svm = vcpu->virt;

    ASSERT(!svm->loaded);
    pool_give(account, svm->vmcb);
    pool_give(account, svm);
    vcpu->virt = NULL;
}

/* What is in no control block: take it out of the registers, if it is there. The host uses none of them, and DR7 is off
 * whenever the host runs. */
void svm_registers_save(struct svm_vcpu *svm, uint32_t groups)
{
    if (!svm->loaded || !(groups & (VCPU_GROUP_DEBUG | VCPU_GROUP_MSRS)))
        return;
    svm->dr[0] = x86_read_dr0();
    svm->dr[1] = x86_read_dr1();
    svm->dr[2] = x86_read_dr2();
    svm->dr[3] = x86_read_dr3();
}

void svm_registers_load(const struct svm_vcpu *svm, uint32_t groups)
{
    if (!svm->loaded || !(groups & (VCPU_GROUP_DEBUG | VCPU_GROUP_MSRS)))
        return;
    x86_write_dr0(svm->dr[0]);
    x86_write_dr1(svm->dr[1]);
    x86_write_dr2(svm->dr[2]);
    x86_write_dr3(svm->dr[3]);
    if (guest_cpu.has_rdtscp)
        x86_wrmsr(MSR_TSC_AUX, svm->tsc_aux);
}

/* What VMLOAD gives back to the host is taken here and not at each entry: but for the FS base, which enter.c keeps, it
 * stays the same while the kernel runs. */
void svm_vcpu_load(struct vcpu *vcpu)
{
    struct svm_cpu *cpu = &svm_cpus[cpu_index()];
    struct svm_vcpu *svm = vcpu->virt;

    svm->loaded = true;
    svm_registers_load(svm, VCPU_GROUP_ALL);
    if (svm->cpu != cpu)
        svm->generation = 0;
    svm->cpu = cpu;
    svm_vmsave(cpu->host_pa);
}

void svm_vcpu_unload(struct vcpu *vcpu)
{
    struct svm_vcpu *svm = vcpu->virt;

    svm_registers_save(svm, VCPU_GROUP_ALL);
    svm->loaded = false;
}

/* A trap flag makes a debug trap of the instruction's end, as if the processor had done it. */
void svm_vcpu_advance(struct vcpu *vcpu, uint64_t next_rip)
{
    struct svm_vcpu *svm = vcpu->virt;

    if (__builtin_expect(svm->special != 0, 0))
        svm_step_end(svm);
    vcpu->page->rip = next_rip;
    svm->vmcb->control.interrupt_state = 0;
    if (READ_ONCE(vcpu->page->rflags) & RFLAGS_TF) {
        svm->pending_debug |= DR6_BS;
        svm->special |= SPECIAL_WAITING;
    }
}

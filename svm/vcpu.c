/* SPDX-License-Identifier: Apache-2.0 */
/* vcpu.c: the life of a vCPU's control block: made, loaded on a CPU, entered, put away. */
#include "kernel/assert.h"
#include "kernel/cpu.h"
#include "kernel/pool.h"
#include "svm/svm.h"

#define INTERCEPTS_1                                                                                                   \
    (INTERCEPT_INTR | INTERCEPT_NMI | INTERCEPT_INIT | INTERCEPT_CR0_SELECTIVE | INTERCEPT_RDPMC | INTERCEPT_CPUID |   \
     INTERCEPT_INVD | INTERCEPT_HLT | INTERCEPT_INVLPGA | INTERCEPT_IOIO_PROT | INTERCEPT_MSR_PROT |                   \
     INTERCEPT_TASK_SWITCH | INTERCEPT_SHUTDOWN)
#define INTERCEPTS_2                                                                                                   \
    (INTERCEPT_VMRUN | INTERCEPT_VMMCALL | INTERCEPT_VMLOAD | INTERCEPT_VMSAVE | INTERCEPT_STGI | INTERCEPT_CLGI |     \
     INTERCEPT_SKINIT | INTERCEPT_WBINVD | INTERCEPT_MONITOR | INTERCEPT_MWAIT | INTERCEPT_MWAIT_ARMED |               \
     INTERCEPT_XSETBV)

/* A spinning guest loses the CPU after so many PAUSEs that are at most `threshold` cycles apart. */
#define PAUSE_COUNT 3000
#define PAUSE_THRESHOLD 128

#define PAT_RESET UINT64_C(0x0007040600070406)
#define CR0_RESET (CR0_CD | CR0_NW | CR0_ET)

static void control_reset(struct vcpu *vcpu, struct vmcb_control *control)
{
    control->intercept_exceptions = SVM_EXCEPTIONS;
    control->intercept_cr_write = 1u << 4;
    control->intercept_1 = INTERCEPTS_1;
    control->intercept_2 = INTERCEPTS_2;
    if (svm_host.has_rdpru)
        control->intercept_2 |= INTERCEPT_RDPRU;
    if (svm_host.features & SVM_FEATURE_PAUSE_FILTER) {
        control->intercept_1 |= INTERCEPT_PAUSE;
        control->pause_count = PAUSE_COUNT;
        if (svm_host.features & SVM_FEATURE_PAUSE_THRESHOLD)
            control->pause_threshold = PAUSE_THRESHOLD;
    }
    control->iopm_base = svm_iopm_pa();
    control->msrpm_base = pool_physical(vcpu->vm->virt).value;
    control->v_control = V_INTR_MASKING;
    control->nested_control = NESTED_PAGING;
    control->nested_cr3 = pt_root(&vcpu->vm->space.pt).value;
}

/* SDM Vol. 3A table 10-1, APM Vol. 2 table 14-1. */
static void state_reset(struct svm_vcpu *svm, struct vmcb_save *save)
{
    struct vmcb_segment data = { .attributes = 0x93, .limit = 0xFFFF };

    save->es = save->ss = save->ds = save->fs = save->gs = save->cs = data;
    save->cs.selector = 0xF000;
    save->cs.base = 0xFFFF0000;
    save->gdtr.limit = save->idtr.limit = 0xFFFF;
    save->ldtr = (struct vmcb_segment){ .attributes = 0x82, .limit = 0xFFFF };
    save->tr = (struct vmcb_segment){ .attributes = 0x8B, .limit = 0xFFFF };
    save->efer = EFER_SVME;
    svm->cr0 = CR0_RESET;
    svm->cr4 = 0;
    save->cr0 = (CR0_RESET & ~SVM_HOST_CR0) | CR0_NE;
    save->cr4 = CR4_MCE;
    save->dr6 = DR6_FIXED;
    save->dr7 = DR7_FIXED;
    save->g_pat = PAT_RESET;
    svm_control_intercepts(svm);
}

/* The vCPU page gets RIP and RFLAGS; RDX, the processor's signature after RESET, is the VMM's to fill in. */
enum cl_status svm_vcpu_create(struct vcpu *vcpu, struct account *account)
{
    struct svm_vcpu *svm = pool_object(account, sizeof *svm);

    if (svm == NULL)
        return CL_NO_MEMORY;
    svm->vmcb = pool_pages(account, 0);
    if (svm->vmcb == NULL) {
        pool_object_free(account, svm, sizeof *svm);
        return CL_NO_MEMORY;
    }
    svm->vmcb_pa = pool_physical(svm->vmcb).value;
    control_reset(vcpu, &svm->vmcb->control);
    state_reset(svm, &svm->vmcb->save);
    vcpu->page->rip = 0xFFF0;
    vcpu->page->rflags = RFLAGS_FIXED;
    vcpu->virt = svm;
    return CL_OK;
}

/* It has to be unloaded. */
void svm_vcpu_destroy(struct vcpu *vcpu, struct account *account)
{
    struct svm_vcpu *svm = vcpu->virt;

    ASSERT(!svm->loaded);
    pool_pages_free(account, svm->vmcb, 0);
    pool_object_free(account, svm, sizeof *svm);
    vcpu->virt = NULL;
}

/* DR0 to DR3 are in no control block. The host uses none of them, and DR7 is off whenever the host runs. */
static void registers_park(struct svm_vcpu *svm)
{
    svm->dr[0] = x86_read_dr0();
    svm->dr[1] = x86_read_dr1();
    svm->dr[2] = x86_read_dr2();
    svm->dr[3] = x86_read_dr3();
    svm->loaded = false;
}

static void registers_load(struct svm_cpu *cpu, struct svm_vcpu *svm)
{
    x86_write_dr0(svm->dr[0]);
    x86_write_dr1(svm->dr[1]);
    x86_write_dr2(svm->dr[2]);
    x86_write_dr3(svm->dr[3]);
    if (svm_host.has_rdtscp && cpu->tsc_aux != svm->tsc_aux) {
        x86_wrmsr(MSR_TSC_AUX, svm->tsc_aux);
        cpu->tsc_aux = svm->tsc_aux;
    }
    svm->loaded = true;
}

/* What VMLOAD gives back to the host is taken here and not at each entry: but for the FS base, which enter.c keeps, it
 * stays the same while the kernel runs. */
void svm_vcpu_load(struct vcpu *vcpu)
{
    struct svm_cpu *cpu = &svm_cpus[cpu_index()];
    struct svm_vcpu *svm = vcpu->virt;

    if (cpu->current != svm) {
        if (cpu->current != NULL)
            registers_park(cpu->current);
        registers_load(cpu, svm);
        cpu->current = svm;
    }
    if (svm->cpu != cpu) {
        svm->cpu = cpu;
        svm->generation = 0;
    }
    svm_vmsave(cpu->host_pa);
}

void svm_vcpu_unload(struct vcpu *vcpu)
{
    struct svm_cpu *cpu = &svm_cpus[cpu_index()];
    struct svm_vcpu *svm = vcpu->virt;

    if (cpu->current != svm)
        return;
    registers_park(svm);
    cpu->current = NULL;
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
        svm->special |= SPECIAL_DEBUG;
    }
}

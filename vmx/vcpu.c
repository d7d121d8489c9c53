/* SPDX-License-Identifier: Apache-2.0 */
/* vcpu.c: the life of a vCPU's control block: made, loaded on a CPU, entered, put away.
 *
 * A VMCS that was loaded is the processor's own until VMCLEAR (SDM Vol. 3C 25.1): one that is to run on another CPU, or to
 * die, is unloaded where it was loaded.
 */
#include "kernel/assert.h"
#include "kernel/cpu.h"
#include "kernel/pool.h"
#include "kernel/time.h"
#include "vmx/instructions.h"
#include "vmx/vmx.h"

#define DESCRIPTOR_BUSY (UINT64_C(1) << 41)

extern char vmx_exited[];

const uint32_t vmx_switched[VMX_SWITCHED] = { MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SFMASK, MSR_KERNEL_GS_BASE };

void vmx_open(const struct vmx_vcpu *vmx)
{
    if (!vmx->loaded)
        vmx_vmptrld(vmx->vmcs_pa);
}

/* What is loaded on this CPU is its current VMCS again. */
void vmx_close(const struct vmx_vcpu *vmx)
{
    const struct vcpu *loaded = this_cpu()->vcpu;

    if (vmx->loaded)
        return;
    vmx_vmclear(vmx->vmcs_pa);
    if (loaded != NULL)
        vmx_vmptrld(((const struct vmx_vcpu *)loaded->virt)->vmcs_pa);
}

/* What depends on the machine or the VM. */
static void control_reset(const struct vcpu *vcpu, struct vmx_vcpu *vmx)
{
    vmx->primary = vmx_host.used[WORD_PRIMARY];
    vmx_write(VMCS_PIN_CONTROLS, vmx_host.used[WORD_PIN]);
    vmx_write(VMCS_PRIMARY_CONTROLS, vmx->primary);
    vmx_write(VMCS_SECONDARY_CONTROLS, vmx_host.used[WORD_SECONDARY]);
    vmx_write(VMCS_EXIT_CONTROLS, vmx_host.used[WORD_EXIT]);
    vmx_write(VMCS_ENTRY_CONTROLS, vmx_host.used[WORD_ENTRY]);
    vmx_write(VMCS_MSR_BITMAP, pool_physical(vcpu->vm->virt).value);
    vmx_write(VMCS_EPTP, pt_root(&vcpu->vm->space.pt).value | EPTP_WRITE_BACK | EPTP_FOUR_LEVELS |
                             (vmx_host.used[WORD_EPT] & EPT_ACCESSED_DIRTY ? EPTP_ACCESSED_DIRTY : 0));
    if (vmx_host.used[WORD_SECONDARY] & SECONDARY_PAUSE_LOOP) {
        vmx_write(VMCS_PLE_GAP, PAUSE_GAP);
        vmx_write(VMCS_PLE_WINDOW, PAUSE_WINDOW);
    }
    vmx_write(VMCS_VIRTUAL_APIC, pool_physical(vcpu->lapic.reg).value);
    vmx_write(VMCS_TPR_THRESHOLD, 0);
    for (unsigned i = 0; i < ARRAY_SIZE(vmx->eoi_exits); i++)
        vmx_write(VMCS_OF(VMCS_EOI_EXITS, i), 0);
    if (vmx_host.used[WORD_PIN] & PIN_PREEMPTION_TIMER)
        vmx_write(VMCS_PREEMPTION_TIMER, tsc_hz / STAYS_PER_SECOND >> (x86_rdmsr(MSR_VMX_MISC) & MISC_TIMER_SHIFT));
    if (vmx_host.used[WORD_SECONDARY] & SECONDARY_VPID)
        vmx_write(VMCS_VPID, 1); /* the first entry takes another one */
    vmx_write(VMCS_HOST_EFER, x86_rdmsr(MSR_EFER));
    vmx_write(VMCS_HOST_RIP, (uint64_t)vmx_exited);
}

/* The vCPU page gets RIP and RFLAGS; RDX, the processor's signature after RESET, is the VMM's to fill in. When memory
 * runs out, vmx_vcpu_destroy() gives back what there is. */
enum cl_status vmx_vcpu_create(struct vcpu *vcpu, struct account *account)
{
    struct vmx_vcpu *vmx = vcpu->virt = pool_take(account, sizeof *vmx);

    if (vmx == NULL)
        return CL_NO_MEMORY;
    vmx->vmcs = pool_take(account, PAGE_SIZE);
    if (vmx->vmcs == NULL)
        return CL_NO_MEMORY;
    vmx->vmcs_pa = pool_physical(vmx->vmcs).value;
    *vmx->vmcs = vmx_host.revision;
    vmx_vmclear(vmx->vmcs_pa);
    vmx_open(vmx);
    for (unsigned i = 0; i < VMX_RESET_COUNT; i++)
        vmx_write(vmx_reset[i].field, vmx_reset[i].value);
    for (unsigned i = 0; i < VMX_RESET_ZERO_COUNT; i++)
        vmx_write(vmx_reset_zero[i], 0);
    control_reset(vcpu, vmx);
    vmx_close(vmx);
    vmx->dr6 = DR6_FIXED;
    vcpu->page->rip = 0xFFF0;
    vcpu->page->rflags = RFLAGS_FIXED;
    return CL_OK;
}

/* It has to be unloaded. */
void vmx_vcpu_destroy(struct vcpu *vcpu, struct account *account)
{
    struct vmx_vcpu *vmx = vcpu->virt;

    ASSERT(!vmx->loaded);
    pool_give(account, vmx->vmcs);
    pool_give(account, vmx);
    vcpu->virt = NULL;
}

/* Of the guest's MSRs only KERNEL_GS_BASE can have changed without an exit. */
static void save_live(struct vmx_vcpu *vmx)
{
    vmx->cr2 = x86_read_cr2();
    vmx->msr[VCPU_MSR_KERNEL_GS_BASE] = x86_rdmsr(MSR_KERNEL_GS_BASE);
}

/* The host uses no debug register, and DR7 is off whenever the host runs. */
void vmx_registers_save(struct vmx_vcpu *vmx, uint32_t groups)
{
    if (vmx->live)
        save_live(vmx);
    if (!vmx->loaded || !(groups & (VCPU_GROUP_DEBUG | VCPU_GROUP_EVENTS | VCPU_GROUP_MSRS)))
        return;
    vmx->dr[0] = x86_read_dr0();
    vmx->dr[1] = x86_read_dr1();
    vmx->dr[2] = x86_read_dr2();
    vmx->dr[3] = x86_read_dr3();
    vmx->dr6 = x86_read_dr6();
}

void vmx_registers_load(const struct vmx_vcpu *vmx, uint32_t groups)
{
    if (!vmx->loaded || !(groups & (VCPU_GROUP_DEBUG | VCPU_GROUP_EVENTS | VCPU_GROUP_MSRS)))
        return;
    x86_write_dr0(vmx->dr[0]);
    x86_write_dr1(vmx->dr[1]);
    x86_write_dr2(vmx->dr[2]);
    x86_write_dr3(vmx->dr[3]);
    x86_write_dr6(vmx->dr6);
    if (guest_cpu.has_rdtscp)
        x86_wrmsr(MSR_TSC_AUX, vmx->tsc_aux);
}

static inline void write_msr(unsigned name, const uint64_t *from, const uint64_t *to)
{
    if (from[name] != to[name])
        x86_wrmsr(vmx_switched[name], to[name]);
}

/* Twice for each exit to the VMM: one by one rather than in a loop. */
static inline void write_msrs(const uint64_t *from, const uint64_t *to)
{
    write_msr(VCPU_MSR_STAR, from, to);
    write_msr(VCPU_MSR_LSTAR, from, to);
    write_msr(VCPU_MSR_CSTAR, from, to);
    write_msr(VCPU_MSR_SFMASK, from, to);
    write_msr(VCPU_MSR_KERNEL_GS_BASE, from, to);
}

void vmx_vcpu_unpark(struct vmx_vcpu *vmx)
{
    write_msrs(vmx->cpu->host_msr, vmx->msr);
    x86_write_cr2(vmx->cr2);
    vmx->live = true;
}

/* An exit leaves the GDT's and the TSS's limits at values of its own (SDM Vol. 3C 28.5.2): ring 3 would find descriptors
 * behind the GDT, and not its ports. */
static void restore_limits(struct cpu *cpu)
{
    vmx_load_gdtr(cpu->gdt, sizeof(cpu->gdt) - 1);
    cpu->gdt[SELECTOR_TSS / 8] &= ~DESCRIPTOR_BUSY;
    vmx_load_tr(SELECTOR_TSS);
}

/* Ring 3 or another vCPU is next. */
void vmx_vcpu_park(struct vcpu *vcpu)
{
    struct vmx_vcpu *vmx = vcpu->virt;

    if (!vmx->live)
        return;
    save_live(vmx);
    write_msrs(vmx->msr, vmx->cpu->host_msr);
    restore_limits(this_cpu());
    vmx->live = false;
}

/* What an exit gives back to the host. But for the FS base, which enter.c keeps, it stays the same while this vCPU is
 * loaded. */
static void load_host_state(const struct cpu *cpu)
{
    vmx_write(VMCS_HOST_CR0, x86_read_cr0());
    vmx_write(VMCS_HOST_CR3, x86_read_cr3());
    vmx_write(VMCS_HOST_CR4, x86_read_cr4());
    vmx_write(VMCS_HOST_GS_BASE, (uint64_t)cpu);
    vmx_write(VMCS_HOST_TR_BASE, (uint64_t)&cpu->tss);
    vmx_write(VMCS_HOST_GDTR_BASE, (uint64_t)cpu->gdt);
    vmx_write(VMCS_HOST_IDTR_BASE, vmx_idt_base());
}

void vmx_vcpu_load(struct vcpu *vcpu)
{
    struct vmx_cpu *cpu = &vmx_cpus[cpu_index()];
    struct vmx_vcpu *vmx = vcpu->virt;

    vmx_vmptrld(vmx->vmcs_pa);
    vmx->loaded = true;
    vmx_registers_load(vmx, VCPU_GROUP_ALL);
    if (vmx->cpu != cpu)
        vmx->generation = 0;
    vmx->cpu = cpu;
    load_host_state(this_cpu());
}

void vmx_vcpu_unload(struct vcpu *vcpu)
{
    struct vmx_vcpu *vmx = vcpu->virt;

    vmx_vcpu_park(vcpu);
    vmx_registers_save(vmx, VCPU_GROUP_ALL);
    vmx_vmclear(vmx->vmcs_pa);
    vmx->loaded = vmx->launched = false;
}

/* A trap flag makes a debug trap of the instruction's end, as if the processor had done it. */
void vmx_vcpu_advance(struct vcpu *vcpu, uint64_t next_rip)
{
    struct vmx_vcpu *vmx = vcpu->virt;

    vcpu->page->rip = next_rip;
    if (__builtin_expect(vmx->blocking & BLOCKED_SHADOW, 0))
        vmx_block(vmx, vmx->blocking & ~BLOCKED_SHADOW);
    if (__builtin_expect(READ_ONCE(vcpu->page->rflags) & RFLAGS_TF, 0)) {
        vmx->pending_debug |= DR6_BS;
        vmx->special |= SPECIAL_WAITING;
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* vcpu_exit.c: exits that the kernel serves itself; the rest is put into the VMM's words. */
#include "abi/hypercall.h"
#include "kernel/assert.h"
#include "kernel/cpu.h"
#include "kernel/notification.h"
#include "kernel/system.h"
#include "kernel/thread.h"
#include "kernel/vcpu_run.h"
#include "kernel/vm.h"
#include "kernel/x86.h"
#include "kernel/xstate.h"

/* Bytes of the sensible encoding of instructions that may come without a length. */
#define LENGTH_HLT 1
#define LENGTH_TWO 2   /* CPUID, RDMSR, WRMSR */
#define LENGTH_THREE 3 /* VMMCALL, VMCALL, XSETBV */

#define CPUID_1_ECX_OSXSAVE (1u << 27)
#define CPUID_1_EDX_APIC (1u << 9)
#define LEAF_XSAVE 0xdu
#define LEAF_AMD_TOPOLOGY 0x8000001eu

/* A function of its own, whatever the compiler thinks. */
#define HANDLER __attribute__((noinline))

static uint64_t next_rip(const struct vcpu *vcpu, const struct virt_exit *exit, unsigned plain_length)
{
    return vcpu->page->rip + (exit->length != 0 ? exit->length : plain_length);
}

/* The instruction is done: the guest goes on behind it. */
static enum vcpu_exit_reason advance(struct vcpu *vcpu, const struct virt_exit *exit, unsigned plain_length)
{
    virt->vcpu_advance(vcpu, next_rip(vcpu, exit, plain_length));
    return VCPU_EXIT_NONE;
}

static enum vcpu_exit_reason raise_gp(struct vcpu *vcpu)
{
    virt->vcpu_inject(vcpu, VCPU_EVENT_EXCEPTION, VECTOR_GP, true, 0);
    return VCPU_EXIT_NONE;
}

static uint64_t edx_eax(const struct vcpu *vcpu)
{
    return (uint32_t)vcpu->page->gpr[GPR_RAX] | vcpu->page->gpr[GPR_RDX] << 32;
}

/* What no table can hold, because it follows from the vCPU's own state. */
static inline void overlay_cpuid(struct vcpu *vcpu, uint64_t *gpr, uint32_t leaf, uint32_t subleaf)
{
    switch (leaf) {
    case 1:
        gpr[GPR_RBX] = (gpr[GPR_RBX] & 0x00ffffff) | vcpu->index << 24;
        gpr[GPR_RCX] = (gpr[GPR_RCX] & ~(uint64_t)CPUID_1_ECX_OSXSAVE) | (vcpu->osxsave ? CPUID_1_ECX_OSXSAVE : 0);
        if ((vcpu->lapic.apic_base & VLAPIC_BASE_ENABLE) == 0)
            gpr[GPR_RDX] &= ~(uint64_t)CPUID_1_EDX_APIC;
        break;
    case LEAF_XSAVE:
        /* the guest's XCR0 is loaded: the CPU itself knows the size */
        if (subleaf == 0)
            gpr[GPR_RBX] = x86_cpuid(LEAF_XSAVE, 0).ebx;
        break;
    case LEAF_AMD_TOPOLOGY:
        gpr[GPR_RAX] = vcpu->index;
        break;
    default: /* 0Bh, 1Fh */
        gpr[GPR_RDX] = vcpu->index;
        break;
    }
}

static HANDLER enum vcpu_exit_reason handle_cpuid(struct vcpu *vcpu, const struct virt_exit *exit)
{
    uint64_t *gpr = vcpu->page->gpr;
    static const struct vm_cpuid_entry nothing;
    uint32_t leaf = (uint32_t)gpr[GPR_RAX], subleaf = (uint32_t)gpr[GPR_RCX];
    const struct vm_cpuid_entry *entry = vm_cpuid_find(vcpu->vm, leaf, subleaf);

    if (entry == NULL)
        entry = &nothing;
    gpr[GPR_RAX] = entry->eax;
    gpr[GPR_RBX] = entry->ebx;
    gpr[GPR_RCX] = entry->ecx;
    gpr[GPR_RDX] = entry->edx;
    if ((entry->flags & VM_CPUID_LIVE) != 0)
        overlay_cpuid(vcpu, gpr, leaf, subleaf);
    vcpu->page->count_cpuid++;
    return advance(vcpu, exit, LENGTH_TWO);
}

void vcpu_apic_accessed(struct vcpu *vcpu, const struct vlapic_access *access)
{
    if ((access->bits & VLAPIC_SENDS) != 0)
        vm_deliver(vcpu->vm, &access->ipi);
    if ((access->bits & VLAPIC_ENDS) != 0) {
        __atomic_fetch_or(&vcpu->vm->eoi[access->vector / 64], UINT64_C(1) << (access->vector % 64), __ATOMIC_RELEASE);
        notification_signal(vcpu->vm->events, UINT64_C(1) << vcpu->vm->events_bit);
    }
    if (access->write)
        vcpu_arm_timer(vcpu, vcpu->runner);
}

/* What is neither policy nor the VMM's. */
static bool serve_msr(struct vcpu *vcpu, uint32_t index, struct vlapic_access *access)
{
    if (vlapic_msr(&vcpu->lapic, index, access)) {
        vcpu_apic_accessed(vcpu, access);
        return true;
    }
    if (index != MSR_TSC)
        return virt->vcpu_msr(vcpu, index, access->write, &access->value);
    if (access->write) {
        vlapic_tsc_written(&vcpu->lapic, access->now, access->value);
        vcpu->tsc_offset += access->value - access->now;
        vcpu_arm_timer(vcpu, vcpu->runner);
    } else {
        access->value = access->now;
    }
    return true;
}

/* The first of a vCPU's, the second, the fourth, ...: a guest that tries them all fills no log. */
static void log_msr_refusal(struct vcpu *vcpu, uint32_t index, bool write)
{
    uint32_t count = ++vcpu->msr_refusals;

    if ((count & (count - 1)) == 0)
        log_line("VM %s: vCPU %u may not %s MSR %x: #GP (refusals so far: %u)", vcpu->vm->name, vcpu->index,
                 write ? "write" : "read", index, count);
}

static HANDLER enum vcpu_exit_reason handle_msr(struct vcpu *vcpu, const struct virt_exit *exit)
{
    uint64_t *gpr = vcpu->page->gpr;
    uint32_t index = (uint32_t)gpr[GPR_RCX];
    bool write = exit->kind == VIRT_EXIT_WRMSR;
    struct vlapic_access access = { .write = write,
                                    .value = write ? edx_eax(vcpu) : 0,
                                    .now = x86_rdtsc() + vcpu->tsc_offset };

    vcpu->page->count_msr++;
    if (!serve_msr(vcpu, index, &access)) {
        const struct vm_msr_entry *entry = vm_msr_find(vcpu->vm, index);

        if (entry == NULL || entry->action == VM_MSR_REFUSED || (write && entry->action == VM_MSR_FIXED)) {
            log_msr_refusal(vcpu, index, write);
            return raise_gp(vcpu);
        }
        if (entry->action == VM_MSR_TO_VMM) {
            vcpu->exit.next_rip = next_rip(vcpu, exit, LENGTH_TWO);
            vcpu->exit.msr = (struct vcpu_exit_msr){ index, write, access.value };
            return VCPU_EXIT_MSR;
        }
        access.value = entry->value;
    }
    if (!write) {
        gpr[GPR_RAX] = (uint32_t)access.value;
        gpr[GPR_RDX] = access.value >> 32;
    }
    return advance(vcpu, exit, LENGTH_TWO);
}

static HANDLER enum vcpu_exit_reason handle_xsetbv(struct vcpu *vcpu, const struct virt_exit *exit)
{
    uint64_t value = edx_eax(vcpu);
    const struct vm_cpuid_entry *entry = vm_cpuid_find(vcpu->vm, LEAF_XSAVE, 0);
    uint64_t allowed = entry != NULL ? (entry->eax | (uint64_t)entry->edx << 32) & xstate_mask : 0;

    virt->vcpu_get(vcpu, VCPU_GROUP_CODE);
    unsigned cpl = vcpu->page->segment[SEG_SS].attributes >> SEG_ATTR_DPL_SHIFT & 3;
    if (cpl != 0 || (uint32_t)vcpu->page->gpr[GPR_RCX] != 0 || !xstate_xcr0_valid(value, allowed))
        return raise_gp(vcpu);
    vcpu->xcr0 = value;
    xstate_switch(this_cpu(), vcpu->xstate, value);
    return advance(vcpu, exit, LENGTH_THREE);
}

static HANDLER enum vcpu_exit_reason handle_hypercall(struct vcpu *vcpu, const struct virt_exit *exit)
{
    uint64_t *gpr = vcpu->page->gpr;

    vcpu->page->count_hypercall++;
    switch (gpr[GPR_RAX]) {
    case CL_HYPERCALL_NOP:
        gpr[GPR_RAX] = 0;
        break;
    case CL_HYPERCALL_IDENTIFY:
        gpr[GPR_RAX] = CL_HYPERCALL_VERSION;
        break;
    default:
        vcpu->exit.next_rip = next_rip(vcpu, exit, LENGTH_THREE);
        return VCPU_EXIT_HYPERCALL;
    }
    return advance(vcpu, exit, LENGTH_THREE);
}

static HANDLER enum vcpu_exit_reason handle_io(struct vcpu *vcpu, const struct virt_exit *exit)
{
    if ((exit->io.flags & (VCPU_IO_IN | VCPU_IO_STRING)) == 0 &&
        vm_doorbell_ring(vcpu->vm, exit->io.port, exit->io.size_bytes)) {
        vcpu->page->count_doorbell++;
        virt->vcpu_advance(vcpu, exit->next_rip);
        return VCPU_EXIT_NONE;
    }
    vcpu->page->count_io++;
    vcpu->exit.next_rip = exit->next_rip;
    vcpu->exit.io = exit->io;
    return VCPU_EXIT_IO;
}

/* What the processor, which works on the local APIC, does not do of it. */
static HANDLER enum vcpu_exit_reason handle_apic(struct vcpu *vcpu, const struct virt_exit *exit)
{
    struct vlapic_access access = { .bits = VLAPIC_ENDS, .vector = exit->vector };

    if (exit->kind == VIRT_EXIT_SELF_IPI) {
        access = (struct vlapic_access){ .write = true, .value = exit->vector };
        (void)!vlapic_msr(&vcpu->lapic, MSR_X2APIC_FIRST + VLAPIC_REG_SELF_IPI, &access); /* an error of the guest's */
    } else {
        vcpu_apic_accessed(vcpu, &access);
    }
    return VCPU_EXIT_NONE;
}

/* A fetch from a page, and not the walk to it. */
#define MEMORY_CODE (VCPU_MEMORY_FETCH | VCPU_MEMORY_PRESENT)
#define MEMORY_CODE_MASK (MEMORY_CODE | VCPU_MEMORY_TABLE)

/* Code was fetched where a page is: one that is too large to be code, if such are (pt_small_code). */
static HANDLER bool made_code(struct vcpu *vcpu, const struct virt_exit *exit)
{
    enum cl_status status;

    lock_acquire(&structure_lock);
    status = space_fetched(&vcpu->vm->space, exit->memory.address);
    lock_release(&structure_lock);
    return status == CL_OK;
}

/* Exits whose cost nobody counts. */
static HANDLER enum vcpu_exit_reason handle_other(struct vcpu *vcpu, const struct virt_exit *exit)
{
    switch (exit->kind) {
    case VIRT_EXIT_INTERRUPT:
        vcpu->page->count_interrupt++;
        vcpu_interrupt_window();
        return VCPU_EXIT_NONE;
    case VIRT_EXIT_HLT:
        vcpu->page->count_hlt++;
        advance(vcpu, exit, LENGTH_HLT);
        if ((vcpu->page->rflags & RFLAGS_TF) == 0) /* a single step's trap ends the halt at once (SDM Vol. 2A HLT) */
            vcpu->activity = VCPU_HALTED;
        return VCPU_EXIT_NONE;
    case VIRT_EXIT_PAUSE:
        schedule_yield();
        return VCPU_EXIT_NONE;
    case VIRT_EXIT_MEMORY:
        if (pt_small_code && (exit->memory.flags & MEMORY_CODE_MASK) == MEMORY_CODE && made_code(vcpu, exit))
            return VCPU_EXIT_NONE;
        vcpu->page->count_memory++;
        vcpu->exit.next_rip = 0;
        vcpu->exit.memory = exit->memory;
        return VCPU_EXIT_MEMORY;
    case VIRT_EXIT_DECODE:
        vcpu->exit.next_rip = exit->next_rip;
        vcpu->exit.decode.intercept = exit->intercept;
        vcpu->exit.decode.detail = exit->detail;
        return VCPU_EXIT_DECODE;
    case VIRT_EXIT_EXCEPTION:
        /* #DB and #AC are caught only to break delivery loops: the guest gets them. No interrupt ends a stay in a guest
         * that meets one on the way to every exception's handler (CVE-2015-8104). */
        virt->vcpu_inject(vcpu, VCPU_EVENT_EXCEPTION, exit->vector, exit->has_error_code, exit->error_code);
        vcpu_interrupt_window();
        return VCPU_EXIT_NONE;
    case VIRT_EXIT_TASK_SWITCH:
        vcpu->exit.next_rip = 0;
        vcpu->exit.task.selector = exit->task.selector;
        vcpu->exit.task.source = exit->task.source;
        vcpu->exit.task.has_error_code = exit->has_error_code;
        vcpu->exit.task.error_code = exit->error_code;
        return VCPU_EXIT_TASK_SWITCH;
    case VIRT_EXIT_TRIPLE_FAULT:
        return VCPU_EXIT_TRIPLE_FAULT;
    case VIRT_EXIT_EOI:
    case VIRT_EXIT_SELF_IPI:
        return handle_apic(vcpu, exit);
    case VIRT_EXIT_INVALID_STATE:
        log_line("VM %s: the CPU refused to enter vCPU %u; broken rules:", vcpu->vm->name, vcpu->index);
        if (virt->vcpu_audit(vcpu) == 0)
            log_line("  none that the auditor knows");
        vcpu->broken = true;
        vcpu->page->rip = 0;
        vcpu->exit.next_rip = 0;
        return VCPU_EXIT_INVALID_STATE;
    case VIRT_EXIT_MACHINE_CHECK:
        panic("a machine check was reported while VM %s ran", vcpu->vm->name);
    default:
        /* NMIs and windows: the loop looks at what there is */
        return VCPU_EXIT_NONE;
    }
}

/* Nothing but tail calls: a handler pays only for the registers that it needs itself. */
enum vcpu_exit_reason vcpu_handle_exit(struct vcpu *vcpu, const struct virt_exit *exit)
{
    switch (exit->kind) {
    case VIRT_EXIT_CPUID:
        return handle_cpuid(vcpu, exit);
    case VIRT_EXIT_HYPERCALL:
        return handle_hypercall(vcpu, exit);
    case VIRT_EXIT_IO:
        return handle_io(vcpu, exit);
    case VIRT_EXIT_RDMSR:
    case VIRT_EXIT_WRMSR:
        return handle_msr(vcpu, exit);
    case VIRT_EXIT_XSETBV:
        return handle_xsetbv(vcpu, exit);
    default:
        return handle_other(vcpu, exit);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* enter.c: the fast path: one entry, one exit, and the kernel's words for it when nothing special happened.
 *
 * Every instruction here is paid by every exit. What is rare is elsewhere: ASIDs, events that wait, exits whose row of
 * the table needs more than a copy.
 */
#include "kernel/cpu.h"
#include "svm/exit_table.h"

static_assert(offsetof(struct vcpu_page, gpr) == 0 && offsetof(struct vcpu_page, rip) == 16 * 8, "guest_registers.inc");

/* enter.asm keeps RBP, RSP, RDI and RSI: here the compiler saves what else it needs, once. */
static inline void run(struct vcpu_page **page, struct vmcb **vmcb, uint64_t vmcb_pa, uint64_t host_pa)
{
    __asm__ volatile("call svm_enter"
                     : "+D"(*page), "+S"(*vmcb), "+d"(vmcb_pa), "+c"(host_pa)
                     :
                     : "rax", "rbx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
    (*vmcb)->control.tlb_control = TLB_KEEP;
}

/* The page is shared with the VMM, so every value is read once and cut to what the guest may have. Ring 3 may have changed
 * its FS base, or another thread may run the vCPU now: VMLOAD shall give back the one that the kernel knows. */
static inline void prepare(const struct vcpu *vcpu, struct svm_cpu *cpu, struct svm_vcpu *svm, struct vmcb *vmcb)
{
    const struct vcpu_page *page = vcpu->page;

    if (__builtin_expect(svm->generation != cpu->generation, 0))
        svm_asid_assign(cpu, svm);
    cpu->host_area->save.fs.base = this_cpu()->fs_base;
    vmcb->control.tsc_offset = vcpu->tsc_offset;
    vmcb->control.v_tpr = (uint8_t)(*svm->tpr >> 4);
    vmcb->save.rflags = (READ_ONCE(page->rflags) & GUEST_RFLAGS) | RFLAGS_FIXED;
}

/* Loaded on this CPU. Where the processor saves no next RIP, and for exits that are not an instruction's, it is zero. */
void svm_vcpu_enter(struct vcpu *vcpu, struct virt_exit *exit)
{
    struct svm_vcpu *svm = vcpu->virt;
    struct vcpu_page *page = vcpu->page;
    struct vmcb *vmcb = svm->vmcb;
    struct svm_cpu *cpu = svm->cpu;
    uint64_t code;

    prepare(vcpu, cpu, svm, vmcb);
    if (__builtin_expect(svm->special != 0, 0))
        svm_event_prepare(svm);
    run(&page, &vmcb, svm->vmcb_pa, cpu->host_pa);
    code = vmcb->control.exit_code;
    if (__builtin_expect(code >= VMEXIT_TABLE_END || svm_exit_rows[code].finish != SVM_EXIT_PLAIN ||
                             (vmcb->control.exit_int_info & EVENT_VALID) || svm->special != 0,
                         0)) {
        svm_exit_decode(svm, exit);
    } else {
        exit->kind = svm_exit_rows[code].kind;
        exit->next_rip = vmcb->control.next_rip;
        exit->length = exit->next_rip != 0 ? (uint8_t)(exit->next_rip - vmcb->save.rip) : 0;
        vmcb->control.event_injection = 0;
    }
    page->rflags = vmcb->save.rflags;
    if (__builtin_expect(vmcb->control.v_tpr != *svm->tpr >> 4, 0))
        WRITE_ONCE(*svm->tpr, (uint32_t)vmcb->control.v_tpr << 4);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* enter.c: the fast path: one entry, one exit, and the kernel's words for it when nothing special happened.
 *
 * Every instruction here is paid by every exit. What is rare is elsewhere: VPIDs, events that wait, exits whose row of
 * the table needs more than a copy.
 */
#include "kernel/cpu.h"
#include "vmx/exit_table.h"
#include "vmx/instructions.h"

static_assert(offsetof(struct vcpu_page, gpr) == 0 && offsetof(struct vcpu_page, rip) == 16 * 8, "guest_registers.inc");

/* enter.asm keeps RBP, RSP and RDI: here the compiler saves what else it needs, once. False: VMfail. */
static inline bool run(struct vcpu_page **page, uint64_t launched, uint64_t *host_rsp)
{
    uint64_t failed;

    __asm__ volatile("call vmx_enter"
                     : "+D"(*page), "+S"(launched), "+d"(host_rsp), "=a"(failed)
                     :
                     : "rbx", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
    return failed == 0;
}

/* The page is shared with the VMM, so every value is read once and cut to what the guest may have. Ring 3 may have changed
 * its FS base, or another thread may run the vCPU now: an exit shall give back the one that the kernel knows. */
static inline uint64_t prepare(const struct vcpu *vcpu, struct vmx_vcpu *vmx)
{
    const struct vcpu_page *page = vcpu->page;
    uint64_t fs_base = this_cpu()->fs_base, rflags = (READ_ONCE(page->rflags) & GUEST_RFLAGS) | RFLAGS_FIXED;

    if (__builtin_expect(!vmx->live, 0))
        vmx_vcpu_unpark(vmx);
    if (__builtin_expect(vmx->generation != vmx->cpu->generation, 0))
        vmx_vpid_assign(vmx->cpu, vmx);
    if (__builtin_expect(vmx->host_fs_base != fs_base, 0))
        vmx_write(VMCS_HOST_FS_BASE, vmx->host_fs_base = fs_base);
    if (__builtin_expect(vmx->tsc_offset != vcpu->tsc_offset, 0))
        vmx_write(VMCS_TSC_OFFSET, vmx->tsc_offset = vcpu->tsc_offset);
    vmx_write(VMCS_GUEST_RFLAGS, rflags);
    return rflags;
}

/* Loaded on this CPU. */
void vmx_vcpu_enter(struct vcpu *vcpu, struct virt_exit *exit)
{
    struct vmx_vcpu *vmx = vcpu->virt;
    struct vcpu_page *page = vcpu->page;
    uint64_t rflags = prepare(vcpu, vmx);
    const struct vmx_exit_row *row;
    uint32_t reason, vectoring, blocking;

    if (__builtin_expect(vmx->special != 0 || (vmx->blocking & BLOCKED_SHADOW) != 0, 0))
        vmx_event_prepare(vmx, rflags);
    if (__builtin_expect(!run(&page, vmx->launched, &vmx->host_rsp), 0)) {
        vmx_exit_refused(exit, (uint32_t)vmx_read(VMCS_INSTRUCTION_ERROR));
        return;
    }
    reason = (uint32_t)vmx_read(VMCS_EXIT_REASON);
    if (__builtin_expect(reason >= EXIT_ENTRY_FAILED, 0)) {
        vmx_exit_refused(exit, reason);
        return;
    }
    vmx->launched = true;
    vectoring = (uint32_t)vmx_read(VMCS_VECTORING);
    blocking = (uint32_t)vmx_read(VMCS_INTERRUPTIBILITY);
    if (__builtin_expect(blocking & BLOCKED_BY_NMI, 0))
        blocking = vmx_nmi_blocked(vmx, blocking);
    vmx->blocking = blocking;
    page->rflags = vmx_read(VMCS_GUEST_RFLAGS);
    row = vmx_exit_row(reason);
    if (__builtin_expect(row->finish < VMX_EXIT_PLAIN || (vectoring & EVENT_VALID) || vmx->special != 0, 0)) {
        vmx_exit_decode(vcpu, exit, reason, vectoring);
        return;
    }
    exit->kind = row->kind;
    exit->length = 0;
    exit->next_rip = 0;
    if (row->finish == VMX_EXIT_INSTRUCTION) {
        exit->length = (uint8_t)vmx_read(VMCS_INSTRUCTION_LENGTH);
        exit->next_rip = page->rip + exit->length;
    }
}

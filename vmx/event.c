/* SPDX-License-Identifier: Apache-2.0 */
/* event.c: events on their way into the guest, and the windows that wait for them (SDM Vol. 3C 25.2, 27.6, 28.2.4).
 *
 * One event is queued for the next entry. A software interrupt or exception never is: RIP still stands on its
 * instruction, so running the guest delivers it. NMI blocking and its end are the processor's ("virtual NMIs"). All but
 * the windows is kept beside the VMCS until the entry, so that it can be asked for while the VMCS is loaded nowhere.
 */
#include "kernel/assert.h"
#include "vmx/instructions.h"
#include "vmx/vmx.h"

void vmx_block(struct vmx_vcpu *vmx, uint32_t blocking)
{
    vmx->blocking = blocking;
    vmx->special |= SPECIAL_BLOCKING;
}

/* NMIs are blocked after a stay. An injected one begins that, and nothing else: Bochs (seen in 2.7) goes on at an entry with
 * what blocked the vCPU that it ran before. */
uint32_t vmx_nmi_blocked(const struct vmx_vcpu *vmx, uint32_t blocking)
{
    if ((vmx->blocking & BLOCKED_BY_NMI) || guest_event_type(vmx->injection) == EVENT_TYPE_NMI)
        return blocking;
    blocking &= ~BLOCKED_BY_NMI;
    vmx_write(VMCS_INTERRUPTIBILITY, blocking);
    return blocking;
}

/* What the conditions of a debug exception leave in DR6 (SDM Vol. 3B 18.2.3): breakpoints anew, the others besides. */
void vmx_debug_status(struct vmx_vcpu *vmx, uint64_t causes)
{
    ASSERT(vmx->loaded);
    x86_write_dr6((x86_read_dr6() & ~DR6_BREAKPOINTS) | causes);
}

/* The guest's own state lets an event of this kind in. */
static bool guest_open(const struct vmx_vcpu *vmx, uint64_t rflags, bool nmi)
{
    if (vmx->blocking & BLOCKED_SHADOW)
        return false;
    return nmi ? !(vmx->blocking & BLOCKED_BY_NMI) : (rflags & RFLAGS_IF) != 0;
}

bool vmx_vcpu_interruptible(struct vcpu *vcpu, bool nmi)
{
    const struct vmx_vcpu *vmx = vcpu->virt;

    return (vmx->special & ~(uint32_t)SPECIAL_BLOCKING) == 0 && guest_open(vmx, READ_ONCE(vcpu->page->rflags), nmi);
}

/* The entry itself begins the blocking that the handler of an NMI ends. */
static void queue(struct vmx_vcpu *vmx, uint64_t event)
{
    vmx->injection = event;
    vmx->special |= SPECIAL_INJECT;
    if (guest_event_type(event) == EVENT_TYPE_NMI && (vmx->blocking & BLOCKED_BY_NMI))
        vmx_block(vmx, vmx->blocking & ~BLOCKED_BY_NMI);
}

/* An exception may come while an event waits, namely one that was met on the way to its handler. It goes first: another
 * exception is forgotten, for its instruction raises it again, an interrupt or NMI is deferred. */
void vmx_vcpu_inject(struct vcpu *vcpu, enum vcpu_event_type type, uint8_t vector, bool has_error, uint32_t error)
{
    struct vmx_vcpu *vmx = vcpu->virt;

    ASSERT(type != VCPU_EVENT_EXCEPTION || (vector < 32 && vector != VECTOR_NMI));
    guest_event_defer(vcpu, vmx->injection);
    queue(vmx, guest_event_make(type, vector, has_error, error));
}

/* What the guest was about to take when it exited is taken at the next entry. A task switch through a task gate is what
 * its event asked for: the VMM finishes it; a triple fault is the end of one. INT n, INT1, INT3 and INTO are run again. */
void vmx_event_requeue(struct vmx_vcpu *vmx, const struct virt_exit *exit, uint32_t vectoring)
{
    uint64_t event = vectoring & ~EVENT_RESERVED;

    if (guest_event_type(event) > EVENT_TYPE_EXCEPTION || exit->kind == VIRT_EXIT_TASK_SWITCH ||
        exit->kind == VIRT_EXIT_TRIPLE_FAULT)
        return;
    if (event & EVENT_ERROR_VALID)
        event |= vmx_read(VMCS_VECTORING_ERROR) << EVENT_ERROR_SHIFT;
    queue(vmx, event);
}

/* Without a TPR shadow every access to CR8 exits anyway. */
void vmx_vcpu_window(struct vcpu *vcpu, bool interrupt, bool nmi, unsigned cr8_threshold)
{
    struct vmx_vcpu *vmx = vcpu->virt;
    uint32_t primary = vmx->primary & ~(PRIMARY_INTERRUPT_WINDOW | PRIMARY_NMI_WINDOW);

    primary |= (interrupt ? PRIMARY_INTERRUPT_WINDOW : 0) | (nmi ? PRIMARY_NMI_WINDOW : 0);
    if (primary != vmx->primary)
        vmx_write(VMCS_PRIMARY_CONTROLS, vmx->primary = primary);
    vmx_write(VMCS_TPR_THRESHOLD, cr8_threshold);
    if (vcpu->lapic.hardware)
        vmx_apic_update(vcpu);
}

/* 27.2.1.3, 27.6.1: outside protected mode no exception has an error code; in it the vector alone decides. #DB clears
 * DR7.GD when the processor raises it, and not when it is injected. */
static void inject(uint64_t event)
{
    unsigned vector = event & EVENT_VECTOR;

    if (guest_event_type(event) == EVENT_TYPE_EXCEPTION) {
        event &= ~EVENT_ERROR_VALID;
        if (guest_exception_has_error(vector) && (vmx_read(VMCS_GUEST_CR0) & CR0_PE))
            event |= EVENT_ERROR_VALID;
        if (vector == VECTOR_DB)
            vmx_write(VMCS_GUEST_DR7, vmx_read(VMCS_GUEST_DR7) & ~DR7_GD);
    }
    vmx_write(VMCS_ENTRY_EVENT, (uint32_t)event);
    vmx_write(VMCS_ENTRY_ERROR, event >> EVENT_ERROR_SHIFT);
}

/* In a shadow the trap of a single step waits for the next instruction, and the field has to say so (27.3.1.5). The VMM
 * may have changed TF. */
uint64_t vmx_pending_step(uint32_t blocking, uint64_t rflags, uint64_t pending)
{
    if (!(blocking & BLOCKED_SHADOW))
        return pending;
    return rflags & RFLAGS_TF ? pending | DR6_BS : pending & ~DR6_BS;
}

/* Before an entry that is not on the fast path. */
void vmx_event_prepare(struct vmx_vcpu *vmx, uint64_t rflags)
{
    if (!(vmx->special & SPECIAL_INJECT) && vmx->pending_debug != 0) {
        vmx_debug_status(vmx, vmx->pending_debug);
        queue(vmx, guest_event_make(VCPU_EVENT_EXCEPTION, VECTOR_DB, false, 0));
        vmx->pending_debug = 0;
    }
    if (vmx->pending_debug == 0)
        vmx->special &= ~(uint32_t)SPECIAL_WAITING;
    if (vmx->special & SPECIAL_INJECT)
        inject(vmx->injection);
    if (vmx->special & SPECIAL_BLOCKING)
        vmx_write(VMCS_INTERRUPTIBILITY, vmx->blocking);
    if (vmx->blocking & BLOCKED_SHADOW)
        vmx_write(VMCS_PENDING_DEBUG, vmx_pending_step(vmx->blocking, rflags, vmx_read(VMCS_PENDING_DEBUG)));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* event.c: events on their way into the guest, the windows that wait for them, and NMI blocking without virtual NMI
 * (APM Vol. 2 15.20, 15.21).
 *
 * EVENTINJ is the queue: one event, delivered by the next VMRUN. A software interrupt or exception is never put there:
 * RIP still stands on its instruction, so running the guest delivers it.
 *
 * SVM does not say when an NMI handler ends. After an NMI was injected IRET is intercepted; that exit comes before the
 * IRET, so the guest is stepped over it. Where the processor would forget an interrupt shadow at the next entry, the
 * instruction behind STI is stepped over, too: an interrupt let in between STI and HLT is one that the guest then waits
 * for in vain.
 *
 * A step is RFLAGS.TF, which the guest must not see: no event is injected meanwhile, every exception and PUSHF are
 * intercepted, and TF and DR6 are put back at every exit.
 */
#include "kernel/assert.h"
#include "svm/svm.h"

/* Nothing is queued or half done, and the guest's own state lets an event of this kind in. */
static bool guest_open(const struct svm_vcpu *svm, uint64_t rflags, bool nmi)
{
    const struct vmcb_control *control = &svm->vmcb->control;

    if ((control->event_injection & EVENT_VALID) || (control->interrupt_state & INTERRUPT_SHADOW))
        return false;
    return nmi ? !svm->nmi_blocked : (rflags & RFLAGS_IF) != 0;
}

bool svm_vcpu_interruptible(struct vcpu *vcpu, bool nmi)
{
    const struct svm_vcpu *svm = vcpu->virt;

    return (svm->special & ~(uint32_t)SPECIAL_WINDOW) == 0 && guest_open(svm, READ_ONCE(vcpu->page->rflags), nmi);
}

/* Record that an NMI handler runs, or that it has ended. */
void svm_nmi_block(struct svm_vcpu *svm, bool blocked)
{
    struct vmcb_control *control = &svm->vmcb->control;

    svm->nmi_blocked = blocked;
    control->intercept_1 = (control->intercept_1 & ~INTERCEPT_IRET) | (blocked ? INTERCEPT_IRET : 0);
}

/* An exception may come while an event waits, namely one that was met on the way to its handler. It goes first: another
 * exception is forgotten, for its instruction raises it again, an interrupt or NMI is deferred. */
void svm_vcpu_inject(struct vcpu *vcpu, enum vcpu_event_type type, uint8_t vector, bool has_error, uint32_t error)
{
    struct svm_vcpu *svm = vcpu->virt;
    uint64_t *injection = &svm->vmcb->control.event_injection;

    ASSERT(type != VCPU_EVENT_EXCEPTION || (vector < 32 && vector != VECTOR_NMI));
    svm_step_end(svm);
    guest_event_defer(vcpu, *injection);
    if (type == VCPU_EVENT_NMI || vcpu->deferred_type == VCPU_EVENT_NMI)
        svm_nmi_block(svm, type == VCPU_EVENT_NMI);
    *injection = guest_event_make(type, vector, has_error, error);
}

/* What the guest was about to take when it exited is taken at the next entry: EXITINTINFO has the form of EVENTINJ. A
 * task switch through a task gate is what its event asked for: the VMM finishes it; a triple fault is the end of one.
 * #BP and #OF come from INT3 and INTO, and are raised by them again. */
void svm_event_requeue(struct svm_vcpu *svm, const struct virt_exit *exit)
{
    uint64_t event = svm->vmcb->control.exit_int_info;
    unsigned type = guest_event_type(event), vector = (unsigned)(event & EVENT_VECTOR);

    if (type == EVENT_TYPE_SOFTWARE || exit->kind == VIRT_EXIT_TASK_SWITCH || exit->kind == VIRT_EXIT_TRIPLE_FAULT)
        return;
    if (type != EVENT_TYPE_EXCEPTION || (vector != VECTOR_BP && vector != VECTOR_OF))
        svm->vmcb->control.event_injection = event & ~EVENT_RESERVED;
}

/* The virtual interrupt is a doorbell only: it is intercepted the moment that the guest could take it, and takes no
 * notice of TPR. An interrupt that waits for TPR alone has CR8 writes intercepted instead. An NMI that is blocked needs
 * none: the end of its handler is an exit. One that another event or an interrupt shadow holds up comes as soon as the
 * guest runs with interrupts on. */
void svm_vcpu_window(struct vcpu *vcpu, bool interrupt, bool nmi, unsigned cr8_threshold)
{
    struct svm_vcpu *svm = vcpu->virt;
    struct vmcb_control *control = &svm->vmcb->control;
    bool wanted = interrupt || (nmi && !svm->nmi_blocked);

    control->intercept_cr_write =
        (uint16_t)((control->intercept_cr_write & ~INTERCEPT_CR8) | (cr8_threshold != 0 ? INTERCEPT_CR8 : 0));
    control->v_pending = 0;
    svm->special = (svm->special & ~(uint32_t)SPECIAL_WINDOW) | (wanted ? SPECIAL_WINDOW : 0);
}

/* Before an entry that is not on the fast path. While stepping no window is armed: the end of the step is an exit by itself. */
void svm_event_prepare(struct svm_vcpu *svm)
{
    struct vmcb *vmcb = svm->vmcb;
    uint64_t *injection = &vmcb->control.event_injection;

    vmcb->control.v_pending = (svm->special & (SPECIAL_WINDOW | SPECIAL_STEP)) == SPECIAL_WINDOW ? V_IRQ : 0;
    if (svm->special & SPECIAL_STEP) {
        svm->step_guest_tf = vmcb->save.rflags & RFLAGS_TF;
        svm->step_dr6 = vmcb->save.dr6;
        vmcb->save.rflags |= RFLAGS_TF;
        vmcb->save.dr6 = DR6_FIXED;
    } else if (svm->pending_debug != 0 && !(*injection & EVENT_VALID)) {
        vmcb->save.dr6 |= svm->pending_debug;
        *injection = guest_event_make(VCPU_EVENT_EXCEPTION, VECTOR_DB, false, 0);
        svm->pending_debug = 0;
    }
    if (svm->pending_debug == 0)
        svm->special &= ~(uint32_t)SPECIAL_WAITING;
}

/* The guest stands on the IRET of its NMI handler, or in an interrupt shadow that the next entry would forget. */
void svm_step_begin(struct svm_vcpu *svm)
{
    struct vmcb_control *control = &svm->vmcb->control;

    svm->special |= SPECIAL_STEP;
    control->intercept_1 = (control->intercept_1 & ~INTERCEPT_IRET) | INTERCEPT_PUSHF;
    control->intercept_exceptions = UINT32_MAX;
}

/* The instruction is over, or its place was taken by something else. An NMI handler's IRET that faults ends the blocking,
 * too (SDM Vol. 3A 6.7.1). Nothing happens when there is no step. */
void svm_step_end(struct svm_vcpu *svm)
{
    if (!(svm->special & SPECIAL_STEP))
        return;
    svm->special &= ~(uint32_t)SPECIAL_STEP;
    svm->vmcb->control.intercept_exceptions = SVM_EXCEPTIONS;
    svm->vmcb->control.intercept_1 &= ~INTERCEPT_PUSHF;
    svm_nmi_block(svm, false);
}

/* An exit while stepping: make it what the guest and the kernel would have seen without the step. A trap without a cause
 * is ours: an emulator commits DR6 only on delivery. Behind IRET the flags are those that it popped, else the guest's
 * with our TF in them. Exceptions go on to the guest, but for those that its INT3 or INTO raises again. */
void svm_step_exit(struct svm_vcpu *svm, struct virt_exit *exit)
{
    struct vmcb_save *save = &svm->vmcb->save;
    bool exception = exit->kind == VIRT_EXIT_EXCEPTION, debug = exception && exit->vector == VECTOR_DB;
    uint64_t causes = debug ? save->dr6 & DR6_EVENTS : 0;
    bool done = debug && (causes == 0 || (causes & DR6_BS));

    if (done)
        causes = (causes & ~DR6_BS) | (svm->step_guest_tf ? DR6_BS : 0);
    save->dr6 = svm->step_dr6 | causes;
    if (!svm->step_guest_tf && !(done && svm->nmi_blocked))
        save->rflags &= ~RFLAGS_TF;
    if (exception || exit->kind == VIRT_EXIT_WINDOW || exit->kind == VIRT_EXIT_TASK_SWITCH)
        svm_step_end(svm);
    if (exception && ((debug && causes == 0) || exit->vector == VECTOR_BP || exit->vector == VECTOR_OF))
        exit->kind = VIRT_EXIT_WINDOW;
}

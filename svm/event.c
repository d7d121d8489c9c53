/* SPDX-License-Identifier: Apache-2.0 */
/* event.c: events on their way into the guest, the windows that wait for them, and NMI blocking without virtual NMI
 * (APM Vol. 2 15.20, 15.21).
 *
 * EVENTINJ is the queue: one event, delivered by the next VMRUN. A software interrupt or exception is never put there:
 * RIP still stands on its instruction, so running the guest delivers it.
 *
 * SVM does not say when an NMI handler ends. After an NMI was injected IRET is intercepted; that exit comes before the
 * IRET, so the guest is stepped over it with RFLAGS.TF, which it must not see: no event is injected meanwhile, every
 * exception is intercepted, and TF and DR6 are put back whatever happens.
 *
 * The same step goes over the instruction behind STI where the processor would forget the shadow at the next entry: an
 * interrupt let in between STI and HLT is one that the guest then waits for in vain.
 */
#include "kernel/assert.h"
#include "svm/svm.h"

#define EXCEPTIONS_WITH_ERROR                                                                                          \
    ((1u << VECTOR_DF) | (1u << VECTOR_TS) | (1u << VECTOR_NP) | (1u << VECTOR_SS) | (1u << VECTOR_GP) |               \
     (1u << VECTOR_PF) | (1u << VECTOR_AC) | (1u << VECTOR_CP) | (3u << 29))

bool svm_exception_has_error(unsigned vector)
{
    return vector < 32 && (EXCEPTIONS_WITH_ERROR & (1u << vector));
}

static unsigned event_type(uint64_t event)
{
    return (unsigned)((event & EVENT_TYPE) >> EVENT_TYPE_SHIFT);
}

/* Nothing to inject, 0, for the events that RIP stands on. */
uint64_t svm_event_make(enum vcpu_event_type type, uint8_t vector, bool has_error, uint32_t error)
{
    switch (type) {
    case VCPU_EVENT_INTERRUPT:
        return EVENT_VALID | (EVENT_TYPE_INTR << EVENT_TYPE_SHIFT) | vector;
    case VCPU_EVENT_NMI:
        return EVENT_VALID | (EVENT_TYPE_NMI << EVENT_TYPE_SHIFT) | VECTOR_NMI;
    case VCPU_EVENT_EXCEPTION:
        return EVENT_VALID | (EVENT_TYPE_EXCEPTION << EVENT_TYPE_SHIFT) | vector |
               (has_error ? EVENT_ERROR_VALID | ((uint64_t)error << EVENT_ERROR_SHIFT) : 0);
    default:
        return 0;
    }
}

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

static void intercept(struct svm_vcpu *svm, uint32_t what, bool on)
{
    uint32_t *word = &svm->vmcb->control.intercept_1;

    *word = on ? *word | what : *word & ~what;
}

/* Record that an NMI handler runs, or that it has ended. */
void svm_nmi_block(struct svm_vcpu *svm, bool blocked)
{
    svm->nmi_blocked = blocked;
    intercept(svm, INTERCEPT_IRET, blocked);
}

/* An exception may come while an event waits, namely one that was met on the way to its handler. It goes first: another
 * exception is forgotten, for its instruction raises it again, an interrupt or NMI waits until the guest takes it. */
void svm_vcpu_inject(struct vcpu *vcpu, enum vcpu_event_type type, uint8_t vector, bool has_error, uint32_t error)
{
    struct svm_vcpu *svm = vcpu->virt;
    struct vmcb_control *control = &svm->vmcb->control;
    uint64_t waiting = control->event_injection;

    svm_step_end(svm);
    if ((waiting & EVENT_VALID) && event_type(waiting) != EVENT_TYPE_EXCEPTION) {
        svm->deferred = waiting;
        svm->special |= SPECIAL_DEFERRED;
    }
    if (type == VCPU_EVENT_EXCEPTION)
        ASSERT(vector < 32 && vector != VECTOR_NMI);
    if (type == VCPU_EVENT_NMI)
        svm_nmi_block(svm, true);
    control->event_injection = svm_event_make(type, vector, has_error, error);
}

/* What the guest was about to take when it exited is taken at the next entry: EXITINTINFO has the form of EVENTINJ. A
 * task switch through a task gate is what its event asked for: the VMM finishes it; a triple fault is the end of one.
 * #BP and #OF come from INT3 and INTO, and are raised by them again. */
void svm_event_requeue(struct svm_vcpu *svm, const struct virt_exit *exit)
{
    uint64_t event = svm->vmcb->control.exit_int_info;
    unsigned type = event_type(event), vector = (unsigned)(event & EVENT_VECTOR);

    svm->vmcb->control.event_injection = 0;
    if (type == EVENT_TYPE_SOFTWARE || exit->kind == VIRT_EXIT_TASK_SWITCH || exit->kind == VIRT_EXIT_TRIPLE_FAULT)
        return;
    if (type == EVENT_TYPE_EXCEPTION && (vector == VECTOR_BP || vector == VECTOR_OF))
        return;
    svm->vmcb->control.event_injection = event & ~EVENT_RESERVED;
}

/* The virtual interrupt is a doorbell only: it is intercepted the moment that the guest could take it, and takes no
 * notice of TPR. An interrupt that waits for TPR alone has CR8 writes intercepted instead. While stepping over an IRET
 * nothing is armed: the end of the step is an exit by itself. */
static void window_apply(struct svm_vcpu *svm)
{
    struct vmcb_control *control = &svm->vmcb->control;
    bool armed = (svm->wish_interrupt || svm->wish_nmi) && !(svm->special & SPECIAL_STEP);

    control->v_pending = armed ? V_IRQ : 0;
    control->v_priority = V_INTR_PRIO_15 | V_IGN_TPR;
    control->intercept_cr_write =
        (uint16_t)((control->intercept_cr_write & ~(1u << 8)) | (svm->wish_cr8 ? 1u << 8 : 0));
    intercept(svm, INTERCEPT_VINTR, armed);
    svm->special = (svm->special & ~(uint32_t)SPECIAL_WINDOW) | (armed ? SPECIAL_WINDOW : 0);
}

/* `interrupt` is also the wish when an interrupt waits only for the guest to lower its TPR. For an NMI that is blocked
 * the exit comes at the end of its handler; for one that another event or an interrupt shadow holds up, as soon as the
 * guest runs with interrupts on. */
void svm_vcpu_window(struct vcpu *vcpu, bool interrupt, bool nmi)
{
    struct svm_vcpu *svm = vcpu->virt;
    struct vlapic *lapic = &vcpu->lapic;

    if (!interrupt && !nmi && !svm->wish_interrupt && !svm->wish_nmi && !svm->wish_cr8)
        return;
    svm->wish_cr8 =
        interrupt && vlapic_cr8_threshold(lapic) != 0 && vlapic_pending(lapic) < 0 && !vlapic_extint_pending(lapic);
    svm->wish_interrupt = interrupt && !svm->wish_cr8;
    svm->wish_nmi = nmi && !svm->nmi_blocked;
    window_apply(svm);
}

/* Before an entry that is not on the fast path. A debug trap comes before a deferred event. */
void svm_event_prepare(struct svm_vcpu *svm)
{
    struct vmcb *vmcb = svm->vmcb;
    uint64_t *injection = &vmcb->control.event_injection;

    if (svm->special & SPECIAL_WINDOW)
        vmcb->control.v_pending = V_IRQ; /* an emulator loses it at an exit */
    if (svm->special & SPECIAL_STEP) {
        vmcb->save.rflags |= RFLAGS_TF;
    } else if ((svm->special & SPECIAL_DEBUG) && !(*injection & EVENT_VALID)) {
        vmcb->save.dr6 |= svm->pending_debug;
        *injection = svm_event_make(VCPU_EVENT_EXCEPTION, VECTOR_DB, false, 0);
        svm->pending_debug = 0;
        svm->special &= ~(uint32_t)SPECIAL_DEBUG;
    } else if ((svm->special & SPECIAL_DEFERRED) &&
               guest_open(svm, vmcb->save.rflags, event_type(svm->deferred) == EVENT_TYPE_NMI)) {
        *injection = svm->deferred;
        svm->special &= ~(uint32_t)SPECIAL_DEFERRED;
    }
}

/* The guest stands on the IRET of its NMI handler. */
void svm_step_begin(struct svm_vcpu *svm)
{
    struct vmcb *vmcb = svm->vmcb;

    svm->special |= SPECIAL_STEP;
    svm->step_guest_tf = vmcb->save.rflags & RFLAGS_TF;
    svm->step_rip = vmcb->save.rip;
    svm->step_dr6 = vmcb->save.dr6;
    vmcb->control.intercept_1 &= ~INTERCEPT_IRET;
    vmcb->control.intercept_exceptions = UINT32_MAX;
    window_apply(svm);
}

/* The guest stands in an interrupt shadow that the next entry would forget. PUSHF would show TF: it ends the step. In an
 * NMI handler, where no interrupt gets in, the shadow does not matter. */
void svm_step_shadow(struct svm_vcpu *svm)
{
    if (svm->nmi_blocked || (svm->special & SPECIAL_STEP))
        return;
    svm_step_begin(svm);
    svm->step_shadow = true;
    svm->vmcb->control.intercept_1 |= INTERCEPT_PUSHF;
}

/* The IRET is over, or its place was taken by something else that ends the blocking (SDM Vol. 3A 6.7.1: also an IRET
 * that faults). Nothing happens when there is no step. */
void svm_step_end(struct svm_vcpu *svm)
{
    if (!(svm->special & SPECIAL_STEP))
        return;
    svm->special &= ~(uint32_t)SPECIAL_STEP;
    svm->vmcb->control.intercept_exceptions = SVM_EXCEPTIONS;
    svm->vmcb->control.intercept_1 &= ~INTERCEPT_PUSHF;
    svm->step_shadow = false;
    svm_nmi_block(svm, false);
    window_apply(svm);
}

/* An exit while stepping: make it what the guest and the kernel would have seen without the step. Until the IRET is done
 * the flags are the interrupted handler's with our TF in them; after it they are those that it popped. */
void svm_step_exit(struct svm_vcpu *svm, struct virt_exit *exit)
{
    struct vmcb *vmcb = svm->vmcb;
    uint64_t new_dr6 = vmcb->save.dr6 & ~svm->step_dr6 & DR6_EVENTS;
    bool trapped = exit->kind == VIRT_EXIT_EXCEPTION && exit->vector == VECTOR_DB && vmcb->save.rip != svm->step_rip;

    if ((!trapped || svm->step_shadow) && !svm->step_guest_tf)
        vmcb->save.rflags &= ~RFLAGS_TF;
    if (exit->kind == VIRT_EXIT_TASK_SWITCH || (svm->step_shadow && exit->kind != VIRT_EXIT_INTERRUPT))
        svm_step_end(svm);
    if (exit->kind != VIRT_EXIT_EXCEPTION)
        return;

    svm_step_end(svm);
    if (!trapped && exit->vector != VECTOR_DB) {
        vmcb->control.event_injection =
            svm_event_make(VCPU_EVENT_EXCEPTION, exit->vector, exit->has_error_code, exit->error_code);
        if (exit->vector == VECTOR_PF)
            vmcb->save.cr2 = vmcb->control.exit_info_2;
    } else if (!trapped || svm->step_guest_tf || (new_dr6 & DR6_BREAKPOINTS)) {
        if (trapped && !svm->step_guest_tf)
            vmcb->save.dr6 &= ~(DR6_BS & ~svm->step_dr6);
        vmcb->control.event_injection = svm_event_make(VCPU_EVENT_EXCEPTION, VECTOR_DB, false, 0);
    } else {
        vmcb->save.dr6 = svm->step_dr6;
    }
    *exit = (struct virt_exit){ .kind = VIRT_EXIT_NMI_WINDOW };
}

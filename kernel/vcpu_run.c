/* SPDX-License-Identifier: Apache-2.0 */
/* vcpu_run.c: the loop: what has to be delivered, one stay in the guest, what the exit asks for. */
#include "kernel/vcpu_run.h"

#include "kernel/assert.h"
#include "kernel/cpu.h"
#include "kernel/notification.h"
#include "kernel/system.h"
#include "kernel/thread.h"
#include "kernel/vcpu_exit_table.h"
#include "kernel/vm.h"
#include "kernel/x86.h"
#include "kernel/xstate.h"

/* Give the vCPU up and return from the system call. What `reason` says of vcpu->exit has been filled in; but for
 * VCPU_EXIT_NOTIFICATION, when nothing happened in the guest, it stays pending until it is completed. */
static void leave(struct thread *thread, struct vcpu *vcpu, enum vcpu_exit_reason reason)
{
    struct vcpu_exit *exit = &vcpu->exit;
    uint32_t groups = exit_groups[reason];

    if (reason == VCPU_EXIT_NOTIFICATION) {
        vcpu->page->exit.reason = reason;
        vcpu->page->exit.pending = 0;
    } else {
        if (reason == VCPU_EXIT_IO && (exit->io.flags & VCPU_IO_STRING) == 0)
            groups = 0;
        if (exit->pending == 0) {
            exit->sequence = ++vcpu->sequence;
            exit->reason = reason;
            exit->pending = 1;
            vcpu->page->exits_to_vmm++;
        }
        if (groups != 0) {
            xstate_note_xcr0(this_cpu()); /* the VMM may hand the group back with one register changed */
            virt->vcpu_get(vcpu, groups);
        }
        vcpu->page->valid = groups | VCPU_GROUP_RIP;
        vcpu->page->dirty = 0;
        vcpu->page->exit = *exit;
    }
    thread->registers.rax = CL_OK;
    thread->registers.rdx = reason;
    thread->vcpu = NULL;
    vcpu_release(vcpu);
}

static enum cl_status complete(struct vcpu *vcpu)
{
    struct vcpu_page *page = vcpu->page;
    struct vcpu_events event;

    switch (READ_ONCE(page->completion)) {
    case VCPU_COMPLETE_RETRY:
        break;
    case VCPU_COMPLETE_ADVANCE:
        virt->vcpu_advance(vcpu, READ_ONCE(page->exit.next_rip));
        break;
    case VCPU_COMPLETE_EXCEPTION:
        event = page->event;
        if (event.vector >= 32 || event.vector == VECTOR_NMI)
            return refuse(CL_BAD_ARGUMENT, "exit completed with exception vector %u", event.vector);
        virt->vcpu_inject(vcpu, VCPU_EVENT_EXCEPTION, event.vector, event.has_error_code != 0, event.error_code);
        break;
    default:
        return refuse(CL_BAD_ARGUMENT, "exit completed in a way that does not exist: %u", page->completion);
    }
    vcpu->exit.pending = 0;
    return CL_OK;
}

/* The backend has checked its copy of what the page says; what the kernel itself keeps is read back from the backend. */
enum cl_status vcpu_set_groups(struct vcpu *vcpu, uint32_t groups)
{
    TRY(virt->vcpu_set(vcpu, groups));
    if ((groups & VCPU_GROUP_CONTROL) != 0) {
        virt->vcpu_get(vcpu, VCPU_GROUP_CONTROL);
        vcpu->osxsave = (vcpu->page->cr4 & CR4_OSXSAVE) != 0;
    }
    if ((groups & VCPU_GROUP_EVENTS) != 0) {
        struct vcpu_events event = *(const volatile struct vcpu_events *)&vcpu->page->event;
        bool ends_halt = event.type != VCPU_EVENT_NONE || event.pending_debug != 0; /* SDM Vol. 3C 27.7.2, 27.7.3 */

        vcpu->activity = ends_halt && event.activity == VCPU_HALTED ? VCPU_RUNNING : event.activity;
    }
    return CL_OK;
}

/* Check everything that the VMM says, and take it over. */
static enum cl_status prepare(struct thread *thread, struct vcpu *vcpu, struct notification *notification,
                              uint64_t completed)
{
    uint32_t dirty = READ_ONCE(vcpu->page->dirty) & (VCPU_GROUP_ALL & ~(uint32_t)VCPU_GROUP_RIP);

    if (vcpu->broken)
        return refuse(CL_STOPPED, "the CPU refused this vCPU's state: the log has the broken rules");
    if (thread->watched != notification)
        TRY(notification_watch(notification, thread));
    if (vcpu->exit.pending != 0 && completed == vcpu->exit.sequence)
        TRY(complete(vcpu));
    if (dirty != 0)
        TRY(vcpu_set_groups(vcpu, dirty));
    vcpu->page->dirty = 0;
    return CL_OK;
}

enum cl_status vcpu_run_begin(struct thread *thread, struct vcpu *vcpu, struct notification *notification,
                              uint64_t completed)
{
    enum cl_status status;

    TRY(vcpu_hold(vcpu, thread));
    status = prepare(thread, vcpu, notification, completed);
    if (status != CL_OK) {
        (void)!notification_watch(NULL, thread); /* cannot fail */
        vcpu_release(vcpu);
        return status;
    }
    thread->vcpu = vcpu;
    vcpu_arm_timer(vcpu, thread);
    return CL_OK;
}

void vcpu_arm_timer(struct vcpu *vcpu, struct thread *thread)
{
    uint64_t due = vlapic_deadline(&vcpu->lapic);

    if (due != VLAPIC_TIMER_NEVER)
        timer_arm(&thread->deadline, due - vcpu->tsc_offset);
    else if (READ_ONCE(thread->deadline.cpu) != TIMER_NOWHERE)
        timer_disarm(&thread->deadline);
}

/* Whether a halted vCPU has a reason to go on (SDM Vol. 2A HLT). */
static bool has_wake_event(struct vcpu *vcpu)
{
    bool nmi = vcpu->deferred_type == VCPU_EVENT_NMI || vlapic_nmi_pending(&vcpu->lapic);
    bool interrupt = vcpu->deferred_type == VCPU_EVENT_INTERRUPT || vlapic_pending(&vcpu->lapic) >= 0 ||
                     vlapic_extint_pending(&vcpu->lapic);

    return nmi || (interrupt && (vcpu->page->rflags & RFLAGS_IF) != 0);
}

static bool has_reason_to_look(struct vcpu *vcpu, const struct thread *thread)
{
    return READ_ONCE(vcpu->signals) != 0 || READ_ONCE(thread->watched->pending) != 0;
}

/* Sleep until an event. One that comes before the thread sleeps is seen here, one that comes later finds it asleep
 * (thread_poke). */
static void sleep_in_halt(struct vcpu *vcpu, struct thread *thread)
{
    thread_block(thread, WAIT_HALT);
    if ((vcpu->activity == VCPU_HALTED && has_wake_event(vcpu)) || has_reason_to_look(vcpu, thread))
        (void)thread_wake(thread, WAIT_HALT);
}

static void clear_signals(struct vcpu *vcpu, uint32_t signals)
{
    __atomic_fetch_and(&vcpu->signals, ~signals, __ATOMIC_ACQ_REL);
}

/* Signals and notification bits. INIT and SIPI are the VMM's to carry out, but for the local APIC. A SIPI counts only for a
 * vCPU that waits for one. */
static enum vcpu_exit_reason serve_signals(struct vcpu *vcpu, struct thread *thread)
{
    uint32_t signals = __atomic_load_n(&vcpu->signals, __ATOMIC_ACQUIRE);

    if ((signals & VCPU_SIGNAL_TIMER) != 0) { /* what is due from the local APIC timer becomes an interrupt */
        clear_signals(vcpu, VCPU_SIGNAL_TIMER);
        (void)vlapic_timer_fire(&vcpu->lapic, x86_rdtsc() + vcpu->tsc_offset);
        vcpu_arm_timer(vcpu, thread);
    }
    if ((signals & VCPU_SIGNAL_INIT) != 0) {
        clear_signals(vcpu, VCPU_SIGNAL_INIT);
        vlapic_reset(&vcpu->lapic);
        vcpu_arm_timer(vcpu, thread);
        return VCPU_EXIT_INIT;
    }
    if ((signals & VCPU_SIGNAL_SIPI) != 0) {
        clear_signals(vcpu, VCPU_SIGNAL_SIPI | 0xff);
        vcpu->exit.sipi.vector = signals & 0xff;
        if (vcpu->activity == VCPU_WAIT_FOR_SIPI)
            return VCPU_EXIT_SIPI;
    }
    if ((signals & VCPU_SIGNAL_KICK) == 0 && READ_ONCE(thread->watched->pending) == 0)
        return VCPU_EXIT_NONE;
    clear_signals(vcpu, VCPU_SIGNAL_KICK);
    return VCPU_EXIT_NOTIFICATION;
}

/* What was deferred comes before everything else. False: it waits on, and asks for a window for itself alone. */
static bool deliver_deferred(struct vcpu *vcpu)
{
    enum vcpu_event_type type = vcpu->deferred_type;
    bool nmi = type == VCPU_EVENT_NMI;

    if (type == VCPU_EVENT_NONE)
        return true;
    if (!virt->vcpu_interruptible(vcpu, nmi)) {
        virt->vcpu_window(vcpu, !nmi, nmi, vlapic_cr8_threshold(&vcpu->lapic));
        return false;
    }
    virt->vcpu_inject(vcpu, type, vcpu->deferred_vector, false, 0);
    vcpu_defer(vcpu, VCPU_EVENT_NONE, 0);
    return true;
}

/* Put one event into the guest, or ask for a window. A processor that works on the local APIC takes its interrupts itself.
 * True: the 8259 has to be asked for its vector. */
static bool deliver_events(struct vcpu *vcpu)
{
    struct vlapic *lapic = &vcpu->lapic;
    bool nmi = vlapic_nmi_pending(lapic);
    bool ask_8259 = false;
    bool interrupt;
    int vector;

    if (!deliver_deferred(vcpu))
        return false;
    if (nmi && virt->vcpu_interruptible(vcpu, true)) {
        nmi = !vlapic_nmi_take(lapic);
        virt->vcpu_inject(vcpu, VCPU_EVENT_NMI, VECTOR_NMI, false, 0);
    }
    vector = lapic->assisted ? -1 : vlapic_pending(lapic);
    interrupt = vector >= 0 || vlapic_extint_pending(lapic);
    if (interrupt && virt->vcpu_interruptible(vcpu, false)) {
        if (vector >= 0) {
            vlapic_take(lapic, (unsigned)vector);
            virt->vcpu_inject(vcpu, VCPU_EVENT_INTERRUPT, (uint8_t)vector, false, 0);
            interrupt = vlapic_pending(lapic) >= 0 || vlapic_extint_pending(lapic);
        } else {
            ask_8259 = true;
        }
    }
    virt->vcpu_window(vcpu, interrupt, nmi, vlapic_cr8_threshold(lapic));
    return ask_8259;
}

static void load(struct cpu *cpu, struct vcpu *vcpu)
{
    vcpu_unload(cpu);
    cpu->vcpu = vcpu;
    vcpu->cpu = cpu->index;
    virt->vcpu_load(vcpu);
}

/* The TPR threshold may be older than the TPR. The entry itself asks for the windows that it wants. */
unsigned vcpu_audit(struct vcpu *vcpu)
{
    if (this_cpu()->vcpu != vcpu)
        load(this_cpu(), vcpu);
    virt->vcpu_window(vcpu, false, false, vlapic_cr8_threshold(&vcpu->lapic));
    vcpu->window = true;
    log_line("VM %s: vCPU %u is audited as it would be entered now", vcpu->vm->name, vcpu->index);
    return virt->vcpu_audit(vcpu);
}

void vcpu_interrupt_window(void)
{
    __asm__ volatile("sti; nop; cli" : : : "memory");
}

/* One entry and what follows from it. */
static enum vcpu_exit_reason enter_once(struct vcpu *vcpu)
{
    struct vlapic *lapic = &vcpu->lapic;
    enum vcpu_exit_reason reason;
    struct virt_exit exit;

    if (!vlapic_idle(lapic) || vcpu->window) {
        bool ask_8259 = deliver_events(vcpu);
        /* armed: to be looked at even if the 8259's line falls */
        vcpu->window = ask_8259 || !vlapic_idle(lapic) || vcpu->deferred_type != VCPU_EVENT_NONE;
        if (ask_8259)
            return VCPU_EXIT_EXTINT;
    }
    virt->vcpu_enter(vcpu, &exit);
    reason = vcpu_handle_exit(vcpu, &exit);
    if (reason == VCPU_EXIT_NONE)
        vcpu->page->exits_in_kernel++;
    return reason;
}

/* Until the CPU has to attend to something, which is so, too, when the thread sleeps, or the VMM has to act. */
static enum vcpu_exit_reason run_guest(struct cpu *cpu, struct thread *thread, struct vcpu *vcpu)
{
    enum vcpu_exit_reason reason = VCPU_EXIT_NONE;

    while (reason == VCPU_EXIT_NONE && READ_ONCE(cpu->attention) == 0) {
        if (__builtin_expect(has_reason_to_look(vcpu, thread), 0))
            reason =
                serve_signals(vcpu, thread); /* a timer that was armed has to be programmed before the guest runs */
        else if (__builtin_expect(vcpu->activity == VCPU_RUNNING, 1))
            reason = enter_once(vcpu);
        else if (vcpu->activity == VCPU_HALTED && has_wake_event(vcpu))
            vcpu->activity = VCPU_RUNNING;
        else
            sleep_in_halt(vcpu, thread);
    }
    return reason;
}

void vcpu_loop(struct cpu *cpu, struct thread *thread)
{
    struct vcpu *vcpu = thread->vcpu;
    enum vcpu_exit_reason reason = vcpu->exit.reason;
    uint64_t begin;

    if (vcpu->exit.pending == 0) {
        if (cpu->vcpu != vcpu)
            load(cpu, vcpu);
        xstate_switch(cpu, vcpu->xstate, vcpu->xcr0);
        begin = x86_rdtsc();
        reason = run_guest(cpu, thread, vcpu);
        vcpu->page->guest_tsc_total += x86_rdtsc() - begin;
    }
    if (reason != VCPU_EXIT_NONE)
        leave(thread, vcpu, reason);
}

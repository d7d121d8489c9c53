/* SPDX-License-Identifier: Apache-2.0 */
/* vcpu_run.c: the loop: what has to be delivered, one stay in the guest, what the exit asks for. */
#include "kernel/vcpu_run.h"

#include "kernel/assert.h"
#include "kernel/cpu.h"
#include "kernel/notification.h"
#include "kernel/system.h"
#include "kernel/thread.h"
#include "kernel/vm.h"
#include "kernel/x86.h"
#include "kernel/xstate.h"

/* Groups that a VMM needs to decode an instruction and walk the guest's page tables. */
#define DECODE_GROUPS (VCPU_GROUP_SEGMENTS | VCPU_GROUP_CONTROL)

static uint32_t groups_for(uint32_t reason)
{
    switch (reason) {
    case VCPU_EXIT_MEMORY:
    case VCPU_EXIT_DECODE:
    case VCPU_EXIT_TASK_SWITCH:
    case VCPU_EXIT_HYPERCALL:
        return DECODE_GROUPS;
    case VCPU_EXIT_TRIPLE_FAULT:
        return VCPU_GROUP_ALL;
    default:
        return 0;
    }
}

/* String I/O addresses memory through segments and page tables. */
static uint32_t groups_for_exit(const struct vcpu_exit *exit)
{
    bool string = exit->reason == VCPU_EXIT_IO && (exit->io.flags & VCPU_IO_STRING) != 0;

    return string ? DECODE_GROUPS : groups_for(exit->reason);
}

/* Give the vCPU up and return from the system call. */
static void leave(struct thread *thread, struct vcpu *vcpu)
{
    thread->registers.rax = CL_OK;
    thread->registers.rdx = vcpu->page->exit.reason;
    thread->vcpu = NULL;
    vcpu_release(vcpu);
}

/* vcpu->exit has been filled in. */
static void leave_with_exit(struct thread *thread, struct vcpu *vcpu)
{
    uint32_t groups = groups_for_exit(&vcpu->exit);

    vcpu->exit.sequence = ++vcpu->sequence;
    vcpu->exit.pending = 1;
    if (groups != 0) {
        xstate_note_xcr0(this_cpu()); /* the VMM may hand the group back with one register changed */
        virt->vcpu_get(vcpu, groups);
    }
    vcpu->page->valid = groups | VCPU_GROUP_RIP;
    vcpu->page->dirty = 0;
    vcpu->page->exit = vcpu->exit;
    vcpu->page->exits_to_vmm++;
    leave(thread, vcpu);
}

/* Nothing happened in the guest: bits are waiting, or somebody kicked. */
static void leave_for_notification(struct thread *thread, struct vcpu *vcpu)
{
    vcpu->page->exit.reason = VCPU_EXIT_NOTIFICATION;
    vcpu->page->exit.pending = 0;
    leave(thread, vcpu);
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
        vlapic_cr8_set(&vcpu->lapic, vcpu->page->cr8);
        vcpu->osxsave = (vcpu->page->cr4 & CR4_OSXSAVE) != 0;
    }
    if ((groups & VCPU_GROUP_EVENTS) != 0)
        vcpu->activity = READ_ONCE(vcpu->page->event.activity);
    return CL_OK;
}

static enum cl_status load_changes(struct vcpu *vcpu)
{
    uint32_t dirty = READ_ONCE(vcpu->page->dirty) & (VCPU_GROUP_ALL & ~(uint32_t)VCPU_GROUP_RIP);

    if (dirty == 0)
        return CL_OK;
    TRY(vcpu_set_groups(vcpu, dirty));
    vcpu->page->dirty = 0;
    return CL_OK;
}

enum cl_status vcpu_run_begin(struct thread *thread, struct vcpu *vcpu, struct notification *notification,
                              uint64_t completed)
{
    enum cl_status status;

    TRY(vcpu_hold(vcpu, thread));
    if (vcpu->broken)
        status = refuse(CL_STOPPED, "the CPU refused this vCPU's state: the log has the broken rules");
    else if (vcpu->cpu != VCPU_NOWHERE && vcpu->cpu != this_cpu()->index)
        status = refuse(CL_BUSY, "the vCPU is still loaded on CPU %u", vcpu->cpu);
    else
        status = thread->watched == notification ? CL_OK : notification_watch(notification, thread);
    if (status == CL_OK && vcpu->exit.pending != 0 && completed == vcpu->exit.sequence)
        status = complete(vcpu);
    if (status == CL_OK)
        status = load_changes(vcpu);
    if (status != CL_OK) {
        if (thread->watched != notification)
            notification_unwatch(notification, thread);
        vcpu_release(vcpu);
        return status;
    }
    if (thread->watched != notification) {
        object_reference(&notification->object);
        if (thread->watched != NULL) {
            notification_unwatch(thread->watched, thread);
            object_drop(&thread->watched->object);
        }
        thread->watched = notification;
    }
    thread->vcpu = vcpu;
    vcpu_arm_timer(vcpu, thread);
    return CL_OK;
}

void vcpu_run_abandon(struct thread *thread)
{
    struct vcpu *vcpu = thread->vcpu;

    thread->vcpu = NULL;
    vcpu_release(vcpu);
}

void vcpu_arm_timer(struct vcpu *vcpu, struct thread *thread)
{
    uint64_t due = vlapic_deadline(&vcpu->lapic);

    if (due == VLAPIC_TIMER_NEVER) {
        if (READ_ONCE(thread->deadline.cpu) != VCPU_NOWHERE)
            timer_disarm(&thread->deadline);
        return;
    }
    due -= vcpu->tsc_offset;
    if (READ_ONCE(thread->deadline.cpu) != this_cpu()->index || thread->deadline.node.key != due)
        timer_arm(&thread->deadline, due);
}

/* What is due from the local APIC timer becomes an interrupt. */
static void serve_timer(struct vcpu *vcpu, struct thread *thread)
{
    __atomic_fetch_and(&vcpu->signals, ~(uint32_t)VCPU_SIGNAL_TIMER, __ATOMIC_ACQUIRE);
    bool raised = vlapic_timer_fire(&vcpu->lapic, x86_rdtsc() + vcpu->tsc_offset);
    (void)raised; /* vlapic_pending sees it */
    vcpu_arm_timer(vcpu, thread);
}

/* Whether a halted vCPU has a reason to go on (SDM Vol. 2A HLT). */
static bool has_wake_event(struct vcpu *vcpu)
{
    bool interrupt = vlapic_pending(&vcpu->lapic) >= 0 || vlapic_extint_pending(&vcpu->lapic);

    return vlapic_nmi_pending(&vcpu->lapic) || (interrupt && (vcpu->page->rflags & RFLAGS_IF) != 0);
}

static bool has_reason_to_look(struct vcpu *vcpu, const struct thread *thread)
{
    return READ_ONCE(vcpu->signals) != 0 || READ_ONCE(thread->watched->pending) != 0;
}

/* Sleep until an event; false when one is there already. The lock closes the gap to thread_poke(). */
static bool sleep_in_halt(struct vcpu *vcpu, struct thread *thread)
{
    bool sleeps = false;

    lock_acquire(&thread->lock);
    if (!(vcpu->activity == VCPU_HALTED && has_wake_event(vcpu)) && !has_reason_to_look(vcpu, thread)) {
        thread_block(thread, WAIT_HALT);
        sleeps = true;
    }
    lock_release(&thread->lock);
    return sleeps;
}

/* INIT and SIPI are the VMM's to carry out. A SIPI counts only for a vCPU that waits for one. */
static bool serve_init_and_sipi(struct vcpu *vcpu, uint32_t signals)
{
    if ((signals & VCPU_SIGNAL_INIT) != 0) {
        __atomic_fetch_and(&vcpu->signals, ~(uint32_t)VCPU_SIGNAL_INIT, __ATOMIC_ACQ_REL);
        vcpu->exit.reason = VCPU_EXIT_INIT;
        return true;
    }
    __atomic_fetch_and(&vcpu->signals, ~(uint32_t)(VCPU_SIGNAL_SIPI | 0xff), __ATOMIC_ACQ_REL);
    vcpu->exit.reason = VCPU_EXIT_SIPI;
    vcpu->exit.sipi.vector = signals & 0xff;
    return vcpu->activity == VCPU_WAIT_FOR_SIPI;
}

/* Signals and notification bits: true when the thread has left for its VMM. */
static bool serve_signals(struct vcpu *vcpu, struct thread *thread)
{
    uint32_t signals = __atomic_load_n(&vcpu->signals, __ATOMIC_ACQUIRE);

    if ((signals & VCPU_SIGNAL_TIMER) != 0)
        serve_timer(vcpu, thread);
    if ((signals & (VCPU_SIGNAL_INIT | VCPU_SIGNAL_SIPI)) != 0 && serve_init_and_sipi(vcpu, signals)) {
        leave_with_exit(thread, vcpu);
        return true;
    }
    if ((signals & VCPU_SIGNAL_KICK) == 0 && READ_ONCE(thread->watched->pending) == 0)
        return false;
    __atomic_fetch_and(&vcpu->signals, ~(uint32_t)VCPU_SIGNAL_KICK, __ATOMIC_ACQ_REL);
    leave_for_notification(thread, vcpu);
    return true;
}

/* Put one event into the guest, or ask for a window. True: the 8259 has to be asked for its vector. */
static bool deliver_events(struct vcpu *vcpu)
{
    struct vlapic *lapic = &vcpu->lapic;
    bool nmi = vlapic_nmi_pending(lapic);
    bool ask_8259 = false;
    bool interrupt;
    int vector;

    if (nmi && virt->vcpu_interruptible(vcpu, true)) {
        nmi = !vlapic_nmi_take(lapic);
        virt->vcpu_inject(vcpu, VCPU_EVENT_NMI, VECTOR_NMI, false, 0);
    }
    vector = vlapic_pending(lapic);
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
    virt->vcpu_window(vcpu, interrupt || vlapic_cr8_threshold(lapic) != 0, nmi);
    return ask_8259;
}

/* The physical interrupt that ended the guest's slice is taken here. */
static void interrupt_window(void)
{
    __asm__ volatile("sti; nop; cli" : : : "memory");
}

static void load(struct cpu *cpu, struct vcpu *vcpu)
{
    if (cpu->vcpu != NULL)
        vcpu_unload(cpu);
    cpu->vcpu = vcpu;
    vcpu->cpu = cpu->index;
    virt->vcpu_load(vcpu);
}

/* One entry and what follows from it; false: the thread has left for its VMM. */
static bool enter_once(struct thread *thread, struct vcpu *vcpu)
{
    struct vlapic *lapic = &vcpu->lapic;
    struct vcpu_page *page = vcpu->page;
    struct virt_exit exit;

    if (!vlapic_idle(lapic) || vcpu->window) {
        bool ask_8259 = deliver_events(vcpu);
        vcpu->window = ask_8259 || !vlapic_idle(lapic); /* armed: to be looked at even if the 8259's line falls */
        if (ask_8259) {
            vcpu->exit.reason = VCPU_EXIT_EXTINT;
            leave_with_exit(thread, vcpu);
            return false;
        }
    }
    uint64_t cr8 = vlapic_cr8_get(lapic);
    page->cr8 = cr8;
    virt->vcpu_enter(vcpu, &exit);
    if (__builtin_expect(page->cr8 != cr8, 0))
        vlapic_cr8_set(lapic, page->cr8);
    if (exit.kind == VIRT_EXIT_INTERRUPT) {
        page->count_interrupt++;
        interrupt_window();
        return true;
    }
    if (vcpu_handle_exit(vcpu, &exit, &vcpu->exit) == VCPU_AGAIN) {
        page->exits_in_kernel++;
        return true;
    }
    leave_with_exit(thread, vcpu);
    return false;
}

/* A vCPU that does not run wakes up, or its thread goes to sleep: then false. */
static bool wake_or_sleep(struct vcpu *vcpu, struct thread *thread)
{
    if (vcpu->activity != VCPU_HALTED || !has_wake_event(vcpu))
        return !sleep_in_halt(vcpu, thread);
    vcpu->activity = VCPU_RUNNING;
    return true;
}

static void run_guest(struct cpu *cpu, struct thread *thread, struct vcpu *vcpu)
{
    while (READ_ONCE(cpu->attention) == 0) {
        if (__builtin_expect(has_reason_to_look(vcpu, thread), 0) &&
            (serve_signals(vcpu, thread) || READ_ONCE(cpu->attention) != 0))
            return; /* a timer that was armed has to be programmed first */
        if (__builtin_expect(vcpu->activity != VCPU_RUNNING, 0)) {
            if (!wake_or_sleep(vcpu, thread))
                return;
        } else if (!enter_once(thread, vcpu)) {
            return;
        }
    }
}

void vcpu_loop(struct cpu *cpu, struct thread *thread)
{
    struct vcpu *vcpu = thread->vcpu;
    uint64_t begin;

    if (vcpu->exit.pending != 0) {
        /* nobody completed it: the same exit again */
        virt->vcpu_get(vcpu, groups_for_exit(&vcpu->exit));
        vcpu->page->valid = groups_for_exit(&vcpu->exit) | VCPU_GROUP_RIP;
        vcpu->page->exit = vcpu->exit;
        leave(thread, vcpu);
        return;
    }
    if (cpu->vcpu != vcpu)
        load(cpu, vcpu);
    xstate_switch(cpu, vcpu->xstate, vcpu->xcr0);
    begin = x86_rdtsc();
    run_guest(cpu, thread, vcpu);
    vcpu->page->guest_tsc_total += x86_rdtsc() - begin;
}

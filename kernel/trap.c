/* SPDX-License-Identifier: Apache-2.0 */
/* trap.c: interrupts and exceptions, and the crash report when one should not have happened. */
#include "kernel/trap.h"

#include "kernel/assert.h"
#include "kernel/cpu.h"
#include "kernel/crash.h"
#include "kernel/domain.h"
#include "kernel/irq.h"
#include "kernel/lapic.h"
#include "kernel/notification.h"
#include "kernel/system.h"
#include "kernel/thread.h"
#include "kernel/x86.h"

static void device_interrupt(struct cpu *cpu, uint64_t vector)
{
    cpu->interrupts++;
    if (vector == VECTOR_TIMER) {
        cpu->timer_programmed = TIMER_NEVER;
        lapic_timer_fired();
        __atomic_fetch_or(&cpu->attention, ATTENTION_TIMER, __ATOMIC_RELAXED);
    } else if (vector >= VECTOR_DEVICE_FIRST && vector <= VECTOR_DEVICE_LAST) {
        irq_arrived((uint8_t)vector);
    } else if (vector == VECTOR_KICK && cpu->sweeping) {
        cpu->sweeping = false;
        __atomic_fetch_or(&cpu->attention, ATTENTION_SWEEP, __ATOMIC_RELAXED);
    }
    /* VECTOR_KICK: any other reason stands in `attention`. The spurious vector has no EOI. */
    if (vector != VECTOR_SPURIOUS)
        lapic_eoi();
}

/* A thread did what ring 3 may not: its domain stops, the supervisor is told. */
static void user_fault(struct thread *thread)
{
    struct domain *domain = thread->domain;

    thread->fault_address = thread->registers.vector == VECTOR_PF ? x86_read_cr2() : 0;
    crash_report_user(thread, thread->fault_address);
    if (domain->faults == NULL)
        panic("init has failed: nobody is left who could start, stop or watch anything");
    thread->faulted = true;
    bool stopped = domain_stop(domain);
    (void)stopped; /* this CPU leaves it in kernel_exit, the others when they are kicked */
    if (domain->faults != NULL)
        notification_signal(domain->faults, domain->faults_bit);
}

void interrupt_from_user(struct registers *registers)
{
    struct cpu *cpu = this_cpu();

    if (registers->vector < EXCEPTIONS)
        user_fault(cpu->current);
    else
        device_interrupt(cpu, registers->vector);
    kernel_exit();
}

/* Only the two windows for interrupts lead here (idle, and after an interrupt ended a guest's slice), or a bug. */
void interrupt_from_kernel(struct registers *registers)
{
    if (registers->vector < EXCEPTIONS)
        crash_kernel(registers, exception_names[registers->vector]);
    device_interrupt(this_cpu(), registers->vector);
}

void exception_on_ist(struct registers *registers, struct cpu *cpu)
{
    if (registers->vector == VECTOR_NMI) {
        crash_nmi();
        cpu->nmi_seen = true;
        return;
    }
    crash_kernel(registers, exception_names[registers->vector]);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* system.c: shoot-downs, attention, switching threads, leaving the kernel. */
#include "kernel/system.h"

#include "kernel/assert.h"
#include "kernel/cpu.h"
#include "kernel/domain.h"
#include "kernel/hostmap.h"
#include "kernel/lapic.h"
#include "kernel/string.h"
#include "kernel/thread.h"
#include "kernel/trace.h"
#include "kernel/vcpu_run.h"
#include "kernel/virt.h"
#include "kernel/x86.h"
#include "kernel/xstate.h"

struct spinlock structure_lock;
static uint64_t shootdown_generation; /* [a] */

void resume_by_sysret(struct registers *registers) __attribute__((noreturn));
void resume_by_iret(struct registers *registers) __attribute__((noreturn));

void cpu_attention(struct cpu *cpu, uint32_t reasons)
{
    uint32_t before = __atomic_fetch_or(&cpu->attention, reasons, __ATOMIC_SEQ_CST);

    /* what was wanted before has sent its interrupt */
    if ((before & reasons) != reasons && cpu != this_cpu() && cpu->online) {
        this_cpu()->ipis++;
        lapic_ipi(cpu->apic_id, VECTOR_KICK);
    }
}

uint64_t shootdown_post(void)
{
    uint64_t generation = __atomic_add_fetch(&shootdown_generation, 1, __ATOMIC_SEQ_CST);

    for (uint32_t i = 0; i < cpu_count; i++)
        cpu_attention(&cpus[i], ATTENTION_SHOOTDOWN);
    return generation;
}

bool shootdown_passed(uint64_t generation)
{
    for (uint32_t i = 0; i < cpu_count; i++) {
        if (cpus[i].online && __atomic_load_n(&cpus[i].shootdown_done, __ATOMIC_ACQUIRE) < generation)
            return false;
    }
    return true;
}

static void load_ports(struct cpu *cpu, struct domain *domain)
{
    if (domain->iomap == NULL) {
        cpu->tss.iomap_base = sizeof(cpu->tss);
        return;
    }
    bool stale = __atomic_exchange_n(&cpu->iomap_stale, false, __ATOMIC_ACQUIRE);
    if (cpu->iomap_owner != domain || stale) {
        memcpy(cpu->tss.iomap, domain->iomap, sizeof(cpu->tss.iomap) - 1);
        cpu->iomap_owner = domain;
    }
    cpu->tss.iomap_base = offsetof(struct tss, iomap);
}

/* This CPU's part; called with nothing looked up. */
static void shootdown_perform(struct cpu *cpu)
{
    uint64_t generation = __atomic_load_n(&shootdown_generation, __ATOMIC_SEQ_CST);

    if (cpu->current == NULL) {
        /* an idle CPU lets go of the last domain's tables */
        hostmap_load();
        cpu->domain = NULL;
        cpu->iomap_owner = NULL;
    } else {
        x86_write_cr3(x86_read_cr3());
        load_ports(cpu, cpu->domain);
    }
    if (virt != NULL)
        virt->cpu_flush();
    __atomic_store_n(&cpu->shootdown_done, generation, __ATOMIC_RELEASE);
}

/* QEMU 7.2 does not intercept XSETBV: the register itself tells what the guest has set. */
void xstate_note_xcr0(struct cpu *cpu)
{
    if (cpu->vcpu == NULL || cpu->xstate != cpu->vcpu->xstate)
        return;
    cpu->xcr0 = x86_xgetbv(0);
    cpu->vcpu->xcr0 = cpu->xcr0 & xstate_mask;
}

/* Bring `xstate` into the registers; what was there goes home first. NULL: only that. */
void xstate_switch(struct cpu *cpu, struct xstate *xstate, uint64_t xcr0)
{
    if (cpu->xstate != xstate) {
        xstate_note_xcr0(cpu);
        if (cpu->xcr0 != xstate_mask) {
            x86_xsetbv(0, xstate_mask);
            cpu->xcr0 = xstate_mask;
        }
        if (cpu->xstate != NULL)
            xstate_save(cpu->xstate);
        if (xstate != NULL)
            xstate_load(xstate);
        cpu->xstate = xstate;
    }
    if (cpu->xcr0 != xcr0 && xstate != NULL) {
        x86_xsetbv(0, xcr0);
        cpu->xcr0 = xcr0;
    }
}

/* Ring 3 may load any selector of the GDT, which changes the hidden base with it: the next thread begins with null ones and
 * its own FS base. GS is changed in the user's bank. */
static void reset_segments(struct cpu *cpu, uint64_t fs_base)
{
    __asm__ volatile("mov %0, %%ds\n\t"
                     "mov %0, %%es\n\t"
                     "mov %0, %%fs\n\t"
                     "swapgs\n\t"
                     "mov %0, %%gs\n\t"
                     "swapgs"
                     :
                     : "r"(0)
                     : "memory");
    x86_wrmsr(MSR_FS_BASE, fs_base);
    cpu->fs_base = fs_base;
}

/* `thread`'s registers, address space and ports become this CPU's. */
static void switch_to(struct cpu *cpu, struct thread *thread)
{
    struct thread *previous = cpu->current;

    if (previous != NULL) {
        xstate_switch(cpu, thread == NULL || thread->vcpu != NULL ? NULL : thread->xstate, xstate_mask);
        vcpu_unload(cpu);
    }
    __atomic_store_n(&cpu->current, thread, __ATOMIC_SEQ_CST);
    cpu->switches++;
    trace_event(TRACE_SWITCH, thread != NULL ? (uint32_t)thread->object.identity : 0, 0);
    if (thread == NULL)
        return;
    cpu->registers_end = (uint64_t)(&thread->registers + 1);
    cpu->tss.rsp[0] = cpu->registers_end;
    if (cpu->domain != thread->domain) {
        x86_write_cr3(pt_root(&thread->domain->space.pt).value);
        cpu->domain = thread->domain;
        load_ports(cpu, thread->domain);
    }
    reset_segments(cpu, thread->fs_base);
}

/* Whether a thread may run is looked at after it has become `current`: whoever stops it looks there after he has said so, so
 * that one of the two sees the other. */
static void schedule(struct cpu *cpu)
{
    for (;;) {
        struct sched_thread *picked = sched_pick(cpu->index, x86_rdtsc());
        struct thread *next = picked != NULL ? container_of(picked, struct thread, sched) : NULL;
        if (next != cpu->current)
            switch_to(cpu, next);
        sched_switched(&cpu->sched);
        if (next == NULL || (!__atomic_load_n(&next->stop, __ATOMIC_SEQ_CST) &&
                             !__atomic_load_n(&next->domain->stopped, __ATOMIC_SEQ_CST)))
            return;
        lock_acquire(&next->lock);
        sched_block(&next->sched, x86_rdtsc());
        lock_release(&next->lock);
    }
}

void schedule_yield(void)
{
    struct cpu *cpu = this_cpu();

    sched_yield(cpu->index, x86_rdtsc());
    cpu_attention(cpu, ATTENTION_RESCHEDULE);
}

/* Set the local APIC timer to whatever comes first. It is never put off: when it fires too early it is set anew, which is
 * rare, while a slice that ends early is not. */
static void program_timer(struct cpu *cpu, uint64_t next)
{
    uint64_t event = cpu->sched.event_tsc;

    if (event < next)
        next = event;
    if (next < cpu->timer_programmed) {
        lapic_timer(next);
        cpu->timer_programmed = next;
    }
}

/* The CPU that passes last finds the dead ready to go. What is left after one piece waits for an interrupt of our own, so
 * that others get in between. */
static void sweep(struct cpu *cpu)
{
    lock_acquire(&structure_lock);
    bool more = graveyard_sweep();
    lock_release(&structure_lock);
    cpu->sweeping = more;
    if (more)
        lapic_ipi(cpu->apic_id, VECTOR_KICK);
}

static void attend(struct cpu *cpu)
{
    uint32_t reasons = __atomic_exchange_n(&cpu->attention, 0, __ATOMIC_SEQ_CST);

    uint64_t next = timer_run(x86_rdtsc());

    schedule(cpu);
    if ((reasons & ATTENTION_UNLOAD) != 0)
        vcpu_unload(cpu);
    if ((reasons & ATTENTION_SHOOTDOWN) != 0) {
        shootdown_perform(cpu);
        reasons |= ATTENTION_SWEEP;
    }
    if ((reasons & ATTENTION_SWEEP) != 0)
        sweep(cpu);
    program_timer(cpu, next);
}

/* Interrupts are served inside the STI; HLT pair; whatever they want is in `attention` afterwards. */
static void idle(struct cpu *cpu)
{
    if (__atomic_load_n(&cpu->attention, __ATOMIC_SEQ_CST) == 0)
        __asm__ volatile("sti; hlt; cli" : : : "memory");
}

void kernel_exit(void)
{
    struct cpu *cpu = this_cpu();

    for (;;) {
        if (READ_ONCE(cpu->attention) != 0) {
            attend(cpu);
            continue;
        }
        struct thread *thread = cpu->current;
        if (thread == NULL) {
            idle(cpu);
            continue;
        }
        if (thread->vcpu != NULL) {
            vcpu_loop(cpu, thread);
            continue;
        }
        if (cpu->xstate != thread->xstate || cpu->xcr0 != xstate_mask) { /* as always after a guest */
            xstate_switch(cpu, thread->xstate, xstate_mask);
            if (cpu->vcpu != NULL && virt->vcpu_park != NULL)
                virt->vcpu_park(cpu->vcpu);
        }
        if (thread->registers.vector == VECTOR_SYSCALL)
            resume_by_sysret(&thread->registers);
        resume_by_iret(&thread->registers);
    }
}

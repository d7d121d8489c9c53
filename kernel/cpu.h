/* SPDX-License-Identifier: Apache-2.0 */
/* cpu.h: what each physical CPU has for itself. GS points at it whenever the kernel runs. */
#ifndef CL_KERNEL_CPU_H
#define CL_KERNEL_CPU_H

#include "kernel/layout_table.h"
#include "kernel/lock.h"
#include "kernel/sched.h"
#include "kernel/timer.h"
#include "kernel/types.h"
#include "kernel/x86_table.h"

struct thread;
struct domain;
struct trace_ring;
struct vcpu;
struct xstate;

/* Reasons for a CPU not to return straight to what it was doing. Set by any CPU, handled in kernel_exit(). */
enum cpu_attention {
    ATTENTION_RESCHEDULE = 1 << 0,
    ATTENTION_SHOOTDOWN = 1 << 1, /* stale translations or pointers have to go */
    ATTENTION_TIMER = 1 << 2,     /* the local APIC timer fired */
    ATTENTION_SWEEP = 1 << 5,     /* dead objects can be freed */
    ATTENTION_UNLOAD = 1 << 4,    /* let go of the loaded vCPU: it is being destroyed */
    ATTENTION_GUEST = 1 << 3,     /* the vCPU that runs here has an event: leave the guest and look */
};

struct cpu {
    struct cpu *self;
    uint64_t user_rsp;      /* scratch of the system-call entry */
    uint64_t kernel_stack;  /* top of this CPU's stack */
    uint64_t registers_end; /* end of current's struct registers: where an entry from ring 3 pushes; = tss.rsp[0] */
    struct thread *current; /* whose registers an entry from ring 3 saves; NULL: idle */
    uint32_t attention;     /* [a] enum cpu_attention */
    uint32_t index;
    uint32_t apic_id;
    uint32_t interrupts;

    struct domain *domain;      /* whose page table is loaded */
    struct xstate *xstate;      /* the area whose contents are in the registers; NULL: nobody's */
    uint64_t xcr0;              /* as loaded */
    struct vcpu *vcpu;          /* loaded by the backend; NULL: none */
    uint64_t fs_base;           /* as loaded */
    struct domain *iomap_owner; /* whose ports the TSS bitmap shows; NULL: none */
    bool iomap_stale;           /* [a] some domain's ports were changed */
    uint64_t shootdown_done;    /* [a] */
    uint64_t timer_programmed;  /* TSC deadline in the local APIC, ~0: none */
    bool online;
    bool sweeping; /* a KICK of our own is on its way: ATTENTION_SWEEP */
    bool nmi_seen; /* an NMI came while a guest ran */

    struct trace_ring *trace; /* in the pool */
    struct timers timers;
    struct sched_cpu sched;
    uint64_t switches, ipis;
    uint64_t gdt[8];
    struct tss tss __attribute__((aligned(64)));
} __attribute__((aligned(64)));

extern struct cpu cpus[MAX_CPUS];
extern uint32_t cpu_count;

/* The CPU that runs this code. Its first words are at fixed offsets for entry.asm (static_assert in cpu.c). */
static inline struct cpu *this_cpu(void)
{
    struct cpu *cpu;

    __asm__("mov %%gs:%c1, %0" : "=r"(cpu) : "i"(offsetof(struct cpu, self)));
    return cpu;
}

static inline uint32_t cpu_index(void)
{
    return this_cpu()->index;
}

#endif

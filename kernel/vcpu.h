/* SPDX-License-Identifier: Apache-2.0 */
/* vcpu.h: a guest's CPU: what the kernel keeps beside the backend's control block. */
#ifndef CL_KERNEL_VCPU_H
#define CL_KERNEL_VCPU_H

#include "kernel/object.h"
#include "kernel/virt.h"
#include "kernel/vlapic.h"
#include "kernel/x86.h"
#include "kernel/x86_table.h"
#include "kernel/xstate.h"

struct domain;
struct thread;
struct vm;

/* Reasons for the loop to look up before the next entry: bits of `signals`. */
enum vcpu_signal {
    VCPU_SIGNAL_INIT = 1 << 8,
    VCPU_SIGNAL_SIPI = 1 << 9,  /* bits 7:0: its vector */
    VCPU_SIGNAL_KICK = 1 << 10, /* sticky: return from vcpu_run at the next boundary */
    VCPU_SIGNAL_TIMER = 1 << 11 /* the thread's deadline for the local APIC timer has passed */
};

#define VCPU_NOWHERE UINT32_MAX

struct vcpu {
    struct object object;
    struct vm *vm;              /* [o] */
    struct vcpu_page *page;     /* [o] in the pool, shared with the VMM: trust nothing in it */
    void *virt;                 /* [o] the backend's: struct svm_vcpu or struct vmx_vcpu */
    struct xstate *xstate;      /* [t] the guest's x87/SSE/AVX state while it is not loaded */
    struct thread *runner;      /* [a] the thread that is inside vcpu_run, or NULL */
    uint32_t index;             /* [o] = its APIC ID */
    uint32_t cpu;               /* [a] CPU on which the backend has it loaded; VCPU_NOWHERE */
    uint64_t tsc_offset;        /* [t] guest TSC = host TSC + this */
    uint64_t xcr0;              /* [t] the guest's XCR0 */
    uint64_t sequence;          /* [t] of the last exit handed to the VMM */
    struct vcpu_exit exit;      /* [t] that exit; its `pending`: it has not been completed */
    bool broken;                /* [t] an entry was refused: its state is whatever the CPU left, until it is set anew */
    bool osxsave;               /* [t] CR4.OSXSAVE as last set: CPUID shows it */
    bool window;                /* [t] an event may be waiting in the backend's window */
    uint32_t signals;           /* [a] enum vcpu_signal */
    uint32_t activity;          /* [t] enum vcpu_activity */
    uint8_t deferred_type;      /* [t] as in struct vcpu_events: vcpu_defer() */
    uint8_t deferred_vector;    /* [t] */
    uint32_t msr_refusals;      /* [t] accesses to MSRs that were answered with #GP */
    struct domain *page_domain; /* [o] where the page is mapped; holds a reference */
    uint64_t page_address;      /* [o] */
    struct vlapic lapic;        /* [a] own rules */
};
/* [o] set once, before the object is shared; [t] only by the runner, or with no runner under the structure lock;
 * [a] atomic */

/* What the VMM says of the TSC when it sets MSRs. */
static inline void vcpu_set_tsc(struct vcpu *vcpu, uint64_t value)
{
    if (value != VCPU_TSC_UNCHANGED)
        vcpu->tsc_offset = value - x86_rdtsc();
}

/* An interrupt or NMI that had to let an exception go first: the loop injects it when the guest can take it. Nothing else
 * but an exception is injected before. VCPU_EVENT_NONE: there is none. */
static inline void vcpu_defer(struct vcpu *vcpu, enum vcpu_event_type type, uint8_t vector)
{
    vcpu->deferred_type = (uint8_t)type;
    vcpu->deferred_vector = type == VCPU_EVENT_INTERRUPT ? vector : type == VCPU_EVENT_NMI ? VECTOR_NMI : 0;
    vcpu->window |= type != VCPU_EVENT_NONE;
}

#endif

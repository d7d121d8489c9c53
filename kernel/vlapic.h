/* SPDX-License-Identifier: Apache-2.0 */
/* vlapic.h: the local APIC of a vCPU (SDM Vol. 3A ch. 11).
 *
 * Vendor-neutral, touches no hardware, allocates nothing, takes no lock. Its registers stand in a page in the
 * architecture's layout, so that a processor that can (SDM Vol. 3C ch. 30) works on them itself while the guest runs: it
 * is then an owner like another, and nobody but the owner writes what it reads. Two kinds of callers:
 *
 *   owner   whoever has the vCPU to itself: the CPU that runs it, or, while it does not run, the holder of its lock.
 *   anyone  any CPU, at any time, without a lock: vlapic_accept, _matches, _priority, _lint, _idle.
 *
 * Time is the guest's TSC, always an argument (`now`). The timer's clock is the guest TSC, divided as the divide
 * configuration register says.
 *
 * What has to be done outside (IPIs to other vCPUs, the EOI of a level interrupt, a new timer deadline) is reported in
 * struct vlapic_access, and is the caller's to do.
 */
#ifndef CL_KERNEL_VLAPIC_H
#define CL_KERNEL_VLAPIC_H

#include "abi/vlapic_state.h"
#include "kernel/apic_table.h"
#include "kernel/types.h"

#define VLAPIC_BROADCAST UINT32_MAX
#define VLAPIC_LINES 2

/* A periodic timer interrupts no faster than this, however short a period the guest asks for, so that it cannot storm
 * the host: 20,000 TSC ticks are 7 µs at 3 GHz. */
#define VLAPIC_PERIOD_MIN_TSC 20000u

/* An interrupt on its way to local APICs: from an MSI, an IOAPIC pin or an ICR. */
struct vlapic_message {
    uint32_t destination; /* APIC ID or logical destination; VLAPIC_BROADCAST for all, whatever the source's width */
    uint32_t sender;      /* APIC ID of the sender: meaningful with a shorthand */
    uint8_t shorthand;    /* enum vlapic_shorthand */
    uint8_t delivery;     /* enum vlapic_delivery */
    uint8_t vector;
    bool logical;
    bool level; /* level-triggered */
    bool deassert;
};

/* An access by the guest, and what it leaves to the caller: after a write also to arm the timer anew (vlapic_deadline). */
struct vlapic_access {
    bool write;
    uint64_t value; /* written, or read */
    uint64_t now;   /* the guest's TSC */
    uint32_t bits;  /* out: enum vlapic_access_bits */
    uint8_t vector;
    struct vlapic_message ipi;
};

enum vlapic_access_bits {
    VLAPIC_SENDS = 1 << 0, /* deliver `ipi` to the vCPUs that match (never only to the sender) */
    VLAPIC_ENDS = 1 << 1,  /* the level interrupt `vector` has ended: tell the IOAPIC model */
};

/* What became of a message, and what is left to the caller. */
enum vlapic_accepted {
    VLAPIC_NOTHING = 0,        /* refused, or was pending before: the target has nothing new */
    VLAPIC_KICK = 1,           /* an interrupt or NMI is newly pending: the target has to look */
    VLAPIC_ACCEPTED_INIT = 2,  /* the caller resets the vCPU or tells its VMM */
    VLAPIC_ACCEPTED_SIPI = 3,  /* message.vector is the start page */
    VLAPIC_ACCEPTED_EXTINT = 4 /* the vector has to be asked from the 8259 */
};

/* Bits of `events`. Bits 7:0: that word of IRR or `request` may hold bits. */
#define VLAPIC_EVENT_IRR 0xFFu
#define VLAPIC_EVENT_NMI (1u << 8) /* from here on as VLAPIC_STATE_* */
#define VLAPIC_EVENT_LINE(pin) (VLAPIC_EVENT_NMI * VLAPIC_STATE_LINT0_HIGH << (pin)) /* the LINT pin is high */
#define VLAPIC_EVENT_CHANGED (1u << 11) /* the mode, or the state as a whole: the backend has to look */

/* A register in its page. */
struct vlapic_slot {
    uint32_t value, unused[3];
};

struct vlapic {
    uint32_t events;         /* [a]  VLAPIC_EVENT_*: 0 = nothing to deliver */
    uint32_t isr_top;        /* [w]  highest vector in ISR, 0 if there is none; not kept while `assisted` */
    uint32_t esr_collected;  /* [a]  errors since the last write of ESR */
    uint32_t apic_id;        /* [i] */
    uint64_t apic_base;      /* [w] */
    uint64_t timer_due;      /* [o]  guest TSC, VLAPIC_TIMER_NEVER: disarmed */
    uint32_t request[8];     /* [a]  what the owner has still to put into IRR; before its word's bit in `events` */
    bool hardware;           /* [i]  the backend works on the registers in x2APIC mode */
    bool assisted;           /* [w]  it does */
    struct vlapic_slot *reg; /* [i]  the page. [w] as in struct vlapic_state; [a] TMR */
}; /* [a] = atomic, anyone; [w] = written by the owner, read by anyone; [o] = owner; [i] = set once by vlapic_init */

/* The backend can work on the registers of an APIC in x2APIC mode: it delivers what IRR has. Sealed after boot. */
extern bool vlapic_hardware;

/* It does so for those who have no wish, too: no fault in that is known. Sealed after boot. */
extern bool vlapic_hardware_auto;

/* ------------------------------------------------------------------------------------------------------ life */

/* Power-up state (SDM Vol. 3A 11.4.7.1) in xAPIC mode with the ID `apic_id`; the vCPU with ID 0 is the BSP. Its registers
 * stand in `page`, which is zeroed and stays. `hardware`: the backend is to work on them, which it can. Before the vCPU is
 * shared. */
void vlapic_init(struct vlapic *l, struct vlapic_slot *page, uint32_t apic_id, bool hardware);

/* What INIT does (11.4.7.3): all but the ID, IA32_APIC_BASE and so the mode is as after power-up, and nothing is pending.
 * Owner. The caller then re-arms the timer. */
void vlapic_reset(struct vlapic *l);

/* State out and in (owner). `set` checks everything first and changes nothing when it refuses: CL_BAD_ARGUMENT with
 * the name of the field. The caller then re-arms the timer from vlapic_deadline(). */
void vlapic_state_get(const struct vlapic *l, struct vlapic_state *state);
enum cl_status vlapic_state_set(struct vlapic *l, const struct vlapic_state *state) CL_MUST_CHECK;

/* ----------------------------------------------------------------------------------------------- guest accesses */

/* An access of 32 bits to the xAPIC page, `offset` in bytes (0 to FFFh). Owner. False when the APIC does not answer
 * there (it is disabled or in x2APIC mode): the access goes to whatever memory lies below. Reserved registers read 0,
 * ignore writes and raise "illegal register address" in ESR (11.5.3). */
bool vlapic_mmio(struct vlapic *l, uint32_t offset, struct vlapic_access *access) CL_MUST_CHECK;

/* RDMSR and WRMSR of IA32_APIC_BASE, IA32_TSC_DEADLINE and 800h to 8FFh (11.4.4, 11.5.4.1, 11.12). Owner. False: raise
 * #GP(0), or it is none of these; nothing has changed. `bits` is always filled in. */
bool vlapic_msr(struct vlapic *l, uint32_t index, struct vlapic_access *access) CL_MUST_CHECK;

/* CR8 is bits 7:4 of TPR (11.8.6). Owner. The caller has checked that a value written is at most 15. */
static inline uint64_t vlapic_cr8_get(const struct vlapic *l)
{
    return l->reg[VLAPIC_REG_TPR].value >> 4;
}

static inline void vlapic_cr8_set(struct vlapic *l, uint64_t value)
{
    WRITE_ONCE(l->reg[VLAPIC_REG_TPR].value, (uint32_t)(value & 15) << 4);
}

/* ----------------------------------------------------------------------------------------------------- messages */

/* An MSI write (11.11). False when the address is not FEExxxxxh: no interrupt. Destination FFh means all. */
bool vlapic_message_from_msi(uint64_t address, uint32_t data, struct vlapic_message *message) CL_MUST_CHECK;

/* Whether this APIC is addressed (11.6.2, 11.12.10). Anyone. */
bool vlapic_matches(const struct vlapic *l, const struct vlapic_message *message);

/* For lowest-priority delivery the caller gives the message to the matching APIC with the smallest number (11.6.2.4):
 * its processor priority, or UINT32_MAX when it takes no fixed interrupts at all. Anyone. */
uint32_t vlapic_priority(const struct vlapic *l);

/* Take a message that was found to match. Anyone, no lock, never waits; an IRR bit is never lost against a concurrent
 * vlapic_take. Orders everything the caller wrote before it ahead of the target's seeing the interrupt. */
enum vlapic_accepted vlapic_accept(struct vlapic *l, const struct vlapic_message *message) CL_MUST_CHECK;

/* Pin LINT0 or LINT1 changes to `level`; what happens at a rising edge is the LVT's to say (11.5.1). Anyone. ExtINT
 * mode leaves the line to vlapic_extint_pending(). */
enum vlapic_accepted vlapic_lint(struct vlapic *l, unsigned pin, bool level) CL_MUST_CHECK;

/* ------------------------------------------------------------------------------------------ before each VM entry */

/* True when there is nothing at all to deliver: no IRR bit that the processor does not know of, no NMI, LINT0 not high, no
 * change. One load. Anyone. */
static inline bool vlapic_idle(const struct vlapic *l)
{
    return (__atomic_load_n(&l->events, __ATOMIC_ACQUIRE) & ~VLAPIC_EVENT_LINE(1)) == 0;
}

/* The slow half of vlapic_pending. */
int vlapic_highest_deliverable(struct vlapic *l);

/* The vector that the CPU may be given now, above the processor priority (11.8.3.1), or -1. Owner. One load when IRR is
 * empty, unless the processor fills it, too. */
static inline int vlapic_pending(struct vlapic *l)
{
    bool maybe = (__atomic_load_n(&l->events, __ATOMIC_ACQUIRE) & VLAPIC_EVENT_IRR) || l->assisted;

    return maybe ? vlapic_highest_deliverable(l) : -1;
}

/* What the processor is told before it goes on with the registers: every request is in IRR; the highest vectors of IRR and,
 * in bits 15:8, of ISR ("guest interrupt status", SDM Vol. 3C 25.4.2). Changes are known from here on. Owner. */
uint16_t vlapic_status(struct vlapic *l);

/* When an interrupt waits for nothing but TPR: its class (1 to 15). The guest has to be stopped once CR8 falls below it
 * (VT-x TPR threshold; AMD-V: intercept CR8 writes). 0: no need. Owner. */
unsigned vlapic_cr8_threshold(struct vlapic *l);

/* The CPU takes `vector`, which vlapic_pending returned: IRR → ISR. Owner. */
void vlapic_take(struct vlapic *l, unsigned vector);

/* End of interrupt: the highest vector leaves ISR; true when it was level-triggered, then `*vector` says which.
 * Owner. */
bool vlapic_eoi(struct vlapic *l, uint8_t *vector);

static inline bool vlapic_nmi_pending(const struct vlapic *l)
{
    return __atomic_load_n(&l->events, __ATOMIC_ACQUIRE) & VLAPIC_EVENT_NMI;
}

/* The pending NMI is being injected: forget it; false when there was none. Owner. */
bool vlapic_nmi_take(struct vlapic *l);

/* Whether an ExtINT gets through to the CPU: LVT LINT0 unmasked in ExtINT mode, or the APIC is disabled in
 * IA32_APIC_BASE, when LINT0 is INTR itself (11.4.3). Anyone. */
bool vlapic_accepts_extint(const struct vlapic *l);

/* The 8259's line is high and gets through: ask for the vector. Owner. */
static inline bool vlapic_extint_pending(const struct vlapic *l)
{
    return (__atomic_load_n(&l->events, __ATOMIC_ACQUIRE) & VLAPIC_EVENT_LINE(0)) && vlapic_accepts_extint(l);
}

/* -------------------------------------------------------------------------------------------------------- timer */

/* Guest TSC at which the next timer interrupt is due, VLAPIC_TIMER_NEVER if none. May lie in the past. Owner. */
static inline uint64_t vlapic_deadline(const struct vlapic *l)
{
    return l->timer_due;
}

/* The timer's moment: when it is due at `now`, make the interrupt pending (unless the LVT is masked) and arm the next
 * period, without drift; periods that were missed are dropped. True when an interrupt is newly pending. Owner. */
bool vlapic_timer_fire(struct vlapic *l, uint64_t now);

/* The guest's TSC was set from `before` to `after`: a counting timer keeps the time it had left; a TSC deadline is an
 * absolute value and stays. Owner. */
void vlapic_tsc_written(struct vlapic *l, uint64_t before, uint64_t after);

#endif

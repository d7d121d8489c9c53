/* SPDX-License-Identifier: Apache-2.0 */
/* guest_cpu.h: what a guest's registers may hold on this machine, whoever made its processors. */
#ifndef CL_KERNEL_GUEST_CPU_H
#define CL_KERNEL_GUEST_CPU_H

#include "abi/vcpu.h"
#include "kernel/types.h"
#include "kernel/x86_table.h"

struct vcpu;

/* Sealed after boot. */
struct guest_cpu {
    unsigned physical_bits;
    uint64_t canonical_high; /* bits of an address that all have to be equal */
    uint64_t cr4_valid;      /* bits that the processors have */
    uint64_t efer_valid;
    bool has_rdtscp;
};
extern struct guest_cpu guest_cpu;

/* Boot CPU, once, before a backend is looked for. */
void guest_cpu_probe(void);

/* Never a guest's, whatever the processor has. */
#define GUEST_CR4_HIDDEN (CR4_VMXE | CR4_SMXE | CR4_CET)
#define GUEST_RFLAGS UINT64_C(0x3F7FD5) /* all that exist but bit 1, which is fixed */

#define DR6_BREAKPOINTS UINT64_C(0xF)
#define DR6_BS (UINT64_C(1) << 14)
#define DR6_EVENTS (UINT64_C(0xE000) | DR6_BREAKPOINTS)
#define DR6_FIXED UINT64_C(0xFFFF0FF0)
#define DR7_FIXED (UINT64_C(1) << 10)
#define PAT_RESET UINT64_C(0x0007040600070406)
#define DR7_VALID UINT64_C(0xFFFF23FF)

/* An event on its way into the guest, in the form of EVENTINJ, which is that of VM-entry interruption information with the
 * error code above it (APM Vol. 2 15.20, SDM Vol. 3C table 25-17). */
#define EVENT_VECTOR UINT64_C(0xFF)
#define EVENT_TYPE_SHIFT 8
#define EVENT_TYPE (UINT64_C(7) << EVENT_TYPE_SHIFT)
#define EVENT_ERROR_VALID (UINT64_C(1) << 11)
#define EVENT_RESERVED (UINT64_C(0x7FFFF) << 12)
#define EVENT_VALID (UINT64_C(1) << 31)
#define EVENT_ERROR_SHIFT 32
enum { EVENT_TYPE_INTR = 0, EVENT_TYPE_NMI = 2, EVENT_TYPE_EXCEPTION = 3, EVENT_TYPE_SOFTWARE = 4 };

static inline unsigned guest_event_type(uint64_t event)
{
    return (unsigned)((event & EVENT_TYPE) >> EVENT_TYPE_SHIFT);
}

/* Nothing to inject, 0, for the events that RIP stands on. */
uint64_t guest_event_make(enum vcpu_event_type type, uint8_t vector, bool has_error, uint32_t error);

/* Type, vector and error code of `event` in the words of abi/vcpu.h; with CR2 and DR6 the payload. */
void guest_event_tell(uint64_t event, uint64_t cr2, uint64_t dr6, struct vcpu_events *told);

/* An exception takes the place of `event`, which is queued: vcpu_defer(), if it is an interrupt or NMI. */
void guest_event_defer(struct vcpu *vcpu, uint64_t event);

/* Attributes as in abi/vcpu.h. */
#define ATTR_ACCESSED 1u
#define ATTR_READABLE (1u << 1) /* of code */
#define ATTR_BUSY (1u << 1)     /* of a TSS */
#define ATTR_CODE (1u << 3)
#define ATTR_32_BIT (1u << 3)     /* of a TSS, which in long mode has 64 */
#define ATTR_SYSTEM_NOT (1u << 4) /* S: code or data */
#define ATTR_DPL (3u << SEG_ATTR_DPL_SHIFT)
#define ATTR_GRANULAR (1u << 15)
#define ATTR_RESERVED (~(uint32_t)(0xF0FF | SEG_ATTR_UNUSABLE))
#define LIMIT_BYTES_MAX 0xFFFFFu /* without G */

/* The segments in the normal form of abi/vcpu.h, but for what a segment that can be used says. What a processor leaves in
 * one that cannot is its own affair. */
void guest_segments_normalise(struct vcpu_page *page);

/* In protected mode (SDM Vol. 3A table 6-1). */
bool guest_exception_has_error(unsigned vector);

/* Types 0, 1, 4, 5, 6, 7 in each byte (SDM Vol. 3A 12.12.2, APM Vol. 2 7.8.1). */
bool guest_pat_valid(uint64_t pat);

/* EFER with LMA as LME and paging make it (SDM Vol. 3A 10.8.5, APM Vol. 2 14.6.1): no one writes it. */
static inline uint64_t guest_efer_lma(uint64_t efer, uint64_t cr0)
{
    return (efer & EFER_LME) && (cr0 & CR0_PG) ? efer | EFER_LMA : efer & ~EFER_LMA;
}

/* DR6 and DR7 with the bits that no guest chooses as they always are (SDM Vol. 3B 18.2, Vol. 3C 27.3.2.1). */
static inline uint64_t guest_dr6(uint64_t dr6)
{
    return (dr6 & DR6_EVENTS) | DR6_FIXED;
}

static inline uint64_t guest_dr7(uint64_t dr7)
{
    return (dr7 & DR7_VALID) | DR7_FIXED;
}

static inline bool guest_canonical(uint64_t address)
{
    uint64_t high = address & guest_cpu.canonical_high;

    return high == 0 || high == guest_cpu.canonical_high;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* vlapic_state.h: a local APIC as it is saved, moved and restored (VCPU_STATE_LAPIC of vcpu_state_get and _set).
 *
 * Architectural and the same on both vendors: the registers by their architectural number, pending events, and the one
 * thing that is no register: when the timer fires next. Times are guest TSC values.
 */
#ifndef CL_ABI_VLAPIC_STATE_H
#define CL_ABI_VLAPIC_STATE_H

#include <assert.h>
#include <stdint.h>

/* Registers by their offset in the xAPIC page / 16, which is also the x2APIC MSR's index less 800h: SDM Vol. 3A tables
 * 11-1 and 11-6. */
enum vlapic_register {
    VLAPIC_REG_ID = 0x02,
    VLAPIC_REG_VERSION = 0x03,
    VLAPIC_REG_TPR = 0x08,
    VLAPIC_REG_APR = 0x09,
    VLAPIC_REG_PPR = 0x0A,
    VLAPIC_REG_EOI = 0x0B,
    VLAPIC_REG_RRD = 0x0C,
    VLAPIC_REG_LDR = 0x0D,
    VLAPIC_REG_DFR = 0x0E,
    VLAPIC_REG_SVR = 0x0F,
    VLAPIC_REG_ISR = 0x10, /* to 17h */
    VLAPIC_REG_TMR = 0x18, /* to 1Fh */
    VLAPIC_REG_IRR = 0x20, /* to 27h */
    VLAPIC_REG_ESR = 0x28,
    VLAPIC_REG_ICR = 0x30,
    VLAPIC_REG_ICR_HIGH = 0x31,
    VLAPIC_REG_LVT_TIMER = 0x32,
    VLAPIC_REG_LVT_THERMAL = 0x33,
    VLAPIC_REG_LVT_PERFORMANCE = 0x34,
    VLAPIC_REG_LVT_LINT0 = 0x35,
    VLAPIC_REG_LVT_LINT1 = 0x36,
    VLAPIC_REG_LVT_ERROR = 0x37,
    VLAPIC_REG_INITIAL_COUNT = 0x38,
    VLAPIC_REG_CURRENT_COUNT = 0x39,
    VLAPIC_REG_DIVIDE = 0x3E,
    VLAPIC_REG_SELF_IPI = 0x3F,
    VLAPIC_REG_COUNT = 0x40
};

#define VLAPIC_STATE_NMI_PENDING (1u << 0)
#define VLAPIC_STATE_LINT0_HIGH (1u << 1)
#define VLAPIC_STATE_LINT1_HIGH (1u << 2)

#define VLAPIC_TIMER_NEVER UINT64_MAX

/* reg[] holds each register as the guest reads it, in the layout of the current mode, with these exceptions: PPR and
 * the current count are 0 (they follow from the rest); ICR_HIGH in x2APIC mode is the upper half of the 64-bit ICR.
 * ID and VERSION cannot be changed by a restore; registers that do not exist are 0. */
struct vlapic_state {
    uint64_t apic_base;     /* IA32_APIC_BASE */
    uint64_t timer_due_tsc; /* guest TSC of the next timer interrupt; VLAPIC_TIMER_NEVER: disarmed */
    uint32_t esr_collected; /* errors since the guest last wrote ESR */
    uint32_t flags;         /* VLAPIC_STATE_* */
    uint32_t reg[VLAPIC_REG_COUNT];
};

static_assert(sizeof(struct vlapic_state) == 280, "no padding: the layout is the format");

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* vlapic_table.h: the local APIC's registers as a table: SDM Vol. 3A tables 11-1 and 11-6. Included by vlapic.c only.
 */
#ifndef CL_KERNEL_VLAPIC_TABLE_H
#define CL_KERNEL_VLAPIC_TABLE_H

#include "kernel/vlapic.h"

/* Access: X in xAPIC mode, X2 in x2APIC mode; R read, W write; X: the offset is known there, if only to ignore it. */
enum { X = 1 << 0, XW = 1 << 1, X2R = 1 << 2, X2W = 1 << 3, RO = X | X2R, RW = X | XW | X2R | X2W };

/* `writable` bits take what the guest writes; `tolerated` ones may be written and do not change; a 1 in any other is
 * #GP in x2APIC mode and ignored in xAPIC mode. `kept` bits change without being written. All others are for ever as in
 * `reset`, the value after a reset (11.4.7.1; of ID and of x2APIC mode's LDR the code knows). */
struct vlapic_rule {
    uint8_t access;
    uint32_t reset;
    uint32_t writable;
    uint32_t tolerated;
    uint32_t kept;
};

static const struct vlapic_rule rules[VLAPIC_REG_COUNT] = {
    [VLAPIC_REG_ID] = { .access = RO },
    [VLAPIC_REG_VERSION] = { .access = RO, .reset = APIC_VERSION },
    [VLAPIC_REG_TPR] = { .access = RW, .writable = 0xFF },
    [VLAPIC_REG_APR] = { .access = X },
    [VLAPIC_REG_PPR] = { .access = RO },
    [VLAPIC_REG_EOI] = { .access = X | XW | X2W },
    [VLAPIC_REG_RRD] = { .access = X },
    [VLAPIC_REG_LDR] = { .access = RO | XW, .writable = 0xFF000000 },
    [VLAPIC_REG_DFR] = { .access = X | XW, .reset = DFR_FLAT, .writable = 0xF0000000 },
    [VLAPIC_REG_SVR] = { .access = RW, .reset = 0xFF, .writable = 0x3FF },
    [VLAPIC_REG_ISR] = { .access = RO, .kept = 0xFFFF0000 },
    [VLAPIC_REG_ISR + 1 ... VLAPIC_REG_ISR + 7] = { .access = RO, .kept = UINT32_MAX },
    [VLAPIC_REG_TMR] = { .access = RO, .kept = 0xFFFF0000 },
    [VLAPIC_REG_TMR + 1 ... VLAPIC_REG_TMR + 7] = { .access = RO, .kept = UINT32_MAX },
    [VLAPIC_REG_IRR] = { .access = RO, .kept = 0xFFFF0000 },
    [VLAPIC_REG_IRR + 1 ... VLAPIC_REG_IRR + 7] = { .access = RO, .kept = UINT32_MAX },
    [VLAPIC_REG_ESR] = { .access = RW, .kept = ESR_ALL },
    [VLAPIC_REG_ICR] = { .access = RW, .writable = 0xCCFFF & ~ICR_PENDING, .tolerated = ICR_PENDING },
    [VLAPIC_REG_ICR_HIGH] = { .access = X | XW, .writable = 0xFF000000 },
    [VLAPIC_REG_LVT_TIMER] = { .access = RW, .reset = LVT_MASKED, .writable = 0x700FF, .tolerated = LVT_PENDING },
    [VLAPIC_REG_LVT_THERMAL] = { .access = RW, .reset = LVT_MASKED, .writable = 0x107FF, .tolerated = LVT_PENDING },
    [VLAPIC_REG_LVT_PERFORMANCE] = { .access = RW, .reset = LVT_MASKED, .writable = 0x107FF, .tolerated = LVT_PENDING },
    [VLAPIC_REG_LVT_LINT0] = { .access = RW,
                               .reset = LVT_MASKED,
                               .writable = 0x1A7FF,
                               .tolerated = LVT_PENDING | LVT_REMOTE_IRR },
    [VLAPIC_REG_LVT_LINT1] = { .access = RW,
                               .reset = LVT_MASKED,
                               .writable = 0x1A7FF,
                               .tolerated = LVT_PENDING | LVT_REMOTE_IRR },
    [VLAPIC_REG_LVT_ERROR] = { .access = RW, .reset = LVT_MASKED, .writable = 0x100FF, .tolerated = LVT_PENDING },
    [VLAPIC_REG_INITIAL_COUNT] = { .access = RW, .writable = UINT32_MAX },
    [VLAPIC_REG_CURRENT_COUNT] = { .access = RO },
    [VLAPIC_REG_DIVIDE] = { .access = RW, .writable = 0xB },
    [VLAPIC_REG_SELF_IPI] = { .access = X2W, .writable = 0xFF },
};

/* The two modes mean different things by the values of these. */
static const uint8_t mode_registers[] = { VLAPIC_REG_ID, VLAPIC_REG_LDR, VLAPIC_REG_DFR, VLAPIC_REG_ICR_HIGH };

/* What is left to the caller of a message with this delivery mode: the other modes end in the APIC, or are reserved. */
static const enum vlapic_accepted passed_on[8] = {
    [VLAPIC_INIT] = VLAPIC_ACCEPTED_INIT,
    [VLAPIC_SIPI] = VLAPIC_ACCEPTED_SIPI,
    [VLAPIC_EXTINT] = VLAPIC_ACCEPTED_EXTINT,
};

#endif

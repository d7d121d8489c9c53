/* SPDX-License-Identifier: Apache-2.0 */
/* audit_rules_table.c: the rules of a vCPU's state that hold on every processor, one line each: what is wrong, where the
 * manual says so, when, the value. */
#include "kernel/audit.h"
#include "kernel/guest_cpu.h"
#include "kernel/xstate.h"

#define CR0_VALID (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG)

static void control_rules(struct report *r, const struct vcpu_page *p)
{
    bool lma = guest_efer_lma(p->efer, p->cr0) & EFER_LMA;

    rule(r, "CR0 has reserved bits", "3A 2.5", (p->cr0 & ~CR0_VALID) != 0, p->cr0);
    rule(r, "CR0.PG is set and CR0.PE is zero", "3A 2.5", (p->cr0 & (CR0_PG | CR0_PE)) == CR0_PG, p->cr0);
    rule(r, "CR0.NW is set and CR0.CD is zero", "3A 2.5", (p->cr0 & (CR0_CD | CR0_NW)) == CR0_NW, p->cr0);
    rule(r, "CR4 has bits that are not offered", "3A 2.5", (p->cr4 & (~guest_cpu.cr4_valid | GUEST_CR4_HIDDEN)) != 0,
         p->cr4);
    rule(r, "CR4.PCIDE is set outside long mode", "3A 4.10.1", (p->cr4 & CR4_PCIDE) && !lma, p->cr4);
    rule(r, "EFER has bits that are not offered", "3A 2.2.1", (p->efer & ~guest_cpu.efer_valid) != 0, p->efer);
    rule(r, "CR8 is above 15", "3A 2.5", p->cr8 > 15, p->cr8);
    rule(r, "XCR0 is no set of components of this machine", "1 13.3", !xstate_xcr0_valid(p->xcr0, xstate_mask),
         p->xcr0);
}

static void msr_rules(struct report *r, const uint64_t *msr)
{
    static const uint8_t addresses[] = { VCPU_MSR_LSTAR, VCPU_MSR_CSTAR, VCPU_MSR_KERNEL_GS_BASE, VCPU_MSR_SYSENTER_ESP,
                                         VCPU_MSR_SYSENTER_EIP };

    for (unsigned i = 0; i < ARRAY_SIZE(addresses); i++)
        rule(r, "an MSR's address is not canonical", "2B WRMSR", !guest_canonical(msr[addresses[i]]),
             msr[addresses[i]]);
    rule(r, "PAT has an unsupported type", "3A 12.12.2", !guest_pat_valid(msr[VCPU_MSR_PAT]), msr[VCPU_MSR_PAT]);
    rule(r, "TSC_AUX has more than 32 bits", "3B 18.17.2", msr[VCPU_MSR_TSC_AUX] > UINT32_MAX, msr[VCPU_MSR_TSC_AUX]);
    rule(r, "SFMASK has more than 32 bits", "4 2.1", msr[VCPU_MSR_SFMASK] > UINT32_MAX, msr[VCPU_MSR_SFMASK]);
    rule(r, "SYSENTER_CS has more than 32 bits", "4 2.1", msr[VCPU_MSR_SYSENTER_CS] > UINT32_MAX,
         msr[VCPU_MSR_SYSENTER_CS]);
    rule(r, "XSS is not offered", "1 13.3", msr[VCPU_MSR_XSS] != 0, msr[VCPU_MSR_XSS]);
}

static void event_rules(struct report *r, const struct vcpu_events *e)
{
    bool exception = e->type == VCPU_EVENT_EXCEPTION;

    rule(r, "there is no event of this type", "3C 25.8.3", e->type > VCPU_EVENT_SOFT_EXCEPTION, e->type);
    rule(r, "no exception has this vector", "3A 6.3.1", exception && (e->vector > 31 || e->vector == VECTOR_NMI),
         e->vector);
    rule(r, "this exception has no error code", "3A 6.3.1",
         exception && e->has_error_code && !guest_exception_has_error(e->vector), e->vector);
    rule(r, "the error code has more than 16 bits", "3C 27.2.1.3",
         exception && e->has_error_code && e->error_code > UINT16_MAX, e->error_code);
    rule(r, "what is deferred is neither an interrupt nor an NMI", "3A 6.14.1", e->deferred_type > VCPU_EVENT_NMI,
         e->deferred_type);
    rule(r, "an interrupt or NMI is deferred behind another", "3A 6.9",
         e->deferred_type != VCPU_EVENT_NONE && (e->type == VCPU_EVENT_INTERRUPT || e->type == VCPU_EVENT_NMI),
         e->deferred_type);
    rule(r, "there is no such activity", "3C 25.4.2", e->activity > VCPU_WAIT_FOR_SIPI, e->activity);
}

unsigned audit_page(const struct vcpu_page *p, uint32_t groups, struct finding *findings, unsigned capacity)
{
    struct report report = report_begin("SDM Vol. ", findings, capacity), *r = &report;

    if (groups & VCPU_GROUP_CONTROL)
        control_rules(r, p);
    if (groups & VCPU_GROUP_DEBUG) {
        rule(r, "DR6[63:32] are not zero", "3B 18.2.3", p->dr[6] >> 32 != 0, p->dr[6]);
        rule(r, "DR7[63:32] are not zero", "3B 18.2.4", p->dr[7] >> 32 != 0, p->dr[7]);
    }
    if (groups & VCPU_GROUP_MSRS)
        msr_rules(r, p->msr);
    if (groups & VCPU_GROUP_EVENTS)
        event_rules(r, &p->event);
    return report.count;
}

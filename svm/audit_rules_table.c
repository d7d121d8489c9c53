/* SPDX-License-Identifier: Apache-2.0 */
/* audit_rules_table.c: the rules of VMRUN, one line each: what is wrong, where the manual says so, when, the value.
 *
 * In the order of APM Vol. 2 15.5.1, then 15.16, 15.20 and 15.25. A rule is about one thing: one that presupposes another
 * is written so that breaking the other does not name it too.
 */
#include "svm/audit.h"
#include "svm/state_table.h"

#define EFER_LONG (EFER_LMA | EFER_LME)

static bool beyond(uint64_t base, uint64_t size_bytes)
{
    return (base + size_bytes - 1) >> guest_cpu.physical_bits != 0;
}

unsigned svm_audit_state(const struct vmcb_save *s, struct finding *findings, unsigned capacity)
{
    struct report report = report_begin("APM Vol. 2 ", findings, capacity), *r = &report;
    bool long_paging = (s->efer & EFER_LME) && (s->cr0 & CR0_PG);
    uint16_t l_and_d = s->cs.attributes & 0x600;

    rule(r, "EFER.SVME is zero", "15.5.1", !(s->efer & EFER_SVME), s->efer);
    rule(r, "CR0.CD is zero and CR0.NW is set", "15.5.1", (s->cr0 & (CR0_CD | CR0_NW)) == CR0_NW, s->cr0);
    rule(r, "CR0[63:32] are not zero", "15.5.1", s->cr0 >> 32 != 0, s->cr0);
    rule(r, "an MBZ bit of CR3 is set", "15.5.1", s->cr3 >> guest_cpu.physical_bits != 0, s->cr3);
    rule(r, "an MBZ bit of CR4 is set", "15.5.1", (s->cr4 & ~guest_cpu.cr4_valid) != 0, s->cr4);
    rule(r, "DR6[63:32] are not zero", "15.5.1", s->dr6 >> 32 != 0, s->dr6);
    rule(r, "DR7[63:32] are not zero", "15.5.1", s->dr7 >> 32 != 0, s->dr7);
    rule(r, "an MBZ bit of EFER is set", "15.5.1", (s->efer & ~(guest_cpu.efer_valid | EFER_SVME)) != 0, s->efer);
    rule(r, "EFER.LME and CR0.PG are both set and CR4.PAE is zero", "15.5.1", long_paging && !(s->cr4 & CR4_PAE),
         s->cr4);
    rule(r, "EFER.LME and CR0.PG are both set and CR0.PE is zero", "15.5.1", long_paging && !(s->cr0 & CR0_PE), s->cr0);
    rule(r, "EFER.LME, CR0.PG, CR4.PAE, CS.L and CS.D are all set", "15.5.1",
         long_paging && (s->cr4 & CR4_PAE) && l_and_d == 0x600, s->cs.attributes);
    rule(r, "CR4.CET is set and CR0.WP is zero", "15.5.1", (s->cr4 & CR4_CET) && !(s->cr0 & CR0_WP), s->cr4);
    rule(r, "G_PAT has an unsupported type or a reserved bit", "15.25.4", !guest_pat_valid(s->g_pat), s->g_pat);
    return report.count;
}

/* 15.20: the event to be injected. */
static void event_rules(struct report *r, uint64_t event, const struct vmcb_save *s)
{
    uint64_t vector = event & EVENT_VECTOR;
    unsigned type = guest_event_type(event);
    bool valid = event & EVENT_VALID, exception = valid && type == EVENT_TYPE_EXCEPTION;
    bool known = type == EVENT_TYPE_INTR || (type >= EVENT_TYPE_NMI && type <= EVENT_TYPE_SOFTWARE);
    bool code_64 = (s->efer & EFER_LMA) && (s->cs.attributes & 0x200);

    rule(r, "EVENTINJ has a reserved type", "15.20", valid && !known, event);
    rule(r, "EVENTINJ is an exception with vector 2 or above 31", "15.20", exception && (vector == 2 || vector > 31),
         event);
    rule(r, "EVENTINJ is #BR in 64-bit mode", "15.20", exception && vector == VECTOR_BR && code_64, event);
}

unsigned svm_audit_event(uint64_t event, const struct vmcb_save *s, struct finding *findings, unsigned capacity)
{
    struct report report = report_begin("APM Vol. 2 ", findings, capacity);

    event_rules(&report, event, s);
    return report.count;
}

unsigned svm_audit_control(const struct vmcb_control *c, const struct vmcb_save *s, struct finding *findings,
                           unsigned capacity)
{
    struct report report = report_begin("APM Vol. 2 ", findings, capacity), *r = &report;

    rule(r, "the VMRUN intercept is clear", "15.5.1", !(c->intercept_2 & INTERCEPT_VMRUN), c->intercept_2);
    rule(r, "the MSR permission map reaches beyond physical memory", "15.5.1",
         (c->intercept_1 & INTERCEPT_MSR_PROT) && beyond(c->msrpm_base, MSRPM_BYTES), c->msrpm_base);
    rule(r, "the I/O permission map reaches beyond physical memory", "15.5.1",
         (c->intercept_1 & INTERCEPT_IOIO_PROT) && beyond(c->iopm_base, IOPM_BYTES), c->iopm_base);
    rule(r, "ASID is zero", "15.5.1", c->asid == 0, c->asid);
    rule(r, "ASID is not below the processor's number of ASIDs", "15.16", c->asid >= svm_host.asid_count, c->asid);
    event_rules(r, c->event_injection, s);
    rule(r, "an MBZ bit of nCR3 is set", "15.25.4",
         (c->nested_control & NESTED_PAGING) &&
             (c->nested_cr3 >> guest_cpu.physical_bits != 0 || !is_aligned(c->nested_cr3, PAGE_SIZE)),
         c->nested_cr3);
    return report.count;
}

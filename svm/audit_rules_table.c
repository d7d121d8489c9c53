/* SPDX-License-Identifier: Apache-2.0 */
/* audit_rules_table.c: the rules of a vCPU's state and of VMRUN, one line each: what is wrong, where the manual says so, when, the value.
 *
 * First those that the VMM's values have to keep where VMRUN does not look, or where the host's bits hide the guest's;
 * then VMRUN's, in the order of APM Vol. 2 15.5.1, then 15.16, 15.20 and 15.25. A rule is about one thing: one that presupposes
 * another is written so that breaking the other does not name it too.
 */
#include "svm/audit.h"
#include "svm/state_table.h"

#define EFER_LONG (EFER_LMA | EFER_LME)
#define EVENT_IS(event, type) (((event)&EVENT_TYPE) >> EVENT_TYPE_SHIFT == (type))

struct report {
    const char *of;
    struct svm_finding *findings;
    unsigned capacity;
    unsigned count;
};

static void rule(struct report *report, const char *words, const char *section, bool broken, uint64_t value)
{
    if (!broken)
        return;
    if (report->count < report->capacity)
        report->findings[report->count] = (struct svm_finding){ report->of, words, section, value };
    report->count++;
}

static bool beyond(uint64_t base, uint64_t size_bytes)
{
    return (base + size_bytes - 1) >> svm_host.physical_bits != 0;
}

static void segment_rules(struct report *r, unsigned name, const struct vcpu_segment *s)
{
    const struct svm_segment *row = &svm_segments[name];
    uint32_t a = s->attributes;
    bool usable = !(a & SEG_ATTR_UNUSABLE);
    bool limit_fits = a & ATTR_GRANULAR ? (s->limit & 0xFFF) == 0xFFF : s->limit <= LIMIT_BYTES_MAX;

    r->of = row->name;
    rule(r, "reserved attributes are set", "4.7", a & ATTR_RESERVED, a);
    rule(r, "no such base can be", "4.7", row->base_is_64_bit ? !svm_canonical(s->base) : s->base > UINT32_MAX,
         s->base);
    rule(r, "cannot be unusable", "4.7", !usable && row->required, a);
    rule(r, "neither present nor unusable", "4.7", usable && !(a & SEG_ATTR_PRESENT), a);
    rule(r, "the limit contradicts the G bit", "4.7", usable && !limit_fits, s->limit);
    rule(r, "another kind of segment", "4.7", usable && (a & row->kind_mask) != row->kind, a);
    r->of = "";
}

static void control_rules(struct report *r, const struct vcpu_page *p)
{
    bool lma = svm_efer_lma(p->efer, p->cr0) & EFER_LMA;

    rule(r, "CR0 has reserved bits", "3.1.1", (p->cr0 & ~CR0_VALID) != 0, p->cr0);
    rule(r, "CR0.PG is set and CR0.PE is zero", "3.1.1", (p->cr0 & (CR0_PG | CR0_PE)) == CR0_PG, p->cr0);
    rule(r, "CR0.NW is set and CR0.CD is zero", "3.1.1", (p->cr0 & (CR0_CD | CR0_NW)) == CR0_NW, p->cr0);
    rule(r, "CR4 has bits that are not offered", "3.1.3", (p->cr4 & (~svm_host.cr4_valid | CR4_CET)) != 0, p->cr4);
    rule(r, "CR4.PCIDE is set outside long mode", "3.1.3", (p->cr4 & CR4_PCIDE) && !lma, p->cr4);
    rule(r, "EFER has bits that are not offered", "3.1.7", (p->efer & (~svm_host.efer_valid | EFER_SVME)) != 0,
         p->efer);
    rule(r, "CR8 is above 15", "3.1.5", p->cr8 > 15, p->cr8);
    rule(r, "XCR0 is no set of components of this machine", "11.5.2", !xstate_xcr0_valid(p->xcr0, xstate_mask),
         p->xcr0);
}

static void event_rules(struct report *r, const struct vcpu_events *e)
{
    bool exception = e->type == VCPU_EVENT_EXCEPTION;

    rule(r, "there is no event of this type", "15.20", e->type > VCPU_EVENT_SOFT_EXCEPTION, e->type);
    rule(r, "no exception has this vector", "15.20", exception && (e->vector > 31 || e->vector == VECTOR_NMI),
         e->vector);
    rule(r, "this exception has no error code", "8.2",
         exception && e->has_error_code && !svm_exception_has_error(e->vector), e->vector);
}

unsigned svm_audit_page(const struct vcpu_page *p, uint32_t groups, struct svm_finding *findings, unsigned capacity)
{
    struct report report = { "", findings, capacity, 0 }, *r = &report;

    for (unsigned i = 0; i < SEG_COUNT && (groups & VCPU_GROUP_SEGMENTS); i++)
        segment_rules(r, i, &p->segment[i]);
    if (groups & VCPU_GROUP_SEGMENTS) {
        rule(r, "GDTR's base is not canonical", "4.6.2", !svm_canonical(p->gdtr.base), p->gdtr.base);
        rule(r, "GDTR's limit has more than 16 bits", "4.6.2", p->gdtr.limit > UINT16_MAX, p->gdtr.limit);
        rule(r, "IDTR's base is not canonical", "4.6.6", !svm_canonical(p->idtr.base), p->idtr.base);
        rule(r, "IDTR's limit has more than 16 bits", "4.6.6", p->idtr.limit > UINT16_MAX, p->idtr.limit);
    }
    if (groups & VCPU_GROUP_CONTROL)
        control_rules(r, p);
    if (groups & VCPU_GROUP_MSRS) {
        for (unsigned i = 0; i < SVM_REGISTER_COUNT; i++)
            rule(r, "an MSR's address is not canonical", "6.1.1",
                 svm_registers[i].address && !svm_canonical(svm_page_value(p, i)), svm_page_value(p, i));
        rule(r, "TSC_AUX has more than 32 bits", "3.2.1", p->msr[VCPU_MSR_TSC_AUX] > UINT32_MAX,
             p->msr[VCPU_MSR_TSC_AUX]);
        rule(r, "XSS is not offered", "11.5.2", p->msr[VCPU_MSR_XSS] != 0, p->msr[VCPU_MSR_XSS]);
    }
    if (groups & VCPU_GROUP_EVENTS)
        event_rules(r, &p->event);
    return report.count;
}

unsigned svm_audit_state(const struct vmcb_save *s, struct svm_finding *findings, unsigned capacity)
{
    struct report report = { "", findings, capacity, 0 }, *r = &report;
    bool long_paging = (s->efer & EFER_LME) && (s->cr0 & CR0_PG);
    uint16_t l_and_d = s->cs.attributes & 0x600;

    rule(r, "EFER.SVME is zero", "15.5.1", !(s->efer & EFER_SVME), s->efer);
    rule(r, "CR0.CD is zero and CR0.NW is set", "15.5.1", (s->cr0 & (CR0_CD | CR0_NW)) == CR0_NW, s->cr0);
    rule(r, "CR0[63:32] are not zero", "15.5.1", s->cr0 >> 32 != 0, s->cr0);
    rule(r, "an MBZ bit of CR3 is set", "15.5.1", s->cr3 >> svm_host.physical_bits != 0, s->cr3);
    rule(r, "an MBZ bit of CR4 is set", "15.5.1", (s->cr4 & ~svm_host.cr4_valid) != 0, s->cr4);
    rule(r, "DR6[63:32] are not zero", "15.5.1", s->dr6 >> 32 != 0, s->dr6);
    rule(r, "DR7[63:32] are not zero", "15.5.1", s->dr7 >> 32 != 0, s->dr7);
    rule(r, "an MBZ bit of EFER is set", "15.5.1", (s->efer & ~svm_host.efer_valid) != 0, s->efer);
    rule(r, "EFER.LME and CR0.PG are both set and CR4.PAE is zero", "15.5.1", long_paging && !(s->cr4 & CR4_PAE),
         s->cr4);
    rule(r, "EFER.LME and CR0.PG are both set and CR0.PE is zero", "15.5.1", long_paging && !(s->cr0 & CR0_PE), s->cr0);
    rule(r, "EFER.LME, CR0.PG, CR4.PAE, CS.L and CS.D are all set", "15.5.1",
         long_paging && (s->cr4 & CR4_PAE) && l_and_d == 0x600, s->cs.attributes);
    rule(r, "CR4.CET is set and CR0.WP is zero", "15.5.1", (s->cr4 & CR4_CET) && !(s->cr0 & CR0_WP), s->cr4);
    rule(r, "G_PAT has an unsupported type or a reserved bit", "15.25.4", !svm_pat_valid(s->g_pat), s->g_pat);
    return report.count;
}

unsigned svm_audit_control(const struct vmcb_control *c, const struct vmcb_save *s, struct svm_finding *findings,
                           unsigned capacity)
{
    struct report report = { "", findings, capacity, 0 }, *r = &report;
    uint64_t event = c->event_injection, vector = event & EVENT_VECTOR;
    bool valid = event & EVENT_VALID, exception = valid && EVENT_IS(event, EVENT_TYPE_EXCEPTION);
    bool known = EVENT_IS(event, EVENT_TYPE_INTR) || EVENT_IS(event, EVENT_TYPE_NMI) ||
                 EVENT_IS(event, EVENT_TYPE_EXCEPTION) || EVENT_IS(event, EVENT_TYPE_SOFTWARE);
    bool code_64 = (s->efer & EFER_LMA) && (s->cs.attributes & 0x200);

    rule(r, "the VMRUN intercept is clear", "15.5.1", !(c->intercept_2 & INTERCEPT_VMRUN), c->intercept_2);
    rule(r, "the MSR permission map reaches beyond physical memory", "15.5.1",
         (c->intercept_1 & INTERCEPT_MSR_PROT) && beyond(c->msrpm_base, MSRPM_BYTES), c->msrpm_base);
    rule(r, "the I/O permission map reaches beyond physical memory", "15.5.1",
         (c->intercept_1 & INTERCEPT_IOIO_PROT) && beyond(c->iopm_base, IOPM_BYTES), c->iopm_base);
    rule(r, "ASID is zero", "15.5.1", c->asid == 0, c->asid);
    rule(r, "ASID is not below the processor's number of ASIDs", "15.16", c->asid >= svm_host.asid_count, c->asid);
    rule(r, "EVENTINJ has a reserved type", "15.20", valid && !known, event);
    rule(r, "EVENTINJ is an exception with vector 2 or above 31", "15.20", exception && (vector == 2 || vector > 31),
         event);
    rule(r, "EVENTINJ is #BR in 64-bit mode", "15.20", exception && vector == VECTOR_BR && code_64, event);
    rule(r, "an MBZ bit of nCR3 is set", "15.25.4",
         (c->nested_control & NESTED_PAGING) &&
             (c->nested_cr3 >> svm_host.physical_bits != 0 || !is_aligned(c->nested_cr3, PAGE_SIZE)),
         c->nested_cr3);
    return report.count;
}

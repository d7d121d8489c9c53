/* SPDX-License-Identifier: Apache-2.0 */
/* audit_rules_table.c: the rules of a vCPU's state that hold on every processor, one line each: what is wrong, where the
 * manual says so, when, the value. */
#include "kernel/audit.h"
#include "kernel/guest_cpu.h"
#include "kernel/xstate.h"

#define TYPE(attributes) ((attributes)&15u)
#define DPL(attributes) ((attributes) >> SEG_ATTR_DPL_SHIFT & 3)
#define SELECTOR_LOCAL (1u << 2)
#define V86_ATTRIBUTES 0xF3u

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
    rule(r, "an interrupt or NMI is injected in an interrupt shadow", "3C 27.3.1.5",
         (e->type == VCPU_EVENT_INTERRUPT || e->type == VCPU_EVENT_NMI) && e->interrupt_shadow, e->type);
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

/* 27.3.1.2: in virtual-8086 mode. */
static void v86_rules(struct report *r, const struct vcpu_segment *s)
{
    rule(r, "the base is not the selector times 16 in virtual-8086 mode", "27.3.1.2",
         s->base != (uint64_t)s->selector << 4, s->base);
    rule(r, "the limit is not FFFFh in virtual-8086 mode", "27.3.1.2", s->limit != 0xFFFF, s->limit);
    rule(r, "the attributes are not F3h in virtual-8086 mode", "27.3.1.2", s->attributes != V86_ATTRIBUTES,
         s->attributes);
}

/* What the segments have in common. */
static void common_rules(struct report *r, unsigned name, const struct vcpu_segment *s)
{
    uint32_t a = s->attributes;
    bool usable = !(a & SEG_ATTR_UNUSABLE), system = name == SEG_LDTR || name == SEG_TR;
    bool keeps_base = name == SEG_FS || name == SEG_GS, base_is_64_bit = keeps_base || system;
    bool limit_fits = a & ATTR_GRANULAR ? (s->limit & 0xFFF) == 0xFFF : s->limit >> 20 == 0;

    rule(r, "cannot be unusable", "27.3.1.2", !usable && (name == SEG_CS || name == SEG_TR), a);
    rule(r, "the base is above 4 GiB", "27.3.1.2", usable && !base_is_64_bit && s->base >> 32 != 0, s->base);
    rule(r, "the base is not canonical", "27.3.1.2",
         (usable || keeps_base) && base_is_64_bit && !guest_canonical(s->base), s->base);
    rule(r, "another class of segment", "27.3.1.2", usable && !(a & ATTR_SYSTEM_NOT) != system, a);
    rule(r, "neither present nor unusable", "27.3.1.2", usable && !(a & SEG_ATTR_PRESENT), a);
    rule(r, "reserved attributes are set", "27.3.1.2", usable && (a & ATTR_RESERVED) != 0, a);
    rule(r, "the limit contradicts the G bit", "27.3.1.2", usable && !limit_fits, s->limit);
    rule(r, "the selector has TI set", "27.3.1.2", usable && system && (s->selector & SELECTOR_LOCAL), s->selector);
}

static void code_rules(struct report *r, uint32_t a, uint32_t ss, bool long_mode)
{
    unsigned type = TYPE(a);
    bool code = (type & (ATTR_CODE | ATTR_ACCESSED)) == (ATTR_CODE | ATTR_ACCESSED), conforming = type & 4;

    rule(r, "another type of segment", "27.3.1.2", !code && type != 3, a);
    rule(r, "a data segment whose DPL is not zero", "27.3.1.2", type == 3 && DPL(a) != 0, a);
    rule(r, "the DPL is not SS's", "27.3.1.2", code && !conforming && DPL(a) != DPL(ss), a);
    rule(r, "conforming, with a DPL above SS's", "27.3.1.2", code && conforming && DPL(a) > DPL(ss), a);
    rule(r, "both L and D are set in long mode", "27.3.1.2",
         long_mode && (a & SEG_ATTR_LONG) && (a & SEG_ATTR_DEFAULT_BIG), a);
}

static void stack_rules(struct report *r, uint32_t a, uint32_t cs, bool real_mode)
{
    rule(r, "the DPL is not zero in real mode, or with a data segment in CS", "27.3.1.2",
         (real_mode || TYPE(cs) == 3) && DPL(a) != 0, a);
    rule(r, "another type of segment", "27.3.1.2", !(a & SEG_ATTR_UNUSABLE) && TYPE(a) != 3 && TYPE(a) != 7, a);
}

static void data_rules(struct report *r, uint32_t a)
{
    bool usable = !(a & SEG_ATTR_UNUSABLE);

    rule(r, "not accessed", "27.3.1.2", usable && !(a & ATTR_ACCESSED), a);
    rule(r, "code that cannot be read", "27.3.1.2", usable && (a & ATTR_CODE) && !(a & ATTR_READABLE), a);
}

static void segment_rules(struct report *r, const struct vcpu_page *p, uint64_t cr0)
{
    static const char *const names[] = { "ES: ", "CS: ", "SS: ", "DS: ", "FS: ", "GS: ", "LDTR: ", "TR: " };
    const struct vcpu_segment *s = p->segment;
    bool long_mode = p->efer & EFER_LMA;

    for (unsigned i = 0; i < SEG_COUNT; i++) {
        uint32_t a = s[i].attributes;

        r->of = names[i];
        if (i <= SEG_GS && (p->rflags & RFLAGS_VM)) {
            v86_rules(r, &s[i]);
            continue;
        }
        common_rules(r, i, &s[i]);
        if (i == SEG_CS)
            code_rules(r, a, s[SEG_SS].attributes, long_mode);
        else if (i == SEG_SS)
            stack_rules(r, a, s[SEG_CS].attributes, !(cr0 & CR0_PE));
        else if (i <= SEG_GS)
            data_rules(r, a);
    }
    r->of = "LDTR: ";
    rule(r, "another type of segment", "27.3.1.2",
         !(s[SEG_LDTR].attributes & SEG_ATTR_UNUSABLE) && TYPE(s[SEG_LDTR].attributes) != 2, s[SEG_LDTR].attributes);
    r->of = "TR: ";
    rule(r, "not a busy TSS", "27.3.1.2", (TYPE(s[SEG_TR].attributes) & 7) != 3, s[SEG_TR].attributes);
    rule(r, "a 16-bit TSS in long mode", "27.3.1.2", TYPE(s[SEG_TR].attributes) == 3 && long_mode,
         s[SEG_TR].attributes);
    r->of = "";
}

/* 27.3.1.3. */
static void table_rules(struct report *r, const struct vcpu_page *p)
{
    rule(r, "GDTR's base is not canonical", "27.3.1.3", !guest_canonical(p->gdtr.base), p->gdtr.base);
    rule(r, "IDTR's base is not canonical", "27.3.1.3", !guest_canonical(p->idtr.base), p->idtr.base);
    rule(r, "GDTR's limit is above FFFFh", "27.3.1.3", p->gdtr.limit >> 16 != 0, p->gdtr.limit);
    rule(r, "IDTR's limit is above FFFFh", "27.3.1.3", p->idtr.limit >> 16 != 0, p->idtr.limit);
}

/* 27.3.1.4. */
static void instruction_rules(struct report *r, const struct vcpu_page *p, uint64_t cr0, bool interrupt)
{
    bool long_mode = p->efer & EFER_LMA, code_64 = long_mode && (p->segment[SEG_CS].attributes & SEG_ATTR_LONG);

    rule(r, "RIP[63:32] are not zero outside 64-bit code", "27.3.1.4", !code_64 && p->rip >> 32 != 0, p->rip);
    rule(r, "RIP is not canonical", "27.3.1.4", code_64 && !guest_canonical(p->rip), p->rip);
    rule(r, "RFLAGS has a reserved bit", "27.3.1.4", (p->rflags & ~GUEST_RFLAGS) != RFLAGS_FIXED, p->rflags);
    rule(r, "RFLAGS.VM is set in long mode or without CR0.PE", "27.3.1.4",
         (p->rflags & RFLAGS_VM) && (long_mode || !(cr0 & CR0_PE)), p->rflags);
    rule(r, "RFLAGS.IF is clear and an interrupt is injected", "27.3.1.4", interrupt && !(p->rflags & RFLAGS_IF),
         p->rflags);
}

void audit_mode(struct report *r, const struct vcpu_page *p, uint64_t cr0, uint64_t event)
{
    segment_rules(r, p, cr0);
    table_rules(r, p);
    instruction_rules(r, p, cr0, (event & EVENT_VALID) && guest_event_type(event) == EVENT_TYPE_INTR);
}

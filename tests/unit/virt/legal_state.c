/* SPDX-License-Identifier: Apache-2.0 */
/* legal_state.c: random states that a processor can be in. */
#include "tests/unit/virt/legal_state.h"

#include <stdbool.h>
#include <string.h>

#include "kernel/fake/fake.h"
#include "kernel/x86_table.h"

enum paging { FLAT, TWO_LEVELS, PAE, FOUR_LEVELS };
enum code { REAL, UNREAL, FIRST_PROTECTED, CODE_16, CODE_32, CODE_64, V86 };

/* SDM Vol. 3A 2.2, 4.1.1. */
static const struct mode {
    const char *name;
    enum code code;
    enum paging paging;
} modes[] = {
    { "real mode", REAL, FLAT },
    { "real mode with the limits of protected mode", UNREAL, FLAT },
    { "protected mode before its first far jump", FIRST_PROTECTED, FLAT },
    { "16-bit protected mode", CODE_16, FLAT },
    { "32-bit protected mode", CODE_32, FLAT },
    { "virtual-8086 mode without paging", V86, FLAT },
    { "16-bit protected mode, 32-bit paging", CODE_16, TWO_LEVELS },
    { "32-bit protected mode, 32-bit paging", CODE_32, TWO_LEVELS },
    { "virtual-8086 mode, 32-bit paging", V86, TWO_LEVELS },
    { "16-bit protected mode, PAE paging", CODE_16, PAE },
    { "32-bit protected mode, PAE paging", CODE_32, PAE },
    { "virtual-8086 mode, PAE paging", V86, PAE },
    { "16-bit compatibility mode", CODE_16, FOUR_LEVELS },
    { "32-bit compatibility mode", CODE_32, FOUR_LEVELS },
    { "64-bit mode", CODE_64, FOUR_LEVELS },
};

struct state {
    const struct mode *mode;
    struct vcpu_page *page;
    unsigned cpl;
};

/* ------------------------------------------------------------------------------------------------------- numbers */

static bool chance(unsigned of)
{
    return fake_random(of) == 0;
}

static uint64_t bits(unsigned count)
{
    uint64_t value = fake_random(UINT64_C(1) << 32) << 32 | fake_random(UINT64_C(1) << 32);

    return count == 64 ? value : value & ((UINT64_C(1) << count) - 1);
}

/* Each bit of `set`, or not. */
static uint64_t some_of(uint64_t set)
{
    return bits(64) & set;
}

/* Of 48 bits, the highest of which goes on to bit 63. */
static uint64_t canonical(void)
{
    uint64_t address = bits(LEGAL_LINEAR_BITS);

    return address >> (LEGAL_LINEAR_BITS - 1) ? address | ~UINT64_C(0) << LEGAL_LINEAR_BITS : address;
}

static bool long_mode(const struct state *s)
{
    return s->mode->paging == FOUR_LEVELS;
}

static bool protected_mode(const struct state *s)
{
    return s->mode->code > UNREAL;
}

/* An address that a register of this mode can be loaded with. */
static uint64_t linear(const struct state *s)
{
    return long_mode(s) ? canonical() : bits(32);
}

/* ------------------------------------------------------------------------------------------------------ registers */

/* SDM Vol. 3A 2.5, 4.1.1, 4.10.1. Without paging LME only says what paging will be. */
static void control_registers(const struct state *s)
{
    enum paging paging = s->mode->paging;
    struct vcpu_page *p = s->page;

    p->cr0 = CR0_ET | some_of(CR0_MP | CR0_EM | CR0_TS | CR0_NE | CR0_WP | CR0_AM | CR0_CD);
    p->cr0 |= p->cr0 & CR0_CD ? some_of(CR0_NW) : 0;
    p->cr0 |= (protected_mode(s) ? CR0_PE : 0) | (paging != FLAT ? CR0_PG : 0);
    p->cr4 = some_of(LEGAL_CR4);
    if (paging == PAE || paging == FOUR_LEVELS)
        p->cr4 |= CR4_PAE;
    if (paging == TWO_LEVELS)
        p->cr4 &= ~CR4_PAE;
    if (paging != FOUR_LEVELS)
        p->cr4 &= ~CR4_PCIDE;
    p->efer = some_of(EFER_SCE | EFER_NXE);
    p->efer |= paging == FLAT ? some_of(EFER_LME) : 0;
    p->efer |= paging == FOUR_LEVELS ? EFER_LME | EFER_LMA : 0;
    p->cr2 = linear(s);
    p->cr8 = bits(4);
    p->xcr0 = (const uint64_t[]){ 1, 3, 7 }[fake_random(3)];
}

/* SDM Vol. 3A 4.3, 4.4.1, 4.5.2. An entry that is not present says nothing else: all its bits are free. */
static void page_tables(const struct state *s)
{
    static const uint64_t addresses[] = { [FLAT] = 0xFFFFFFFF,
                                          [TWO_LEVELS] = 0xFFFFF000,
                                          [PAE] = 0xFFFFFFE0,
                                          [FOUR_LEVELS] = (UINT64_C(1) << LEGAL_PHYSICAL_BITS) - 0x1000 };
    struct vcpu_page *p = s->page;

    p->cr3 = some_of(addresses[s->mode->paging]);
    if (s->mode->paging > FLAT)
        p->cr3 |= some_of(p->cr4 & CR4_PCIDE ? 0xFFF : 0x18);
    for (unsigned i = 0; i < 4 && s->mode->paging == PAE; i++)
        p->pdpte[i] = chance(4) ? bits(64) & ~UINT64_C(1) : some_of(addresses[FOUR_LEVELS] | 0xE18) | 1;
}

/* SDM Vol. 3B 18.2: bits that are always one, and those that mean something. */
static void debug_registers(const struct state *s)
{
    struct vcpu_page *p = s->page;

    for (unsigned i = 0; i < 4; i++)
        p->dr[i] = linear(s);
    p->dr[6] = 0xFFFF0FF0 | some_of(0xE00F);
    p->dr[7] = 0x400 | some_of(0xFFFF23FF);
}

/* SDM Vol. 4 table 2-2, APM Vol. 2 appendix A. */
static void msrs(const struct state *s)
{
    static const uint8_t memory_types[] = { 0, 1, 4, 5, 6, 7 };
    uint64_t *msr = s->page->msr;

    msr[VCPU_MSR_STAR] = bits(64);
    msr[VCPU_MSR_LSTAR] = canonical();
    msr[VCPU_MSR_CSTAR] = canonical();
    msr[VCPU_MSR_SFMASK] = bits(32);
    msr[VCPU_MSR_KERNEL_GS_BASE] = canonical();
    msr[VCPU_MSR_SYSENTER_CS] = bits(16);
    msr[VCPU_MSR_SYSENTER_ESP] = canonical();
    msr[VCPU_MSR_SYSENTER_EIP] = canonical();
    for (unsigned i = 0; i < 8; i++)
        msr[VCPU_MSR_PAT] = msr[VCPU_MSR_PAT] << 8 | memory_types[fake_random(6)];
    msr[VCPU_MSR_TSC_AUX] = bits(32);
    msr[VCPU_MSR_TSC] = bits(64);
    msr[VCPU_MSR_XSS] = 0;
}

/* SDM Vol. 1 3.4.3, 3.5. */
static void instruction(const struct state *s)
{
    struct vcpu_page *p = s->page;

    for (unsigned i = 0; i < GPR_COUNT; i++)
        p->gpr[i] = bits(64);
    p->rip = s->mode->code == CODE_64 ? canonical() : bits(s->mode->code == CODE_32 ? 32 : 16);
    p->rflags = 2 | some_of(0x3D7FD5); /* all flags but VM */
    p->rflags |= s->mode->code == V86 ? RFLAGS_VM : 0;
}

/* ------------------------------------------------------------------------------------------------------- segments */

#define NULL_SEGMENT SEG_ATTR_UNUSABLE
#define AVAILABLE (1u << 12)
#define GRANULAR (1u << 15)
#define PRESENT (1u << 7)
#define NOT_SYSTEM (1u << 4)
#define TABLE (1u << 2) /* of a selector: TI */

/* A limit in bytes is below 1 MiB; one in pages ends where a page ends, and says in normal form what bytes cannot. */
static void limit(struct vcpu_segment *segment)
{
    if (chance(2)) {
        segment->limit = (uint32_t)bits(20);
    } else {
        segment->limit = chance(2) ? UINT32_MAX : (uint32_t)(0x100 + fake_random(0xFFF00)) << 12 | 0xFFF;
        segment->attributes |= GRANULAR;
    }
}

/* SDM Vol. 3A 3.4.5, 3.4.5.1; loading it has set "accessed". `rights`: the type and what else of the attributes is given. */
static struct vcpu_segment segment(uint32_t rights, unsigned dpl, unsigned rpl)
{
    struct vcpu_segment s = { .selector = (uint16_t)(4 + fake_random(0x3FFF) * 4 + rpl),
                              .attributes = rights | PRESENT | dpl << SEG_ATTR_DPL_SHIFT | (uint32_t)some_of(AVAILABLE),
                              .base = bits(32) };

    limit(&s);
    return s;
}

/* SDM Vol. 3A 5.5, 5.8: what is not conforming runs at its own privilege, what is, at its callers'. */
static struct vcpu_segment code_segment(const struct state *s)
{
    uint32_t kind = NOT_SYSTEM | 9 | (uint32_t)some_of(2);
    unsigned dpl = s->cpl;

    if (chance(4)) {
        kind |= 4;
        dpl = (unsigned)fake_random(s->cpl + 1);
    }
    if (s->mode->code == CODE_64)
        kind |= SEG_ATTR_LONG;
    if (s->mode->code == CODE_32)
        kind |= SEG_ATTR_DEFAULT_BIG;
    return segment(kind, dpl, s->cpl);
}

/* SDM Vol. 3A 5.7. 64-bit mode lets a program below ring 3 run without one, and the mode beside it finds it so. */
static struct vcpu_segment stack_segment(const struct state *s)
{
    uint32_t down = (uint32_t)some_of(4), big = (uint32_t)some_of(SEG_ATTR_DEFAULT_BIG);

    if (long_mode(s) && s->cpl < 3 && chance(3))
        return (struct vcpu_segment){ .selector = (uint16_t)s->cpl,
                                      .attributes = NULL_SEGMENT | s->cpl << SEG_ATTR_DPL_SHIFT };
    return segment(NOT_SYSTEM | 3 | down | big, s->cpl, s->cpl);
}

/* SDM Vol. 3A 5.6: data, or code that can be read, of this privilege or a lower one. FS and GS keep a base behind a null
 * selector, and in long mode it has 64 bits. */
static struct vcpu_segment data_segment(const struct state *s, unsigned name)
{
    static const uint32_t kinds[] = { 1, 3, 5, 7, 11 };
    bool keeps_base = name == SEG_FS || name == SEG_GS;
    unsigned dpl = s->cpl + (unsigned)fake_random(4 - s->cpl);
    struct vcpu_segment made;

    if (chance(3)) {
        made = (struct vcpu_segment){ .selector = (uint16_t)fake_random(4), .attributes = NULL_SEGMENT };
        made.base = keeps_base ? linear(s) : 0;
        return made;
    }
    made = segment(NOT_SYSTEM | kinds[fake_random(5)] | (uint32_t)some_of(SEG_ATTR_DEFAULT_BIG), dpl,
                   (unsigned)fake_random(dpl + 1));
    if (keeps_base && long_mode(s))
        made.base = canonical();
    return made;
}

/* SDM Vol. 3A 21.1.1: the base is the selector's; SDM Vol. 3A table 10-1 has the limit and the rights. */
static struct vcpu_segment real_segment(uint32_t rights)
{
    uint16_t selector = (uint16_t)bits(16);

    return (struct vcpu_segment){
        .selector = selector, .limit = 0xFFFF, .attributes = rights, .base = (uint64_t)selector << 4
    };
}

/* SDM Vol. 3A 3.5, 8.2.1, 8.2.3: both come from the GDT. LDTR can be null; TR is busy. */
static struct vcpu_segment system_segment(const struct state *s, unsigned name)
{
    struct vcpu_segment made;

    if (name == SEG_LDTR && chance(2))
        return (struct vcpu_segment){ .selector = (uint16_t)fake_random(4), .attributes = NULL_SEGMENT };
    made = segment(name == SEG_LDTR ? 2 : long_mode(s) || chance(2) ? 11 : 3, (unsigned)fake_random(4), 0);
    made.selector &= (uint16_t)~TABLE;
    made.base = linear(s);
    return made;
}

static void segments(const struct state *s)
{
    bool of_8086 = s->mode->code == V86, real = s->mode->code <= FIRST_PROTECTED;
    struct vcpu_page *p = s->page;

    for (unsigned i = SEG_ES; i <= SEG_GS; i++) {
        p->segment[i] = real || of_8086 ? real_segment(of_8086 ? 0xF3 : 0x93) : data_segment(s, i);
        if (s->mode->code == UNREAL && i != SEG_CS && i != SEG_SS && chance(2))
            p->segment[i] = data_segment(s, i);
    }
    if (real && chance(2))
        p->segment[SEG_CS].attributes = 0x9B;
    if (real && chance(8)) /* as after RESET */
        p->segment[SEG_CS].base = 0xFFFF0000;
    if (s->mode->code == UNREAL) {
        p->segment[SEG_SS].attributes = 0x93 | (uint32_t)some_of(SEG_ATTR_DEFAULT_BIG);
        limit(&p->segment[SEG_SS]);
    }
    if (!real && !of_8086) {
        p->segment[SEG_CS] = code_segment(s);
        p->segment[SEG_SS] = stack_segment(s);
    }
    p->segment[SEG_LDTR] = system_segment(s, SEG_LDTR);
    p->segment[SEG_TR] = system_segment(s, SEG_TR);
    p->gdtr = (struct vcpu_table){ .base = linear(s), .limit = (uint32_t)bits(16) };
    p->idtr = (struct vcpu_table){ .base = linear(s), .limit = (uint32_t)bits(16) };
}

/* --------------------------------------------------------------------------------------------------------- events */

/* SDM Vol. 3A table 6-1, 6.13, 6.15 (the interrupts of protected mode alone, #BR not in 64-bit mode), 4.7. INT n, INT3 and
 * INTO are not among the events: in normal form RIP stands on the instruction. */
static void exception(const struct state *s, struct vcpu_events *e)
{
    static const uint8_t everywhere[] = { VECTOR_DE, VECTOR_UD, VECTOR_NM, VECTOR_DF, VECTOR_SS,
                                          VECTOR_GP, VECTOR_MF, VECTOR_MC, VECTOR_XM };
    static const uint8_t protected[] = { VECTOR_TS, VECTOR_NP, VECTOR_AC };

    e->type = VCPU_EVENT_EXCEPTION;
    e->vector = everywhere[fake_random(sizeof everywhere)];
    if (protected_mode(s) && chance(4))
        e->vector = protected[fake_random(sizeof protected)];
    if (s->mode->code != CODE_64 && chance(16))
        e->vector = VECTOR_BR;
    if (s->mode->paging != FLAT && chance(3))
        e->vector = VECTOR_PF;
    if (chance(6)) {
        e->vector = VECTOR_DB;
        e->payload = s->page->dr[6] & 0xE00F;
    }
    switch (e->vector) {
    case VECTOR_PF:
        e->error_code = (uint32_t)bits(5);
        e->payload = s->page->cr2;
        e->has_error_code = 1;
        break;
    case VECTOR_TS:
    case VECTOR_NP:
    case VECTOR_SS:
    case VECTOR_GP:
        e->error_code = protected_mode(s) ? (uint32_t)bits(16) : 0;
        e->has_error_code = protected_mode(s);
        break;
    case VECTOR_DF:
    case VECTOR_AC:
        e->has_error_code = protected_mode(s);
        break;
    default:
        break;
    }
}

/* Its delivery met an exception, which goes first, or whose handler runs. */
static void deferred(struct vcpu_events *e)
{
    bool nmi = chance(2);

    if (e->type != VCPU_EVENT_NONE && e->type != VCPU_EVENT_EXCEPTION)
        return;
    e->deferred_type = nmi ? VCPU_EVENT_NMI : VCPU_EVENT_INTERRUPT;
    e->deferred_vector = nmi ? VECTOR_NMI : (uint8_t)bits(8);
    e->nmi_blocked = nmi ? 0 : e->nmi_blocked;
}

/* SDM Vol. 3A 6.8: what holds events up does not stand beside one that it holds up. */
static void events(const struct state *s)
{
    struct vcpu_events *e = &s->page->event;

    e->nmi_blocked = chance(3);
    e->nmi_pending = chance(3);
    switch (fake_random(5)) {
    case 0:
        *e = (struct vcpu_events){ .activity = VCPU_WAIT_FOR_SIPI };
        return;
    case 1:
        e->type = VCPU_EVENT_INTERRUPT;
        e->vector = (uint8_t)bits(8);
        s->page->rflags |= RFLAGS_IF;
        break;
    case 2:
        e->type = VCPU_EVENT_NMI;
        e->vector = VECTOR_NMI;
        e->nmi_blocked = 0;
        break;
    case 3:
        exception(s, e);
        break;
    default:
        e->interrupt_shadow = chance(3);
        e->activity = e->interrupt_shadow == 0 && s->cpl == 0 && chance(3) ? VCPU_HALTED : VCPU_RUNNING;
        break;
    }
    if (chance(4))
        deferred(e);
    if (e->activity == VCPU_RUNNING && chance(4)) /* breakpoints behind MOV SS, or any trap (SDM Vol. 3B 18.3.1) */
        e->pending_debug = (uint32_t)some_of(e->interrupt_shadow ? 0xF : 0x400F);
}

const char *legal_state(struct vcpu_page *page)
{
    struct state s = { &modes[fake_random(sizeof modes / sizeof modes[0])], page, 0 };

    memset(page, 0, sizeof *page);
    if (s.mode->code >= CODE_16)
        s.cpl = s.mode->code == V86 ? 3 : (unsigned)fake_random(4);
    control_registers(&s);
    page_tables(&s);
    debug_registers(&s);
    msrs(&s);
    instruction(&s);
    segments(&s);
    events(&s);
    return s.mode->name;
}

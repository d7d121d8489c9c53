/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: tests/unit/virt/amd.c tests/unit/virt/intel.c tests/unit/virt/legal_state.c svm/asid.c svm/audit.c svm/audit_rules_table.c svm/cpu.c svm/event.c svm/exit.c svm/exit_table.c svm/msr.c svm/permissions.c svm/probe.c svm/probe_table.c svm/reset_table.c svm/segment.c svm/state.c svm/state_table.c svm/vcpu.c vmx/apic.c vmx/audit.c vmx/audit_rules_table.c vmx/cpu.c vmx/enter.c vmx/event.c vmx/exit.c vmx/exit_table.c vmx/msr.c vmx/permissions.c vmx/probe.c vmx/probe_table.c vmx/reset_table.c vmx/state.c vmx/state_table.c vmx/vcpu.c vmx/vpid.c kernel/vlapic.c kernel/pagetable.c kernel/pagetable_formats_table.c kernel/pool.c kernel/guest_cpu.c kernel/guest_cpu_table.c kernel/audit.c kernel/audit_rules_table.c kernel/fake/fake_vmx.c kernel/fake/fake_assert.c kernel/fake/fake_account.c kernel/fake/fake_pool.c kernel/fake/fake_random.c kernel/fake/fake_xstate.c */
/* test_state.c: a vCPU's state is nobody's in particular: what one backend takes and gives, the other takes and gives.
 *
 * The states come from legal_state.h, which knows nothing of the backends and their auditors. What a backend may do to a
 * state that is not in normal form is said once more here (normal_form), from abi/vcpu.h and the manuals.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/fake/fake.h"
#include "kernel/fake/fake_account.h"
#include "kernel/fake/vmx.h"
#include "kernel/guest_cpu.h"
#include "kernel/pool.h"
#include "kernel/vm.h"
#include "tests/unit/virt/backend.h"
#include "tests/unit/virt/legal_state.h"

#define ROUNDS 30000u
#define SIDES 2u

struct side {
    const struct backend *backend;
    struct vm vm;
    struct vcpu vcpu;
    bool loaded;
};

struct fixture {
    struct account *account;
    struct side side[SIDES];
};

/* Each side has a CPU of its own, and what is in its registers. */
static const struct virt_ops *ops(const struct side *s)
{
    fake_vmx_become(s->backend->cpu);
    return s->backend->ops;
}

static void side_begin(struct side *s, const struct backend *backend, struct account *account)
{
    s->backend = backend;
    s->vcpu.vm = &s->vm;
    s->vcpu.xcr0 = 1;
    s->vcpu.page = pool_take(account, PAGE_SIZE);
    s->vcpu.lapic.reg = pool_take(account, PAGE_SIZE);
    assert_int_equal(pt_create(&s->vm.space.pt, backend->ops->nested_format, account), CL_OK);
    assert_int_equal(backend->ops->vm_create(&s->vm, account), CL_OK);
    assert_int_equal(backend->ops->vcpu_create(&s->vcpu, account), CL_OK);
}

static void side_end(struct side *s, struct account *account)
{
    if (s->loaded)
        ops(s)->vcpu_unload(&s->vcpu);
    ops(s)->vcpu_destroy(&s->vcpu, account);
    s->backend->ops->vm_destroy(&s->vm, account);
    assert_true(pt_destroy(&s->vm.space.pt, 1000));
    pool_give(account, s->vcpu.page);
    pool_give(account, s->vcpu.lapic.reg);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    fake_pool_create(UINT64_C(8) << 20);
    f->account = fake_account_create(UINT64_C(4) << 20, 0);
    fake_vmx_start();
    amd.start();
    intel.start();
    guest_cpu = (struct guest_cpu){
        .physical_bits = LEGAL_PHYSICAL_BITS,
        .canonical_high = ~UINT64_C(0) << (LEGAL_LINEAR_BITS - 1),
        .cr4_valid = LEGAL_CR4 | CR4_VMXE,
        .efer_valid = LEGAL_EFER,
        .has_rdtscp = true,
    };
    side_begin(&f->side[0], &amd, f->account);
    side_begin(&f->side[1], &intel, f->account);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < SIDES; i++)
        side_end(&f->side[i], f->account);
    assert_int_equal(fake_account_spent(f->account, PURSE_KERNEL), 0);
    fake_account_destroy(f->account);
    fake_pool_destroy();
    free(f);
    return 0;
}

/* ------------------------------------------------------------------------------------------------------- the page */

#define FIELD(group, member)                                                                                           \
    {                                                                                                                  \
#member, VCPU_GROUP_##group, offsetof(struct vcpu_page, member), sizeof(((struct vcpu_page *)0)->member)       \
    }

/* All that is state, but for the general registers, RIP and RFLAGS: those are in the page and nowhere else. */
static const struct field {
    const char *name;
    uint32_t group;
    size_t offset, size;
} fields[] = {
    FIELD(CONTROL, cr0),
    FIELD(CONTROL, cr2),
    FIELD(CONTROL, cr3),
    FIELD(CONTROL, cr4),
    FIELD(CONTROL, cr8),
    FIELD(CONTROL, efer),
    FIELD(CONTROL, xcr0),
    FIELD(CONTROL, pdpte),
    FIELD(SEGMENTS, gdtr),
    FIELD(SEGMENTS, idtr),
    FIELD(SEGMENTS, segment[SEG_ES]),
    FIELD(SEGMENTS, segment[SEG_CS]),
    FIELD(SEGMENTS, segment[SEG_SS]),
    FIELD(SEGMENTS, segment[SEG_DS]),
    FIELD(SEGMENTS, segment[SEG_FS]),
    FIELD(SEGMENTS, segment[SEG_GS]),
    FIELD(SEGMENTS, segment[SEG_LDTR]),
    FIELD(SEGMENTS, segment[SEG_TR]),
    FIELD(DEBUG, dr[0]),
    FIELD(DEBUG, dr[1]),
    FIELD(DEBUG, dr[2]),
    FIELD(DEBUG, dr[3]),
    FIELD(DEBUG, dr[4]),
    FIELD(DEBUG, dr[5]),
    FIELD(DEBUG, dr[6]),
    FIELD(DEBUG, dr[7]),
    FIELD(EVENTS, event),
    FIELD(MSRS, msr[VCPU_MSR_STAR]),
    FIELD(MSRS, msr[VCPU_MSR_LSTAR]),
    FIELD(MSRS, msr[VCPU_MSR_CSTAR]),
    FIELD(MSRS, msr[VCPU_MSR_SFMASK]),
    FIELD(MSRS, msr[VCPU_MSR_KERNEL_GS_BASE]),
    FIELD(MSRS, msr[VCPU_MSR_SYSENTER_CS]),
    FIELD(MSRS, msr[VCPU_MSR_SYSENTER_ESP]),
    FIELD(MSRS, msr[VCPU_MSR_SYSENTER_EIP]),
    FIELD(MSRS, msr[VCPU_MSR_PAT]),
    FIELD(MSRS, msr[VCPU_MSR_TSC_AUX]),
    FIELD(MSRS, msr[VCPU_MSR_TSC]),
    FIELD(MSRS, msr[VCPU_MSR_XSS]),
};
static_assert(sizeof(struct vcpu_page) - offsetof(struct vcpu_page, exits_to_vmm) == 11 * 8 &&
                  offsetof(struct vcpu_page, exits_to_vmm) - offsetof(struct vcpu_page, cr0) ==
                      11 * 8 + 2 * 16 + SEG_COUNT * 24 + 8 * 8 + sizeof(struct vcpu_events) + VCPU_MSR_COUNT * 8,
              "a member of the page that is not in fields[]");

/* Of `page` those groups become what `from` has. */
static void take_over(struct vcpu_page *page, const struct vcpu_page *from, uint32_t groups)
{
    for (unsigned i = 0; i < ARRAY_SIZE(fields); i++)
        if (fields[i].group & groups)
            memcpy((char *)page + fields[i].offset, (const char *)from + fields[i].offset, fields[i].size);
}

static void hex(char *text, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++, text += 3)
        (void)snprintf(text, 4, "%02x ", (uint8_t)bytes[i]);
}

/* PDPTEs differ by nature: AMD-V has none, it reads the guest's memory at each use (APM Vol. 2 15.25.10). Whoever brings a
 * state from there to VT-x reads them where the processor would. All else is the same in both. */
static void same(const struct side *s, const struct vcpu_page *state, const struct vcpu_page *got, const char *what)
{
    struct vcpu_page expected = *state;

    if (!s->backend->has_pdptes)
        memset(expected.pdpte, 0, sizeof expected.pdpte);
    for (unsigned i = 0; i < ARRAY_SIZE(fields); i++) {
        const char *a = (const char *)&expected + fields[i].offset, *b = (const char *)got + fields[i].offset;
        char wanted[256], found[256];

        if (memcmp(a, b, fields[i].size) == 0)
            continue;
        hex(wanted, a, fields[i].size);
        hex(found, b, fields[i].size);
        fail_msg("%s, %s: %s is %snot %s", s->backend->ops->name, what, fields[i].name, found, wanted);
    }
    assert_memory_equal(got->gpr, expected.gpr, sizeof got->gpr);
    assert_int_equal(got->rip, expected.rip);
    assert_int_equal(got->rflags, expected.rflags);
}

/* ---------------------------------------------------------------------------------------------- what a VMM does */

static enum cl_status put(struct side *s, const struct vcpu_page *page, uint32_t groups)
{
    *s->vcpu.page = *page;
    fake_refusal[0] = 0;
    return ops(s)->vcpu_set(&s->vcpu, groups);
}

static void put_legal(struct side *s, const struct vcpu_page *page, const char *what)
{
    if (put(s, page, VCPU_GROUP_ALL) != CL_OK)
        fail_msg("%s refuses %s: %s", s->backend->ops->name, what, fake_refusal);
}

/* Of the events the activity and a pending NMI are the kernel's, which the backend leaves as they are. Nothing else in the
 * page is believed to be there already. */
static struct vcpu_page take(struct side *s)
{
    struct vcpu_page *page = s->vcpu.page, garbage;
    struct vcpu_events kernels = { .activity = page->event.activity, .nmi_pending = page->event.nmi_pending };

    memset(&garbage, 0xEE, sizeof garbage);
    take_over(page, &garbage, VCPU_GROUP_ALL);
    page->event.activity = kernels.activity;
    page->event.nmi_pending = kernels.nmi_pending;
    ops(s)->vcpu_get(&s->vcpu, VCPU_GROUP_ALL);
    return *page;
}

/* What a CPU has in its registers while the vCPU is loaded there is state, too. */
static void move(struct side *s)
{
    if (fake_random(3) != 0)
        return;
    if (s->loaded)
        ops(s)->vcpu_unload(&s->vcpu);
    else
        ops(s)->vcpu_load(&s->vcpu);
    s->loaded = !s->loaded;
}

/* A guest that runs sets breakpoints where they are. */
static void run(const struct side *s, struct vcpu_page *state)
{
    for (unsigned i = 0; i < 4 && s->loaded; i++)
        state->dr[i] = fake_vmx_cpus[s->backend->cpu].dr[i] ^= 0x10;
}

/* The processor would enter with it, says its auditor. */
static void enters(struct side *s, const char *what)
{
    struct finding finding;

    fake_vmx_become(s->backend->cpu);
    if (s->backend->audit(&s->vcpu, &finding) != 0 || s->backend->audit_entry(&s->vcpu, &finding) != 0)
        fail_msg("%s would not enter, %s: %s%s: %lx", s->backend->ops->name, what, finding.of, finding.rule,
                 finding.value);
}

/* ------------------------------------------------------------------------------------------------ legal states */

static void legal_states_come_out_as_they_went_in(void **state)
{
    struct fixture *f = *state;

    fake_random_seed(3);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct vcpu_page legal, got;
        const char *mode = legal_state(&legal);

        for (unsigned i = 0; i < SIDES; i++) {
            put_legal(&f->side[i], &legal, mode);
            move(&f->side[i]);
            run(&f->side[i], &legal);
            move(&f->side[i]);
            got = take(&f->side[i]);
            same(&f->side[i], &legal, &got, mode);
        }
    }
}

/* Else all that lies between get and set would be lost, and the TSCs of a VM's vCPUs would come apart. */
static void a_tsc_that_is_not_to_change_goes_on(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < SIDES; i++) {
        struct side *s = &f->side[i];
        struct vcpu_page page = take(s);

        s->vcpu.tsc_offset = 12345;
        page.msr[VCPU_MSR_LSTAR] = 0x1000;
        page.msr[VCPU_MSR_TSC] = VCPU_TSC_UNCHANGED;
        assert_int_equal(put(s, &page, VCPU_GROUP_MSRS), CL_OK);
        assert_int_equal(s->vcpu.tsc_offset, 12345);
        page.msr[VCPU_MSR_TSC] = 7;
        assert_int_equal(put(s, &page, VCPU_GROUP_MSRS), CL_OK);
        assert_int_equal(take(s).msr[VCPU_MSR_TSC], 7);
    }
}

static void legal_states_break_no_rule(void **state)
{
    struct fixture *f = *state;

    fake_random_seed(4);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct vcpu_page legal;
        const char *mode = legal_state(&legal);

        for (unsigned i = 0; i < SIDES; i++) {
            put_legal(&f->side[i], &legal, mode);
            enters(&f->side[i], mode);
        }
    }
}

static void states_move_from_one_vendor_to_the_other_and_back(void **state)
{
    struct fixture *f = *state;

    fake_random_seed(5);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct side *here = &f->side[round % SIDES], *there = &f->side[1 - round % SIDES];
        struct vcpu_page legal, moved, back;
        const char *mode = legal_state(&legal);

        put_legal(here, &legal, mode);
        moved = take(here);
        same(here, &legal, &moved, mode);
        memcpy(moved.pdpte, legal.pdpte, sizeof moved.pdpte);
        put_legal(there, &moved, mode);
        back = take(there);
        same(there, &moved, &back, mode);
        memcpy(back.pdpte, legal.pdpte, sizeof back.pdpte);
        put_legal(here, &back, mode);
        moved = take(here);
        same(here, &back, &moved, mode);
    }
}

/* The guest was about to take it when an exception was met. */
static void an_interrupt_that_an_exception_defers_moves_with_the_state(void **state)
{
    static const struct vcpu_events taken[] = { { .type = VCPU_EVENT_INTERRUPT, .vector = 0x40 },
                                                { .type = VCPU_EVENT_NMI, .vector = VECTOR_NMI } };
    struct fixture *f = *state;

    fake_random_seed(7);
    for (unsigned round = 0; round < SIDES * ARRAY_SIZE(taken); round++) {
        struct side *here = &f->side[round % SIDES], *there = &f->side[1 - round % SIDES];
        const struct vcpu_events *event = &taken[round / SIDES];
        struct vcpu_page legal, moved, got;

        (void)legal_state(&legal);
        legal.event = *event;
        legal.rflags |= RFLAGS_IF;
        put_legal(here, &legal, "with an event");
        ops(here)->vcpu_inject(&here->vcpu, VCPU_EVENT_EXCEPTION, VECTOR_NM, false, 0);
        moved = take(here);
        assert_int_equal(moved.event.type, VCPU_EVENT_EXCEPTION);
        assert_int_equal(moved.event.deferred_type, event->type);
        assert_int_equal(moved.event.deferred_vector, event->vector);
        memcpy(moved.pdpte, legal.pdpte, sizeof moved.pdpte);
        moved.rflags &= ~RFLAGS_IF; /* as its handler may run */
        put_legal(there, &moved, "with a deferred event");
        got = take(there);
        same(there, &moved, &got, "deferred");
        assert_true(there->vcpu.window); /* the loop looks for it */
    }
}

/* -------------------------------------------------------------------------------------------- disturbed states */

static uint64_t any(void)
{
    static const uint64_t values[] = { 0,
                                       1,
                                       2,
                                       0x1F,
                                       0x80,
                                       0x8B,
                                       0x93,
                                       0x9B,
                                       0xF3,
                                       0x400,
                                       0xFFFF,
                                       0x10000,
                                       0xA09B,
                                       0xC093,
                                       0xFFFFF,
                                       0x1000,
                                       0x80000001,
                                       UINT32_MAX,
                                       UINT64_C(1) << 40,
                                       UINT64_C(0xFFFF800000001000) };

    return values[fake_random(ARRAY_SIZE(values))];
}

/* One word of the state becomes something else, or one bit of it, or another event waits; which, knows nothing of what is
 * legal. */
static void disturb(struct vcpu_page *p)
{
    const struct field *field = &fields[fake_random(ARRAY_SIZE(fields))];
    uint32_t *word = (uint32_t *)((char *)p + field->offset + fake_random(field->size / 4) * 4);

    switch (fake_random(8)) {
    case 0:
        p->event.type = (uint8_t)fake_random(7);
        p->event.vector = (uint8_t)fake_random(fake_random(2) ? 256 : 20);
        p->event.has_error_code = (uint8_t)fake_random(3);
        p->event.error_code = (uint32_t)any();
        p->event.deferred_type = (uint8_t)fake_random(4);
        return;
    case 1:
        word = (uint32_t *)(fake_random(2) ? &p->rip : &p->rflags);
        break;
    default:
        break;
    }
    *word = fake_random(2) ? (uint32_t)any() : *word ^ 1u << fake_random(32);
}

/* Null: nothing but its selector, SS's privilege, the bases of FS and GS. Usable: "accessed", for it was; G as the limit
 * makes it, for no instruction shows it. */
static void normal_segment(unsigned name, struct vcpu_segment *s)
{
    struct vcpu_segment is = { .selector = s->selector };

    if (s->attributes & SEG_ATTR_UNUSABLE) {
        is.attributes = SEG_ATTR_UNUSABLE | (name == SEG_SS ? s->attributes & 0x60 : 0);
        is.base = name == SEG_FS || name == SEG_GS ? s->base : 0;
    } else {
        is.attributes = (s->attributes & ~0x8000u) | (s->limit > 0xFFFFF ? 0x8000 : 0) | (s->attributes >> 4 & 1);
        is.limit = s->limit;
        is.base = s->base;
    }
    *s = is;
}

/* RIP stands on what raises software's events: they are none. The vector of an NMI is 2; an exception alone has an error
 * code, and payload is what CR2 or DR6 says. NMIs are not blocked before one that comes. */
static void normal_event(struct vcpu_page *p)
{
    struct vcpu_events *e = &p->event;
    bool exception = e->type == VCPU_EVENT_EXCEPTION;

    *e = (struct vcpu_events){
        .type = e->type > VCPU_EVENT_EXCEPTION ? VCPU_EVENT_NONE : e->type,
        .vector = e->vector,
        .has_error_code = exception && e->has_error_code,
        .error_code = exception && e->has_error_code ? e->error_code : 0,
        .nmi_blocked = e->nmi_blocked && e->type != VCPU_EVENT_NMI && e->deferred_type != VCPU_EVENT_NMI,
        .nmi_pending = e->nmi_pending,
        .interrupt_shadow = e->interrupt_shadow != 0,
        .activity = e->activity,
        .pending_debug = e->pending_debug & 0xE00F,
        .deferred_type = e->deferred_type,
        .deferred_vector = e->deferred_type != VCPU_EVENT_NONE ? e->deferred_vector : 0,
    };
    if (e->deferred_type == VCPU_EVENT_NMI)
        e->deferred_vector = VECTOR_NMI;
    if (e->type == VCPU_EVENT_NONE)
        e->vector = 0;
    if (e->type == VCPU_EVENT_NMI)
        e->vector = VECTOR_NMI;
    if (exception && e->vector == VECTOR_PF)
        e->payload = p->cr2;
    if (exception && e->vector == VECTOR_DB)
        e->payload = p->dr[6] & 0xE00F;
}

/* The state in the one form that it is given out in: `p`, of which `groups` were set. */
static void normal_form(struct vcpu_page *p, uint32_t groups)
{
    const struct vcpu_events *e = &p->event;
    bool told = (groups & VCPU_GROUP_EVENTS) && e->type == VCPU_EVENT_EXCEPTION;

    p->cr0 |= CR0_ET;
    p->efer &= ~EFER_LMA;
    p->efer |= (p->efer & EFER_LME) && (p->cr0 & CR0_PG) ? EFER_LMA : 0;
    if (!(p->cr0 & CR0_PG) || !(p->cr4 & CR4_PAE) || (p->efer & EFER_LMA))
        memset(p->pdpte, 0, sizeof p->pdpte);
    p->gdtr.reserved = p->idtr.reserved = 0;
    for (unsigned i = 0; i < SEG_COUNT; i++)
        normal_segment(i, &p->segment[i]);
    p->dr[4] = p->dr[5] = 0;
    p->cr2 = told && e->vector == VECTOR_PF ? e->payload : p->cr2;
    p->dr[6] |= told && e->vector == VECTOR_DB ? e->payload : 0;
    p->dr[6] = (p->dr[6] & 0xE00F) | 0xFFFF0FF0;
    p->dr[7] = (p->dr[7] & 0xFFFF23FF) | 0x400;
    normal_event(p);
}

/* `asked` in the place of `before`: refused with a sentence, and nothing is changed; or taken in normal form, and the
 * processor would enter with it. True: taken. */
static bool refused_or_taken(struct side *s, const struct vcpu_page *before, const struct vcpu_page *asked,
                             uint32_t groups, const char *mode)
{
    struct vcpu_page expected = *before, got;
    enum cl_status status;

    put_legal(s, before, mode);
    status = put(s, asked, groups);
    if (status == CL_OK) {
        take_over(&expected, asked, groups);
    } else {
        assert_int_equal(status, CL_BAD_ARGUMENT);
        assert_true(fake_refusal[0] != 0);
    }
    /* in the page and nowhere else */
    memcpy(expected.gpr, asked->gpr, sizeof expected.gpr);
    expected.rip = asked->rip;
    expected.rflags = asked->rflags;
    expected.event.activity = asked->event.activity;
    expected.event.nmi_pending = asked->event.nmi_pending;
    if (status == CL_OK && (groups & VCPU_GROUP_EVENTS))
        assert_in_range(asked->event.activity, VCPU_RUNNING, VCPU_WAIT_FOR_SIPI);
    if (status == CL_OK)
        normal_form(&expected, groups);
    got = take(s);
    same(s, &expected, &got, status == CL_OK ? "taken" : "refused");
    if (status == CL_OK)
        enters(s, mode);
    return status == CL_OK;
}

/* PDPTEs are checked where they are registers. VMRUN takes no #BR in 64-bit mode, where BOUND does not exist (APM Vol. 2
 * 15.20). */
static bool differs_by_nature(const struct vcpu_page *p)
{
    if (p->event.type == VCPU_EVENT_EXCEPTION && p->event.vector == VECTOR_BR)
        return true;
    for (unsigned i = 0; i < 4; i++)
        if ((p->pdpte[i] & 1) && ((p->pdpte[i] & 0x1E6) != 0 || p->pdpte[i] >> LEGAL_PHYSICAL_BITS != 0))
            return true;
    return false;
}

static void both_vendors_refuse_disturbed_states_or_take_them_in_normal_form(void **state)
{
    struct fixture *f = *state;
    bool taken[SIDES];
    unsigned count = 0;

    fake_random_seed(6);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct vcpu_page before, asked, other;
        const char *mode = legal_state(&before);
        uint32_t groups = fake_random(2) ? VCPU_GROUP_ALL : (uint32_t)fake_random(VCPU_GROUP_ALL + 1);

        asked = before;
        if (fake_random(4) == 0) {
            (void)legal_state(&other);
            take_over(&asked, &other, (uint32_t)fake_random(VCPU_GROUP_ALL + 1));
        }
        for (unsigned i = (unsigned)fake_random(4) + 1; i > 0; i--)
            disturb(&asked);
        for (unsigned i = 0; i < SIDES; i++) {
            move(&f->side[i]);
            taken[i] = refused_or_taken(&f->side[i], &before, &asked, groups, mode);
        }
        if (taken[0] != taken[1] && !differs_by_nature(&asked))
            fail_msg("only %s takes a disturbed %s: %s", f->side[taken[1]].backend->ops->name, mode, fake_refusal);
        count += taken[0];
    }
    assert_in_range(count, ROUNDS / 5, ROUNDS * 4 / 5);
}

#define STATE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STATE_TEST(legal_states_come_out_as_they_went_in),
        STATE_TEST(a_tsc_that_is_not_to_change_goes_on),
        STATE_TEST(legal_states_break_no_rule),
        STATE_TEST(states_move_from_one_vendor_to_the_other_and_back),
        STATE_TEST(an_interrupt_that_an_exception_defers_moves_with_the_state),
        STATE_TEST(both_vendors_refuse_disturbed_states_or_take_them_in_normal_form),
    };

    return cmocka_run_group_tests_name("state on both vendors", tests, NULL, NULL);
}

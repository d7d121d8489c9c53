/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: svm/asid.c svm/audit.c svm/audit_rules_table.c svm/cpu.c svm/event.c svm/exit.c svm/exit_table.c svm/msr.c svm/permissions.c svm/probe.c svm/probe_table.c svm/reset_table.c svm/segment.c svm/state.c svm/state_table.c svm/vcpu.c kernel/vlapic.c kernel/pagetable.c kernel/pagetable_formats_table.c kernel/pool.c kernel/guest_cpu.c kernel/guest_cpu_table.c kernel/audit.c kernel/audit_rules_table.c kernel/fake/fake_vmx.c kernel/fake/fake_assert.c kernel/fake/fake_account.c kernel/fake/fake_pool.c kernel/fake/fake_random.c kernel/fake/fake_xstate.c */
/* test_state.c: what leaves the VMCB is in the normal form of abi/vcpu.h, and what enters it is legal. */
#include "svm_fixture.h"

static void the_reset_state_is_that_of_the_manual(void **state)
{
    struct fixture *f = *state;
    const struct vcpu_page *p = f->page;

    svm_vcpu_get(&f->vcpu, VCPU_GROUP_ALL);
    assert_int_equal(p->rip, 0xFFF0);
    assert_int_equal(p->rflags, 2);
    assert_int_equal(p->cr0, 0x60000010);
    assert_int_equal(p->cr4, 0);
    assert_int_equal(p->efer, 0);
    assert_int_equal(p->dr[6], 0xFFFF0FF0);
    assert_int_equal(p->dr[7], 0x400);
    assert_int_equal(p->segment[SEG_CS].selector, 0xF000);
    assert_int_equal(p->segment[SEG_CS].base, 0xFFFF0000);
    assert_int_equal(p->segment[SEG_CS].attributes, 0x93);
    assert_int_equal(p->segment[SEG_TR].attributes, 0x8B);
    assert_int_equal(p->idtr.limit, 0xFFFF);
    assert_int_equal(p->msr[VCPU_MSR_PAT], 0x0007040600070406);
}

static void set_after_get_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct vcpu_page before;
    struct vmcb_save save;

    fixture_long_mode(f);
    svm_vcpu_get(&f->vcpu, VCPU_GROUP_ALL);
    before = *f->page;
    save = f->vmcb->save;
    assert_int_equal(svm_vcpu_set(&f->vcpu, VCPU_GROUP_ALL), CL_OK);
    assert_memory_equal(&save, &f->vmcb->save, sizeof save);
    svm_vcpu_get(&f->vcpu, VCPU_GROUP_ALL & ~VCPU_GROUP_MSRS); /* the TSC runs */
    assert_memory_equal(&before, f->page, sizeof before);
}

/* Anything that the processor may leave in a segment comes out normal, and stays as it is from then on. */
static void segments_come_out_in_normal_form(void **state)
{
    static const uint16_t kinds[] = { 0x10, 0x12, 0x14, 0x16, 0x1A, 0x1E }; /* data, and code that can be read */
    struct fixture *f = *state;

    fixture_long_mode(f);
    fake_random_seed(7);
    for (unsigned round = 0; round < 5000; round++) {
        struct vmcb_segment *ds = &f->vmcb->save.ds, *gs = &f->vmcb->save.gs, *ss = &f->vmcb->save.ss;
        struct vcpu_segment once[SEG_COUNT];

        ds->attributes = (uint16_t)((fake_random(0x800) & ~UINT64_C(0x1E)) | kinds[fake_random(ARRAY_SIZE(kinds))]);
        ds->limit = fake_random(2) ? (uint32_t)fake_random(0x100000) : (uint32_t)fake_random(0x100000) << 12 | 0xFFF;
        ds->base = (uint32_t)fake_random(UINT32_MAX);
        *gs = *ds;
        gs->base = UINT64_C(0xFFFF888000000000) + ds->base;
        ss->attributes = (uint16_t)((ds->attributes & ~8u) | 2);
        f->vmcb->save.cpl = (uint8_t)fake_random(4);
        f->vmcb->save.cs.attributes = (uint16_t)(0x29B | f->vmcb->save.cpl << 5);
        f->vmcb->save.tr.attributes = fake_random(2) ? 0x81 : 0x89; /* LTR came before long mode, or in it */
        svm_vcpu_get(&f->vcpu, VCPU_GROUP_SEGMENTS);
        memcpy(once, f->page->segment, sizeof once);
        for (unsigned i = 0; i < SEG_COUNT; i++) {
            if (once[i].attributes & SEG_ATTR_UNUSABLE) {
                assert_int_equal(once[i].attributes & ~(i == SEG_SS ? 0x60u : 0), SEG_ATTR_UNUSABLE);
                assert_int_equal(once[i].limit, 0);
                assert_int_equal(once[i].base, i == SEG_GS ? gs->base : 0);
            }
        }
        assert_int_equal((once[SEG_SS].attributes >> SEG_ATTR_DPL_SHIFT) & 3, f->vmcb->save.cpl);
        assert_int_equal(once[SEG_TR].attributes & 0xF, 0xB);
        assert_int_equal(svm_vcpu_set(&f->vcpu, VCPU_GROUP_SEGMENTS), CL_OK);
        svm_vcpu_get(&f->vcpu, VCPU_GROUP_SEGMENTS);
        assert_memory_equal(once, f->page->segment, sizeof once);
    }
}

static void decoding_gets_the_segments_that_it_needs(void **state)
{
    struct fixture *f = *state;
    struct vcpu_segment all[SEG_COUNT];

    fixture_long_mode(f);
    f->vmcb->save.cpl = 3;
    f->vmcb->save.fs.base = 0x1234;
    f->vmcb->save.gs.base = UINT64_C(0xFFFF888000000000);
    for (unsigned mode = 0; mode < 2; mode++) {
        svm_vcpu_get(&f->vcpu, VCPU_GROUP_SEGMENTS);
        memcpy(all, f->page->segment, sizeof all);
        memset(f->page->segment, 0, sizeof all);
        svm_vcpu_get(&f->vcpu, VCPU_GROUP_CODE);
        assert_int_equal(f->page->segment[SEG_CS].attributes, all[SEG_CS].attributes);
        assert_int_equal(f->page->segment[SEG_SS].attributes, all[SEG_SS].attributes);
        assert_int_equal(f->page->segment[SEG_FS].base, 0x1234);
        assert_int_equal(f->page->segment[SEG_GS].base, UINT64_C(0xFFFF888000000000));
        if (mode == 1)
            assert_memory_equal(f->page->segment, all, sizeof all);
        f->vmcb->save.cs.attributes = 0xC9B; /* compatibility mode */
    }
}

/* One wrong value in an otherwise legal page: refused with a sentence, and the VMCB is as before. */
static void refused(struct fixture *f, uint64_t *field, uint64_t value, uint32_t group)
{
    struct vmcb before = *f->vmcb;
    uint64_t old = *field;

    *field = value;
    fake_refusal[0] = 0;
    assert_int_equal(svm_vcpu_set(&f->vcpu, group), CL_BAD_ARGUMENT);
    assert_true(fake_refusal[0] != 0);
    assert_memory_equal(&before, f->vmcb, sizeof before);
    *field = old;
    assert_int_equal(svm_vcpu_set(&f->vcpu, group), CL_OK);
}

static void illegal_states_are_refused_and_change_nothing(void **state)
{
    struct fixture *f = *state;
    struct vcpu_page *p = f->page;
    const uint64_t noncanonical = UINT64_C(0x800000000000);

    fixture_long_mode(f);
    svm_vcpu_get(&f->vcpu, VCPU_GROUP_ALL);
    refused(f, &p->cr0, p->cr0 & ~CR0_PE, VCPU_GROUP_CONTROL);
    refused(f, &p->cr0, p->cr0 | CR0_NW, VCPU_GROUP_CONTROL);
    refused(f, &p->cr0, p->cr0 | UINT64_C(1) << 33, VCPU_GROUP_CONTROL);
    refused(f, &p->cr3, UINT64_C(1) << 41, VCPU_GROUP_CONTROL);
    refused(f, &p->cr4, p->cr4 & ~CR4_PAE, VCPU_GROUP_CONTROL);
    refused(f, &p->cr4, p->cr4 | CR4_VMXE, VCPU_GROUP_CONTROL);
    refused(f, &p->cr4, p->cr4 | CR4_CET, VCPU_GROUP_CONTROL);
    refused(f, &p->efer, p->efer | EFER_SVME, VCPU_GROUP_CONTROL);
    refused(f, &p->efer, p->efer | UINT64_C(1) << 18, VCPU_GROUP_CONTROL);
    refused(f, &p->cr8, 16, VCPU_GROUP_CONTROL);
    refused(f, &p->xcr0, 0, VCPU_GROUP_CONTROL);
    refused(f, &p->xcr0, 5, VCPU_GROUP_CONTROL);
    refused(f, &p->xcr0, 0xE7, VCPU_GROUP_CONTROL);
    refused(f, &p->dr[7], UINT64_C(1) << 32, VCPU_GROUP_DEBUG);
    refused(f, &p->segment[SEG_FS].base, noncanonical, VCPU_GROUP_SEGMENTS);
    refused(f, &p->segment[SEG_DS].base, UINT64_C(1) << 32, VCPU_GROUP_SEGMENTS);
    refused(f, &p->gdtr.base, noncanonical, VCPU_GROUP_SEGMENTS);
    refused(f, &p->msr[VCPU_MSR_LSTAR], noncanonical, VCPU_GROUP_MSRS);
    refused(f, &p->msr[VCPU_MSR_PAT], 2, VCPU_GROUP_MSRS);
    refused(f, &p->msr[VCPU_MSR_XSS], 1, VCPU_GROUP_MSRS);
}

static void refused_segment(struct fixture *f, unsigned name, uint32_t attributes, uint32_t limit)
{
    struct vcpu_segment old = f->page->segment[name];
    struct vmcb before = *f->vmcb;

    f->page->segment[name].attributes = attributes;
    f->page->segment[name].limit = limit;
    assert_int_equal(svm_vcpu_set(&f->vcpu, VCPU_GROUP_SEGMENTS), CL_BAD_ARGUMENT);
    assert_memory_equal(&before, f->vmcb, sizeof before);
    f->page->segment[name] = old;
}

static void segments_that_no_processor_holds_are_refused(void **state)
{
    struct fixture *f = *state;

    fixture_long_mode(f);
    svm_vcpu_get(&f->vcpu, VCPU_GROUP_SEGMENTS);
    refused_segment(f, SEG_CS, SEG_ATTR_UNUSABLE, 0);
    refused_segment(f, SEG_TR, SEG_ATTR_UNUSABLE, 0);
    refused_segment(f, SEG_TR, 0x89, 0xFFFF);
    refused_segment(f, SEG_LDTR, 0x8B, 0xFFFF);
    refused_segment(f, SEG_DS, 0x13, 0xFFFF);
    refused_segment(f, SEG_DS, 0x82, 0xFFFF);
    refused_segment(f, SEG_DS, 0x93, 0x100000);
    refused_segment(f, SEG_DS, 0x8093, 0x1000);
    refused_segment(f, SEG_DS, 0x20093, 0xFFFF);
    refused_segment(f, SEG_CS, 0xE09B, UINT32_MAX); /* L and D */
}

static void bits_of_the_host_are_shadowed_and_their_reads_intercepted(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(f->vmcb->save.cr0 & SVM_HOST_CR0, CR0_NE);
    assert_int_equal(f->vmcb->save.cr4 & SVM_HOST_CR4, CR4_MCE);
    assert_int_equal(f->vmcb->control.intercept_cr_read & 0x11, 0x11);
    assert_int_equal(f->vmcb->control.intercept_cr_write & 0x11, 0x11);

    fixture_long_mode(f);
    assert_int_equal(f->vmcb->control.intercept_cr_read & 0x11, 0x10);
    assert_int_equal(f->vmcb->control.intercept_cr_write & 0x11, 0x10);
    f->page->cr4 |= CR4_MCE;
    assert_int_equal(svm_vcpu_set(&f->vcpu, VCPU_GROUP_CONTROL), CL_OK);
    assert_int_equal(f->vmcb->control.intercept_cr_read & 0x11, 0);

    f->vmcb->save.cr0 |= CR0_TS; /* the guest's own MOV to CR0 of TS alone does not exit */
    svm_vcpu_get(&f->vcpu, VCPU_GROUP_CONTROL);
    assert_true(f->page->cr0 & CR0_TS);
}

/* Where an emulator would let a guest's breakpoints hit in its neighbours, none gets as far as DR7. */
static void breakpoints_never_reach_an_emulator_that_keeps_them(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(f->vmcb->control.intercept_dr_write, 0);
    svm_vcpu_get(&f->vcpu, VCPU_GROUP_DEBUG);
    f->page->dr[7] = 0xF0001;
    assert_int_equal(svm_vcpu_set(&f->vcpu, VCPU_GROUP_DEBUG), CL_OK);
    assert_int_equal(f->vmcb->save.dr7, 0xF0401);

    svm_vcpu_destroy(&f->vcpu, f->account);
    svm_host.is_tcg = true;
    assert_int_equal(svm_vcpu_create(&f->vcpu, f->account), CL_OK);
    f->svm = f->vcpu.virt;
    f->vmcb = f->svm->vmcb;
    assert_int_equal(f->vmcb->control.intercept_dr_read, 0xA0); /* DR5 is DR7 without CR4.DE */
    assert_int_equal(f->vmcb->control.intercept_dr_write, 0xA0);
    svm_vcpu_get(&f->vcpu, VCPU_GROUP_DEBUG);
    assert_int_equal(f->page->dr[7], 0x400);
    f->page->dr[7] = 0xF2001;
    assert_int_equal(svm_vcpu_set(&f->vcpu, VCPU_GROUP_DEBUG), CL_OK);
    f->page->dr[7] = 0;
    svm_vcpu_get(&f->vcpu, VCPU_GROUP_ALL);
    assert_int_equal(f->page->dr[7], 0xF2401);
    assert_int_equal(f->vmcb->save.dr7, 0x400);
    assert_int_equal(svm_vcpu_set(&f->vcpu, VCPU_GROUP_ALL & ~VCPU_GROUP_DEBUG), CL_OK);
    assert_int_equal(f->vmcb->save.dr7, 0x400);
    refused(f, &f->page->dr[7], UINT64_C(1) << 32, VCPU_GROUP_DEBUG);
}

static void svme_is_hidden_and_lma_follows_paging(void **state)
{
    struct fixture *f = *state;
    uint64_t value = EFER_LME | EFER_NXE;

    assert_true(svm_vcpu_msr(&f->vcpu, MSR_EFER, true, &value));
    assert_int_equal(f->vmcb->save.efer, EFER_LME | EFER_NXE | EFER_SVME);
    fixture_long_mode(f);
    assert_true(f->vmcb->save.efer & EFER_LMA);
    value = EFER_NXE; /* LME cannot go while paging is on */
    assert_false(svm_vcpu_msr(&f->vcpu, MSR_EFER, true, &value));
    value = EFER_LME | EFER_LMA | EFER_SVME;
    assert_false(svm_vcpu_msr(&f->vcpu, MSR_EFER, true, &value));
    assert_true(svm_vcpu_msr(&f->vcpu, MSR_EFER, false, &value));
    assert_int_equal(value, EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE);
    f->vmcb->save.efer &= ~EFER_LMA; /* as Bochs leaves it in the exit of the MOV to CR0 that is to clear PG */
    svm_vcpu_get(&f->vcpu, VCPU_GROUP_CONTROL);
    assert_int_equal(f->page->efer, EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE);
    f->page->cr0 &= ~CR0_PG;
    f->page->efer = EFER_LME | EFER_LMA;
    assert_int_equal(svm_vcpu_set(&f->vcpu, VCPU_GROUP_CONTROL), CL_OK);
    assert_false(f->vmcb->save.efer & EFER_LMA);
}

static void msrs_take_only_legal_values(void **state)
{
    struct fixture *f = *state;
    uint64_t value = UINT64_C(0x800000000000);

    assert_false(svm_vcpu_msr(&f->vcpu, MSR_LSTAR, true, &value)); /* does not exit */
    value = 3;
    assert_false(svm_vcpu_msr(&f->vcpu, MSR_PAT, true, &value));
    value = 0x0606060606060600;
    assert_true(svm_vcpu_msr(&f->vcpu, MSR_PAT, true, &value));
    value = 0;
    assert_true(svm_vcpu_msr(&f->vcpu, MSR_PAT, false, &value));
    assert_int_equal(value, 0x0606060606060600);
    assert_false(svm_vcpu_msr(&f->vcpu, MSR_VM_HSAVE_PA, false, &value));
    assert_false(svm_vcpu_msr(&f->vcpu, MSR_TSC_AUX, false, &value)); /* no RDTSCP here */
    f->vmcb->save.sfmask = UINT64_MAX;
    svm_vcpu_get(&f->vcpu, VCPU_GROUP_MSRS);
    assert_int_equal(f->page->msr[VCPU_MSR_SFMASK], UINT32_MAX);
    assert_int_equal(svm_vcpu_set(&f->vcpu, VCPU_GROUP_MSRS), CL_OK);
}

/* APM Vol. 2 15.25.8: the guest's memory types come from G_PAT, and one that is not write-back wins. */
static void the_guests_pat_is_kept_and_its_memory_stays_write_back(void **state)
{
    struct fixture *f = *state;
    uint64_t value = 0; /* uncacheable */

    assert_int_equal(f->vmcb->save.g_pat, 0x0606060606060606);
    assert_true(svm_vcpu_msr(&f->vcpu, MSR_PAT, true, &value));
    svm_vcpu_get(&f->vcpu, VCPU_GROUP_MSRS);
    assert_int_equal(f->page->msr[VCPU_MSR_PAT], 0);
    f->page->msr[VCPU_MSR_PAT] = 0x0001;
    assert_int_equal(svm_vcpu_set(&f->vcpu, VCPU_GROUP_MSRS), CL_OK);
    assert_true(svm_vcpu_msr(&f->vcpu, MSR_PAT, false, &value));
    assert_int_equal(value, 0x0001);
    assert_int_equal(f->vmcb->save.g_pat, 0x0606060606060606);
}

static void a_change_of_paging_drops_the_translations(void **state)
{
    struct fixture *f = *state;

    fixture_long_mode(f);
    svm_vcpu_get(&f->vcpu, VCPU_GROUP_CONTROL);
    f->svm->generation = 5;
    f->page->cr2 = 0x1234;
    assert_int_equal(svm_vcpu_set(&f->vcpu, VCPU_GROUP_CONTROL), CL_OK);
    assert_int_equal(f->svm->generation, 5);
    f->page->cr3 = 0x2000;
    assert_int_equal(svm_vcpu_set(&f->vcpu, VCPU_GROUP_CONTROL), CL_OK);
    assert_int_equal(f->svm->generation, 0);

    svm_host.features |= SVM_FEATURE_FLUSH_BY_ASID;
    f->svm->generation = 5;
    f->page->cr4 &= ~CR4_PGE;
    assert_int_equal(svm_vcpu_set(&f->vcpu, VCPU_GROUP_CONTROL), CL_OK);
    assert_int_equal(f->svm->generation, 5);
    assert_int_equal(f->vmcb->control.tlb_control, TLB_FLUSH_GUEST);
}

static void events_travel_with_their_payload(void **state)
{
    struct fixture *f = *state;
    struct vcpu_events fault = { .type = VCPU_EVENT_EXCEPTION,
                                 .vector = VECTOR_PF,
                                 .has_error_code = 1,
                                 .error_code = 6,
                                 .payload = 0xABCDE000,
                                 .nmi_blocked = 1,
                                 .interrupt_shadow = 1,
                                 .pending_debug = (uint32_t)DR6_BS };

    f->page->event = fault;
    assert_int_equal(svm_vcpu_set(&f->vcpu, VCPU_GROUP_EVENTS), CL_OK);
    assert_int_equal(f->vmcb->control.event_injection, EVENT_VALID | EVENT_ERROR_VALID | 0x30E | UINT64_C(6) << 32);
    assert_int_equal(f->vmcb->save.cr2, 0xABCDE000);
    assert_true(f->vmcb->control.intercept_1 & INTERCEPT_IRET);
    memset(&f->page->event, 0, sizeof fault);
    svm_vcpu_get(&f->vcpu, VCPU_GROUP_EVENTS);
    assert_memory_equal(&f->page->event, &fault, sizeof fault);

    f->page->event.vector = VECTOR_NMI;
    assert_int_equal(svm_vcpu_set(&f->vcpu, VCPU_GROUP_EVENTS), CL_BAD_ARGUMENT);
    f->page->event.vector = VECTOR_UD; /* which has no error code */
    assert_int_equal(svm_vcpu_set(&f->vcpu, VCPU_GROUP_EVENTS), CL_BAD_ARGUMENT);
    f->page->event.type = 9;
    assert_int_equal(svm_vcpu_set(&f->vcpu, VCPU_GROUP_EVENTS), CL_BAD_ARGUMENT);
    f->page->event = (struct vcpu_events){ .type = VCPU_EVENT_EXCEPTION, .vector = VECTOR_BR };
    f->vmcb->save.efer |= EFER_LMA;
    f->vmcb->save.cs.attributes |= VMCB_SEGMENT_LONG; /* where BOUND is no instruction */
    assert_int_equal(svm_vcpu_set(&f->vcpu, VCPU_GROUP_EVENTS), CL_BAD_ARGUMENT);
    f->vmcb->save.cs.attributes &= (uint16_t)~VMCB_SEGMENT_LONG;
    f->page->event = (struct vcpu_events){ .type = VCPU_EVENT_NMI, .vector = VECTOR_NMI };
    assert_int_equal(svm_vcpu_set(&f->vcpu, VCPU_GROUP_EVENTS), CL_OK);
    assert_true(f->vmcb->control.intercept_1 & INTERCEPT_IRET); /* its delivery begins the blocking */
    svm_vcpu_get(&f->vcpu, VCPU_GROUP_EVENTS);
    assert_int_equal(f->page->event.type, VCPU_EVENT_NMI);
    assert_int_equal(f->page->event.nmi_blocked, 0);
    f->page->event.type = VCPU_EVENT_SOFT_INTERRUPT; /* RIP stands on it: it is run again */
    assert_int_equal(svm_vcpu_set(&f->vcpu, VCPU_GROUP_EVENTS), CL_OK);
    assert_int_equal(f->vmcb->control.event_injection, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SVM_TEST(the_reset_state_is_that_of_the_manual),
        SVM_TEST(set_after_get_changes_nothing),
        SVM_TEST(segments_come_out_in_normal_form),
        SVM_TEST(decoding_gets_the_segments_that_it_needs),
        SVM_TEST(illegal_states_are_refused_and_change_nothing),
        SVM_TEST(segments_that_no_processor_holds_are_refused),
        SVM_TEST(bits_of_the_host_are_shadowed_and_their_reads_intercepted),
        SVM_TEST(breakpoints_never_reach_an_emulator_that_keeps_them),
        SVM_TEST(svme_is_hidden_and_lma_follows_paging),
        SVM_TEST(msrs_take_only_legal_values),
        SVM_TEST(the_guests_pat_is_kept_and_its_memory_stays_write_back),
        SVM_TEST(a_change_of_paging_drops_the_translations),
        SVM_TEST(events_travel_with_their_payload),
    };

    fixture_filter();
    return cmocka_run_group_tests_name("svm state", tests, NULL, NULL);
}

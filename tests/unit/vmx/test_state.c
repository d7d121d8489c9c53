/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: vmx/apic.c vmx/audit.c vmx/audit_rules_table.c vmx/cpu.c vmx/enter.c vmx/event.c vmx/exit.c vmx/exit_table.c vmx/msr.c vmx/permissions.c vmx/probe.c vmx/probe_table.c vmx/reset_table.c vmx/state.c vmx/state_table.c vmx/vcpu.c vmx/vpid.c kernel/vlapic.c kernel/pagetable.c kernel/pagetable_formats_table.c kernel/pool.c kernel/guest_cpu.c kernel/guest_cpu_table.c kernel/audit.c kernel/audit_rules_table.c kernel/fake/fake_vmx.c kernel/fake/fake_assert.c kernel/fake/fake_account.c kernel/fake/fake_pool.c kernel/fake/fake_random.c kernel/fake/fake_xstate.c */
/* test_state.c: what leaves the VMCS is in the normal form of abi/vcpu.h, and what enters it is legal. */
#include "vmx_fixture.h"

static void the_reset_state_is_that_of_the_manual(void **state)
{
    struct fixture *f = *state;
    const struct vcpu_page *p = f->page;

    vmx_vcpu_get(&f->vcpu, VCPU_GROUP_ALL);
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

/* Anything that the processor may leave in an unusable segment comes out normal. */
static void unusable_segments_come_out_in_normal_form(void **state)
{
    struct fixture *f = *state;

    fixture_long_mode(f);
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        if (i == SEG_CS || i == SEG_TR)
            continue;
        vmcs_set(f, VMCS_OF(VMCS_GUEST_ACCESS, i), SEG_ATTR_UNUSABLE | 0xA0F3);
        vmcs_set(f, VMCS_OF(VMCS_GUEST_LIMIT, i), 0x12345);
        vmcs_set(f, VMCS_OF(VMCS_GUEST_BASE, i), 0x7000);
    }
    vmx_vcpu_get(&f->vcpu, VCPU_GROUP_SEGMENTS);
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        if (i == SEG_CS || i == SEG_TR)
            continue;
        assert_int_equal(f->page->segment[i].attributes, SEG_ATTR_UNUSABLE | (i == SEG_SS ? 0x60 : 0));
        assert_int_equal(f->page->segment[i].limit, 0);
        assert_int_equal(f->page->segment[i].base, i == SEG_FS || i == SEG_GS ? 0x7000 : 0);
    }
}

/* What a descriptor in pages leaves: no instruction could tell it from one in bytes. */
static void a_limit_that_bytes_can_say_is_in_bytes(void **state)
{
    struct fixture *f = *state;

    fixture_long_mode(f);
    vmcs_set(f, VMCS_OF(VMCS_GUEST_ACCESS, SEG_DS), 0x8093);
    vmcs_set(f, VMCS_OF(VMCS_GUEST_LIMIT, SEG_DS), 0x1FFF);
    vmx_vcpu_get(&f->vcpu, VCPU_GROUP_SEGMENTS);
    assert_int_equal(f->page->segment[SEG_DS].attributes, 0x93);
    assert_int_equal(f->page->segment[SEG_DS].limit, 0x1FFF);
    assert_int_equal(f->page->segment[SEG_CS].attributes, 0xA09B);
}

static void decoding_gets_the_segments_that_it_needs(void **state)
{
    struct fixture *f = *state;
    struct vcpu_segment all[SEG_COUNT];

    fixture_long_mode(f);
    vmcs_set(f, VMCS_OF(VMCS_GUEST_ACCESS, SEG_SS), SEG_ATTR_UNUSABLE | 0xC0F3);
    vmcs_set(f, VMCS_OF(VMCS_GUEST_BASE, SEG_FS), 0x1234);
    vmcs_set(f, VMCS_OF(VMCS_GUEST_BASE, SEG_GS), UINT64_C(0xFFFF888000000000));
    for (unsigned mode = 0; mode < 2; mode++) {
        vmx_vcpu_get(&f->vcpu, VCPU_GROUP_SEGMENTS);
        memcpy(all, f->page->segment, sizeof all);
        memset(f->page->segment, 0, sizeof all);
        vmx_vcpu_get(&f->vcpu, VCPU_GROUP_CODE);
        assert_int_equal(f->page->segment[SEG_CS].attributes, all[SEG_CS].attributes);
        assert_int_equal(f->page->segment[SEG_SS].attributes, SEG_ATTR_UNUSABLE | 0x60);
        assert_int_equal(f->page->segment[SEG_FS].base, 0x1234);
        assert_int_equal(f->page->segment[SEG_GS].base, UINT64_C(0xFFFF888000000000));
        if (mode == 1)
            assert_memory_equal(f->page->segment, all, sizeof all);
        vmcs_set(f, VMCS_OF(VMCS_GUEST_ACCESS, SEG_CS), 0xC09B); /* compatibility mode */
    }
}

static void the_guest_sees_its_own_bits_of_cr0_and_cr4(void **state)
{
    struct fixture *f = *state;

    vmx_vcpu_get(&f->vcpu, VCPU_GROUP_CONTROL);
    f->page->cr0 = CR0_PE | CR0_ET | CR0_CD | CR0_TS;
    f->page->cr4 = CR4_PAE | CR4_SMEP;
    assert_int_equal(vmx_vcpu_set(&f->vcpu, VCPU_GROUP_CONTROL), CL_OK);
    assert_int_equal(vmcs(f, VMCS_GUEST_CR0), CR0_PE | CR0_ET | CR0_NE | CR0_TS);
    assert_int_equal(vmcs(f, VMCS_CR0_SHADOW), CR0_PE | CR0_ET | CR0_CD | CR0_TS);
    assert_int_equal(vmcs(f, VMCS_GUEST_CR4), CR4_PAE | CR4_SMEP | CR4_VMXE | CR4_MCE);
    vmcs_set(f, VMCS_GUEST_CR0, CR0_PE | CR0_ET | CR0_NE); /* the guest's own CLTS */
    vmcs_set(f, VMCS_GUEST_CR4, CR4_PAE | CR4_PGE | CR4_SMEP | CR4_VMXE | CR4_MCE);
    vmx_vcpu_get(&f->vcpu, VCPU_GROUP_CONTROL);
    assert_int_equal(f->page->cr0, CR0_PE | CR0_ET | CR0_CD);
    assert_int_equal(f->page->cr4, CR4_PAE | CR4_PGE | CR4_SMEP);
}

static void lma_and_the_entry_controls_follow_paging(void **state)
{
    struct fixture *f = *state;
    uint64_t value = EFER_LME | EFER_NXE;

    vmx_vcpu_load(&f->vcpu);
    assert_true(vmx_vcpu_msr(&f->vcpu, MSR_EFER, true, &value));
    assert_int_equal(vmcs(f, VMCS_GUEST_EFER), EFER_LME | EFER_NXE);
    assert_false(vmcs(f, VMCS_ENTRY_CONTROLS) & ENTRY_GUEST_64);
    fixture_long_mode(f);
    assert_true(vmcs(f, VMCS_GUEST_EFER) & EFER_LMA);
    assert_true(vmcs(f, VMCS_ENTRY_CONTROLS) & ENTRY_GUEST_64);
    value = EFER_NXE; /* LME cannot go while paging is on */
    assert_false(vmx_vcpu_msr(&f->vcpu, MSR_EFER, true, &value));
    value = EFER_LME | EFER_SVME;
    assert_false(vmx_vcpu_msr(&f->vcpu, MSR_EFER, true, &value));
    assert_true(vmx_vcpu_msr(&f->vcpu, MSR_EFER, false, &value));
    assert_int_equal(value, EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE);
    f->vmx->generation = 5;
    assert_true(vmx_vcpu_msr(&f->vcpu, MSR_EFER, true, &value));
    assert_int_equal(f->vmx->generation, 5);
    value &= ~EFER_NXE; /* bit 63 of every entry means something else now */
    assert_true(vmx_vcpu_msr(&f->vcpu, MSR_EFER, true, &value));
    assert_int_equal(f->vmx->generation, 0);
}

static void pdptes_are_state_where_they_are_used(void **state)
{
    struct fixture *f = *state;

    vmx_vcpu_get(&f->vcpu, VCPU_GROUP_CONTROL);
    f->page->cr0 = CR0_PG | CR0_PE | CR0_ET;
    f->page->cr4 = CR4_PAE;
    f->page->pdpte[0] = 0x3001;
    f->page->pdpte[3] = 0x4001;
    assert_int_equal(vmx_vcpu_set(&f->vcpu, VCPU_GROUP_CONTROL), CL_OK);
    assert_int_equal(vmcs(f, VMCS_OF(VMCS_GUEST_PDPTE, 3)), 0x4001);
    vmcs_set(f, VMCS_GUEST_PDPTE, 0x5001); /* the guest's MOV to CR3 */
    vmx_vcpu_get(&f->vcpu, VCPU_GROUP_CONTROL);
    assert_int_equal(f->page->pdpte[0], 0x5001);
    f->page->pdpte[1] = 0x1E7; /* reserved bits */
    assert_int_equal(vmx_vcpu_set(&f->vcpu, VCPU_GROUP_CONTROL), CL_BAD_ARGUMENT);
    fixture_long_mode(f);
    vmx_vcpu_get(&f->vcpu, VCPU_GROUP_CONTROL);
    assert_int_equal(f->page->pdpte[0], 0);
}

static void msrs_take_only_legal_values(void **state)
{
    struct fixture *f = *state;
    uint64_t value = UINT64_C(0x800000000000);

    vmx_vcpu_load(&f->vcpu);
    assert_false(vmx_vcpu_msr(&f->vcpu, MSR_LSTAR, true, &value));
    assert_false(vmx_vcpu_msr(&f->vcpu, MSR_CSTAR, true, &value));
    assert_false(vmx_vcpu_msr(&f->vcpu, MSR_SFMASK, true, &value));
    assert_true(vmx_vcpu_msr(&f->vcpu, MSR_STAR, true, &value));
    assert_int_equal(*fake_vmx_msr(MSR_STAR), value);
    assert_false(vmx_vcpu_msr(&f->vcpu, MSR_TSC_AUX, true, &value));
    value = 3;
    assert_false(vmx_vcpu_msr(&f->vcpu, MSR_PAT, true, &value));
    value = 0x0606060606060606;
    assert_true(vmx_vcpu_msr(&f->vcpu, MSR_PAT, true, &value));
    assert_int_equal(vmcs(f, VMCS_GUEST_PAT), value);
    value = 0;
    assert_true(vmx_vcpu_msr(&f->vcpu, MSR_PAT, false, &value));
    assert_int_equal(value, 0x0606060606060606);
    assert_false(vmx_vcpu_msr(&f->vcpu, MSR_GS_BASE, true, &value)); /* does not exit */
    assert_false(vmx_vcpu_msr(&f->vcpu, MSR_DEBUGCTL, false, &value));
    assert_false(vmx_vcpu_msr(&f->vcpu, MSR_FEATURE_CONTROL, false, &value));
}

static void a_change_of_paging_drops_the_translations(void **state)
{
    struct fixture *f = *state;

    fixture_long_mode(f);
    vmx_vcpu_get(&f->vcpu, VCPU_GROUP_CONTROL);
    f->vmx->generation = 5;
    f->page->cr2 = 0x1234;
    assert_int_equal(vmx_vcpu_set(&f->vcpu, VCPU_GROUP_CONTROL), CL_OK);
    assert_int_equal(f->vmx->generation, 5);
    f->page->cr3 = 0x2000;
    assert_int_equal(vmx_vcpu_set(&f->vcpu, VCPU_GROUP_CONTROL), CL_OK);
    assert_int_equal(f->vmx->generation, 0);
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

    f->page->rflags = RFLAGS_FIXED | RFLAGS_IF;
    f->page->event = fault;
    assert_int_equal(vmx_vcpu_set(&f->vcpu, VCPU_GROUP_EVENTS), CL_OK);
    assert_int_equal(f->vmx->injection, EVENT_VALID | EVENT_ERROR_VALID | 0x30E | UINT64_C(6) << EVENT_ERROR_SHIFT);
    assert_int_equal(f->vmx->cr2, 0xABCDE000);
    assert_int_equal(f->vmx->blocking, BLOCKED_BY_STI | BLOCKED_BY_NMI);
    memset(&f->page->event, 0, sizeof fault);
    vmx_vcpu_get(&f->vcpu, VCPU_GROUP_EVENTS);
    assert_memory_equal(&f->page->event, &fault, sizeof fault);

    f->page->event.vector = VECTOR_NMI;
    assert_int_equal(vmx_vcpu_set(&f->vcpu, VCPU_GROUP_EVENTS), CL_BAD_ARGUMENT);
    f->page->event.vector = VECTOR_UD; /* which has no error code */
    assert_int_equal(vmx_vcpu_set(&f->vcpu, VCPU_GROUP_EVENTS), CL_BAD_ARGUMENT);
    f->page->event = (struct vcpu_events){ .type = VCPU_EVENT_NMI, .vector = VECTOR_NMI, .nmi_blocked = 1 };
    assert_int_equal(vmx_vcpu_set(&f->vcpu, VCPU_GROUP_EVENTS), CL_OK);
    assert_int_equal(f->vmx->blocking, 0); /* its delivery begins the blocking */
    f->page->event = (struct vcpu_events){ .interrupt_shadow = 1 };
    f->page->rflags = RFLAGS_FIXED;
    assert_int_equal(vmx_vcpu_set(&f->vcpu, VCPU_GROUP_EVENTS), CL_OK);
    assert_int_equal(f->vmx->blocking, BLOCKED_BY_MOV_SS); /* blocking by STI wants RFLAGS.IF */
}

static void a_trap_that_waits_in_the_vmcs_is_state(void **state)
{
    struct fixture *f = *state;

    vmcs_set(f, VMCS_PENDING_DEBUG, PENDING_ENABLED | 2);
    vmx_vcpu_get(&f->vcpu, VCPU_GROUP_EVENTS);
    assert_int_equal(f->page->event.pending_debug, 2);
    vmcs_set(f, VMCS_PENDING_DEBUG, 2); /* met, but not enabled */
    vmx_vcpu_get(&f->vcpu, VCPU_GROUP_EVENTS);
    assert_int_equal(f->page->event.pending_debug, 0);
    f->page->event = (struct vcpu_events){ .pending_debug = (uint32_t)DR6_BS };
    assert_int_equal(vmx_vcpu_set(&f->vcpu, VCPU_GROUP_EVENTS), CL_OK);
    assert_int_equal(vmcs(f, VMCS_PENDING_DEBUG), 0);
    vmx_vcpu_get(&f->vcpu, VCPU_GROUP_EVENTS);
    assert_int_equal(f->page->event.pending_debug, DR6_BS);
}

static void a_step_in_a_shadow_waits_in_the_vmcs_and_is_told_by_the_trap_flag_alone(void **state)
{
    struct fixture *f = *state;

    f->page->event = (struct vcpu_events){ .interrupt_shadow = 1 };
    f->page->rflags = RFLAGS_FIXED | RFLAGS_TF;
    assert_int_equal(vmx_vcpu_set(&f->vcpu, VCPU_GROUP_EVENTS), CL_OK);
    assert_int_equal(vmcs(f, VMCS_PENDING_DEBUG), DR6_BS);
    vmx_vcpu_get(&f->vcpu, VCPU_GROUP_EVENTS);
    assert_int_equal(f->page->event.interrupt_shadow, 1);
    assert_int_equal(f->page->event.pending_debug, 0);
    f->page->rflags = RFLAGS_FIXED;
    assert_int_equal(vmx_vcpu_set(&f->vcpu, VCPU_GROUP_RIP), CL_OK);
    assert_int_equal(vmcs(f, VMCS_PENDING_DEBUG), 0);
}

static void refuses(struct fixture *f, uint32_t groups, const char *sentence)
{
    uint64_t cr3 = vmcs(f, VMCS_GUEST_CR3), base = vmcs(f, VMCS_GUEST_BASE);

    assert_int_equal(vmx_vcpu_set(&f->vcpu, groups), CL_BAD_ARGUMENT);
    if (strstr(fake_refusal, sentence) == NULL)
        fail_msg("\"%s\" instead of \"%s\"", fake_refusal, sentence);
    assert_int_equal(vmcs(f, VMCS_GUEST_CR3), cr3);
    assert_int_equal(vmcs(f, VMCS_GUEST_BASE), base);
    vmx_vcpu_get(&f->vcpu, VCPU_GROUP_ALL);
}

static void illegal_states_are_refused_and_change_nothing(void **state)
{
    struct fixture *f = *state;
    struct vcpu_page *p = f->page;

    fixture_long_mode(f);
    vmx_vcpu_get(&f->vcpu, VCPU_GROUP_ALL);
    p->cr3 = 0x7000;
    p->cr0 &= ~CR0_PE;
    refuses(f, VCPU_GROUP_CONTROL, "CR0.PG is set and CR0.PE is zero (SDM Vol. 3A 2.5)");
    p->cr0 |= CR0_NW;
    refuses(f, VCPU_GROUP_CONTROL, "CR0.NW is set and CR0.CD is zero (SDM Vol. 3A 2.5)");
    p->cr0 |= UINT64_C(1) << 40;
    refuses(f, VCPU_GROUP_CONTROL, "reserved");
    p->cr4 |= CR4_VMXE;
    refuses(f, VCPU_GROUP_CONTROL, "not offered");
    p->cr4 &= ~CR4_PAE;
    refuses(f, VCPU_GROUP_CONTROL, "long mode without CR4.PAE");
    p->efer |= EFER_SVME;
    refuses(f, VCPU_GROUP_CONTROL, "not offered");
    p->cr8 = 16;
    refuses(f, VCPU_GROUP_CONTROL, "above 15");
    p->xcr0 = 2;
    refuses(f, VCPU_GROUP_CONTROL, "XCR0");
    p->segment[SEG_ES].base = 0x1234;
    p->segment[SEG_CS].attributes |= SEG_ATTR_UNUSABLE;
    refuses(f, VCPU_GROUP_SEGMENTS, "CS: cannot be unusable");
    p->segment[SEG_TR].attributes = 0x89;
    refuses(f, VCPU_GROUP_SEGMENTS, "TR: not a busy TSS");
    p->segment[SEG_GS].base = UINT64_C(1) << 50;
    refuses(f, VCPU_GROUP_SEGMENTS, "GS: the base is not canonical");
    p->msr[VCPU_MSR_LSTAR] = UINT64_C(1) << 50;
    refuses(f, VCPU_GROUP_MSRS, "an MSR's address is not canonical");
    p->msr[VCPU_MSR_XSS] = 1;
    refuses(f, VCPU_GROUP_MSRS, "XSS");
    p->dr[7] |= UINT64_C(1) << 40;
    refuses(f, VCPU_GROUP_DEBUG, "DR7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VMX_TEST(the_reset_state_is_that_of_the_manual),
        VMX_TEST(unusable_segments_come_out_in_normal_form),
        VMX_TEST(a_limit_that_bytes_can_say_is_in_bytes),
        VMX_TEST(decoding_gets_the_segments_that_it_needs),
        VMX_TEST(the_guest_sees_its_own_bits_of_cr0_and_cr4),
        VMX_TEST(lma_and_the_entry_controls_follow_paging),
        VMX_TEST(pdptes_are_state_where_they_are_used),
        VMX_TEST(msrs_take_only_legal_values),
        VMX_TEST(a_change_of_paging_drops_the_translations),
        VMX_TEST(events_travel_with_their_payload),
        VMX_TEST(a_step_in_a_shadow_waits_in_the_vmcs_and_is_told_by_the_trap_flag_alone),
        VMX_TEST(a_trap_that_waits_in_the_vmcs_is_state),
        VMX_TEST(illegal_states_are_refused_and_change_nothing),
    };

    fixture_filter();
    return cmocka_run_group_tests_name("vmx state", tests, NULL, NULL);
}

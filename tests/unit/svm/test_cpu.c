/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: svm/asid.c svm/audit.c svm/audit_rules_table.c svm/cpu.c svm/enter.c svm/event.c svm/exit.c svm/exit_table.c svm/msr.c svm/permissions.c svm/probe.c svm/probe_table.c svm/reset_table.c svm/segment.c svm/state.c svm/state_table.c svm/vcpu.c kernel/vlapic.c kernel/pagetable.c kernel/pagetable_formats_table.c kernel/pool.c kernel/guest_cpu.c kernel/guest_cpu_table.c kernel/audit.c kernel/audit_rules_table.c kernel/fake/fake_vmx.c kernel/fake/fake_assert.c kernel/fake/fake_account.c kernel/fake/fake_pool.c kernel/fake/fake_random.c kernel/fake/fake_xstate.c */
/* test_cpu.c: what each physical CPU keeps of a vCPU's translations, by the code that loads and enters it.
 *
 * The processor of fixture_run() has a TLB that forgets nothing until exactly the right flush: for each CPU and ASID,
 * at which version of its tables the vCPU filled it. (test_asid.c plays long games with the numbers alone.)
 */
#define FIXTURE_ENTERS
#include "svm_fixture.h"

#define CPUS 2u

void fixture_run(struct vcpu_page *page, struct vmcb *vmcb);

/* enter.asm's place: RDI and RSI stay, as there. */
__asm__(".text\n"
        ".globl svm_enter\n"
        "svm_enter:\n\t"
        "push %rdi\n\t"
        "push %rsi\n\t"
        "push %rbp\n\t"
        "mov %rsp, %rbp\n\t"
        "and $-16, %rsp\n\t"
        "call fixture_run\n\t"
        "mov %rbp, %rsp\n\t"
        "pop %rbp\n\t"
        "pop %rsi\n\t"
        "pop %rdi\n\t"
        "ret\n");

static uint64_t version; /* of the guest's tables; 0 in the TLB: nothing */
static uint64_t tlb[CPUS][FIXTURE_ASIDS];
static bool refuses; /* VMRUN, before it flushes anything */

void fixture_run(struct vcpu_page *page, struct vmcb *vmcb)
{
    uint64_t *own = tlb[cpu_index()], *entry;

    (void)page;
    if (refuses) {
        vmcb->control.exit_code = VMEXIT_INVALID_LOW;
        return;
    }
    assert_in_range(vmcb->control.asid, 1, FIXTURE_ASIDS - 1);
    entry = &own[vmcb->control.asid];
    if (vmcb->control.tlb_control == TLB_FLUSH_ALL)
        memset(own, 0, sizeof tlb[0]);
    else if (vmcb->control.tlb_control == TLB_FLUSH_GUEST)
        *entry = 0;
    if (*entry != 0)
        assert_int_equal(*entry, version);
    *entry = version;
    vmcb->control.exit_code = VMEXIT_HLT;
}

static void start(struct fixture *f, uint32_t features)
{
    (void)f;
    svm_host.features |= features;
    version = 1;
    memset(svm_cpus, 0, sizeof svm_cpus);
    for (unsigned c = 0; c < CPUS; c++) {
        fake_vmx_become(c);
        assert_int_equal(svm_cpu_enable(), CL_OK);
        for (unsigned asid = 0; asid < FIXTURE_ASIDS; asid++)
            tlb[c][asid] = UINT64_MAX; /* whoever ran guests before */
    }
    fake_vmx_become(0);
}

static void enter_on(struct fixture *f, unsigned cpu)
{
    struct virt_exit exit;

    fake_vmx_become(cpu);
    svm_vcpu_load(&f->vcpu);
    assert_int_equal(fixture_saved, svm_cpus[cpu].host_pa);
    svm_vcpu_enter(&f->vcpu, &exit);
    svm_vcpu_enter(&f->vcpu, &exit);
    assert_int_equal(exit.kind, VIRT_EXIT_HLT);
    assert_int_equal(f->vmcb->control.tlb_control, TLB_KEEP);
    svm_vcpu_unload(&f->vcpu);
}

static void the_first_entry_meets_nothing_that_others_left(void **state)
{
    struct fixture *f = *state;

    start(f, 0);
    enter_on(f, 0);
    enter_on(f, 1);
}

static void a_vcpu_that_moved_meets_nothing_that_it_left(void **state)
{
    struct fixture *f = *state;

    start(f, 0);
    enter_on(f, 0);
    version++; /* the guest flushes its TLB, elsewhere */
    enter_on(f, 1);
    enter_on(f, 0);
}

static void a_change_of_a_nested_table_reaches_every_guest_of_this_cpu(void **state)
{
    struct fixture *f = *state;
    uint32_t asid;

    start(f, SVM_FEATURE_FLUSH_BY_ASID);
    enter_on(f, 0);
    asid = f->vmcb->control.asid;
    fake_vmx_become(1);
    svm_cpu_flush();
    enter_on(f, 0);
    assert_int_equal(f->vmcb->control.asid, asid);
    version++;
    svm_cpu_flush();
    enter_on(f, 0);
}

static void a_refused_entry_flushes_again(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;

    start(f, 0);
    svm_vcpu_load(&f->vcpu);
    refuses = true;
    svm_vcpu_enter(&f->vcpu, &exit);
    refuses = false;
    assert_int_equal(exit.kind, VIRT_EXIT_INVALID_STATE);
    svm_vcpu_unload(&f->vcpu);
    enter_on(f, 0);
}

static void change_paging(struct fixture *f)
{
    f->page->cr3 += 0x1000;
    assert_int_equal(svm_vcpu_set(&f->vcpu, VCPU_GROUP_CONTROL), CL_OK);
    version++;
}

static void a_change_of_paging_reaches_the_next_entry(void **state)
{
    struct fixture *f = *state;
    uint64_t value = EFER_LME | EFER_SCE;

    for (unsigned i = 0; i < 2; i++) {
        start(f, i == 0 ? 0 : SVM_FEATURE_FLUSH_BY_ASID);
        fixture_long_mode(f);
        enter_on(f, 0);
        svm_vcpu_get(&f->vcpu, VCPU_GROUP_CONTROL);
        change_paging(f);
        enter_on(f, 0);
        assert_true(svm_vcpu_msr(&f->vcpu, MSR_EFER, true, &value)); /* NXE goes */
        version++;
        enter_on(f, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SVM_TEST(the_first_entry_meets_nothing_that_others_left),
        SVM_TEST(a_vcpu_that_moved_meets_nothing_that_it_left),
        SVM_TEST(a_change_of_a_nested_table_reaches_every_guest_of_this_cpu),
        SVM_TEST(a_refused_entry_flushes_again),
        SVM_TEST(a_change_of_paging_reaches_the_next_entry),
    };

    fixture_filter();
    return cmocka_run_group_tests_name("svm cpu", tests, NULL, NULL);
}

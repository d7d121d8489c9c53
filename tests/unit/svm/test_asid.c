/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: svm/asid.c svm/audit.c svm/audit_rules_table.c svm/cpu.c svm/event.c svm/exit.c svm/exit_table.c svm/msr.c svm/permissions.c svm/probe.c svm/probe_table.c svm/reset_table.c svm/segment.c svm/state.c svm/state_table.c svm/vcpu.c kernel/vlapic.c kernel/pagetable.c kernel/pagetable_formats_table.c kernel/pool.c kernel/guest_cpu.c kernel/guest_cpu_table.c kernel/audit.c kernel/audit_rules_table.c kernel/fake/fake_vmx.c kernel/fake/fake_assert.c kernel/fake/fake_account.c kernel/fake/fake_pool.c kernel/fake/fake_random.c kernel/fake/fake_xstate.c */
/* test_asid.c: no vCPU ever enters with an ASID under which the CPU may hold another's translations, or stale ones.
 *
 * The model is a TLB that forgets nothing until exactly the right flush: for each CPU and ASID, which vCPU filled it and
 * at which version of its tables.
 */
#include "svm_fixture.h"

#define CPUS 3u
#define VCPUS 40u

static struct svm_cpu cpu[CPUS];
static struct svm_vcpu vcpu[VCPUS];
static struct vmcb vmcb[VCPUS];
static struct {
    unsigned owner; /* VCPUS: empty */
    uint64_t version;
} tlb[CPUS][FIXTURE_ASIDS];
static uint64_t version[VCPUS]; /* of a vCPU's paging; a flush is due when it rises */

static void tlb_empty(unsigned c)
{
    for (unsigned asid = 0; asid < FIXTURE_ASIDS; asid++)
        tlb[c][asid].owner = VCPUS;
}

static void machine_start(uint32_t features)
{
    memset(cpu, 0, sizeof cpu);
    memset(vcpu, 0, sizeof vcpu);
    memset(vmcb, 0, sizeof vmcb);
    svm_host = (struct svm_host){ .features = features, .asid_count = FIXTURE_ASIDS };
    for (unsigned c = 0; c < CPUS; c++) {
        cpu[c].generation = 1;
        cpu[c].next_asid = FIXTURE_ASIDS;
        tlb_empty(c);
    }
    for (unsigned v = 0; v < VCPUS; v++)
        vcpu[v].vmcb = &vmcb[v];
}

/* What svm_vcpu_load and svm_vcpu_enter do, and what the processor does with it. */
static void enter(unsigned c, unsigned v)
{
    struct vmcb_control *control = &vmcb[v].control;

    if (vcpu[v].cpu != &cpu[c]) {
        vcpu[v].cpu = &cpu[c];
        vcpu[v].generation = 0;
    }
    if (vcpu[v].generation != cpu[c].generation)
        svm_asid_assign(&cpu[c], &vcpu[v]);

    assert_in_range(control->asid, 1, FIXTURE_ASIDS - 1);
    if (control->tlb_control == TLB_FLUSH_ALL)
        tlb_empty(c);
    else if (control->tlb_control == TLB_FLUSH_GUEST)
        tlb[c][control->asid].owner = VCPUS;
    if (tlb[c][control->asid].owner != VCPUS) {
        assert_int_equal(tlb[c][control->asid].owner, v);
        assert_int_equal(tlb[c][control->asid].version, version[v]);
    }
    tlb[c][control->asid].owner = v;
    tlb[c][control->asid].version = version[v];
    control->tlb_control = TLB_KEEP;
}

/* A change of a nested table: every vCPU's translations are void everywhere, and each CPU flushes before it enters. */
static void change_all(void)
{
    for (unsigned v = 0; v < VCPUS; v++)
        version[v]++;
    for (unsigned c = 0; c < CPUS; c++)
        svm_asid_void_all(&cpu[c]);
}

static void play(uint32_t features)
{
    machine_start(features);
    fake_random_seed(features + 1);
    for (unsigned i = 0; i < 20000; i++) {
        unsigned v = (unsigned)fake_random(VCPUS);

        switch (fake_random(20)) {
        case 0:
            change_all();
            break;
        case 1:
        case 2:
            version[v]++;
            svm_asid_flush(&vcpu[v]);
            if (vcpu[v].cpu != NULL)
                enter((unsigned)(vcpu[v].cpu - cpu), v);
            break;
        default:
            enter((unsigned)fake_random(CPUS), v);
            break;
        }
    }
}

static void no_entry_meets_foreign_or_stale_translations(void **state)
{
    (void)state;
    play(0);
    play(SVM_FEATURE_FLUSH_BY_ASID);
}

static void a_vcpu_keeps_its_asid_from_entry_to_entry(void **state)
{
    uint32_t asid;

    (void)state;
    machine_start(0);
    enter(0, 0);
    asid = vmcb[0].control.asid;
    enter(0, 1);
    enter(0, 0);
    assert_int_equal(vmcb[0].control.asid, asid);
}

static void a_vcpu_that_returns_to_a_cpu_takes_a_new_asid(void **state)
{
    uint32_t asid;

    (void)state;
    machine_start(0);
    enter(0, 0);
    asid = vmcb[0].control.asid;
    enter(1, 0);
    version[0]++;
    svm_asid_flush(&vcpu[0]);
    enter(0, 0);
    assert_int_not_equal(vmcb[0].control.asid, asid);
}

static void the_first_entry_on_a_cpu_flushes_everything(void **state)
{
    (void)state;
    machine_start(0);
    svm_asid_assign(&cpu[0], &vcpu[0]);
    assert_int_equal(vmcb[0].control.tlb_control, TLB_FLUSH_ALL);
    svm_asid_assign(&cpu[0], &vcpu[1]);
    assert_int_equal(vmcb[1].control.tlb_control, TLB_KEEP);
}

static void a_refused_entry_asks_for_its_flush_again(void **state)
{
    (void)state;
    machine_start(0);
    svm_asid_assign(&cpu[0], &vcpu[0]);
    vmcb[0].control.tlb_control = TLB_KEEP;
    svm_asid_entry_failed(&cpu[0], &vcpu[0]);
    assert_int_not_equal(vcpu[0].generation, cpu[0].generation);
    svm_asid_assign(&cpu[0], &vcpu[1]);
    assert_int_equal(vmcb[1].control.tlb_control, TLB_FLUSH_ALL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_entry_meets_foreign_or_stale_translations),
        cmocka_unit_test(a_vcpu_keeps_its_asid_from_entry_to_entry),
        cmocka_unit_test(a_vcpu_that_returns_to_a_cpu_takes_a_new_asid),
        cmocka_unit_test(the_first_entry_on_a_cpu_flushes_everything),
        cmocka_unit_test(a_refused_entry_asks_for_its_flush_again),
    };

    fixture_filter();
    return cmocka_run_group_tests_name("svm asid", tests, NULL, NULL);
}

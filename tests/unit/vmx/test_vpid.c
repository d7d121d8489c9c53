/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: vmx/apic.c vmx/audit.c vmx/audit_rules_table.c vmx/cpu.c vmx/enter.c vmx/event.c vmx/exit.c vmx/exit_table.c vmx/msr.c vmx/permissions.c vmx/probe.c vmx/probe_table.c vmx/reset_table.c vmx/state.c vmx/state_table.c vmx/vcpu.c vmx/vpid.c kernel/vlapic.c kernel/pagetable.c kernel/pagetable_formats_table.c kernel/pool.c kernel/guest_cpu.c kernel/guest_cpu_table.c kernel/audit.c kernel/audit_rules_table.c kernel/fake/fake_vmx.c kernel/fake/fake_assert.c kernel/fake/fake_account.c kernel/fake/fake_pool.c kernel/fake/fake_random.c kernel/fake/fake_xstate.c */
/* test_vpid.c: no vCPU ever enters with a VPID under which the CPU may hold another's translations, or stale ones.
 *
 * The model is a TLB that forgets nothing until exactly the right flush: for each CPU and VPID, which vCPU filled it and
 * at which version of its tables.
 */
#include "vmx_fixture.h"

#define CPUS 3u
#define VCPUS 40u
#define NOBODY VCPUS
#define LAST_VPID 0xFFFFu

static struct vmx_vcpu vcpu[VCPUS];
static uint32_t vpid[VCPUS];
static struct {
    unsigned owner;
    uint64_t version;
} tlb[CPUS][LAST_VPID + 1];
static uint64_t version[VCPUS]; /* of a vCPU's paging; a flush is due when it rises */
static unsigned flushes;

static void tlb_empty(unsigned c)
{
    for (unsigned i = 0; i <= LAST_VPID; i++)
        tlb[c][i].owner = NOBODY;
}

static void *machine_pages;

static int machine_start(void **state)
{
    (void)state;
    fake_pool_create(UINT64_C(8) << 20);
    fake_vmx_start();
    fixture_host();
    for (unsigned c = 0; c < CPUS; c++) {
        fixture_cpu(c);
        assert_int_equal(fake_vmx_cpus[c].invvpids, 1);
        assert_int_equal(fake_vmx_cpus[c].invepts, 1);
        tlb_empty(c);
    }
    memset(vcpu, 0, sizeof vcpu);
    memset(version, 0, sizeof version);
    machine_pages = pool_take(NULL, PAGE_SIZE);
    *(uint32_t *)machine_pages = FAKE_VMX_REVISION;
    vmx_vmclear(pool_physical(machine_pages).value);
    flushes = 0;
    return 0;
}

static int machine_stop(void **state)
{
    (void)state;
    fake_pool_destroy();
    return 0;
}

/* What vmx_vcpu_load and vmx_vcpu_enter do, and what the processor does with it. */
static void enter(unsigned c, unsigned v)
{
    unsigned before;

    fake_vmx_become(c);
    if (vcpu[v].cpu != &vmx_cpus[c]) {
        vcpu[v].cpu = &vmx_cpus[c];
        vcpu[v].generation = 0;
    }
    before = fake_vmx_cpus[c].invvpids;
    if (vcpu[v].generation != vmx_cpus[c].generation) {
        uint64_t pa = pool_physical(machine_pages).value;

        vmx_vmptrld(pa);
        vmx_vpid_assign(&vmx_cpus[c], &vcpu[v]);
        vpid[v] = (uint32_t)vmx_read(VMCS_VPID);
        vmx_vmclear(pa);
    }
    assert_in_range(vpid[v], 1, LAST_VPID);
    if (fake_vmx_cpus[c].invvpids != before) {
        flushes++;
        tlb_empty(c);
    }
    if (tlb[c][vpid[v]].owner != NOBODY) {
        assert_int_equal(tlb[c][vpid[v]].owner, v);
        assert_int_equal(tlb[c][vpid[v]].version, version[v]);
    }
    tlb[c][vpid[v]].owner = v;
    tlb[c][vpid[v]].version = version[v];
}

static void no_entry_meets_foreign_or_stale_translations(void **state)
{
    (void)state;
    fake_random_seed(3);
    for (unsigned i = 0; i < 400000; i++) {
        unsigned v = (unsigned)fake_random(VCPUS);

        if (fake_random(20) == 0) {
            version[v]++;
            vmx_vpid_flush(&vcpu[v]);
        }
        enter((unsigned)fake_random(CPUS), v);
    }
    assert_in_range(flushes, CPUS, 100); /* each CPU has run out of numbers */
}

static void a_vcpu_keeps_its_vpid_from_entry_to_entry(void **state)
{
    uint32_t first;

    (void)state;
    enter(0, 0);
    first = vpid[0];
    enter(0, 1);
    enter(0, 0);
    assert_int_equal(vpid[0], first);
}

static void a_vcpu_that_returns_to_a_cpu_takes_a_new_vpid(void **state)
{
    uint32_t first;

    (void)state;
    enter(0, 0);
    first = vpid[0];
    enter(1, 0);
    version[0]++; /* the guest flushed its TLB there */
    enter(0, 0);
    assert_int_not_equal(vpid[0], first);
}

static void a_change_of_an_ept_reaches_every_vpid_of_this_cpu(void **state)
{
    (void)state;
    fake_vmx_become(1);
    vmx_cpu_flush();
    assert_int_equal(fake_vmx_cpus[1].invepts, 2);
    assert_int_equal(fake_vmx_cpus[0].invepts, 1);
}

static void without_vpids_none_is_given_out(void **state)
{
    uint64_t pa = pool_physical(machine_pages).value;

    (void)state;
    vmx_host.used[WORD_SECONDARY] &= ~SECONDARY_VPID;
    fake_vmx_become(0);
    vmx_vmptrld(pa);
    vmx_write(VMCS_VPID, 0);
    vmx_vpid_assign(&vmx_cpus[0], &vcpu[0]);
    assert_int_equal(vmx_read(VMCS_VPID), 0);
    assert_int_equal(vcpu[0].generation, vmx_cpus[0].generation);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, machine_start, machine_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_entry_meets_foreign_or_stale_translations),
        TEST(a_vcpu_keeps_its_vpid_from_entry_to_entry),
        TEST(a_vcpu_that_returns_to_a_cpu_takes_a_new_vpid),
        TEST(a_change_of_an_ept_reaches_every_vpid_of_this_cpu),
        TEST(without_vpids_none_is_given_out),
    };

    fixture_filter();
    return cmocka_run_group_tests_name("vmx vpid", tests, NULL, NULL);
}

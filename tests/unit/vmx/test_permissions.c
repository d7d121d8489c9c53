/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: vmx/apic.c vmx/audit.c vmx/audit_rules_table.c vmx/cpu.c vmx/enter.c vmx/event.c vmx/exit.c vmx/exit_table.c vmx/msr.c vmx/permissions.c vmx/probe.c vmx/probe_table.c vmx/reset_table.c vmx/state.c vmx/state_table.c vmx/vcpu.c vmx/vpid.c kernel/vlapic.c kernel/pagetable.c kernel/pagetable_formats_table.c kernel/pool.c kernel/guest_cpu.c kernel/guest_cpu_table.c kernel/audit.c kernel/audit_rules_table.c kernel/fake/fake_vmx.c kernel/fake/fake_assert.c kernel/fake/fake_account.c kernel/fake/fake_pool.c kernel/fake/fake_random.c kernel/fake/fake_xstate.c */
/* test_permissions.c: which MSRs a guest reaches without an exit. */
#include "vmx_fixture.h"

/* SDM Vol. 3C 25.6.9: four bitmaps of 1 KiB. */
static bool exits(const struct fixture *f, uint32_t index, bool write)
{
    const uint8_t *bitmap = f->vm.virt;
    uint32_t bit = index & 0x1FFF;

    if (index > 0x1FFF && (index < 0xC0000000u || index > 0xC0001FFFu))
        return true;
    bitmap += (index >= 0xC0000000u ? 0x400 : 0) + (write ? 0x800 : 0);
    return bitmap[bit / 8] >> bit % 8 & 1;
}

static void only_what_holds_the_guests_value_is_open(void **state)
{
    static const struct {
        uint32_t index;
        bool write_exits;
    } open[] = {
        { MSR_SYSENTER_CS, false }, { MSR_SYSENTER_ESP, false },   { MSR_SYSENTER_EIP, false }, { MSR_FS_BASE, false },
        { MSR_GS_BASE, false },     { MSR_KERNEL_GS_BASE, false }, { MSR_STAR, true },          { MSR_LSTAR, true },
        { MSR_CSTAR, true },        { MSR_SFMASK, true },
    };
    struct fixture *f = *state;
    unsigned reads = 0, writes = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(open); i++) {
        assert_false(exits(f, open[i].index, false));
        assert_int_equal(exits(f, open[i].index, true), open[i].write_exits);
    }
    for (uint32_t i = 0; i < 0x2000; i++) {
        reads += (exits(f, i, false) ? 0u : 1u) + (exits(f, 0xC0000000u + i, false) ? 0u : 1u);
        writes += (exits(f, i, true) ? 0u : 1u) + (exits(f, 0xC0000000u + i, true) ? 0u : 1u);
    }
    assert_int_equal(reads, 10);
    assert_int_equal(writes, 6);
}

static void every_vcpu_uses_its_vms_bitmap(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(vmcs(f, VMCS_MSR_BITMAP), pool_physical(f->vm.virt).value);
    assert_true(vmcs(f, VMCS_PRIMARY_CONTROLS) & PRIMARY_MSR_BITMAP);
}

/* DESIGN.md, "What a guest must never do to the host". */
static void what_a_guest_must_never_do_exits(void **state)
{
    const uint32_t primary = PRIMARY_IO | PRIMARY_MWAIT | PRIMARY_MONITOR | PRIMARY_RDPMC | PRIMARY_HLT;
    struct fixture *f = *state;

    assert_int_equal(vmcs(f, VMCS_PRIMARY_CONTROLS) & primary, primary);
    assert_true(vmcs(f, VMCS_SECONDARY_CONTROLS) & SECONDARY_WBINVD); /* INVD and XSETBV always exit */
    assert_false(vmcs(f, VMCS_SECONDARY_CONTROLS) & (SECONDARY_VMFUNC | SECONDARY_XSAVES | SECONDARY_VE));
    assert_int_equal(vmcs(f, VMCS_EXCEPTION_BITMAP), 1u << VECTOR_DB | 1u << VECTOR_AC | 1u << VECTOR_MC);
    assert_int_equal(vmcs(f, VMCS_PIN_CONTROLS) & (PIN_INTERRUPT | PIN_NMI), PIN_INTERRUPT | PIN_NMI);
    assert_int_equal(vmcs(f, VMCS_CR0_MASK), CR0_CD | CR0_NW | CR0_NE);
    assert_int_equal(vmcs(f, VMCS_CR4_MASK) & (CR4_VMXE | CR4_MCE | CR4_OSXSAVE | CR4_SMEP | CR4_LA57 | CR4_PAE),
                     CR4_VMXE | CR4_MCE | CR4_OSXSAVE | CR4_SMEP | CR4_LA57);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VMX_TEST(only_what_holds_the_guests_value_is_open),
        VMX_TEST(every_vcpu_uses_its_vms_bitmap),
        VMX_TEST(what_a_guest_must_never_do_exits),
    };

    fixture_filter();
    return cmocka_run_group_tests_name("vmx permissions", tests, NULL, NULL);
}

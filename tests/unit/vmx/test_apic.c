/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: vmx/apic.c vmx/audit.c vmx/audit_rules_table.c vmx/cpu.c vmx/enter.c vmx/event.c vmx/exit.c vmx/exit_table.c vmx/msr.c vmx/permissions.c vmx/probe.c vmx/probe_table.c vmx/reset_table.c vmx/state.c vmx/state_table.c vmx/vcpu.c vmx/vpid.c kernel/vlapic.c kernel/pagetable.c kernel/pagetable_formats_table.c kernel/pool.c kernel/guest_cpu.c kernel/guest_cpu_table.c kernel/audit.c kernel/audit_rules_table.c kernel/fake/fake_vmx.c kernel/fake/fake_assert.c kernel/fake/fake_account.c kernel/fake/fake_pool.c kernel/fake/fake_random.c kernel/fake/fake_xstate.c */
/* test_apic.c: the processor works on the guest's local APIC (SDM Vol. 3C ch. 30), and software does it alone: two ways
 * that nobody can tell apart. */
#define _GNU_SOURCE
#define sched_yield libc_sched_yield /* the C library has one, too */
#include <pthread.h>
#undef sched_yield
#include <unistd.h>

#include "vmx_fixture.h"

#define X2(reg) (MSR_X2APIC_FIRST + VLAPIC_REG_##reg)
#define ENABLED 0x1FF /* SVR */

static bool write_msr(struct vlapic *l, uint32_t index, uint64_t value, struct vlapic_access *access)
{
    *access = (struct vlapic_access){ .write = true, .value = value };
    return vlapic_msr(l, index, access);
}

static void use_x2apic(struct vlapic *l)
{
    struct vlapic_access access;

    assert_true(write_msr(l, MSR_APIC_BASE, l->apic_base | VLAPIC_BASE_X2APIC, &access));
    assert_true(write_msr(l, X2(SVR), ENABLED, &access));
}

static int setup(void **state)
{
    struct fixture *f;

    vlapic_hardware = true;
    fixture_setup(state);
    f = *state;
    vlapic_init(&f->vcpu.lapic, f->vcpu.lapic.reg, 0, true);
    use_x2apic(&f->vcpu.lapic);
    vmx_vcpu_load(&f->vcpu);
    return 0;
}

static int teardown(void **state)
{
    int result = fixture_teardown(state);

    vlapic_hardware = vlapic_hardware_auto = false;
    return result;
}

static void arrive(struct vlapic *l, uint8_t vector, bool level)
{
    struct vlapic_message message = { .vector = vector, .level = level };

    (void)!vlapic_accept(l, &message);
}

/* As the loop does it before each entry. */
static void before_entry(struct fixture *f)
{
    if (!vlapic_idle(&f->vcpu.lapic))
        vmx_vcpu_window(&f->vcpu, false, false, 0);
}

static uint64_t secondary(const struct fixture *f)
{
    return vmcs(f, VMCS_SECONDARY_CONTROLS) & SECONDARY_ASSIST;
}

static bool msr_exits(const struct fixture *f, uint32_t index, bool write)
{
    const uint8_t *bitmap = pool_virtual(hpa(vmcs(f, VMCS_MSR_BITMAP)));

    return bitmap[(write ? 0x800 : 0) + index / 8] >> index % 8 & 1;
}

static void the_processor_has_the_local_apic_in_x2apic_mode_alone(void **state)
{
    struct fixture *f = *state;
    struct vlapic_access access;

    assert_int_equal(secondary(f), 0);
    assert_true(msr_exits(f, X2(EOI), true));
    before_entry(f);
    assert_int_equal(secondary(f), SECONDARY_ASSIST);
    assert_false(msr_exits(f, X2(EOI), true));
    assert_int_equal(vmcs(f, VMCS_VIRTUAL_APIC), pool_physical(f->vcpu.lapic.reg).value);
    assert_int_equal(vmcs(f, VMCS_INTERRUPT_STATUS), 0);
    assert_true(vlapic_idle(&f->vcpu.lapic));

    assert_true(write_msr(&f->vcpu.lapic, MSR_APIC_BASE, VLAPIC_BASE_DEFAULT, &access)); /* off */
    before_entry(f);
    assert_int_equal(secondary(f), 0);
    assert_true(msr_exits(f, X2(EOI), true));
    assert_true(vlapic_idle(&f->vcpu.lapic));
}

static void only_registers_that_have_no_say_are_open(void **state)
{
    static const uint32_t writes[] = { X2(TPR), X2(EOI), X2(SELF_IPI) };
    static const uint32_t exits[] = { X2(CURRENT_COUNT), X2(ICR), X2(IRR), X2(TMR), X2(SELF_IPI), X2(EOI), X2(DIVIDE) };
    struct fixture *f = *state;
    unsigned open = 0;

    before_entry(f);
    for (unsigned i = 0; i < ARRAY_SIZE(writes); i++)
        assert_false(msr_exits(f, writes[i], true));
    for (uint32_t i = 0; i < 0x100; i++) {
        struct vlapic_access access = { .write = false };

        open += msr_exits(f, MSR_X2APIC_FIRST + i, true) ? 0 : 1;
        if (!msr_exits(f, MSR_X2APIC_FIRST + i, false))
            assert_true(vlapic_msr(&f->vcpu.lapic, MSR_X2APIC_FIRST + i, &access)); /* or it has to be #GP */
    }
    assert_int_equal(open, ARRAY_SIZE(writes));
    for (unsigned i = 0; i < ARRAY_SIZE(exits); i++)
        assert_true(msr_exits(f, exits[i], false));
    assert_false(msr_exits(f, MSR_SYSENTER_CS, true)); /* what is open in xAPIC mode is open here */
}

static struct fixture *running;

static void interrupt_meanwhile(void)
{
    struct vlapic_slot before[VLAPIC_REG_COUNT];

    memcpy(before, running->vcpu.lapic.reg, sizeof before);
    arrive(&running->vcpu.lapic, 0x55, false);
    assert_memory_equal(before, running->vcpu.lapic.reg, sizeof before); /* the processor has the page */
    assert_int_equal(fake_vmx_take_interrupt(), -1);
    vmx_write(VMCS_EXIT_REASON, EXIT_INTERRUPT); /* the kick */
}

static void take_it(void)
{
    assert_int_equal(fake_vmx_take_interrupt(), 0x55);
    assert_int_equal(fake_vmx_take_interrupt(), -1);
    vmx_write(VMCS_EXIT_REASON, EXIT_HLT);
}

static void an_interrupt_that_comes_while_the_guest_runs_is_taken_at_the_next_entry(void **state)
{
    struct fixture *f = running = *state;
    struct virt_exit exit;

    before_entry(f);
    fake_vmx_guest = interrupt_meanwhile;
    vmx_vcpu_enter(&f->vcpu, &exit);
    assert_false(vlapic_idle(&f->vcpu.lapic));
    before_entry(f);
    fake_vmx_guest = take_it;
    vmx_vcpu_enter(&f->vcpu, &exit);
    assert_int_equal(vlapic_pending(&f->vcpu.lapic), -1);
    before_entry(f);
    assert_true(vlapic_idle(&f->vcpu.lapic));
    assert_int_equal(vmcs(f, VMCS_INTERRUPT_STATUS), 0x5500);
}

static void an_ipi_to_itself_wakes_a_guest_that_halts(void **state)
{
    struct fixture *f = *state;

    before_entry(f);
    fake_vmx_self_ipi(0x41);
    assert_int_equal(vlapic_pending(&f->vcpu.lapic), 0x41);
}

static uint32_t exit_reason, exit_qualification;

static void just_exit(void)
{
    vmx_write(VMCS_EXIT_REASON, exit_reason);
    vmx_write(VMCS_QUALIFICATION, exit_qualification);
}

static void the_end_of_a_level_interrupt_exits_and_that_of_another_does_not(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;
    uint8_t vector;

    arrive(&f->vcpu.lapic, 0x92, true);
    arrive(&f->vcpu.lapic, 0xC3, false);
    before_entry(f);
    assert_int_equal(fake_vmx_take_interrupt(), 0xC3);
    assert_false(fake_vmx_write_eoi(&vector));
    assert_int_equal(fake_vmx_take_interrupt(), 0x92);
    assert_true(fake_vmx_write_eoi(&vector));
    exit_reason = EXIT_EOI, exit_qualification = vector;
    fake_vmx_guest = just_exit;
    vmx_vcpu_enter(&f->vcpu, &exit);
    assert_int_equal(exit.kind, VIRT_EXIT_EOI);
    assert_int_equal(exit.vector, 0x92);
    assert_int_equal(exit.length, 0); /* the instruction is done */

    arrive(&f->vcpu.lapic, 0x92, false);
    before_entry(f);
    assert_int_equal(fake_vmx_take_interrupt(), 0x92);
    assert_false(fake_vmx_write_eoi(&vector));
}

static void an_ipi_to_itself_that_is_illegal_is_told(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;

    before_entry(f);
    f->vcpu.lapic.reg[VLAPIC_REG_SELF_IPI].value = 9;
    exit_reason = EXIT_APIC_WRITE, exit_qualification = VLAPIC_REG_SELF_IPI << 4;
    fake_vmx_guest = just_exit;
    vmx_vcpu_enter(&f->vcpu, &exit);
    assert_int_equal(exit.kind, VIRT_EXIT_SELF_IPI);
    assert_int_equal(exit.vector, 9);
    assert_int_equal(exit.length, 0);
}

static void a_state_with_interrupts_in_service_moves(void **state)
{
    struct fixture *f = *state;
    struct vlapic_state saved, again;
    uint8_t vector;

    arrive(&f->vcpu.lapic, 0x31, false);
    before_entry(f);
    assert_int_equal(fake_vmx_take_interrupt(), 0x31);
    arrive(&f->vcpu.lapic, 0x72, true);
    before_entry(f);
    assert_int_equal(fake_vmx_take_interrupt(), 0x72);
    fake_vmx_self_ipi(0x70);
    arrive(&f->vcpu.lapic, 0xA0, false);
    vlapic_state_get(&f->vcpu.lapic, &saved);
    assert_int_equal(saved.reg[VLAPIC_REG_SELF_IPI], 0);
    assert_int_equal(saved.reg[VLAPIC_REG_IRR + 5], 1);

    memset(f->vcpu.lapic.reg, 0, PAGE_SIZE);
    vlapic_init(&f->vcpu.lapic, f->vcpu.lapic.reg, 0, true);
    before_entry(f);
    assert_int_equal(secondary(f), SECONDARY_ASSIST); /* nobody looked: what follows has to tell */
    assert_int_equal(vlapic_state_set(&f->vcpu.lapic, &saved), CL_OK);
    vlapic_state_get(&f->vcpu.lapic, &again);
    assert_memory_equal(&saved, &again, sizeof saved);
    before_entry(f);
    assert_int_equal(vmcs(f, VMCS_INTERRUPT_STATUS), 0x72A0);
    assert_int_equal(fake_vmx_take_interrupt(), 0xA0);
    assert_false(fake_vmx_write_eoi(&vector));
    assert_int_equal(fake_vmx_take_interrupt(), -1);
    assert_true(fake_vmx_write_eoi(&vector));
    assert_int_equal(vector, 0x72);
    assert_int_equal(fake_vmx_take_interrupt(), 0x70);

    saved.reg[VLAPIC_REG_IRR + 5] = saved.reg[VLAPIC_REG_IRR + 3] = 0; /* nothing to deliver, but an end to come */
    assert_int_equal(vlapic_state_set(&f->vcpu.lapic, &saved), CL_OK);
    before_entry(f);
    assert_int_equal(vmcs(f, VMCS_INTERRUPT_STATUS), 0x7200);
}

static struct vlapic_slot software_page[PAGE_SIZE / sizeof(struct vlapic_slot)];

/* The guest takes an interrupt in software. */
static int software_take(struct vlapic *l)
{
    int vector = vlapic_pending(l);

    if (vector >= 0)
        vlapic_take(l, (unsigned)vector);
    return vector;
}

static unsigned ends;

static void step(struct fixture *f, struct vlapic *software)
{
    struct vlapic *hardware = &f->vcpu.lapic;
    uint8_t vector = (uint8_t)(16 + fake_random(240)), ended = 0;
    struct vlapic_access access;
    struct vlapic_state saved;
    int taken;

    before_entry(f);
    switch (fake_random(10)) {
    case 0 ... 1:
        vector &= 0x7F; /* those above are the guest's own */
        for (unsigned i = 0; vector >= 16 && i < 2; i++)
            arrive(i == 0 ? hardware : software, vector, vector & 4);
        break;
    case 2 ... 4:
        taken = fake_vmx_take_interrupt();
        assert_int_equal(software_take(software), taken);
        break;
    case 5 ... 6:
        if ((vmx_read(VMCS_INTERRUPT_STATUS) & 0xFF00) == 0)
            break;
        taken = fake_vmx_write_eoi(&ended);
        assert_true(write_msr(software, X2(EOI), 0, &access));
        assert_int_equal(access.bits, taken ? VLAPIC_ENDS : 0);
        assert_true(!taken || access.vector == ended);
        ends += (unsigned)taken;
        break;
    case 7:
        fake_vmx_write_tpr(vector & 0x7F);
        assert_true(write_msr(software, X2(TPR), vector & 0x7F, &access));
        break;
    case 8:
        fake_vmx_self_ipi(vector | 0x80);
        assert_true(write_msr(software, X2(SELF_IPI), vector | 0x80, &access));
        break;
    default:
        vlapic_state_get(hardware, &saved);
        assert_int_equal(vlapic_state_set(hardware, &saved), CL_OK);
    }
}

static void both_ways_lead_to_the_same_state(void **state)
{
    struct fixture *f = *state;
    struct vlapic software = { 0 };
    struct vlapic_state one, other;

    ends = 0;
    for (unsigned seed = 1; seed <= 50; seed++) {
        fake_random_seed(seed);
        vlapic_init(&f->vcpu.lapic, f->vcpu.lapic.reg, 0, true);
        use_x2apic(&f->vcpu.lapic);
        vlapic_init(&software, software_page, 0, false);
        use_x2apic(&software);
        for (unsigned round = 0; round < 2000; round++) {
            struct vlapic_access access[2] = { { .write = false }, { .write = false } };

            step(f, &software);
            vlapic_state_get(&f->vcpu.lapic, &one);
            vlapic_state_get(&software, &other);
            assert_memory_equal(&one, &other, sizeof one);
            assert_true(vlapic_msr(&f->vcpu.lapic, X2(PPR), &access[0]) && vlapic_msr(&software, X2(PPR), &access[1]));
            assert_int_equal(access[0].value, access[1].value);
        }
    }
    assert_true(ends > 1000);
}

/* Two vectors in one word of IRR: the second comes while the owner hands the first to the processor, or while that takes
 * it. The sender waits for both before it goes on, so a lost one shows as standstill. */
#define ROUNDS 5000
#define STANDSTILL 20000000u /* entries without finding anything */
static uint32_t arrived, given_up;

static void *sender(void *lapic)
{
    for (uint32_t round = 0; round < ROUNDS; round++) {
        arrive(lapic, 32, round & 1);
        for (volatile uint32_t pause = round % 64; pause > 0; pause--)
            ;
        arrive(lapic, 33, false);
        while (__atomic_load_n(&arrived, __ATOMIC_ACQUIRE) != 2 * round + 2)
            if (__atomic_load_n(&given_up, __ATOMIC_RELAXED))
                return NULL;
    }
    return NULL;
}

static void nothing_is_lost_between_other_cpus_and_the_processor(void **state)
{
    struct fixture *f = *state;
    uint32_t taken = 0, fruitless = 0;
    uint8_t vector;
    pthread_t thread;

    arrived = given_up = 0;
    before_entry(f);
    assert_int_equal(pthread_create(&thread, NULL, sender, &f->vcpu.lapic), 0);
    while (taken < 2 * ROUNDS && fruitless++ < STANDSTILL) {
        before_entry(f);
        if (fake_vmx_take_interrupt() < 0) {
            if (fruitless % 1024 == 0)
                usleep(1); /* a machine that is busy lets the sender wait */
            continue;
        }
        (void)fake_vmx_write_eoi(&vector);
        fruitless = 0;
        __atomic_store_n(&arrived, ++taken, __ATOMIC_RELEASE);
    }
    __atomic_store_n(&given_up, taken < 2 * ROUNDS, __ATOMIC_RELAXED);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(taken, 2 * ROUNDS);
}

static void software_does_it_alone_if_it_is_to(void **state)
{
    struct fixture *f = *state;

    vlapic_init(&f->vcpu.lapic, f->vcpu.lapic.reg, 0, false);
    use_x2apic(&f->vcpu.lapic);
    assert_false(f->vcpu.lapic.assisted);
    assert_true(vlapic_idle(&f->vcpu.lapic)); /* the processor need not hear of the mode */
    arrive(&f->vcpu.lapic, 0x55, false);
    vmx_vcpu_window(&f->vcpu, true, false, 0);
    assert_int_equal(secondary(f), 0);
    assert_true(vmcs(f, VMCS_PRIMARY_CONTROLS) & PRIMARY_INTERRUPT_WINDOW);
    assert_true(msr_exits(f, X2(EOI), true));
    assert_int_equal(software_take(&f->vcpu.lapic), 0x55);
}

static void without_it_all_is_softwares(void **state)
{
    struct fixture *f = *state;

    vmx_vcpu_load(&f->vcpu);
    software_does_it_alone_if_it_is_to(state);
}

static void a_processor_with_a_known_fault_does_it_for_those_who_ask_alone(void **state)
{
    (void)state;
    vmx_host.revision = 4;
    vmx_find_faults();
    assert_true(vlapic_hardware && vlapic_hardware_auto);
    vmx_host.revision = 0x2B; /* Bochs */
    vmx_find_faults();
    assert_true(vlapic_hardware && !vlapic_hardware_auto);
    assert_non_null(strstr(fake_log_text, "although the guest has them off, so only to VMs that ask for it"));
    fake_log_text[0] = '\0';
    vlapic_hardware = false;
    vmx_find_faults();
    assert_true(!vlapic_hardware && !vlapic_hardware_auto);
    assert_string_equal(fake_log_text, "");
}

#define APIC_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        APIC_TEST(the_processor_has_the_local_apic_in_x2apic_mode_alone),
        APIC_TEST(only_registers_that_have_no_say_are_open),
        APIC_TEST(an_interrupt_that_comes_while_the_guest_runs_is_taken_at_the_next_entry),
        APIC_TEST(an_ipi_to_itself_wakes_a_guest_that_halts),
        APIC_TEST(the_end_of_a_level_interrupt_exits_and_that_of_another_does_not),
        APIC_TEST(an_ipi_to_itself_that_is_illegal_is_told),
        APIC_TEST(a_state_with_interrupts_in_service_moves),
        APIC_TEST(nothing_is_lost_between_other_cpus_and_the_processor),
        APIC_TEST(both_ways_lead_to_the_same_state),
        APIC_TEST(software_does_it_alone_if_it_is_to),
        APIC_TEST(a_processor_with_a_known_fault_does_it_for_those_who_ask_alone),
        VMX_TEST(without_it_all_is_softwares),
    };

    fixture_filter();
    return cmocka_run_group_tests_name("vmx apic", tests, NULL, NULL);
}

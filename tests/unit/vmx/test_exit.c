/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: vmx/apic.c vmx/audit.c vmx/audit_rules_table.c vmx/cpu.c vmx/enter.c vmx/event.c vmx/exit.c vmx/exit_table.c vmx/msr.c vmx/permissions.c vmx/probe.c vmx/probe_table.c vmx/reset_table.c vmx/state.c vmx/state_table.c vmx/vcpu.c vmx/vpid.c kernel/vlapic.c kernel/pagetable.c kernel/pagetable_formats_table.c kernel/pool.c kernel/guest_cpu.c kernel/guest_cpu_table.c kernel/audit.c kernel/audit_rules_table.c kernel/fake/fake_vmx.c kernel/fake/fake_assert.c kernel/fake/fake_account.c kernel/fake/fake_pool.c kernel/fake/fake_random.c kernel/fake/fake_xstate.c */
/* test_exit.c: exits in the kernel's words, events that were interrupted, and what an entry injects. */
#include "vmx_fixture.h"

/* What the processor says of the next exit; and what it was given at the entry. */
static struct {
    uint32_t reason, event, error, vectoring, vectoring_error, length, info, blocking;
    uint64_t qualification, physical, rflags, pending;
    bool sets_rflags;
} next;
static struct {
    uint32_t event, error, blocking, primary, threshold;
    uint64_t dr7, pending, rflags;
} seen;

static void processor(void)
{
    seen.event = (uint32_t)vmx_read(VMCS_ENTRY_EVENT);
    seen.error = (uint32_t)vmx_read(VMCS_ENTRY_ERROR);
    seen.blocking = (uint32_t)vmx_read(VMCS_INTERRUPTIBILITY);
    seen.primary = (uint32_t)vmx_read(VMCS_PRIMARY_CONTROLS);
    seen.threshold = (uint32_t)vmx_read(VMCS_TPR_THRESHOLD);
    seen.dr7 = vmx_read(VMCS_GUEST_DR7);
    seen.pending = vmx_read(VMCS_PENDING_DEBUG);
    seen.rflags = vmx_read(VMCS_GUEST_RFLAGS);
    vmx_write(VMCS_EXIT_REASON, next.reason);
    vmx_write(VMCS_EXIT_EVENT, next.event);
    vmx_write(VMCS_EXIT_ERROR, next.error);
    vmx_write(VMCS_VECTORING, next.vectoring);
    vmx_write(VMCS_VECTORING_ERROR, next.vectoring_error);
    vmx_write(VMCS_INSTRUCTION_LENGTH, next.length);
    vmx_write(VMCS_INSTRUCTION_INFO, next.info);
    vmx_write(VMCS_QUALIFICATION, next.qualification);
    vmx_write(VMCS_GUEST_PHYSICAL, next.physical);
    vmx_write(VMCS_INTERRUPTIBILITY, next.blocking);
    vmx_write(VMCS_PENDING_DEBUG, next.pending);
    if (next.sets_rflags)
        vmx_write(VMCS_GUEST_RFLAGS, next.rflags);
}

static int setup(void **state)
{
    int failed = fixture_setup(state);
    struct fixture *f = *state;

    memset(&next, 0, sizeof next);
    memset(&seen, 0, sizeof seen);
    fake_vmx_guest = processor;
    vmx_vcpu_load(&f->vcpu);
    f->page->rip = 0x1000;
    return failed;
}

/* One stay in the guest, ended as `next` says; then nothing special is next. */
static void stay(struct fixture *f, struct virt_exit *exit)
{
    memset(exit, 0xA5, sizeof *exit);
    vmx_vcpu_enter(&f->vcpu, exit);
    memset(&next, 0, sizeof next);
    next.reason = EXIT_CPUID;
    next.length = 2;
}

static void end(struct fixture *f, uint32_t reason, struct virt_exit *exit)
{
    next.reason = reason;
    stay(f, exit);
}

static void plain_exits_have_their_kind(void **state)
{
    static const struct {
        uint32_t reason;
        enum virt_exit_kind kind;
        uint32_t intercept;
        unsigned length;
    } cases[] = {
        { 1, VIRT_EXIT_INTERRUPT, ~0u, 0 },
        { 2, VIRT_EXIT_TRIPLE_FAULT, ~0u, 0 },
        { 3, VIRT_EXIT_INIT, ~0u, 0 },
        { 7, VIRT_EXIT_WINDOW, ~0u, 0 },
        { 8, VIRT_EXIT_WINDOW, ~0u, 0 },
        { 10, VIRT_EXIT_CPUID, ~0u, 5 },
        { 11, VIRT_EXIT_DECODE, VCPU_INTERCEPT_INVALID_INSTRUCTION, 5 },
        { 12, VIRT_EXIT_HLT, ~0u, 5 },
        { 13, VIRT_EXIT_DECODE, VCPU_INTERCEPT_INVD, 5 },
        { 15, VIRT_EXIT_DECODE, VCPU_INTERCEPT_RDPMC, 5 },
        { 18, VIRT_EXIT_HYPERCALL, ~0u, 5 },
        { 19, VIRT_EXIT_DECODE, VCPU_INTERCEPT_INVALID_INSTRUCTION, 5 },
        { 27, VIRT_EXIT_DECODE, VCPU_INTERCEPT_INVALID_INSTRUCTION, 5 },
        { 31, VIRT_EXIT_RDMSR, ~0u, 5 },
        { 32, VIRT_EXIT_WRMSR, ~0u, 5 },
        { 36, VIRT_EXIT_DECODE, VCPU_INTERCEPT_MWAIT, 5 },
        { 39, VIRT_EXIT_DECODE, VCPU_INTERCEPT_MONITOR, 5 },
        { 40, VIRT_EXIT_PAUSE, ~0u, 0 },
        { 43, VIRT_EXIT_WINDOW, ~0u, 0 },
        { 50, VIRT_EXIT_DECODE, VCPU_INTERCEPT_INVALID_INSTRUCTION, 5 },
        { 52, VIRT_EXIT_INTERRUPT, ~0u, 0 }, /* no interrupt, but the same to do */
        { 53, VIRT_EXIT_DECODE, VCPU_INTERCEPT_INVALID_INSTRUCTION, 5 },
        { 54, VIRT_EXIT_DECODE, VCPU_INTERCEPT_WBINVD, 5 },
        { 55, VIRT_EXIT_XSETBV, ~0u, 5 },
        { 16, VIRT_EXIT_INVALID_STATE, ~0u, 0 }, /* nobody asked for RDTSC */
        { 49, VIRT_EXIT_INVALID_STATE, ~0u, 0 },
        { 77, VIRT_EXIT_INVALID_STATE, ~0u, 0 },
    };
    struct fixture *f = *state;
    struct virt_exit exit;

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        next.length = 5;
        end(f, cases[i].reason, &exit);
        assert_int_equal(exit.kind, cases[i].kind);
        assert_int_equal(exit.length, cases[i].length);
        assert_int_equal(exit.next_rip, cases[i].length != 0 ? 0x1005 : 0);
        if (cases[i].intercept != ~0u)
            assert_int_equal(exit.intercept, cases[i].intercept);
    }
}

static void a_refused_entry_is_an_invalid_state(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;

    end(f, EXIT_ENTRY_FAILED | EXIT_BAD_GUEST, &exit);
    assert_int_equal(exit.kind, VIRT_EXIT_INVALID_STATE);
    assert_int_equal(exit.detail, 0x80000021);
    assert_false(f->vmx->launched);
    end(f, EXIT_ENTRY_FAILED | EXIT_BAD_MACHINE, &exit);
    assert_int_equal(exit.kind, VIRT_EXIT_MACHINE_CHECK);
}

static void control_register_accesses_name_the_register(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;

    next.qualification = 4 | 3 << 8; /* MOV CR4, RBX */
    end(f, EXIT_CR, &exit);
    assert_int_equal(exit.kind, VIRT_EXIT_DECODE);
    assert_int_equal(exit.intercept, VCPU_INTERCEPT_CR_WRITE);
    assert_int_equal(exit.detail, 4);
    next.qualification = 8 | 1 << 4; /* MOV RAX, CR8 */
    end(f, EXIT_CR, &exit);
    assert_int_equal(exit.intercept, VCPU_INTERCEPT_CR_READ);
    assert_int_equal(exit.detail, 8);
    next.qualification = 3 << 4; /* LMSW */
    end(f, EXIT_CR, &exit);
    assert_int_equal(exit.intercept, VCPU_INTERCEPT_CR_WRITE);
    assert_int_equal(exit.detail, 0);
}

static void exits_with_operands_carry_them(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;

    next.qualification = 0x03F80000 | IO_IN;
    next.length = 1;
    end(f, EXIT_IO, &exit);
    assert_int_equal(exit.kind, VIRT_EXIT_IO);
    assert_int_equal(exit.io.port, 0x3F8);
    assert_int_equal(exit.io.size_bytes, 1);
    assert_int_equal(exit.io.flags, VCPU_IO_IN);
    assert_int_equal(exit.io.segment, 0xFF);
    assert_int_equal(exit.next_rip, 0x1001);
    next.qualification = 0x01700000 | IO_STRING | IO_REP | 3;
    next.info = 2u << INFO_ADDRESS_SHIFT | SEG_FS << INFO_SEGMENT_SHIFT;
    end(f, EXIT_IO, &exit);
    assert_int_equal(exit.io.size_bytes, 4);
    assert_int_equal(exit.io.flags, VCPU_IO_STRING | VCPU_IO_REP);
    assert_int_equal(exit.io.address_bits, 64);
    assert_int_equal(exit.io.segment, SEG_FS);

    next.qualification = EPT_VIOLATION_WRITE | 1u << 3 | EPT_VIOLATION_LINEAR;
    next.physical = 0xFEC00010;
    end(f, EXIT_EPT_VIOLATION, &exit);
    assert_int_equal(exit.kind, VIRT_EXIT_MEMORY);
    assert_int_equal(exit.memory.address, 0xFEC00010);
    assert_int_equal(exit.memory.flags, VCPU_MEMORY_WRITE | VCPU_MEMORY_PRESENT | VCPU_MEMORY_TABLE);
    assert_int_equal(exit.next_rip, 0);
    next.qualification = EPT_VIOLATION_FETCH | EPT_VIOLATION_LINEAR | EPT_VIOLATION_FINAL;
    end(f, EXIT_EPT_VIOLATION, &exit);
    assert_int_equal(exit.memory.flags, VCPU_MEMORY_FETCH);
}

static void exceptions_that_exit(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;

    next.event = EVENT_VALID | EVENT_ERROR_VALID | 0x311;
    end(f, EXIT_EXCEPTION, &exit);
    assert_int_equal(exit.kind, VIRT_EXIT_EXCEPTION);
    assert_int_equal(exit.vector, VECTOR_AC);
    assert_true(exit.has_error_code);

    next.event = EVENT_VALID | 0x301; /* a breakpoint and a step at once */
    next.qualification = DR6_BS | 2;
    x86_write_dr6(DR6_FIXED | 1);
    end(f, EXIT_EXCEPTION, &exit);
    assert_int_equal(x86_read_dr6(), DR6_FIXED | DR6_BS | 2);

    next.event = EVENT_VALID | 0x501; /* INT1: done when it traps */
    next.length = 1;
    end(f, EXIT_EXCEPTION, &exit);
    assert_int_equal(exit.vector, VECTOR_DB);
    assert_int_equal(f->page->rip, 0x1001);
    assert_int_equal(x86_read_dr6(), DR6_FIXED | DR6_BS | 2);

    next.event = EVENT_VALID | 0x202;
    end(f, EXIT_EXCEPTION, &exit);
    assert_int_equal(exit.kind, VIRT_EXIT_NMI);
    assert_int_equal(fake_vmx_cpus[0].nmis, 1);

    next.event = EVENT_VALID | 0x312;
    end(f, EXIT_EXCEPTION, &exit);
    assert_int_equal(exit.kind, VIRT_EXIT_MACHINE_CHECK);
}

static void task_switches_tell_their_source(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;

    for (unsigned source = 0; source < 3; source++) {
        next.qualification = 0x28 | source << 30;
        end(f, EXIT_TASK_SWITCH, &exit);
        assert_int_equal(exit.kind, VIRT_EXIT_TASK_SWITCH);
        assert_int_equal(exit.task.source, source);
        assert_int_equal(exit.task.selector, 0x28);
        assert_false(exit.has_error_code);
    }
    next.qualification = 0x28 | 3u << 30;
    next.vectoring = EVENT_VALID | EVENT_ERROR_VALID | 0x30A;
    next.vectoring_error = 0x77;
    end(f, EXIT_TASK_SWITCH, &exit);
    assert_int_equal(exit.task.source, 3);
    assert_true(exit.has_error_code);
    assert_int_equal(exit.error_code, 0x77);
    stay(f, &exit);
    assert_false(seen.event & EVENT_VALID); /* the switch is the event's delivery */
}

/* What the entry after an exit in the middle of a delivery injects; 0: nothing. */
static uint32_t after_interrupted(struct fixture *f, uint32_t vectoring, uint32_t error)
{
    struct virt_exit exit;

    next.vectoring = vectoring;
    next.vectoring_error = error;
    end(f, EXIT_EPT_VIOLATION, &exit);
    stay(f, &exit);
    return seen.event & EVENT_VALID ? seen.event : 0;
}

static void an_interrupted_event_is_queued_again(void **state)
{
    struct fixture *f = *state;

    fixture_long_mode(f);
    assert_int_equal(after_interrupted(f, EVENT_VALID | 0x1000 | 0x40, 0), EVENT_VALID | 0x40);
    assert_int_equal(after_interrupted(f, EVENT_VALID | 0x202, 0), EVENT_VALID | 0x202);
    assert_int_equal(after_interrupted(f, EVENT_VALID | EVENT_ERROR_VALID | 0x30E, 6),
                     EVENT_VALID | EVENT_ERROR_VALID | 0x30E);
    assert_int_equal(seen.error, 6);
    assert_int_equal(after_interrupted(f, EVENT_VALID | 0x480, 0), 0); /* INT 80h, INT1, INT3: run again */
    assert_int_equal(after_interrupted(f, EVENT_VALID | 0x501, 0), 0);
    assert_int_equal(after_interrupted(f, EVENT_VALID | 0x603, 0), 0);
    assert_int_equal(after_interrupted(f, 0x40, 0), 0);
}

static void an_nmi_that_was_interrupted_is_not_blocked_by_itself(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;

    next.vectoring = EVENT_VALID | 0x202;
    next.blocking = BLOCKED_BY_NMI;
    end(f, EXIT_EPT_VIOLATION, &exit);
    stay(f, &exit);
    assert_int_equal(seen.event, EVENT_VALID | 0x202);
    assert_false(seen.blocking & BLOCKED_BY_NMI);
}

static void only_an_injected_nmi_blocks_nmis(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;

    next.blocking = BLOCKED_BY_NMI; /* another vCPU's, in Bochs */
    end(f, EXIT_CPUID, &exit);
    assert_true(vmx_vcpu_interruptible(&f->vcpu, true));
    vmx_vcpu_inject(&f->vcpu, VCPU_EVENT_NMI, VECTOR_NMI, false, 0);
    next.blocking = BLOCKED_BY_NMI;
    end(f, EXIT_CPUID, &exit);
    assert_int_equal(seen.blocking, 0);
    assert_false(vmx_vcpu_interruptible(&f->vcpu, true));
    next.blocking = BLOCKED_BY_NMI; /* its handler goes on */
    end(f, EXIT_CPUID, &exit);
    assert_int_equal(seen.blocking, BLOCKED_BY_NMI);
    assert_false(vmx_vcpu_interruptible(&f->vcpu, true));
}

static void an_iret_that_faults_keeps_nmis_blocked(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;

    next.qualification = EVENT_NMI_UNBLOCKED;
    end(f, EXIT_EPT_VIOLATION, &exit);
    assert_false(vmx_vcpu_interruptible(&f->vcpu, true));
    stay(f, &exit);
    assert_true(seen.blocking & BLOCKED_BY_NMI);
    next.event = EVENT_VALID | EVENT_ERROR_VALID | EVENT_NMI_UNBLOCKED | 0x311;
    end(f, EXIT_EXCEPTION, &exit);
    assert_false(vmx_vcpu_interruptible(&f->vcpu, true));
}

static void an_exception_lets_no_interrupt_be_lost(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;

    fixture_long_mode(f);
    f->page->rflags = RFLAGS_FIXED | RFLAGS_IF;
    next.vectoring = EVENT_VALID | 0x40;
    next.event = EVENT_VALID | EVENT_ERROR_VALID | 0x311;
    end(f, EXIT_EXCEPTION, &exit);
    vmx_vcpu_inject(&f->vcpu, VCPU_EVENT_EXCEPTION, VECTOR_AC, true, 0);
    assert_int_equal(f->vcpu.deferred_type, VCPU_EVENT_INTERRUPT);
    assert_int_equal(f->vcpu.deferred_vector, 0x40);
    assert_true(f->vcpu.window);
    stay(f, &exit);
    assert_int_equal(seen.event, EVENT_VALID | EVENT_ERROR_VALID | 0x311);
    assert_int_equal(f->vmx->special, 0);
}

static void what_can_be_interrupted_depends_on_flag_shadow_and_queue(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;

    f->page->rflags = RFLAGS_FIXED;
    assert_false(vmx_vcpu_interruptible(&f->vcpu, false));
    assert_true(vmx_vcpu_interruptible(&f->vcpu, true));
    f->page->rflags |= RFLAGS_IF;
    assert_true(vmx_vcpu_interruptible(&f->vcpu, false));
    next.blocking = BLOCKED_BY_STI;
    end(f, EXIT_CPUID, &exit);
    assert_false(vmx_vcpu_interruptible(&f->vcpu, false));
    assert_false(vmx_vcpu_interruptible(&f->vcpu, true));
    vmx_vcpu_advance(&f->vcpu, 0x1234);
    assert_int_equal(f->page->rip, 0x1234);
    assert_true(vmx_vcpu_interruptible(&f->vcpu, false));
    vmx_vcpu_inject(&f->vcpu, VCPU_EVENT_INTERRUPT, 0x40, false, 0);
    assert_false(vmx_vcpu_interruptible(&f->vcpu, false));
    assert_false(vmx_vcpu_interruptible(&f->vcpu, true));
    stay(f, &exit);
    assert_int_equal(seen.event, EVENT_VALID | 0x40);
    assert_int_equal(seen.blocking, 0);
}

static void an_emulated_instruction_ends_with_the_trap_of_a_single_step(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;

    vmx_write(VMCS_GUEST_DR7, DR7_FIXED | DR7_GD);
    f->page->rflags = RFLAGS_FIXED | RFLAGS_TF;
    vmx_vcpu_advance(&f->vcpu, 0x2000);
    assert_false(vmx_vcpu_interruptible(&f->vcpu, true));
    stay(f, &exit);
    assert_int_equal(seen.event, EVENT_VALID | 0x301);
    assert_int_equal(seen.dr7, DR7_FIXED); /* the delivery of #DB clears GD */
    assert_true(x86_read_dr6() & DR6_BS);
    assert_int_equal(f->vmx->special, 0);
}

static void in_a_shadow_the_pending_trap_follows_the_trap_flag(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;

    f->page->rflags = RFLAGS_FIXED | RFLAGS_IF;
    next.blocking = BLOCKED_BY_STI;
    end(f, EXIT_INTERRUPT, &exit);
    f->page->rflags |= RFLAGS_TF; /* the VMM's doing */
    next.blocking = BLOCKED_BY_STI;
    next.pending = DR6_BS;
    end(f, EXIT_INTERRUPT, &exit);
    assert_int_equal(seen.pending, DR6_BS);
    f->page->rflags &= ~RFLAGS_TF;
    stay(f, &exit);
    assert_int_equal(seen.pending, 0);
}

static void error_codes_are_those_of_the_mode_and_vector(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;

    vmx_vcpu_inject(&f->vcpu, VCPU_EVENT_EXCEPTION, VECTOR_GP, true, 0x10);
    stay(f, &exit);
    assert_int_equal(seen.event, EVENT_VALID | 0x30D); /* real mode */
    fixture_long_mode(f);
    vmx_vcpu_inject(&f->vcpu, VCPU_EVENT_EXCEPTION, VECTOR_GP, true, 0x10);
    stay(f, &exit);
    assert_int_equal(seen.event, EVENT_VALID | EVENT_ERROR_VALID | 0x30D);
    assert_int_equal(seen.error, 0x10);
    vmx_vcpu_inject(&f->vcpu, VCPU_EVENT_EXCEPTION, VECTOR_UD, true, 0x10);
    stay(f, &exit);
    assert_int_equal(seen.event, EVENT_VALID | 0x306);
}

static void a_window_is_open_as_long_as_it_is_wished(void **state)
{
    const uint32_t both = PRIMARY_INTERRUPT_WINDOW | PRIMARY_NMI_WINDOW;
    struct fixture *f = *state;
    struct virt_exit exit;

    vmx_vcpu_window(&f->vcpu, true, false, 0);
    stay(f, &exit);
    assert_int_equal(seen.primary & both, PRIMARY_INTERRUPT_WINDOW);
    vmx_vcpu_window(&f->vcpu, false, true, 0);
    stay(f, &exit);
    assert_int_equal(seen.primary & both, PRIMARY_NMI_WINDOW);
    vmx_vcpu_window(&f->vcpu, false, false, 0);
    stay(f, &exit);
    assert_int_equal(seen.primary & both, 0);
    assert_int_equal(f->vmx->special, 0);
}

static void an_interrupt_that_waits_for_tpr_has_a_threshold_and_no_window(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;

    f->page->cr8 = 7;
    vmx_vcpu_window(&f->vcpu, false, false, 5);
    stay(f, &exit);
    assert_int_equal(seen.threshold, 5);
    assert_false(seen.primary & PRIMARY_INTERRUPT_WINDOW);
    vmx_vcpu_window(&f->vcpu, true, false, 0);
    stay(f, &exit);
    assert_int_equal(seen.threshold, 0);
    assert_true(seen.primary & PRIMARY_INTERRUPT_WINDOW);
}

#define EXIT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EXIT_TEST(plain_exits_have_their_kind),
        EXIT_TEST(a_refused_entry_is_an_invalid_state),
        EXIT_TEST(control_register_accesses_name_the_register),
        EXIT_TEST(exits_with_operands_carry_them),
        EXIT_TEST(exceptions_that_exit),
        EXIT_TEST(task_switches_tell_their_source),
        EXIT_TEST(an_interrupted_event_is_queued_again),
        EXIT_TEST(an_nmi_that_was_interrupted_is_not_blocked_by_itself),
        EXIT_TEST(only_an_injected_nmi_blocks_nmis),
        EXIT_TEST(an_iret_that_faults_keeps_nmis_blocked),
        EXIT_TEST(an_exception_lets_no_interrupt_be_lost),
        EXIT_TEST(what_can_be_interrupted_depends_on_flag_shadow_and_queue),
        EXIT_TEST(an_emulated_instruction_ends_with_the_trap_of_a_single_step),
        EXIT_TEST(in_a_shadow_the_pending_trap_follows_the_trap_flag),
        EXIT_TEST(error_codes_are_those_of_the_mode_and_vector),
        EXIT_TEST(a_window_is_open_as_long_as_it_is_wished),
        EXIT_TEST(an_interrupt_that_waits_for_tpr_has_a_threshold_and_no_window),
    };

    fixture_filter();
    return cmocka_run_group_tests_name("vmx exit", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: svm/asid.c svm/audit.c svm/audit_rules_table.c svm/cpu.c svm/event.c svm/exit.c svm/exit_table.c svm/msr.c svm/permissions.c svm/probe.c svm/probe_table.c svm/reset_table.c svm/segment.c svm/state.c svm/state_table.c svm/vcpu.c kernel/vlapic.c kernel/pagetable.c kernel/pagetable_formats_table.c kernel/pool.c kernel/guest_cpu.c kernel/guest_cpu_table.c kernel/audit.c kernel/audit_rules_table.c kernel/fake/fake_vmx.c kernel/fake/fake_assert.c kernel/fake/fake_account.c kernel/fake/fake_pool.c kernel/fake/fake_random.c kernel/fake/fake_xstate.c */
/* test_exit.c: exits in the kernel's words, events that were interrupted, and the end of an NMI. */
#include "svm_fixture.h"

/* The processor ends a stay in the guest. */
static void end(struct fixture *f, uint64_t code, uint64_t info_1, uint64_t info_2, struct virt_exit *exit)
{
    f->vmcb->control.exit_code = code;
    f->vmcb->control.exit_info_1 = info_1;
    f->vmcb->control.exit_info_2 = info_2;
    memset(exit, 0xA5, sizeof *exit);
    svm_exit_decode(f->svm, exit);
    f->page->rflags = f->vmcb->save.rflags;
    f->vmcb->control.exit_int_info = 0;
}

/* What svm_vcpu_enter does before VMRUN. */
static void begin(struct fixture *f)
{
    f->vmcb->save.rflags = f->page->rflags;
    svm_event_prepare(f->svm);
}

static void plain_exits_have_their_kind(void **state)
{
    static const struct {
        uint64_t code;
        enum virt_exit_kind kind;
        uint32_t intercept, detail;
    } cases[] = {
        { 0x00, VIRT_EXIT_DECODE, VCPU_INTERCEPT_CR_READ, 0 },
        { 0x04, VIRT_EXIT_DECODE, VCPU_INTERCEPT_CR_READ, 4 },
        { 0x14, VIRT_EXIT_DECODE, VCPU_INTERCEPT_CR_WRITE, 4 },
        { 0x18, VIRT_EXIT_DECODE, VCPU_INTERCEPT_CR_WRITE, 8 },
        { 0x65, VIRT_EXIT_DECODE, VCPU_INTERCEPT_CR_WRITE, 0 },
        { 0x27, VIRT_EXIT_DECODE, VCPU_INTERCEPT_DR, 7 },
        { 0x76, VIRT_EXIT_DECODE, VCPU_INTERCEPT_INVD, ~0u },
        { 0x89, VIRT_EXIT_DECODE, VCPU_INTERCEPT_WBINVD, ~0u },
        { 0x8A, VIRT_EXIT_DECODE, VCPU_INTERCEPT_MONITOR, ~0u },
        { 0x8C, VIRT_EXIT_DECODE, VCPU_INTERCEPT_MWAIT, ~0u },
        { 0x80, VIRT_EXIT_DECODE, VCPU_INTERCEPT_INVALID_INSTRUCTION, ~0u },
        { 0x86, VIRT_EXIT_DECODE, VCPU_INTERCEPT_INVALID_INSTRUCTION, ~0u },
        { 0x60, VIRT_EXIT_INTERRUPT, ~0u, ~0u },
        { 0x61, VIRT_EXIT_NMI, ~0u, ~0u },
        { 0x72, VIRT_EXIT_CPUID, ~0u, ~0u },
        { 0x78, VIRT_EXIT_HLT, ~0u, ~0u },
        { 0x7F, VIRT_EXIT_TRIPLE_FAULT, ~0u, ~0u },
        { 0x81, VIRT_EXIT_HYPERCALL, ~0u, ~0u },
        { 0x8D, VIRT_EXIT_XSETBV, ~0u, ~0u },
        { 0x52, VIRT_EXIT_MACHINE_CHECK, ~0u, ~0u },
        { 0x62, VIRT_EXIT_INVALID_STATE, ~0u, 0x62 }, /* nobody asked for it */
        { UINT64_C(0xFFFFFFFF), VIRT_EXIT_INVALID_STATE, ~0u, 0xFFFFFFFF },
        { ~UINT64_C(0), VIRT_EXIT_INVALID_STATE, ~0u, 0xFFFFFFFF },
    };
    struct fixture *f = *state;
    struct virt_exit exit;

    f->svm->cpu = &svm_cpus[0];
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        end(f, cases[i].code, 0, 0, &exit);
        assert_int_equal(exit.kind, cases[i].kind);
        if (cases[i].intercept != ~0u)
            assert_int_equal(exit.intercept, cases[i].intercept);
        if (cases[i].detail != ~0u)
            assert_int_equal(exit.detail, cases[i].detail);
    }
}

static void exits_with_operands_carry_them(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;

    f->vmcb->save.rip = 0x1000;
    end(f, 0x7B, 0x03F80000 | 1 << 4 | 1, 0x1001, &exit);
    assert_int_equal(exit.kind, VIRT_EXIT_IO);
    assert_int_equal(exit.io.port, 0x3F8);
    assert_int_equal(exit.io.size_bytes, 1);
    assert_int_equal(exit.io.flags, VCPU_IO_IN);
    assert_int_equal(exit.next_rip, 0x1001);
    assert_int_equal(exit.length, 1);
    end(f, 0x7B, 0x01700000 | 1 << 9 | 1 << 5 | 1 << 3 | 1 << 2, 0x1003, &exit);
    assert_int_equal(exit.io.size_bytes, 2);
    assert_int_equal(exit.io.flags, VCPU_IO_STRING | VCPU_IO_REP);
    assert_int_equal(exit.io.address_bits, 64);
    assert_int_equal(exit.io.segment, 0xFF);

    end(f, 0x7C, 1, 0, &exit);
    assert_int_equal(exit.kind, VIRT_EXIT_WRMSR);
    end(f, 0x7C, 0, 0, &exit);
    assert_int_equal(exit.kind, VIRT_EXIT_RDMSR);

    f->vmcb->control.next_rip = 0x1005; /* means nothing here */
    end(f, 0x400, UINT64_C(0x200000003), 0xFEC00010, &exit);
    assert_int_equal(exit.kind, VIRT_EXIT_MEMORY);
    assert_int_equal(exit.memory.address, 0xFEC00010);
    assert_int_equal(exit.memory.flags, VCPU_MEMORY_WRITE | VCPU_MEMORY_PRESENT | VCPU_MEMORY_TABLE);
    assert_int_equal(exit.next_rip, 0);

    end(f, 0x51, 0, 0, &exit);
    assert_int_equal(exit.kind, VIRT_EXIT_EXCEPTION);
    assert_int_equal(exit.vector, VECTOR_AC);
    assert_true(exit.has_error_code);

    end(f, 0x72, 0, 0, &exit);
    assert_int_equal(exit.length, 5); /* of a processor that saves the next RIP */
}

static void task_switches_tell_their_source(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;

    end(f, 0x7D, 0x28, TASK_IRET, &exit);
    assert_int_equal(exit.task.source, 1);
    end(f, 0x7D, 0x28, TASK_JUMP, &exit);
    assert_int_equal(exit.task.source, 2);
    end(f, 0x7D, 0x28, 0, &exit);
    assert_int_equal(exit.task.source, 0);
    f->vmcb->control.exit_int_info = EVENT_VALID | 0x30A;
    end(f, 0x7D, 0x28, TASK_ERROR_CODE | 0x77, &exit);
    assert_int_equal(exit.task.source, 3);
    assert_int_equal(exit.task.selector, 0x28);
    assert_true(exit.has_error_code);
    assert_int_equal(exit.error_code, 0x77);
    assert_int_equal(f->vmcb->control.event_injection, 0); /* the switch is the event's delivery */
}

static uint64_t after_interrupted(struct fixture *f, uint64_t event)
{
    struct virt_exit exit;

    f->vmcb->control.exit_int_info = event;
    end(f, VMEXIT_NPF, 0, 0x1000, &exit);
    return f->vmcb->control.event_injection;
}

static void an_interrupted_event_is_queued_again(void **state)
{
    struct fixture *f = *state;
    const uint64_t error = EVENT_ERROR_VALID | UINT64_C(2) << 32;

    assert_int_equal(after_interrupted(f, EVENT_VALID | 0x40), EVENT_VALID | 0x40);
    assert_int_equal(after_interrupted(f, EVENT_VALID | 0x202), EVENT_VALID | 0x202);
    assert_int_equal(after_interrupted(f, EVENT_VALID | 0x30E | error), EVENT_VALID | 0x30E | error);
    assert_int_equal(after_interrupted(f, EVENT_VALID | 0x480), 0); /* INT 80h, INT3, INTO: run again */
    assert_int_equal(after_interrupted(f, EVENT_VALID | 0x303), 0);
    assert_int_equal(after_interrupted(f, EVENT_VALID | 0x304), 0);
    assert_int_equal(after_interrupted(f, 0x40), 0);
}

static void an_exception_lets_no_interrupt_be_lost(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;

    f->page->rflags = RFLAGS_FIXED | RFLAGS_IF;
    f->vmcb->control.exit_int_info = EVENT_VALID | 0x40;
    end(f, 0x51, 0, 0, &exit);
    svm_vcpu_inject(&f->vcpu, VCPU_EVENT_EXCEPTION, VECTOR_AC, true, 0);
    assert_int_equal(f->vmcb->control.event_injection, EVENT_VALID | EVENT_ERROR_VALID | 0x311);
    assert_int_equal(f->vcpu.deferred_type, VCPU_EVENT_INTERRUPT);
    assert_int_equal(f->vcpu.deferred_vector, 0x40);
    assert_true(f->vcpu.window);
    svm_vcpu_inject(&f->vcpu, VCPU_EVENT_EXCEPTION, VECTOR_DF, true, 0);
    assert_int_equal(f->vcpu.deferred_type, VCPU_EVENT_INTERRUPT); /* exceptions alone are forgotten */
}

/* Nothing blocks it before the guest takes it: the exception's IRET would end that too early. */
static void an_nmi_that_an_exception_defers_does_not_block_itself(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;

    svm_vcpu_inject(&f->vcpu, VCPU_EVENT_NMI, VECTOR_NMI, false, 0);
    f->vmcb->control.exit_int_info = EVENT_VALID | 0x202;
    end(f, 0x51, 0, 0, &exit);
    svm_vcpu_inject(&f->vcpu, VCPU_EVENT_EXCEPTION, VECTOR_AC, true, 0);
    assert_int_equal(f->vcpu.deferred_type, VCPU_EVENT_NMI);
    assert_false(f->vmcb->control.intercept_1 & INTERCEPT_IRET);
    f->vmcb->control.exit_int_info = 0;
    end(f, VMEXIT_CPUID, 0, 0, &exit);
    assert_true(svm_vcpu_interruptible(&f->vcpu, true));
    svm_vcpu_inject(&f->vcpu, VCPU_EVENT_NMI, VECTOR_NMI, false, 0);
    assert_true(f->vmcb->control.intercept_1 & INTERCEPT_IRET);
}

static void what_can_be_interrupted_depends_on_flag_shadow_and_queue(void **state)
{
    struct fixture *f = *state;

    f->page->rflags = RFLAGS_FIXED;
    assert_false(svm_vcpu_interruptible(&f->vcpu, false));
    assert_true(svm_vcpu_interruptible(&f->vcpu, true));
    f->page->rflags |= RFLAGS_IF;
    assert_true(svm_vcpu_interruptible(&f->vcpu, false));
    f->vmcb->control.interrupt_state = INTERRUPT_SHADOW;
    assert_false(svm_vcpu_interruptible(&f->vcpu, false));
    assert_false(svm_vcpu_interruptible(&f->vcpu, true));
    svm_vcpu_advance(&f->vcpu, 0x1234);
    assert_int_equal(f->page->rip, 0x1234);
    assert_true(svm_vcpu_interruptible(&f->vcpu, false));
    svm_vcpu_inject(&f->vcpu, VCPU_EVENT_INTERRUPT, 0x40, false, 0);
    assert_false(svm_vcpu_interruptible(&f->vcpu, false));
    assert_false(svm_vcpu_interruptible(&f->vcpu, true));
}

static void a_window_is_armed_as_long_as_it_is_wished(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;

    svm_vcpu_window(&f->vcpu, true, false, 0);
    begin(f);
    assert_int_equal(f->vmcb->control.v_pending, V_IRQ);
    assert_true(f->vmcb->control.v_priority & V_IGN_TPR);
    assert_true(f->vmcb->control.intercept_1 & INTERCEPT_VINTR);
    f->vmcb->control.v_pending = 0; /* lost at an exit for something else */
    begin(f);
    assert_int_equal(f->vmcb->control.v_pending, V_IRQ);
    end(f, VMEXIT_VINTR, 0, 0, &exit);
    assert_int_equal(exit.kind, VIRT_EXIT_WINDOW);
    svm_vcpu_window(&f->vcpu, false, false, 0);
    assert_int_equal(f->vmcb->control.v_pending, 0);
    assert_int_equal(f->svm->special, 0);
    svm_vcpu_window(&f->vcpu, false, true, 0);
    begin(f);
    assert_int_equal(f->vmcb->control.v_pending, V_IRQ);
    end(f, VMEXIT_VINTR, 0, 0, &exit);
    assert_int_equal(exit.kind, VIRT_EXIT_WINDOW);
    svm_vcpu_window(&f->vcpu, false, false, 5); /* an interrupt of class 5 waits for the guest's TPR */
    assert_true(f->vmcb->control.intercept_cr_write & INTERCEPT_CR8);
    assert_int_equal(f->svm->special, 0);
    svm_vcpu_window(&f->vcpu, false, false, 0);
    assert_false(f->vmcb->control.intercept_cr_write & INTERCEPT_CR8);
}

static void an_emulated_instruction_ends_with_the_trap_of_a_single_step(void **state)
{
    struct fixture *f = *state;

    f->page->rflags = RFLAGS_FIXED | RFLAGS_TF;
    svm_vcpu_advance(&f->vcpu, 0x2000);
    assert_false(svm_vcpu_interruptible(&f->vcpu, true));
    begin(f);
    assert_int_equal(f->vmcb->control.event_injection, EVENT_VALID | 0x301);
    assert_true(f->vmcb->save.dr6 & DR6_BS);
    assert_int_equal(f->svm->special, 0);
}

/* An NMI is injected and its handler comes to IRET. */
static void run_to_iret(struct fixture *f, struct virt_exit *exit)
{
    f->page->rflags = RFLAGS_FIXED;
    svm_vcpu_inject(&f->vcpu, VCPU_EVENT_NMI, VECTOR_NMI, false, 0);
    assert_true(f->vmcb->control.intercept_1 & INTERCEPT_IRET);
    end(f, VMEXIT_CPUID, 0, 0, exit);
    assert_false(svm_vcpu_interruptible(&f->vcpu, true));
    svm_vcpu_window(&f->vcpu, true, true, 0);
    f->vmcb->save.rip = 0x5000;
    end(f, VMEXIT_IRET, 0, 0, exit);
    assert_int_equal(exit->kind, VIRT_EXIT_WINDOW);
    begin(f);
    assert_true(f->vmcb->save.rflags & RFLAGS_TF);
    assert_int_equal(f->vmcb->control.intercept_exceptions, UINT32_MAX);
    assert_int_equal(f->vmcb->control.v_pending, 0);
    assert_false(svm_vcpu_interruptible(&f->vcpu, true));
}

static void nmis_are_blocked_until_iret_is_done_and_the_step_is_hidden(void **state)
{
    struct fixture *f = *state;
    uint64_t dr6 = f->vmcb->save.dr6;
    struct virt_exit exit;

    run_to_iret(f, &exit);
    end(f, VMEXIT_INTR, 0, 0, &exit); /* a physical interrupt comes first: nothing shows */
    assert_int_equal(exit.kind, VIRT_EXIT_INTERRUPT);
    assert_false(f->page->rflags & RFLAGS_TF);
    begin(f);
    assert_true(f->vmcb->save.rflags & RFLAGS_TF);

    f->vmcb->save.rip = 0x9000;
    f->vmcb->save.rflags = RFLAGS_FIXED | RFLAGS_IF;
    f->vmcb->save.dr6 |= DR6_BS;
    end(f, VMEXIT_EXCEPTION + VECTOR_DB, 0, 0, &exit);
    assert_int_equal(exit.kind, VIRT_EXIT_WINDOW);
    assert_int_equal(f->vmcb->save.dr6, dr6);
    assert_int_equal(f->page->rflags, RFLAGS_FIXED | RFLAGS_IF);
    assert_int_equal(f->vmcb->control.event_injection, 0);
    assert_int_equal(f->vmcb->control.intercept_exceptions, SVM_EXCEPTIONS);
    assert_false(f->vmcb->control.intercept_1 & INTERCEPT_IRET);
    assert_true(svm_vcpu_interruptible(&f->vcpu, true));
    begin(f);
    assert_int_equal(f->vmcb->control.v_pending, V_IRQ); /* the wish for an interrupt stands */
}

/* What the kernel does with an exception. */
static void pass_on(struct fixture *f, const struct virt_exit *exit)
{
    assert_int_equal(exit->kind, VIRT_EXIT_EXCEPTION);
    svm_vcpu_inject(&f->vcpu, VCPU_EVENT_EXCEPTION, exit->vector, exit->has_error_code, exit->error_code);
}

static void an_iret_that_faults_ends_the_blocking_and_the_guest_gets_its_fault(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;

    run_to_iret(f, &exit);
    end(f, VMEXIT_EXCEPTION + VECTOR_PF, 4, 0xBAD000, &exit);
    pass_on(f, &exit);
    assert_int_equal(f->vmcb->control.event_injection, EVENT_VALID | EVENT_ERROR_VALID | 0x30E | UINT64_C(4) << 32);
    assert_int_equal(f->vmcb->save.cr2, 0xBAD000);
    assert_false(f->page->rflags & RFLAGS_TF);
    assert_false(f->svm->nmi_blocked);
}

static void a_guest_that_steps_over_its_iret_gets_its_own_trap(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;

    f->vmcb->save.rflags = RFLAGS_FIXED | RFLAGS_TF;
    svm_vcpu_inject(&f->vcpu, VCPU_EVENT_NMI, VECTOR_NMI, false, 0);
    f->vmcb->save.rip = 0x5000;
    end(f, VMEXIT_IRET, 0, 0, &exit);
    assert_int_equal(exit.kind, VIRT_EXIT_WINDOW);
    begin(f);
    f->vmcb->save.rip = 0x9000;
    f->vmcb->save.dr6 |= DR6_BS;
    end(f, VMEXIT_EXCEPTION + VECTOR_DB, 0, 0, &exit);
    pass_on(f, &exit);
    assert_int_equal(f->vmcb->control.event_injection, EVENT_VALID | 0x301);
    assert_true(f->vmcb->save.dr6 & DR6_BS);
}

/* A physical interrupt ends the slice between STI and the next instruction. */
static void interrupt_in_shadow(struct fixture *f, struct virt_exit *exit)
{
    svm_host.is_tcg = true;
    f->page->rflags = RFLAGS_FIXED | RFLAGS_IF;
    begin(f);
    f->vmcb->save.rip = 0x5000;
    f->vmcb->control.interrupt_state = INTERRUPT_SHADOW;
    end(f, VMEXIT_INTR, 0, 0, exit);
    assert_int_equal(exit->kind, VIRT_EXIT_INTERRUPT);
    f->vmcb->control.interrupt_state = 0; /* as the next exit would say where the shadow is lost */
}

static void a_shadow_that_an_entry_would_lose_is_stepped_over(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;

    interrupt_in_shadow(f, &exit);
    assert_false(f->page->rflags & RFLAGS_TF);
    assert_false(svm_vcpu_interruptible(&f->vcpu, false));
    svm_vcpu_window(&f->vcpu, true, false, 0);
    assert_int_equal(f->vmcb->control.v_pending, 0);
    begin(f);
    assert_true(f->vmcb->save.rflags & RFLAGS_TF);
    end(f, VMEXIT_INTR, 0, 0, &exit); /* another one before the instruction */
    assert_false(svm_vcpu_interruptible(&f->vcpu, false));

    begin(f);
    f->vmcb->save.rip = 0x5001;
    f->vmcb->save.dr6 |= DR6_BS;
    end(f, VMEXIT_EXCEPTION + VECTOR_DB, 0, 0, &exit);
    assert_int_equal(exit.kind, VIRT_EXIT_WINDOW);
    assert_int_equal(f->page->rflags, RFLAGS_FIXED | RFLAGS_IF);
    assert_false(f->vmcb->save.dr6 & DR6_BS);
    assert_true(svm_vcpu_interruptible(&f->vcpu, false));
    begin(f);
    assert_int_equal(f->vmcb->control.v_pending, V_IRQ);
}

static void hlt_and_pushf_in_a_stepped_shadow_end_the_step(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;

    interrupt_in_shadow(f, &exit);
    begin(f);
    end(f, VMEXIT_HLT, 0, 0, &exit);
    assert_int_equal(exit.kind, VIRT_EXIT_HLT);
    assert_int_equal(f->page->rflags, RFLAGS_FIXED | RFLAGS_IF);
    svm_vcpu_advance(&f->vcpu, 0x5001);
    assert_true(svm_vcpu_interruptible(&f->vcpu, false));
    assert_int_equal(f->vmcb->control.intercept_exceptions, SVM_EXCEPTIONS);

    interrupt_in_shadow(f, &exit);
    assert_true(f->vmcb->control.intercept_1 & INTERCEPT_PUSHF);
    begin(f);
    end(f, VMEXIT_PUSHF, 0, 0, &exit);
    assert_int_equal(exit.kind, VIRT_EXIT_WINDOW);
    assert_int_equal(f->page->rflags, RFLAGS_FIXED | RFLAGS_IF);
    assert_false(f->vmcb->control.intercept_1 & INTERCEPT_PUSHF);
}

static void what_stands_in_a_stepped_shadow_need_not_be_tame(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;

    interrupt_in_shadow(f, &exit);
    begin(f);
    f->vmcb->save.dr6 |= DR6_BS; /* a jump to itself */
    end(f, VMEXIT_EXCEPTION + VECTOR_DB, 0, 0, &exit);
    assert_int_equal(exit.kind, VIRT_EXIT_WINDOW);
    assert_int_equal(f->page->rflags, RFLAGS_FIXED | RFLAGS_IF);

    interrupt_in_shadow(f, &exit);
    begin(f);
    end(f, VMEXIT_EXCEPTION + VECTOR_BP, 0, 0, &exit); /* INT3 is run again, without the step */
    assert_int_equal(exit.kind, VIRT_EXIT_WINDOW);
    assert_int_equal(f->vmcb->control.intercept_exceptions, SVM_EXCEPTIONS);

    interrupt_in_shadow(f, &exit);
    begin(f);
    f->vmcb->save.dr6 |= DR6_BS | 1; /* its own breakpoint, too */
    end(f, VMEXIT_EXCEPTION + VECTOR_DB, 0, 0, &exit);
    assert_int_equal(exit.kind, VIRT_EXIT_EXCEPTION);
    assert_int_equal(f->vmcb->save.dr6, DR6_FIXED | 1);

    interrupt_in_shadow(f, &exit);
    begin(f);
    end(f, VMEXIT_NPF, 0, 0xFEC00000, &exit); /* a device register: the VMM needs TF and DR6 as the guest has them */
    assert_int_equal(f->page->rflags, RFLAGS_FIXED | RFLAGS_IF);
    assert_int_equal(f->vmcb->save.dr6, DR6_FIXED | 1);
    assert_false(svm_vcpu_interruptible(&f->vcpu, false));
    svm_vcpu_advance(&f->vcpu, 0x5002);
    assert_true(svm_vcpu_interruptible(&f->vcpu, false));
}

static void a_processor_that_keeps_the_shadow_is_not_stepped(void **state)
{
    struct fixture *f = *state;
    struct virt_exit exit;

    interrupt_in_shadow(f, &exit);
    svm_step_end(f->svm);
    svm_host.is_tcg = false;
    f->vmcb->control.interrupt_state = INTERRUPT_SHADOW;
    begin(f);
    end(f, VMEXIT_INTR, 0, 0, &exit);
    assert_int_equal(f->svm->special & SPECIAL_STEP, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SVM_TEST(plain_exits_have_their_kind),
        SVM_TEST(exits_with_operands_carry_them),
        SVM_TEST(task_switches_tell_their_source),
        SVM_TEST(an_interrupted_event_is_queued_again),
        SVM_TEST(an_exception_lets_no_interrupt_be_lost),
        SVM_TEST(an_nmi_that_an_exception_defers_does_not_block_itself),
        SVM_TEST(what_can_be_interrupted_depends_on_flag_shadow_and_queue),
        SVM_TEST(a_window_is_armed_as_long_as_it_is_wished),
        SVM_TEST(an_emulated_instruction_ends_with_the_trap_of_a_single_step),
        SVM_TEST(nmis_are_blocked_until_iret_is_done_and_the_step_is_hidden),
        SVM_TEST(an_iret_that_faults_ends_the_blocking_and_the_guest_gets_its_fault),
        SVM_TEST(a_guest_that_steps_over_its_iret_gets_its_own_trap),
        SVM_TEST(a_shadow_that_an_entry_would_lose_is_stepped_over),
        SVM_TEST(hlt_and_pushf_in_a_stepped_shadow_end_the_step),
        SVM_TEST(what_stands_in_a_stepped_shadow_need_not_be_tame),
        SVM_TEST(a_processor_that_keeps_the_shadow_is_not_stepped),
    };

    fixture_filter();
    return cmocka_run_group_tests_name("svm exit", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: kernel/object.c kernel/object_table.c kernel/account.c kernel/domain.c kernel/memory.c kernel/mapping.c kernel/notification.c
 * kernel/thread.c kernel/timer.c kernel/time.c kernel/fake/fake_system.c kernel/vm.c kernel/doorbell.c kernel/vcpu.c
 * kernel/fake/fake_vcpu_run.c kernel/vcpu_exit.c kernel/vlapic.c kernel/irq.c kernel/frames.c kernel/pool.c kernel/pagetable.c
 * kernel/pagetable_formats_table.c kernel/sched.c kernel/heap.c kernel/cap.c kernel/fake/fake_machine.c
 * kernel/fake/fake_memory.c kernel/fake/fake_allocation.c kernel/fake/fake_virt.c kernel/fake/fake_xstate.c
 * kernel/fake/fake_assert.c kernel/fake/fake_pool.c kernel/fake/fake_random.c */
/* test_vcpu_exit.c: exits that the kernel serves itself, and what it leaves to the VMM. */
#include <stdio.h>
#include <unistd.h>

#include "abi/hypercall.h"
#include "kernel/x86.h"
#include "kernel/xstate.h"
#include "kernel_fixture.h"

#define RIP UINT64_C(0x1000)

static struct vm *vm;
static struct vcpu *vcpu;
static struct fake_vcpu *fake;
static struct thread *thread;
static struct notification *events;

static const struct vm_cpuid_entry leaves[] = {
    { .leaf = 0x0, .eax = 0xd, .ebx = 1, .ecx = 2, .edx = 3 },
    { .leaf = 0x1, .eax = 0x306c3, .ebx = 0xff001234, .ecx = 0xffffffff, .edx = 0xffffffff },
    { .leaf = 0xb, .subleaf = 0, .flags = VM_CPUID_SUBLEAF, .eax = 1, .edx = 99 },
    { .leaf = 0xd, .subleaf = 0, .flags = VM_CPUID_SUBLEAF, .eax = 7, .ebx = 1 },
    { .leaf = 0xd, .subleaf = 1, .flags = VM_CPUID_SUBLEAF, .eax = 0, .ebx = 55 },
    { .leaf = 0x8000001e, .eax = 99 },
};
static const struct vm_msr_entry msrs[] = {
    { 0x1a0, VM_MSR_FIXED, UINT64_C(0x1122334455667788) },
    { 0x2ff, VM_MSR_REFUSED, 1 },
    { 0x4b564d00, VM_MSR_TO_VMM, 2 },
    { 0xc0010015, VM_MSR_WRITE_IGNORED, 3 },
};

/* A VM with a vCPU of index 3; a thread of the domain on CPU 0 holds it. */
static void begin(void)
{
    struct domain *domain = fake_domain(fake_root);

    events = new_notification();
    vm = new_vm(events);
    assert_int_equal(vm_policy_cpuid(vm, 0, ARRAY_SIZE(leaves), leaves), CL_OK);
    assert_int_equal(vm_policy_msr(vm, 0, ARRAY_SIZE(msrs), msrs), CL_OK);
    assert_int_equal(vcpu_create(vm, fake_root, 3, VCPU_APIC_AUTO, domain, 0x700000, &vcpu), CL_OK);
    fake = fake_vcpu(vcpu);
    thread = fake_thread(domain, fake_root, 0x600000, 0);
    fake_thread_run(thread);
    assert_int_equal(vcpu_hold(vcpu, thread), CL_OK);
    vcpu->page->rip = RIP;
}

static int give_up(void **state)
{
    vcpu_release(vcpu);
    return power_off_clean(state);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, power_on, give_up)

static enum vcpu_exit_reason take(enum virt_exit_kind kind, uint8_t length)
{
    struct virt_exit exit = { .kind = kind, .length = length };

    return vcpu_handle_exit(vcpu, &exit);
}

static void expect_gp(void)
{
    assert_int_equal(fake->injected, 1);
    assert_int_equal(fake->event[0].type, VCPU_EVENT_EXCEPTION);
    assert_int_equal(fake->event[0].vector, VECTOR_GP);
    assert_true(fake->event[0].has_error);
    assert_int_equal(fake->event[0].error, 0);
    assert_int_equal(fake->advances, 0);
    fake->injected = 0;
}

static void expect_advance(unsigned length)
{
    assert_int_equal(fake->injected, 0);
    assert_int_equal(fake->advances, 1);
    assert_int_equal(fake->advanced_to, RIP + length);
    fake->advances = 0;
    vcpu->page->rip = RIP;
}

static void cpuid(uint32_t leaf, uint32_t subleaf)
{
    vcpu->page->gpr[GPR_RAX] = UINT64_C(0xaaaaaaaa00000000) | leaf;
    vcpu->page->gpr[GPR_RCX] = UINT64_C(0xcccccccc00000000) | subleaf;
    vcpu->page->gpr[GPR_RBX] = vcpu->page->gpr[GPR_RDX] = UINT64_MAX;
    assert_int_equal(take(VIRT_EXIT_CPUID, 2), VCPU_EXIT_NONE);
    expect_advance(2);
}

static void expect_registers(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    assert_int_equal(vcpu->page->gpr[GPR_RAX], a);
    assert_int_equal(vcpu->page->gpr[GPR_RBX], b);
    assert_int_equal(vcpu->page->gpr[GPR_RCX], c);
    assert_int_equal(vcpu->page->gpr[GPR_RDX], d);
}

static void cpuid_gives_the_policys_words_and_clears_the_upper_halves(void **state)
{
    (void)state;
    begin();
    cpuid(0, 0);
    expect_registers(0xd, 1, 2, 3);
    assert_int_equal(vcpu->page->count_cpuid, 1);
}

static void cpuid_of_a_leaf_that_is_not_there_is_zero(void **state)
{
    static const uint32_t absent[] = { 2, 0x1f, 0x40000000, 0x80000000, 0xc0000000, UINT32_MAX };

    (void)state;
    begin();
    for (unsigned i = 0; i < ARRAY_SIZE(absent); i++) {
        cpuid(absent[i], 0);
        expect_registers(0, 0, 0, 0);
    }
    cpuid(0xd, 2);
    expect_registers(0, 0, 0, 0);
}

static void cpuid_shows_the_apic_id_of_the_vcpu(void **state)
{
    (void)state;
    begin();
    cpuid(1, 0);
    assert_int_equal(vcpu->page->gpr[GPR_RBX], 0x03001234);
    cpuid(0xb, 0);
    assert_int_equal(vcpu->page->gpr[GPR_RDX], 3);
    cpuid(0x8000001e, 0);
    assert_int_equal(vcpu->page->gpr[GPR_RAX], 3);
}

static void cpuid_shows_osxsave_as_cr4_has_it(void **state)
{
    (void)state;
    begin();
    for (unsigned on = 0; on < 2; on++) {
        fake->cr4 = on != 0 ? CR4_OSXSAVE | CR4_PAE : CR4_PAE;
        assert_int_equal(vcpu_set_groups(vcpu, VCPU_GROUP_CONTROL), CL_OK);
        cpuid(1, 0);
        assert_int_equal(vcpu->page->gpr[GPR_RCX] >> 27 & 1, on);
    }
}

static void cpuid_hides_an_apic_that_is_switched_off(void **state)
{
    (void)state;
    begin();
    cpuid(1, 0);
    assert_int_equal(vcpu->page->gpr[GPR_RDX] >> 9 & 1, 1);
    vcpu->lapic.apic_base &= ~VLAPIC_BASE_ENABLE;
    cpuid(1, 0);
    assert_int_equal(vcpu->page->gpr[GPR_RDX] >> 9 & 1, 0);
}

static void cpuid_gives_the_size_that_the_cpu_knows_for_xcr0(void **state)
{
    (void)state;
    begin();
    cpuid(0xd, 0);
    assert_int_equal(vcpu->page->gpr[GPR_RBX], x86_cpuid(0xd, 0).ebx);
    cpuid(0xd, 1);
    assert_int_equal(vcpu->page->gpr[GPR_RBX], 55);
}

static void an_instruction_without_a_length_has_that_of_its_plain_form(void **state)
{
    (void)state;
    begin();
    assert_int_equal(take(VIRT_EXIT_CPUID, 0), VCPU_EXIT_NONE);
    expect_advance(2);
    assert_int_equal(take(VIRT_EXIT_CPUID, 4), VCPU_EXIT_NONE);
    expect_advance(4);
    vcpu->page->gpr[GPR_RAX] = CL_HYPERCALL_NOP;
    assert_int_equal(take(VIRT_EXIT_HYPERCALL, 0), VCPU_EXIT_NONE);
    expect_advance(3);
    assert_int_equal(take(VIRT_EXIT_HLT, 0), VCPU_EXIT_NONE);
    expect_advance(1);
}

static uint64_t read_msr(uint32_t index)
{
    vcpu->page->gpr[GPR_RCX] = UINT64_C(0xdead00000000) | index;
    vcpu->page->gpr[GPR_RAX] = vcpu->page->gpr[GPR_RDX] = UINT64_MAX;
    assert_int_equal(take(VIRT_EXIT_RDMSR, 2), VCPU_EXIT_NONE);
    return vcpu->page->gpr[GPR_RDX] << 32 | vcpu->page->gpr[GPR_RAX];
}

static void write_msr(uint32_t index, uint64_t value)
{
    vcpu->page->gpr[GPR_RCX] = index;
    vcpu->page->gpr[GPR_RAX] = UINT64_C(0xffffffff00000000) | (uint32_t)value; /* the upper halves do not count */
    vcpu->page->gpr[GPR_RDX] = UINT64_C(0xffffffff00000000) | value >> 32;
    assert_int_equal(take(VIRT_EXIT_WRMSR, 2), VCPU_EXIT_NONE);
}

static void a_fixed_msr_reads_its_value_and_cannot_be_written(void **state)
{
    (void)state;
    begin();
    assert_true(read_msr(0x1a0) == UINT64_C(0x1122334455667788));
    expect_advance(2);
    write_msr(0x1a0, 0);
    expect_gp();
}

static void an_msr_with_ignored_writes_takes_them_and_keeps_its_value(void **state)
{
    (void)state;
    begin();
    write_msr(0xc0010015, 77);
    expect_advance(2);
    assert_int_equal(read_msr(0xc0010015), 3);
    expect_advance(2);
}

static void a_refused_and_an_unknown_msr_are_gp(void **state)
{
    static const uint32_t indices[] = { 0x2ff, 0x1234, 0xc0010114, 0x3a, UINT32_MAX };

    (void)state;
    begin();
    for (unsigned i = 0; i < ARRAY_SIZE(indices); i++) {
        (void)read_msr(indices[i]);
        expect_gp();
        write_msr(indices[i], 0);
        expect_gp();
    }
}

static unsigned lines;
static char last_format[160];

__attribute__((format(printf, 1, 2))) void log_line(const char *format, ...)
{
    lines++;
    snprintf(last_format, sizeof(last_format), "%s", format);
}

static void refused_msrs_are_logged_ever_more_rarely(void **state)
{
    (void)state;
    begin();
    lines = 0;
    (void)read_msr(0x1a0);
    fake->advances = 0;
    assert_int_equal(lines, 0);
    for (unsigned i = 0; i < 1000; i++) {
        (void)read_msr(0x1234);
        fake->injected = 0;
    }
    assert_int_equal(lines, 10); /* 1, 2, 4, ... 512 */
    assert_non_null(strstr(last_format, "may not"));
    assert_int_equal(vcpu->msr_refusals, 1000);
}

static void an_msr_of_the_vmm_goes_to_the_vmm(void **state)
{
    (void)state;
    begin();
    vcpu->page->gpr[GPR_RCX] = 0x4b564d00;
    vcpu->page->gpr[GPR_RAX] = 0x89abcdef;
    vcpu->page->gpr[GPR_RDX] = 0x01234567;
    assert_int_equal(take(VIRT_EXIT_WRMSR, 2), VCPU_EXIT_MSR);
    assert_int_equal(vcpu->exit.msr.index, 0x4b564d00);
    assert_int_equal(vcpu->exit.msr.write, 1);
    assert_true(vcpu->exit.msr.value == UINT64_C(0x0123456789abcdef));
    assert_int_equal(vcpu->exit.next_rip, RIP + 2);
    assert_int_equal(take(VIRT_EXIT_RDMSR, 2), VCPU_EXIT_MSR);
    assert_int_equal(vcpu->exit.msr.write, 0);
    assert_int_equal(fake->advances, 0);
    assert_int_equal(fake->injected, 0);
}

static void an_architectural_msr_is_the_backends(void **state)
{
    (void)state;
    begin();
    write_msr(MSR_STAR, UINT64_C(0x0023001000000000));
    expect_advance(2);
    assert_true(read_msr(MSR_STAR) == UINT64_C(0x0023001000000000));
}

static void the_tsc_counts_from_what_the_guest_wrote(void **state)
{
    (void)state;
    begin();
    write_msr(MSR_TSC, 5000);
    expect_advance(2);
    fake_tsc += 123;
    assert_int_equal(read_msr(MSR_TSC), 5123);
    write_msr(MSR_TSC, UINT64_MAX - 10);
    fake_tsc += 20;
    assert_int_equal(read_msr(MSR_TSC), 9);
}

static void the_deadline_of_the_guests_timer_is_armed_in_host_time(void **state)
{
    (void)state;
    begin();
    write_msr(MSR_TSC, 1000);
    vcpu->lapic.apic_base |= VLAPIC_BASE_X2APIC;
    write_msr(0x80f, 0x1ff);         /* software enable */
    write_msr(0x832, 2u << 17 | 50); /* LVT timer: TSC deadline, vector 50 */
    write_msr(MSR_TSC_DEADLINE, 3000);
    assert_int_equal(thread->deadline.node.key, fake_tsc + 2000);
    assert_int_equal(thread->deadline.cpu, 0);
    assert_true((cpus[0].attention & ATTENTION_TIMER) != 0);
    write_msr(MSR_TSC_DEADLINE, 0);
    assert_int_equal(thread->deadline.cpu, UINT32_MAX);
}

static void xsetbv(uint64_t value)
{
    vcpu->page->gpr[GPR_RAX] = (uint32_t)value;
    vcpu->page->gpr[GPR_RDX] = value >> 32;
    assert_int_equal(take(VIRT_EXIT_XSETBV, 3), VCPU_EXIT_NONE);
}

/* SDM Vol. 1 13.3, with a policy and a machine that have x87, SSE and AVX. */
static void xsetbv_takes_what_the_manual_allows(void **state)
{
    (void)state;
    begin();
    for (uint64_t value = 0; value < 0x400; value++) {
        bool legal = value == 1 || value == 3 || value == 7;
        vcpu->xcr0 = 1;
        xsetbv(value);
        if (legal)
            expect_advance(3);
        else
            expect_gp();
        assert_int_equal(vcpu->xcr0, legal ? value : 1);
    }
    xsetbv(UINT64_C(1) << 63 | 1);
    expect_gp();
    xsetbv(UINT64_C(1) << 32 | 1);
    expect_gp();
}

static void xsetbv_needs_register_zero_and_ring_zero(void **state)
{
    (void)state;
    begin();
    vcpu->page->gpr[GPR_RCX] = 1;
    xsetbv(1);
    expect_gp();
    vcpu->page->gpr[GPR_RCX] = 0;
    for (fake->cpl = 1; fake->cpl <= 3; fake->cpl++) {
        xsetbv(3);
        expect_gp();
    }
    fake->cpl = 0;
    xsetbv(3);
    expect_advance(3);
}

static void hypercalls_of_the_kernel_are_answered(void **state)
{
    (void)state;
    begin();
    vcpu->page->gpr[GPR_RAX] = CL_HYPERCALL_NOP;
    assert_int_equal(take(VIRT_EXIT_HYPERCALL, 3), VCPU_EXIT_NONE);
    assert_int_equal(vcpu->page->gpr[GPR_RAX], 0);
    expect_advance(3);
    vcpu->page->gpr[GPR_RAX] = CL_HYPERCALL_IDENTIFY;
    assert_int_equal(take(VIRT_EXIT_HYPERCALL, 3), VCPU_EXIT_NONE);
    assert_int_equal(vcpu->page->gpr[GPR_RAX], CL_HYPERCALL_VERSION);
    expect_advance(3);
}

static void other_hypercalls_go_to_the_vmm_with_their_number(void **state)
{
    static const uint64_t numbers[] = {
        0, 1, 5, CL_HYPERCALL_BASE - 1, CL_HYPERCALL_BASE + 2, UINT64_C(1) << 32 | CL_HYPERCALL_NOP, UINT64_MAX
    };

    (void)state;
    begin();
    for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
        vcpu->page->gpr[GPR_RAX] = numbers[i];
        assert_int_equal(take(VIRT_EXIT_HYPERCALL, 0), VCPU_EXIT_HYPERCALL);
        assert_int_equal(vcpu->exit.next_rip, RIP + 3);
        assert_true(vcpu->page->gpr[GPR_RAX] == numbers[i]);
    }
    assert_int_equal(fake->advances, 0);
}

static enum vcpu_exit_reason io(uint16_t port, uint8_t size, uint8_t flags)
{
    struct virt_exit exit = { .kind = VIRT_EXIT_IO,
                              .next_rip = RIP + 5,
                              .io = { .port = port, .size_bytes = size, .flags = flags } };

    return vcpu_handle_exit(vcpu, &exit);
}

static void a_doorbell_rings_for_its_port_and_width(void **state)
{
    struct notification *target = new_notification();

    (void)state;
    begin();
    assert_int_equal(vm_doorbell_add(vm, 0xc000, 2, target, 9), CL_OK);
    assert_int_equal(io(0xc000, 2, 0), VCPU_EXIT_NONE);
    expect_advance(5);
    assert_int_equal(target->pending, 1 << 9);
    assert_int_equal(vcpu->page->count_doorbell, 1);
    target->pending = 0;
    assert_int_equal(io(0xc000, 1, 0), VCPU_EXIT_IO);
    assert_int_equal(io(0xc000, 4, 0), VCPU_EXIT_IO);
    assert_int_equal(io(0xc001, 2, 0), VCPU_EXIT_IO);
    assert_int_equal(io(0xc000, 2, VCPU_IO_IN), VCPU_EXIT_IO);
    assert_int_equal(io(0xc000, 2, VCPU_IO_STRING | VCPU_IO_REP), VCPU_EXIT_IO);
    assert_int_equal(target->pending, 0);
    assert_int_equal(fake->advances, 0);
    assert_int_equal(vcpu->exit.next_rip, RIP + 5);
    assert_int_equal(vcpu->exit.io.port, 0xc000);
}

static void doorbells_are_added_once_and_removed(void **state)
{
    struct notification *target = new_notification();

    (void)state;
    begin();
    assert_int_equal(vm_doorbell_add(vm, 0x10, 1, target, 0), CL_OK);
    assert_int_equal(vm_doorbell_add(vm, 0x10, 1, target, 1), CL_OCCUPIED);
    assert_int_equal(vm_doorbell_add(vm, 0x10, 2, target, 1), CL_OK);
    assert_int_equal(vm_doorbell_remove(vm, 0x10, 4), CL_NOT_FOUND);
    assert_int_equal(vm_doorbell_remove(vm, 0x10, 1), CL_OK);
    assert_int_equal(vm_doorbell_remove(vm, 0x10, 1), CL_NOT_FOUND);
    assert_false(vm_doorbell_ring(vm, 0x10, 1));
    assert_true(vm_doorbell_ring(vm, 0x10, 2));
    for (unsigned port = 0; port < VM_DOORBELLS_MAX - 1; port++)
        assert_int_equal(vm_doorbell_add(vm, (uint16_t)(0x100 + port), 1, target, 1), CL_OK);
    assert_int_equal(vm_doorbell_add(vm, 0x1000, 1, target, 1), CL_LIMIT);
}

static void hlt_halts_behind_the_instruction(void **state)
{
    (void)state;
    begin();
    vcpu->activity = VCPU_RUNNING;
    assert_int_equal(take(VIRT_EXIT_HLT, 1), VCPU_EXIT_NONE);
    expect_advance(1);
    assert_int_equal(vcpu->activity, VCPU_HALTED);
    assert_int_equal(vcpu->page->count_hlt, 1);
}

static void a_single_step_over_hlt_does_not_halt(void **state)
{
    (void)state;
    begin();
    vcpu->activity = VCPU_RUNNING;
    vcpu->page->rflags |= RFLAGS_TF;
    assert_int_equal(take(VIRT_EXIT_HLT, 1), VCPU_EXIT_NONE);
    expect_advance(1); /* with which the trap is pending */
    assert_int_equal(vcpu->activity, VCPU_RUNNING);
}

static void what_the_vmm_has_to_see_reaches_it_whole(void **state)
{
    struct virt_exit memory = { .kind = VIRT_EXIT_MEMORY,
                                .memory = { .address = 0xfee00020, .flags = VCPU_MEMORY_WRITE } };
    struct virt_exit decode = {
        .kind = VIRT_EXIT_DECODE, .intercept = VCPU_INTERCEPT_CR_WRITE, .detail = 4, .next_rip = 7
    };
    struct virt_exit task = { .kind = VIRT_EXIT_TASK_SWITCH,
                              .task = { .selector = 0x28, .source = 3 },
                              .has_error_code = true,
                              .error_code = 5 };

    (void)state;
    begin();
    assert_int_equal(vcpu_handle_exit(vcpu, &memory), VCPU_EXIT_MEMORY);
    assert_int_equal(vcpu->exit.memory.address, 0xfee00020);
    assert_int_equal(vcpu->exit.memory.flags, VCPU_MEMORY_WRITE);
    assert_int_equal(vcpu_handle_exit(vcpu, &decode), VCPU_EXIT_DECODE);
    assert_int_equal(vcpu->exit.decode.intercept, VCPU_INTERCEPT_CR_WRITE);
    assert_int_equal(vcpu->exit.decode.detail, 4);
    assert_int_equal(vcpu->exit.next_rip, 7);
    assert_int_equal(vcpu_handle_exit(vcpu, &task), VCPU_EXIT_TASK_SWITCH);
    assert_int_equal(vcpu->exit.task.selector, 0x28);
    assert_int_equal(vcpu->exit.task.source, 3);
    assert_int_equal(vcpu->exit.task.error_code, 5);
    assert_int_equal(take(VIRT_EXIT_TRIPLE_FAULT, 0), VCPU_EXIT_TRIPLE_FAULT);
    fake_audits = 0;
    assert_int_equal(take(VIRT_EXIT_INVALID_STATE, 0), VCPU_EXIT_INVALID_STATE);
    assert_int_equal(fake_audits, 1);
}

static void a_caught_exception_is_the_guests(void **state)
{
    struct virt_exit exit = { .kind = VIRT_EXIT_EXCEPTION, .vector = VECTOR_AC, .has_error_code = true };

    (void)state;
    begin();
    assert_int_equal(vcpu_handle_exit(vcpu, &exit), VCPU_EXIT_NONE);
    assert_int_equal(fake->injected, 1);
    assert_int_equal(fake->event[0].vector, VECTOR_AC);
    assert_true(fake->event[0].has_error);
}

static void windows_and_interrupts_only_go_round_the_loop(void **state)
{
    static const enum virt_exit_kind kinds[] = { VIRT_EXIT_INTERRUPT, VIRT_EXIT_NMI, VIRT_EXIT_WINDOW, VIRT_EXIT_INIT };

    (void)state;
    begin();
    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++)
        assert_int_equal(take(kinds[i], 0), VCPU_EXIT_NONE);
    assert_int_equal(fake->advances, 0);
    assert_int_equal(fake->injected, 0);
}

static void a_machine_check_is_the_end(void **state)
{
    (void)state;
    begin();
    assert_true(FAKE_PANICS((void)take(VIRT_EXIT_MACHINE_CHECK, 0)));
}

static void an_eoi_of_a_level_vector_is_told_to_the_vmm(void **state)
{
    struct vlapic_access access = { .bits = VLAPIC_ENDS, .vector = 0x51 };

    (void)state;
    begin();
    vcpu_apic_accessed(vcpu, &access);
    assert_int_equal(vm->eoi[1], UINT64_C(1) << 0x11);
    assert_int_equal(events->pending, 1 << 7);
}

static void a_processor_that_ends_a_level_interrupt_tells_the_vmm(void **state)
{
    struct virt_exit exit = { .kind = VIRT_EXIT_EOI, .vector = 0x51 };

    (void)state;
    begin();
    assert_int_equal(vcpu_handle_exit(vcpu, &exit), VCPU_EXIT_NONE);
    assert_int_equal(vm->eoi[1], UINT64_C(1) << 0x11);
    assert_int_equal(events->pending, 1 << 7);
}

static void an_illegal_ipi_to_itself_is_the_guests_error(void **state)
{
    struct virt_exit exit = { .kind = VIRT_EXIT_SELF_IPI, .vector = 9 };

    (void)state;
    begin();
    vcpu->lapic.apic_base |= VLAPIC_BASE_X2APIC;
    assert_int_equal(vcpu_handle_exit(vcpu, &exit), VCPU_EXIT_NONE);
    assert_int_equal(vcpu->lapic.esr_collected, 1 << 5); /* send illegal vector: SDM Vol. 3A 11.5.3 */
}

/* Elsewhere the VMM would have nothing to do but to run the guest again. */
static void code_in_a_large_page_is_made_small_without_the_vmm(void **state)
{
    struct virt_exit fetch = { .kind = VIRT_EXIT_MEMORY,
                               .memory = { .address = LARGE_SIZE + 0x123,
                                           .flags = VCPU_MEMORY_FETCH | VCPU_MEMORY_PRESENT } };
    struct memory *memory = new_memory(512, MEMORY_LARGE);
    struct pt_leaf leaf;
    uint64_t done;

    (void)state;
    begin();
    pt_small_code = true;
    while (memory_map(memory, &vm->space, 0, LARGE_SIZE, LARGE_SIZE, PT_READ | PT_EXECUTE, &done) != CL_OK)
        ;
    fetch.memory.flags = VCPU_MEMORY_PRESENT | VCPU_MEMORY_WRITE;
    assert_int_equal(vcpu_handle_exit(vcpu, &fetch), VCPU_EXIT_MEMORY);
    fetch.memory.flags = VCPU_MEMORY_PRESENT | VCPU_MEMORY_FETCH;
    assert_int_equal(vcpu_handle_exit(vcpu, &fetch), VCPU_EXIT_NONE);
    assert_non_null(pt_get(&vm->space.pt, fetch.memory.address, &leaf));
    assert_int_equal(leaf.page_shift, PAGE_SHIFT);
    fetch.memory.address = 0x100; /* nothing is there */
    assert_int_equal(vcpu_handle_exit(vcpu, &fetch), VCPU_EXIT_MEMORY);
    fetch.memory.address = LARGE_SIZE;
    pt_small_code = false;
    assert_int_equal(vcpu_handle_exit(vcpu, &fetch), VCPU_EXIT_MEMORY);
}

/* A guest that only computes; after some entries an interrupt that is the host's ends the stay. */
static void compute(struct vcpu *running, struct virt_exit *exit)
{
    (void)running;
    if (fake->entries == 4)
        *exit = (struct virt_exit){ .kind = VIRT_EXIT_MEMORY };
    else
        *exit = (struct virt_exit){ .kind = VIRT_EXIT_CPUID, .length = 2 };
}

/* A periodic timer is armed anew when it is served; a guest that leaves no more would miss its next tick. */
static void meet_an_exception(struct vcpu *v, struct virt_exit *exit)
{
    *exit = (struct virt_exit){ .kind = VIRT_EXIT_EXCEPTION, .vector = VECTOR_DB };
    if (fake_vcpu(v)->entries == 5)
        fake_timer_deadline[0] = fake_tsc;
    if (fake_vcpu(v)->entries == 6) {
        assert_int_not_equal(fake_timer_deadline[0], fake_tsc); /* it was taken */
        exit->kind = VIRT_EXIT_MEMORY;
    }
}

/* A breakpoint on the stack of the #DB handler (CVE-2015-8104): no stay in the guest ends with an interrupt. */
static void a_guest_that_meets_nothing_but_exceptions_is_interrupted_all_the_same(void **state)
{
    (void)state;
    begin();
    vcpu->activity = VCPU_RUNNING;
    vcpu_release(vcpu);
    assert_int_equal(vcpu_run_begin(thread, vcpu, events, 0), CL_OK);
    fake_guest = meet_an_exception;
    assert_int_equal(fake_cpu_leave(0), FAKE_RING3);
    assert_int_equal(fake->entries, 6);
    assert_int_equal(vcpu_hold(vcpu, thread), CL_OK);
}

static void leave_for_memory(struct vcpu *v, struct virt_exit *exit)
{
    assert_true(fake_vcpu(v)->live);
    *exit = (struct virt_exit){ .kind = VIRT_EXIT_MEMORY };
}

static void ring_3_is_next_only_when_the_guests_registers_are_put_away(void **state)
{
    (void)state;
    begin();
    vcpu->activity = VCPU_RUNNING;
    vcpu_release(vcpu);
    assert_int_equal(vcpu_run_begin(thread, vcpu, events, 0), CL_OK);
    fake_guest = leave_for_memory;
    assert_int_equal(fake_cpu_leave(0), FAKE_RING3);
    assert_int_equal(fake->loads, fake->unloads + 1); /* it stays loaded */
    assert_false(fake->live);
    assert_int_equal(vcpu_hold(vcpu, thread), CL_OK);
}

static void a_processor_that_works_on_the_local_apic_takes_its_interrupts_itself(void **state)
{
    const struct vlapic_message message = { .vector = 0x55 };

    (void)state;
    begin();
    vcpu->lapic.apic_base |= VLAPIC_BASE_X2APIC;
    write_msr(0x80f, 0x1ff); /* software enable */
    vcpu->activity = VCPU_RUNNING;
    fake->interruptible = true;
    assert_int_equal(vlapic_accept(&vcpu->lapic, &message), VLAPIC_KICK);
    for (unsigned assisted = 2; assisted-- > 0;) {
        vcpu->lapic.assisted = assisted;
        vcpu_release(vcpu);
        assert_int_equal(vcpu_run_begin(thread, vcpu, events, vcpu->exit.sequence), CL_OK);
        fake_guest = leave_for_memory;
        assert_int_equal(fake_cpu_leave(0), FAKE_RING3);
        assert_int_equal(fake->injected, assisted ? 0 : 1);
        assert_false(fake->window_interrupt);
        assert_int_equal(vcpu_hold(vcpu, thread), CL_OK);
    }
    assert_int_equal(fake->event[0].vector, 0x55);
}

static void a_guest_is_not_entered_before_its_next_tick_is_programmed(void **state)
{
    (void)state;
    begin();
    write_msr(MSR_TSC, 1000);
    vcpu->lapic.apic_base |= VLAPIC_BASE_X2APIC;
    write_msr(0x80f, 0x1ff);         /* software enable */
    write_msr(0x83e, 0xb);           /* divide by 1 */
    write_msr(0x832, 1u << 17 | 50); /* LVT timer: periodic, vector 50 */
    write_msr(0x838, 50000);         /* initial count */
    vcpu->activity = VCPU_RUNNING;
    vcpu_release(vcpu);
    assert_int_equal(vcpu_run_begin(thread, vcpu, events, 0), CL_OK);
    fake->entries = 0;
    fake_guest = compute;
    fake_tsc += 50000; /* the first tick is due */
    cpus[0].attention |= ATTENTION_TIMER;
    assert_int_equal(fake_cpu_leave(0), FAKE_RING3);
    assert_int_equal(fake->event[0].vector, 50);
    assert_int_equal(fake_blind_entries, 0);
    assert_int_equal(vcpu_hold(vcpu, thread), CL_OK);
}

/* IRET of the exception's handler, at the fourth entry, lets it in; what else is pending waits for it. */
static void run_the_handler(struct vcpu *v, struct virt_exit *exit)
{
    struct fake_vcpu *running = fake_vcpu(v);

    exit->kind = running->entries < 5 ? VIRT_EXIT_INTERRUPT : VIRT_EXIT_MEMORY;
    if (running->entries < 4) {
        assert_int_equal(running->injected, 0);
        assert_true(running->window_interrupt);
        assert_false(running->window_nmi); /* it would open at once, for nothing */
    }
    running->interruptible = running->entries == 3;
}

static void run_with_a_deferred_interrupt(void)
{
    vcpu->activity = VCPU_RUNNING;
    vcpu_release(vcpu);
    vcpu_defer(vcpu, VCPU_EVENT_INTERRUPT, 0x40);
    fake->interruptible = false;
    assert_int_equal(vcpu_run_begin(thread, vcpu, events, 0), CL_OK);
    fake_guest = run_the_handler;
    assert_int_equal(fake_cpu_leave(0), FAKE_RING3);
    assert_int_equal(fake->event[0].type, VCPU_EVENT_INTERRUPT);
    assert_int_equal(fake->event[0].vector, 0x40);
    assert_int_equal(vcpu->deferred_type, VCPU_EVENT_NONE);
    assert_int_equal(vcpu_hold(vcpu, thread), CL_OK);
}

static void what_was_deferred_comes_when_the_guest_can_take_it(void **state)
{
    (void)state;
    begin();
    run_with_a_deferred_interrupt();
    assert_int_equal(fake->injected, 1);
}

static void what_was_deferred_comes_before_everything_else(void **state)
{
    struct vlapic_message nmi = { .destination = 3, .delivery = VLAPIC_NMI };

    (void)state;
    begin();
    vm_deliver(vm, &nmi);
    run_with_a_deferred_interrupt();
    assert_int_equal(fake->event[1].type, VCPU_EVENT_NMI);
    assert_int_equal(fake->injected, 2);
}

static void an_event_that_is_set_ends_a_halt(void **state)
{
    static const struct vcpu_events ends[] = { { .type = VCPU_EVENT_INTERRUPT, .vector = 0x40 },
                                               { .pending_debug = 1u << 14 } };

    (void)state;
    begin();
    for (unsigned i = 0; i < ARRAY_SIZE(ends); i++) {
        vcpu->page->event = ends[i];
        vcpu->page->event.activity = VCPU_HALTED;
        assert_int_equal(vcpu_set_groups(vcpu, VCPU_GROUP_EVENTS), CL_OK);
        assert_int_equal(vcpu->activity, VCPU_RUNNING);
    }
    vcpu->page->event = (struct vcpu_events){ .activity = VCPU_HALTED };
    assert_int_equal(vcpu_set_groups(vcpu, VCPU_GROUP_EVENTS), CL_OK);
    assert_int_equal(vcpu->activity, VCPU_HALTED);
}

/* The handler halts before it returns. */
static void a_deferred_interrupt_wakes_a_halted_vcpu(void **state)
{
    (void)state;
    begin();
    vcpu->activity = VCPU_HALTED;
    vcpu->page->rflags |= RFLAGS_IF;
    vcpu_release(vcpu);
    vcpu_defer(vcpu, VCPU_EVENT_INTERRUPT, 0x40);
    assert_int_equal(vcpu_run_begin(thread, vcpu, events, 0), CL_OK);
    fake_guest = leave_for_memory;
    assert_int_equal(fake_cpu_leave(0), FAKE_RING3);
    assert_int_equal(fake->event[0].vector, 0x40);
    assert_int_equal(vcpu_hold(vcpu, thread), CL_OK);
}

/* In wait-for-SIPI only a SIPI counts (SDM Vol. 3A 9.4.3): nothing else that is pending may keep the CPU from sleeping. */
static void a_vcpu_that_waits_for_a_sipi_sleeps_whatever_is_pending(void **state)
{
    struct vlapic_message nmi = { .destination = 3, .delivery = VLAPIC_NMI };

    (void)state;
    begin();
    vcpu_release(vcpu);
    assert_int_equal(vcpu->activity, VCPU_WAIT_FOR_SIPI);
    vm_deliver(vm, &nmi);
    assert_true(vlapic_nmi_pending(&vcpu->lapic));
    assert_int_equal(vcpu_run_begin(thread, vcpu, events, 0), CL_OK);
    (void)alarm(30); /* a CPU that never leaves the kernel */
    assert_int_equal(fake_cpu_leave(0), FAKE_IDLE);
    (void)alarm(0);
    assert_int_equal(fake->entries, 0);
    struct vlapic_message sipi = { .destination = 3, .delivery = VLAPIC_SIPI, .vector = 0x9a };
    vm_deliver(vm, &sipi);
    assert_int_equal(fake_cpu_leave(0), FAKE_RING3);
    assert_int_equal(vcpu->page->exit.reason, VCPU_EXIT_SIPI);
    assert_int_equal(vcpu->page->exit.sipi.vector, 0x9a);
    assert_int_equal(vcpu_hold(vcpu, thread), CL_OK);
}

/* The VMM sets the registers; the local APIC is the kernel's to reset (SDM Vol. 3A 11.4.7.3). */
static void init_resets_the_local_apic_and_goes_to_the_vmm(void **state)
{
    struct vlapic_message init = { .destination = 3, .delivery = VLAPIC_INIT };

    (void)state;
    begin();
    vcpu->activity = VCPU_HALTED;
    vcpu->lapic.apic_base |= VLAPIC_BASE_X2APIC;
    write_msr(0x80f, 0x1ff);         /* software enable */
    write_msr(0x832, 2u << 17 | 50); /* LVT timer: TSC deadline, vector 50 */
    write_msr(MSR_TSC_DEADLINE, UINT64_MAX / 2);
    assert_int_equal(thread->deadline.cpu, 0);
    vcpu_release(vcpu);
    assert_int_equal(vcpu_run_begin(thread, vcpu, events, 0), CL_OK);
    vm_deliver(vm, &init);
    assert_int_equal(fake_cpu_leave(0), FAKE_RING3);
    assert_int_equal(vcpu->page->exit.reason, VCPU_EXIT_INIT);
    assert_int_equal(vcpu->lapic.reg[VLAPIC_REG_SVR].value, 0xff);
    assert_int_equal(thread->deadline.cpu, UINT32_MAX);
    assert_true((vcpu->lapic.apic_base & VLAPIC_BASE_X2APIC) != 0);
    assert_int_equal(vcpu_hold(vcpu, thread), CL_OK);
}

static void apic_write(struct vcpu *of, unsigned reg, uint32_t value)
{
    struct vlapic_access access = { .write = true, .value = value };

    assert_true(vlapic_mmio(&of->lapic, reg << 4, &access));
    if (access.bits != 0)
        vcpu_apic_accessed(of, &access);
}

/* Four vCPUs, number 3 sends: which of them have it pending? */
static uint32_t reached(struct vcpu *const all[4], bool x2apic, uint32_t destination, uint32_t low)
{
    uint32_t mask = 0;

    for (unsigned i = 0; i < 4; i++) {
        all[i]->lapic.apic_base &= ~(uint64_t)VLAPIC_BASE_X2APIC;
        vlapic_reset(&all[i]->lapic);
        apic_write(all[i], VLAPIC_REG_SVR, 0x1ff);
        apic_write(all[i], VLAPIC_REG_LDR, 1u << (24 + i)); /* flat */
        if (x2apic) {
            struct vlapic_access base = { .write = true, .value = all[i]->lapic.apic_base | VLAPIC_BASE_X2APIC };

            assert_true(vlapic_msr(&all[i]->lapic, MSR_APIC_BASE, &base));
        }
    }
    if (x2apic) {
        write_msr(0x830, (uint64_t)destination << 32 | low);
    } else {
        apic_write(vcpu, VLAPIC_REG_ICR_HIGH, destination << 24);
        apic_write(vcpu, VLAPIC_REG_ICR, low);
    }
    for (unsigned i = 0; i < 4; i++) {
        bool pending = vlapic_pending(&all[i]->lapic) == 0x51 || vlapic_nmi_pending(&all[i]->lapic);

        mask |= pending ? 1u << i : 0;
    }
    return mask;
}

static void an_ipi_reaches_those_whom_it_addresses_and_nobody_else(void **state)
{
    /* low half of ICR, destination in xAPIC and x2APIC mode, who gets it */
    static const struct {
        uint32_t low, xapic, x2apic, expected;
    } cases[] = {
        { 0x51, 0, 0, 1 },
        { 0x51, 2, 2, 4 },
        { 0x51, 3, 3, 8 },
        { 0x51, 4, 4, 0 },
        { 0x51, 0xff, UINT32_MAX, 15 },
        { 0x400, 1, 1, 2 },        /* NMI */
        { 0x800 | 0x51, 5, 5, 5 }, /* logical: flat, or of cluster 0 */
        { 0x800 | 0x51, 15, 15, 15 },
        { 0x900 | 0x51, 6, 6, 2 },   /* lowest priority among equals: the lowest ID */
        { 0x40000 | 0x51, 1, 1, 8 }, /* self */
        { 0x80000 | 0x51, 1, 1, 15 },
        { 0xc0000 | 0x51, 1, 1, 7 },
        { 0xc0400, 1, 1, 7 },
    };
    struct vcpu *all[4];

    (void)state;
    begin();
    all[3] = vcpu;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(
            vcpu_create(vm, fake_root, i, VCPU_APIC_SOFTWARE, thread->domain, 0x701000 + i * PAGE_SIZE, &all[i]),
            CL_OK);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        for (unsigned x2apic = 0; x2apic < 2; x2apic++) {
            uint32_t mask = reached(all, x2apic, x2apic ? cases[i].x2apic : cases[i].xapic, cases[i].low);

            if (mask != cases[i].expected)
                fail_msg("%s: ICR %x reaches %x, expected %x", x2apic ? "x2APIC" : "xAPIC", cases[i].low, mask,
                         cases[i].expected);
        }
    }
}

static void all_vcpus_of_a_vm_begin_with_the_same_tsc(void **state)
{
    struct vcpu *other;

    (void)state;
    begin();
    fake_tsc += 1000000;
    assert_int_equal(vcpu_create(vm, fake_root, 5, VCPU_APIC_AUTO, thread->domain, 0x701000, &other), CL_OK);
    assert_true(other->tsc_offset == vcpu->tsc_offset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(init_resets_the_local_apic_and_goes_to_the_vmm),
        TEST(an_ipi_reaches_those_whom_it_addresses_and_nobody_else),
        TEST(all_vcpus_of_a_vm_begin_with_the_same_tsc),
        TEST(cpuid_gives_the_policys_words_and_clears_the_upper_halves),
        TEST(cpuid_of_a_leaf_that_is_not_there_is_zero),
        TEST(cpuid_shows_the_apic_id_of_the_vcpu),
        TEST(cpuid_shows_osxsave_as_cr4_has_it),
        TEST(cpuid_hides_an_apic_that_is_switched_off),
        TEST(cpuid_gives_the_size_that_the_cpu_knows_for_xcr0),
        TEST(an_instruction_without_a_length_has_that_of_its_plain_form),
        TEST(a_fixed_msr_reads_its_value_and_cannot_be_written),
        TEST(an_msr_with_ignored_writes_takes_them_and_keeps_its_value),
        TEST(a_refused_and_an_unknown_msr_are_gp),
        TEST(refused_msrs_are_logged_ever_more_rarely),
        TEST(an_msr_of_the_vmm_goes_to_the_vmm),
        TEST(an_architectural_msr_is_the_backends),
        TEST(the_tsc_counts_from_what_the_guest_wrote),
        TEST(the_deadline_of_the_guests_timer_is_armed_in_host_time),
        TEST(xsetbv_takes_what_the_manual_allows),
        TEST(xsetbv_needs_register_zero_and_ring_zero),
        TEST(hypercalls_of_the_kernel_are_answered),
        TEST(other_hypercalls_go_to_the_vmm_with_their_number),
        TEST(a_doorbell_rings_for_its_port_and_width),
        TEST(doorbells_are_added_once_and_removed),
        TEST(hlt_halts_behind_the_instruction),
        TEST(a_single_step_over_hlt_does_not_halt),
        TEST(what_the_vmm_has_to_see_reaches_it_whole),
        TEST(code_in_a_large_page_is_made_small_without_the_vmm),
        TEST(a_caught_exception_is_the_guests),
        TEST(windows_and_interrupts_only_go_round_the_loop),
        TEST(a_machine_check_is_the_end),
        TEST(an_eoi_of_a_level_vector_is_told_to_the_vmm),
        TEST(a_processor_that_ends_a_level_interrupt_tells_the_vmm),
        TEST(an_illegal_ipi_to_itself_is_the_guests_error),
        TEST(a_vcpu_that_waits_for_a_sipi_sleeps_whatever_is_pending),
        TEST(ring_3_is_next_only_when_the_guests_registers_are_put_away),
        TEST(a_guest_that_meets_nothing_but_exceptions_is_interrupted_all_the_same),
        TEST(a_processor_that_works_on_the_local_apic_takes_its_interrupts_itself),
        TEST(what_was_deferred_comes_when_the_guest_can_take_it),
        TEST(what_was_deferred_comes_before_everything_else),
        TEST(an_event_that_is_set_ends_a_halt),
        TEST(a_deferred_interrupt_wakes_a_halted_vcpu),
        TEST(a_guest_is_not_entered_before_its_next_tick_is_programmed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

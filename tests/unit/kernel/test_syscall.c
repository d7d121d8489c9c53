/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: kernel/object.c kernel/object_table.c kernel/account.c kernel/domain.c kernel/memory.c kernel/mapping.c kernel/notification.c
 * kernel/thread.c kernel/timer.c kernel/time.c kernel/fake/fake_system.c kernel/vm.c kernel/doorbell.c kernel/vcpu.c
 * kernel/fake/fake_vcpu_run.c kernel/vcpu_exit.c kernel/vlapic.c kernel/irq.c kernel/frames.c kernel/pool.c kernel/pagetable.c
 * kernel/pagetable_formats_table.c kernel/sched.c kernel/heap.c kernel/cap.c kernel/fake/fake_machine.c
 * kernel/fake/fake_memory.c kernel/fake/fake_allocation.c kernel/fake/fake_virt.c kernel/fake/fake_xstate.c
 * kernel/syscall.c kernel/syscall_table.c
 * kernel/syscall_authority.c kernel/syscall_memory.c kernel/syscall_execution.c kernel/syscall_device.c
 * kernel/syscall_guest.c kernel/syscall_system.c kernel/log.c kernel/print.c kernel/fake/fake_assert.c kernel/fake/fake_pool.c kernel/fake/fake_random.c */
/* test_syscall.c: whatever ring 3 asks for, in whatever order: no panic, nothing lost, and a sentence with each refusal. */
#include "kernel/syscall.h"
#include "kernel_fixture.h"

#define PAGE_ONE UINT64_C(0x600000)
#define PAGE_TWO UINT64_C(0x601000)

enum slot { SELF = 1, ACCOUNT, SYSTEM, EVENTS, PORTS, IRQS, THREAD, FREE };

static struct account *account;
static struct domain *domain;
static struct thread *thread, *other;
static struct notification *events;
static struct object *boot_objects[3]; /* system, ports, interrupt sources */
static uint64_t value;

/* A domain with all that init has, on an account of its own, with a thread on each of two CPUs. */
static void begin(void)
{
    static const enum object_type types[] = { OBJECT_SYSTEM, OBJECT_PORTS, OBJECT_IRQS };

    account = fake_child_account(UINT64_C(4) << 20, UINT64_C(8) << 20);
    domain = fake_domain(account);
    events = object_create(account, OBJECT_NOTIFICATION);
    assert_non_null(events);
    thread = fake_thread(domain, account, PAGE_ONE, 0);
    other = fake_thread(domain, account, PAGE_TWO, 1);
    for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
        boot_objects[i] = object_create(NULL, types[i]);
        assert_non_null(boot_objects[i]);
    }
    cap_insert(domain, SELF, &domain->object, RIGHT_ALL);
    cap_insert(domain, ACCOUNT, &account->object, RIGHT_ALL);
    cap_insert(domain, SYSTEM, boot_objects[0], RIGHT_ALL);
    cap_insert(domain, EVENTS, &events->object, RIGHT_ALL);
    cap_insert(domain, PORTS, boot_objects[1], RIGHT_ALL);
    cap_insert(domain, IRQS, boot_objects[2], RIGHT_ALL);
    cap_insert(domain, THREAD, &thread->object, RIGHT_ALL);
    fake_thread_run(thread);
    fake_thread_run(other);
}

static void end(void)
{
    fake_account_end(account);
    for (unsigned i = 0; i < ARRAY_SIZE(boot_objects); i++)
        pool_give(NULL, boot_objects[i]);
}

/* One call of the thread on CPU 0 that comes back at once. */
static enum cl_status call(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    memset(&thread->page->breadcrumb, 0, sizeof(thread->page->breadcrumb));
    assert_int_equal(fake_syscall(0, number, a, b, c, d, e, f), FAKE_RING3);
    assert_ptr_equal(cpus[0].current, thread);
    value = thread->registers.rdx;
    return (enum cl_status)thread->registers.rax;
}

/* Until it is not IN_PROGRESS, with the other CPUs passing. */
static enum cl_status call_all(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    enum cl_status status = CL_IN_PROGRESS;

    for (unsigned i = 0; status == CL_IN_PROGRESS && i < 10000; i++) {
        status = call(number, a, b, c, d, e, f);
        for (uint32_t cpu = 1; cpu < CPUS; cpu++)
            (void)fake_cpu_leave(cpu);
    }
    return status;
}

static void *object_in(uint64_t slot, enum object_type type)
{
    capability cap = cap_read(domain, slot);
    struct object *found = cap_object(cap);

    assert_int_not_equal(cap, 0);
    assert_int_equal(found->type, type);
    return found;
}

static void name_it(const char *name)
{
    strncpy((char *)thread->page->data, name, 64);
}

static enum cl_status create_domain(uint64_t slot)
{
    name_it("child");
    return call(SYS_DOMAIN_CREATE, slot, ACCOUNT, 64, EVENTS, 0, 0);
}

static enum cl_status create_thread(uint64_t slot, uint64_t in_domain, uint64_t page_address)
{
    struct thread_arguments arguments = {
        .entry = 0x400000, .stack = 0x500000, .page_address = page_address, .cpu = 2
    };

    memcpy(thread->page->argument, &arguments, sizeof(arguments));
    return call(SYS_THREAD_CREATE, slot, in_domain, ACCOUNT, 0, 0, 0);
}

static enum cl_status create_vm(uint64_t slot)
{
    name_it("guest");
    return call(SYS_VM_CREATE, slot, ACCOUNT, EVENTS, 0, 0, 0);
}

/* ------------------------------------------------------------------------------------------------ single calls */

static void a_copy_never_has_more_rights(void **state)
{
    (void)state;
    begin();
    for (unsigned have = 0; have <= RIGHT_ALL; have += 7) {
        cap_insert(domain, FREE, &events->object, have);
        for (unsigned wanted = 0; wanted <= RIGHT_ALL; wanted += 5) {
            enum cl_status status = call(SYS_CAP_COPY, FREE, SELF, FREE + 1, wanted, 0, 0);
            bool allowed = (have & RIGHT_COPY) != 0 && (wanted & ~have) == 0;
            assert_int_equal(status, allowed ? CL_OK : CL_NO_RIGHT);
            if (status != CL_OK)
                continue;
            assert_ptr_equal(cap_object(cap_read(domain, FREE + 1)), &events->object);
            assert_int_equal(cap_rights(cap_read(domain, FREE + 1)), wanted);
            assert_int_equal(call(SYS_CAP_DELETE, SELF, FREE + 1, 0, 0, 0, 0), CL_OK);
        }
        cap_remove(domain, FREE);
    }
    assert_int_not_equal(call(SYS_CAP_COPY, EVENTS, SELF, FREE, UINT64_C(1) << 32, 0, 0), CL_OK);
    assert_int_not_equal(call(SYS_CAP_COPY, EVENTS, SELF, FREE, RIGHT_ALL + 1, 0, 0), CL_OK);
    end();
}

static void a_number_that_is_none_is_refused(void **state)
{
    static const uint64_t numbers[] = { SYS_COUNT, SYS_COUNT + 1, UINT32_MAX, UINT64_C(1) << 32, UINT64_MAX };

    (void)state;
    begin();
    for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
        assert_int_equal(call(numbers[i], 0, 0, 0, 0, 0, 0), CL_BAD_CALL);
        assert_string_not_equal(thread->page->breadcrumb.text, "");
    }
    end();
}

static void no_domain_gets_memory_that_is_writable_and_executable(void **state)
{
    (void)state;
    begin();
    assert_int_equal(call(SYS_MEMORY_CREATE, FREE, ACCOUNT, PAGE_SIZE, 0, 0, 0), CL_OK);
    assert_int_equal(call(SYS_MEMORY_MAP, FREE, SELF, 0, PAGE_SIZE, 0x1000000, MAP_READ | MAP_WRITE | MAP_EXECUTE),
                     CL_BAD_ARGUMENT);
    assert_int_equal(call(SYS_MEMORY_MAP, FREE, SELF, 0, PAGE_SIZE, 0x1000000, MAP_READ | MAP_EXECUTE), CL_OK);
    end();
}

static void a_slice_of_a_read_only_memory_is_read_only(void **state)
{
    (void)state;
    begin();
    assert_int_equal(call(SYS_MEMORY_CREATE, FREE, ACCOUNT, 2 * PAGE_SIZE, 0, 0, 0), CL_OK);
    assert_int_equal(call(SYS_CAP_COPY, FREE, SELF, FREE + 1, RIGHT_READ | RIGHT_COPY, 0, 0), CL_OK);
    assert_int_equal(call(SYS_MEMORY_SLICE, FREE + 2, FREE + 1, 0, PAGE_SIZE, 0, 0), CL_OK);
    assert_int_equal(call(SYS_MEMORY_MAP, FREE + 2, SELF, 0, PAGE_SIZE, 0x1000000, MAP_READ | MAP_WRITE), CL_NO_RIGHT);
    assert_int_equal(call(SYS_MEMORY_MAP, FREE + 2, SELF, 0, PAGE_SIZE, 0x1000000, MAP_READ), CL_OK);
    end();
}

static void an_account_too_large_to_count_is_refused(void **state)
{
    static const uint64_t sizes[] = { UINT64_MAX, UINT64_MAX - PAGE_SIZE, UINT64_C(1) << 63,
                                      UINT64_MAX - (UINT64_C(1) << 20) };

    (void)state;
    begin();
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct account_arguments arguments = { .kernel_bytes = sizes[i],
                                               .affinity = AFFINITY_ALL,
                                               .weight = WEIGHT_DEFAULT };
        memcpy(thread->page->argument, &arguments, sizeof(arguments));
        assert_int_equal(call(SYS_ACCOUNT_CREATE, FREE, ACCOUNT, 0, 0, 0, 0), CL_NO_MEMORY);
        arguments.kernel_bytes = PAGE_SIZE;
        arguments.memory_bytes = sizes[i];
        memcpy(thread->page->argument, &arguments, sizeof(arguments));
        assert_int_equal(call(SYS_ACCOUNT_CREATE, FREE, ACCOUNT, 0, 0, 0, 0), CL_NO_MEMORY);
    }
    end();
}

/* ----------------------------------------------------------------------------------------- orders of destruction */

static void a_thread_can_be_destroyed_after_its_domain(void **state)
{
    (void)state;
    begin();
    assert_int_equal(create_domain(FREE), CL_OK);
    assert_int_equal(create_thread(FREE + 1, FREE, 0x700000), CL_OK);
    assert_int_equal(call(SYS_THREAD_CONTROL, FREE + 1, THREAD_START, 0, 0, 0, 0), CL_OK);
    assert_int_equal(fake_cpu_leave(2), FAKE_RING3);
    assert_int_equal(call_all(SYS_OBJECT_DESTROY, FREE, 0, 0, 0, 0, 0), CL_OK);
    assert_int_equal(call_all(SYS_OBJECT_DESTROY, FREE + 1, 0, 0, 0, 0, 0), CL_OK);
    end();
}

static void a_vcpu_can_be_destroyed_after_the_domain_that_has_its_page(void **state)
{
    (void)state;
    begin();
    struct account *second = fake_child_account(UINT64_C(1) << 20, 0);
    struct domain *monitor = fake_domain(second);
    struct vm *vm = NULL;
    struct vcpu *vcpu = NULL;
    static const char name[VM_NAME_MAX] = "guest";

    assert_int_equal(vm_create(account, name, events, 0, &vm), CL_OK);
    assert_int_equal(vcpu_create(vm, account, 0, VCPU_APIC_AUTO, monitor, 0x700000, &vcpu), CL_OK);
    fake_account_end(second);
    assert_int_equal(fake_destroy(&vcpu->object), CL_OK);
    end();
}

static void a_domain_that_unmaps_a_page_of_the_kernel_hurts_only_itself(void **state)
{
    (void)state;
    begin();
    assert_int_equal(call_all(SYS_MEMORY_UNMAP, SELF, PAGE_TWO, 0, 0, 0, 0), CL_OK);
    assert_int_equal(call(SYS_MEMORY_CREATE, FREE, ACCOUNT, 2 * PAGE_SIZE, 0, 0, 0), CL_OK);
    assert_int_equal(call(SYS_MEMORY_MAP, FREE, SELF, 0, 2 * PAGE_SIZE, PAGE_TWO, MAP_READ | MAP_WRITE), CL_OK);
    assert_int_equal(fake_destroy(&other->object), CL_OK);
    /* what it put in the place is not taken for the page */
    assert_int_equal(call_all(SYS_MEMORY_UNMAP, SELF, PAGE_TWO, 0, 0, 0, 0), CL_OK);
    end();
}

static void a_thread_that_ran_a_vcpu_takes_its_watch_with_it(void **state)
{
    (void)state;
    begin();
    assert_int_equal(create_vm(FREE), CL_OK);
    assert_int_equal(call(SYS_VCPU_CREATE, FREE + 1, FREE, ACCOUNT, 0, 0x700000, 0), CL_OK);
    notification_signal(events, 1);
    assert_int_equal(call(SYS_VCPU_RUN, FREE + 1, EVENTS, 0, 0, 0, 0), CL_OK);
    assert_int_equal(value, VCPU_EXIT_NOTIFICATION);
    assert_ptr_equal(events->watcher, thread);
    assert_int_equal(fake_destroy(&thread->object), CL_OK);
    assert_null(events->watcher);
    end();
}

/* Who works on the local APIC of a vCPU of which its VMM has asked for `apic`. */
static bool by_hardware(enum vcpu_apic apic)
{
    bool hardware;

    assert_int_equal(call(SYS_VCPU_CREATE, FREE + 1, FREE, ACCOUNT, 0, 0x700000, apic), CL_OK);
    hardware = ((struct vcpu *)object_in(FREE + 1, OBJECT_VCPU))->lapic.hardware;
    assert_int_equal(call_all(SYS_OBJECT_DESTROY, FREE + 1, 0, 0, 0, 0, 0), CL_OK);
    assert_int_equal(call(SYS_CAP_DELETE, SELF, FREE + 1, 0, 0, 0, 0), CL_OK);
    return hardware;
}

static void a_vmm_chooses_who_works_on_the_local_apic(void **state)
{
    (void)state;
    begin();
    assert_int_equal(create_vm(FREE), CL_OK);
    assert_false(by_hardware(VCPU_APIC_AUTO) || by_hardware(VCPU_APIC_SOFTWARE));
    assert_int_equal(call(SYS_VCPU_CREATE, FREE + 1, FREE, ACCOUNT, 0, 0x700000, VCPU_APIC_HARDWARE), CL_UNSUPPORTED);
    assert_string_equal(thread->page->breadcrumb.text, "this processor does not work on the local APICs of guests");
    vlapic_hardware = true; /* with a fault */
    assert_false(by_hardware(VCPU_APIC_AUTO) || by_hardware(VCPU_APIC_SOFTWARE));
    assert_true(by_hardware(VCPU_APIC_HARDWARE));
    vlapic_hardware_auto = true;
    assert_true(by_hardware(VCPU_APIC_AUTO) && by_hardware(VCPU_APIC_HARDWARE));
    assert_false(by_hardware(VCPU_APIC_SOFTWARE));
    assert_int_equal(call(SYS_VCPU_CREATE, FREE + 1, FREE, ACCOUNT, 0, 0x700000, 3), CL_BAD_ARGUMENT);
    assert_non_null(strstr(thread->page->breadcrumb.text, "argument 5 is 3: at most 2"));
    vlapic_hardware = vlapic_hardware_auto = false;
    end();
}

static void a_vcpu_run_that_is_refused_watches_nothing(void **state)
{
    struct vcpu *vcpu;

    (void)state;
    begin();
    assert_int_equal(create_vm(FREE), CL_OK);
    assert_int_equal(call(SYS_VCPU_CREATE, FREE + 1, FREE, ACCOUNT, 0, 0x700000, 0), CL_OK);
    vcpu = object_in(FREE + 1, OBJECT_VCPU);
    fake_vcpu_set_status = CL_BAD_ARGUMENT;
    vcpu->page->dirty = VCPU_GROUP_CONTROL;
    assert_int_equal(call(SYS_VCPU_RUN, FREE + 1, EVENTS, 0, 0, 0, 0), CL_BAD_ARGUMENT);
    assert_null(events->watcher);
    assert_null(vcpu->runner);
    end();
}

static void a_vcpu_is_audited_as_it_would_be_entered(void **state)
{
    struct vcpu *vcpu;

    (void)state;
    begin();
    assert_int_equal(create_vm(FREE), CL_OK);
    assert_int_equal(call(SYS_VCPU_CREATE, FREE + 1, FREE, ACCOUNT, 0, 0x700000, 0), CL_OK);
    vcpu = object_in(FREE + 1, OBJECT_VCPU);
    fake_vcpu(vcpu)->window_interrupt = true;
    fake_audits = 0;
    fake_broken_rules = 3;
    assert_int_equal(call(SYS_VCPU_STATE_GET, FREE + 1, VCPU_STATE_AUDIT, 0, 0, 0, 0), CL_OK);
    fake_broken_rules = 0;
    assert_int_equal(value, 3);
    assert_int_equal(fake_audits, 1);
    assert_int_equal(vcpu->cpu, 0); /* with this CPU's host state */
    assert_int_equal(fake_vcpu(vcpu)->loads, 1);
    assert_false(fake_vcpu(vcpu)->window_interrupt);
    assert_true(vcpu->window); /* the next entry looks at what waits */
    assert_int_equal(fake_vcpu(vcpu)->entries, 0);

    assert_int_equal(call(SYS_VCPU_STATE_GET, FREE + 1, VCPU_STATE_AUDIT, 0, 0, 0, 0), CL_OK);
    assert_int_equal(value, 0);
    assert_int_equal(fake_vcpu(vcpu)->loads, 1);
    end();
}

static void a_vcpu_that_nobody_can_look_into_is_not_audited(void **state)
{
    struct vcpu *vcpu;

    (void)state;
    begin();
    assert_int_equal(create_vm(FREE), CL_OK);
    assert_int_equal(call(SYS_VCPU_CREATE, FREE + 1, FREE, ACCOUNT, 0, 0x700000, 0), CL_OK);
    vcpu = object_in(FREE + 1, OBJECT_VCPU);
    fake_audits = 0;
    assert_int_equal(call(SYS_VCPU_STATE_SET, FREE + 1, VCPU_STATE_AUDIT, 0, 0, 0, 0), CL_BAD_ARGUMENT);
    assert_int_equal(call(SYS_VCPU_STATE_GET, FREE + 1, VCPU_STATE_AUDIT | VCPU_GROUP_RIP, 0, 0, 0, 0),
                     CL_BAD_ARGUMENT);
    assert_int_equal(vcpu_hold(vcpu, other), CL_OK);
    assert_int_equal(call(SYS_VCPU_STATE_GET, FREE + 1, VCPU_STATE_AUDIT, 0, 0, 0, 0), CL_BUSY);
    vcpu_release(vcpu);
    vcpu->broken = true;
    assert_int_equal(call(SYS_VCPU_STATE_GET, FREE + 1, VCPU_STATE_AUDIT, 0, 0, 0, 0), CL_STOPPED);
    assert_int_equal(fake_audits, 0);
    end();
}

static void accounts_and_slices_nest_only_so_deep(void **state)
{
    struct account_arguments arguments = { .kernel_bytes = UINT64_C(1) << 21,
                                           .affinity = AFFINITY_ALL,
                                           .weight = WEIGHT_DEFAULT };
    uint64_t parent = ACCOUNT, slot;

    (void)state;
    begin();
    for (slot = FREE; slot < 40; slot++) {
        arguments.kernel_bytes -= UINT64_C(1) << 15;
        memcpy(thread->page->argument, &arguments, sizeof(arguments));
        if (call(SYS_ACCOUNT_CREATE, slot, parent, 0, 0, 0, 0) != CL_OK)
            break;
        parent = slot;
    }
    assert_int_equal(thread->registers.rax, CL_LIMIT);
    assert_int_equal(call(SYS_MEMORY_CREATE, 41, ACCOUNT, PAGE_SIZE, 0, 0, 0), CL_OK);
    for (slot = 42; slot < 64; slot++) {
        if (call(SYS_MEMORY_SLICE, slot, slot - 1, 0, PAGE_SIZE, 0, 0) != CL_OK)
            break;
    }
    assert_int_equal(thread->registers.rax, CL_LIMIT);
    end();
}

static struct domain *to_stop;
static bool stop_said_done;

static void stop_in_the_middle(void)
{
    if (to_stop != NULL)
        stop_said_done = domain_stop(to_stop);
    to_stop = NULL;
}

/* CPU 0 has chosen the thread of a domain and is about to become its CPU; another CPU stops the domain just then. */
static void a_domain_that_is_stopped_during_a_switch_does_not_run(void **state)
{
    (void)state;
    begin();
    assert_int_equal(create_domain(FREE), CL_OK);
    assert_int_equal(create_thread(FREE + 1, FREE, 0x700000), CL_OK);
    assert_int_equal(create_vm(FREE + 2), CL_OK);
    assert_int_equal(call(SYS_VCPU_CREATE, FREE + 3, FREE + 2, ACCOUNT, 0, 0x710000, 0), CL_OK);
    struct thread *next;
    struct domain *child;
    child = object_in(FREE, OBJECT_DOMAIN);
    next = object_in(FREE + 1, OBJECT_THREAD);
    assert_int_equal(sched_set_affinity(&next->sched, 1), CL_OK);
    /* the guest halts: its thread sleeps, and the vCPU is unloaded when the next thread comes */
    thread_start(next);
    to_stop = child;
    stop_said_done = false;
    fake_unload_hook = stop_in_the_middle;
    enum fake_landing where = fake_syscall(0, SYS_VCPU_RUN, FREE + 3, EVENTS, 0, 0, 0, 0);
    fake_unload_hook = NULL;
    assert_null(to_stop);
    if (stop_said_done) {
        assert_ptr_not_equal(cpus[0].current, next);
        assert_int_equal(where, FAKE_IDLE);
    }
    end();
}

/* ------------------------------------------------------------------------------------------ ports */

static bool may_use(uint32_t cpu, uint16_t port)
{
    return cpus[cpu].tss.iomap_base == offsetof(struct tss, iomap) &&
           (cpus[cpu].tss.iomap[port / 8] >> port % 8 & 1) == 0;
}

static void ports_are_gone_before_any_cpu_returns_to_the_domain(void **state)
{
    (void)state;
    begin();
    assert_int_equal(call(SYS_PORTS_GRANT, PORTS, SELF, 0x3f8, 8, 1, 0), CL_OK);
    assert_int_equal(fake_cpu_leave(1), FAKE_RING3);
    for (uint32_t cpu = 0; cpu < 2; cpu++) {
        assert_true(may_use(cpu, 0x3f8) && may_use(cpu, 0x3ff));
        assert_false(may_use(cpu, 0x3f7) || may_use(cpu, 0x400));
    }
    (void)fake_ipis(1);
    assert_int_equal(call(SYS_PORTS_GRANT, PORTS, SELF, 0x3f8, 4, 0, 0), CL_OK);
    assert_int_equal(fake_ipis(1), 1);
    assert_false(may_use(0, 0x3f8));
    assert_int_equal(fake_cpu_leave(1), FAKE_RING3);
    assert_false(may_use(1, 0x3f8));
    assert_true(may_use(1, 0x3fc));
    end();
}

static void the_kernels_ports_are_granted_to_nobody(void **state)
{
    static const uint16_t kept[] = { 0x20, 0x21, 0xa0, 0xa1, 0xcf8, 0xcfc, 0xcff };

    (void)state;
    begin();
    for (unsigned i = 0; i < ARRAY_SIZE(kept); i++)
        assert_int_equal(call(SYS_PORTS_GRANT, PORTS, SELF, kept[i], 1, 1, 0), CL_OCCUPIED);
    assert_int_equal(call(SYS_PORTS_GRANT, PORTS, SELF, 0, 0x10000, 1, 0), CL_OCCUPIED);
    assert_int_equal(call(SYS_PORTS_GRANT, PORTS, SELF, 0xfff0, 0x11, 1, 0), CL_BAD_ARGUMENT);
    assert_int_equal(call(SYS_PORTS_GRANT, PORTS, SELF, 0xfff0, UINT64_MAX, 1, 0), CL_BAD_ARGUMENT);
    end();
}

/* ------------------------------------------------------------------------------------------------ random calls */

#define ROUNDS 60
#define STEPS 600

static unsigned succeeded[SYS_COUNT + 1];

static uint64_t random_word(void)
{
    static const uint64_t addresses[] = { PAGE_ONE,
                                          PAGE_TWO,
                                          0x1000000,
                                          0x1200000,
                                          0x7000000,
                                          0,
                                          UINT64_C(0x7fffffff0000),
                                          UINT64_C(0xffff800000000000),
                                          0xfee00000,
                                          0x60,
                                          0x3f8 };

    switch (fake_random(12)) {
    case 0:
        return fake_random(4);
    case 1:
        return addresses[fake_random(ARRAY_SIZE(addresses))] + fake_random(3) * PAGE_SIZE;
    case 2:
        return fake_random(40) * PAGE_SIZE;
    case 3:
        return fake_random(300);
    case 4:
        return UINT64_C(1) << fake_random(64);
    case 5:
        return UINT64_MAX - fake_random(3) * PAGE_SIZE;
    case 6:
        return fake_random(UINT64_MAX);
    default:
        return fake_random(24); /* a slot */
    }
}

static void random_page(struct thread_page *page)
{
    for (unsigned i = 0; i < 10; i++)
        page->argument[i] = random_word();
    switch (fake_random(4)) {
    case 0: { /* something that looks like an account's arguments */
        struct account_arguments arguments = { .kernel_bytes = fake_random(1 << 19),
                                               .memory_bytes = fake_random(64) * PAGE_SIZE,
                                               .affinity = AFFINITY_ALL,
                                               .weight = WEIGHT_DEFAULT };
        memcpy(page->argument, &arguments, sizeof(arguments));
        break;
    }
    case 1: { /* a thread's */
        struct thread_arguments arguments = { .entry = 0x400000,
                                              .stack = 0x500000,
                                              .page_address = 0x2000000 + fake_random(16) * PAGE_SIZE,
                                              .cpu = (uint32_t)fake_random(4) };
        memcpy(page->argument, &arguments, sizeof(arguments));
        break;
    }
    default:
        break;
    }
    bool printable = fake_random(8) != 0;
    for (unsigned i = 0; i < THREAD_PAGE_DATA_MAX; i++)
        page->data[i] = (uint8_t)(printable ? 'a' + i % 26 : fake_random(256));
}

static void random_guest(struct vcpu *vcpu, struct virt_exit *exit)
{
    *exit = (struct virt_exit){ .kind = (enum virt_exit_kind)fake_random(VIRT_EXIT_INVALID_STATE + 1),
                                .length = (uint8_t)fake_random(5),
                                .vector = (uint8_t)fake_random(32),
                                .next_rip = random_word() };
    if (exit->kind == VIRT_EXIT_MACHINE_CHECK)
        exit->kind = VIRT_EXIT_TRIPLE_FAULT;
    if (exit->kind == VIRT_EXIT_IO)
        exit->io =
            (struct vcpu_exit_io){ .port = (uint16_t)random_word(), .size_bytes = (uint8_t)(1u << fake_random(3)) };
    for (unsigned i = 0; i < GPR_COUNT; i++)
        vcpu->page->gpr[i] = random_word();
    if (fake_random(2) != 0)
        vcpu->page->gpr[GPR_RCX] = 0x800 + fake_random(64);
    vcpu->page->rflags = fake_random(2) << 9;
}

/* Whoever sleeps on the CPU's behalf is woken, so that there is somebody who can call. */
static void wake(struct thread *sleeper)
{
    if (sleeper->object.dead || sleeper->domain->stopped)
        return;
    switch (sleeper->wait) {
    case WAIT_NOTIFICATION:
        notification_signal(sleeper->waiting, 1);
        break;
    case WAIT_HALT:
        __atomic_fetch_or(&sleeper->vcpu->signals, VCPU_SIGNAL_KICK, __ATOMIC_SEQ_CST);
        vcpu_signal(sleeper->vcpu, 0);
        break;
    default:
        thread_start(sleeper);
        break;
    }
}

static void random_pokes_at_vcpu_pages(struct thread *caller)
{
    struct object *found = cap_quick(caller->domain, fake_random(24), OBJECT_VCPU, 0);

    if (found == NULL)
        return;
    struct vcpu_page *page = ((struct vcpu *)found)->page;
    page->dirty = (uint32_t)random_word();
    page->completion = (uint32_t)fake_random(4);
    page->cr8 = random_word();
    page->event.activity = (uint8_t)fake_random(4);
    page->event.vector = (uint8_t)fake_random(40);
}

/* A slot of the caller's table that holds an object of `type` (OBJECT_NONE: of any), or 0. */
static uint64_t slot_with(const struct domain *caller, unsigned type)
{
    uint64_t found = 0, seen = 0;

    for (uint64_t slot = 1; slot < caller->slot_count; slot++) {
        const struct object *object = cap_object(caller->slots[slot]);
        if (caller->slots[slot] == 0)
            continue;
        if (type != OBJECT_NONE && (object->type != type || (object->dead && fake_random(8) != 0)))
            continue;
        if (fake_random(++seen) == 0)
            found = slot;
    }
    return found;
}

static uint64_t free_slot(const struct domain *caller)
{
    uint64_t slot = 1;

    while (slot < caller->slot_count && caller->slots[slot] != 0)
        slot++;
    return slot;
}

/* What the table of the calls asks for, most of the time; nonsense otherwise. */
static uint64_t argument_for(const struct domain *caller, const struct argument_rule *rule)
{
    if (fake_random(16) == 0)
        return random_word();
    switch (rule->kind) {
    case ARGUMENT_NEW:
        return free_slot(caller);
    case ARGUMENT_OBJECT:
        return slot_with(caller, rule->type);
    default:
        if (rule->max == 0 || rule->max == UINT64_MAX)
            return random_word();
        return fake_random(2) != 0 ? fake_random(8) : fake_random(rule->max + 2);
    }
}

static uint64_t some_pages(uint64_t most)
{
    return (1 + fake_random(most)) * PAGE_SIZE;
}

static void sensible_policy(struct thread_page *page, uint64_t *a, unsigned kind)
{
    struct vm_cpuid_entry leaves[4] = { 0 };
    struct vm_msr_entry msrs[4] = { 0 };
    uint32_t first = (uint32_t)fake_random(40);

    a[1] = kind;
    a[2] = fake_random(3);
    a[3] = 1 + fake_random(4);
    for (uint32_t i = 0; i < 4; i++) {
        leaves[i].leaf = msrs[i].index = first + i;
        leaves[i].flags = (uint32_t)fake_random(2);
        msrs[i].action = (uint32_t)fake_random(4);
    }
    memcpy(page->data, kind == VM_POLICY_CPUID ? (void *)leaves : (void *)msrs,
           kind == VM_POLICY_CPUID ? sizeof(leaves) : sizeof(msrs));
}

/* Numbers that only the commit functions judge: such as they like. */
static void sensible(const struct domain *caller, struct thread_page *page, uint64_t number, uint64_t *a)
{
    static const uint64_t places[] = { 0x1000000, 0x1200000, 0x1400000, 0x7000000 };
    uint64_t place = places[fake_random(ARRAY_SIZE(places))];

    switch (number) {
    case SYS_DOMAIN_CREATE:
        a[2] = 8 + fake_random(200);
        break;
    case SYS_CAP_COPY:
        a[2] = free_slot(caller);
        a[3] = fake_random(RIGHT_ALL + 1);
        break;
    case SYS_MEMORY_CREATE:
        a[2] = some_pages(fake_random(4) == 0 ? 600 : 12);
        a[3] = fake_random(2) * MEMORY_LARGE;
        break;
    case SYS_MEMORY_SLICE:
        a[2] = fake_random(3) * PAGE_SIZE;
        a[3] = some_pages(4);
        break;
    case SYS_MEMORY_MAP:
        a[1] = slot_with(caller, fake_random(2) != 0 ? OBJECT_DOMAIN : OBJECT_VM);
        a[2] = fake_random(3) * PAGE_SIZE;
        a[3] = some_pages(4);
        a[4] = place + fake_random(4) * PAGE_SIZE;
        a[5] = fake_random(2) != 0 ? MAP_READ | MAP_WRITE : MAP_READ;
        break;
    case SYS_MEMORY_UNMAP:
        a[0] = slot_with(caller, fake_random(2) != 0 ? OBJECT_DOMAIN : OBJECT_VM);
        a[1] = place + fake_random(4) * PAGE_SIZE;
        break;
    case SYS_THREAD_CONTROL:
        a[0] = slot_with(caller, OBJECT_THREAD);
        a[1] = fake_random(7);
        break;
    case SYS_WAIT:
        a[1] = fake_random(3) != 0 ? fake_tsc + fake_random(100000) : 0;
        break;
    case SYS_IRQ_BIND:
        a[3] = fake_random(26);
        break;
    case SYS_VM_POLICY:
        sensible_policy(page, a, (unsigned)fake_random(2));
        break;
    case SYS_VM_DOORBELL:
        a[2] = UINT64_C(1) << fake_random(3);
        a[3] = slot_with(caller, OBJECT_NOTIFICATION);
        break;
    case SYS_VM_INTERRUPT:
        a[1] = 0xfee00000 | fake_random(4) << 12;
        break;
    case SYS_VCPU_CREATE:
        a[3] = fake_random(4);
        a[4] = 0x3000000 + fake_random(32) * PAGE_SIZE;
        break;
    case SYS_VCPU_STATE_GET:
    case SYS_VCPU_STATE_SET:
        a[1] = fake_random(2) != 0 ? 1 + fake_random(VCPU_GROUP_ALL) : (uint64_t)VCPU_STATE_XSAVE << fake_random(3);
        a[2] = fake_random(4);
        break;
    case SYS_TRACE_MAP:
        a[2] = 0x4000000 + fake_random(32) * PAGE_SIZE;
        break;
    default:
        break;
    }
}

/* Most calls that would end the round for the callers themselves are left out. */
static bool is_suicide(uint64_t number, const uint64_t *a)
{
    if (number == SYS_OBJECT_DESTROY || number == SYS_DOMAIN_STOP)
        return a[0] < FREE && fake_random(64) != 0;
    if (number == SYS_CAP_DELETE)
        return a[1] < FREE && fake_random(8) != 0;
    return number == SYS_SYSTEM_CONTROL && fake_random(50) != 0;
}

static void one_call(uint32_t cpu)
{
    struct thread *caller = cpus[cpu].current;
    uint64_t number = fake_random(SYS_COUNT + 1);
    uint64_t a[6];
    enum fake_landing where = FAKE_IDLE;

    random_page(caller->page);
    random_pokes_at_vcpu_pages(caller);
    for (unsigned i = 0; i < 6; i++)
        a[i] = number < SYS_COUNT ? argument_for(caller->domain, &syscall_rules[number].argument[i]) : random_word();
    if (fake_random(8) != 0)
        sensible(caller->domain, caller->page, number, a);
    if (is_suicide(number, a))
        return;
    memset(&caller->page->breadcrumb, 0, sizeof(caller->page->breadcrumb));
    if (FAKE_PANICS(where = fake_syscall(cpu, number, a[0], a[1], a[2], a[3], a[4], a[5]))) {
        print_error("call %lu(%lx, %lx, %lx, %lx, %lx, %lx): %s\n", number, a[0], a[1], a[2], a[3], a[4], a[5],
                    fake_panic_text);
        fail();
    }
    if (where == FAKE_POWERED_OFF) {
        structure_lock.serving = structure_lock.next; /* the machine is off: nobody misses it */
        return;
    }
    if (where != FAKE_RING3 || cpus[cpu].current != caller)
        return;
    uint64_t status = caller->registers.rax;
    succeeded[number] += status == CL_OK || status == CL_IN_PROGRESS;
    if (status == CL_OK || status == CL_IN_PROGRESS || status == CL_TIMED_OUT)
        return;
    if (caller->page->breadcrumb.status != status || caller->page->breadcrumb.text[0] == '\0')
        print_error("call %lu(%lx, %lx, %lx, %lx, %lx, %lx): %lu without a sentence\n", number, a[0], a[1], a[2], a[3],
                    a[4], a[5], status);
    assert_true(status < CL_STATUS_COUNT);
    assert_int_equal(caller->page->breadcrumb.status, status);
    assert_string_not_equal(caller->page->breadcrumb.text, "");
}

static void end_round(unsigned round)
{
    if (FAKE_PANICS(end())) {
        print_error("round %u: %s\n", round, fake_panic_text);
        fail();
    }
}

static void random_calls_neither_panic_nor_lose_anything(void **state)
{
    (void)state;
    fake_guest = random_guest;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t pool = pool_free_bytes(), frames = frames_free();

        fake_random_seed(1000 + round);
        begin();
        for (unsigned step = 0; step < STEPS; step++) {
            uint32_t cpu = (uint32_t)fake_random(2);
            fake_tsc += fake_random(100000);
            if (fake_random(4) == 0)
                (void)fake_cpu_leave((uint32_t)fake_random(CPUS));
            if (cpus[cpu].current == NULL || cpus[cpu].current->vcpu != NULL) {
                wake(cpu == 0 ? thread : other);
                (void)fake_cpu_leave(cpu);
            }
            if (cpus[cpu].current != NULL && cpus[cpu].current->vcpu == NULL)
                one_call(cpu);
        }
        end_round(round);
        for (unsigned i = 0; i < 50; i++)
            fake_all_leave();
        if (pool_free_bytes() != pool || frames_free() != frames)
            print_error("round %u lost %lu bytes of the pool, %lu frames\n", round, pool - pool_free_bytes(),
                        frames - frames_free());
        assert_int_equal(pool_free_bytes(), pool);
        assert_int_equal(frames_free(), frames);
    }
    /* the dice are loaded well enough: every call has come about (the end of the machine and of the caller apart) */
    for (unsigned number = 0; number < SYS_COUNT; number++)
        assert_true(succeeded[number] != 0 || number == SYS_SYSTEM_CONTROL || number == SYS_THREAD_EXIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_copy_never_has_more_rights),
        TEST(a_number_that_is_none_is_refused),
        TEST(no_domain_gets_memory_that_is_writable_and_executable),
        TEST(a_slice_of_a_read_only_memory_is_read_only),
        TEST(an_account_too_large_to_count_is_refused),
        TEST(a_thread_can_be_destroyed_after_its_domain),
        TEST(a_vcpu_can_be_destroyed_after_the_domain_that_has_its_page),
        TEST(a_domain_that_unmaps_a_page_of_the_kernel_hurts_only_itself),
        TEST(a_thread_that_ran_a_vcpu_takes_its_watch_with_it),
        TEST(a_vmm_chooses_who_works_on_the_local_apic),
        TEST(a_vcpu_run_that_is_refused_watches_nothing),
        TEST(a_vcpu_is_audited_as_it_would_be_entered),
        TEST(a_vcpu_that_nobody_can_look_into_is_not_audited),
        TEST(accounts_and_slices_nest_only_so_deep),
        TEST(a_domain_that_is_stopped_during_a_switch_does_not_run),
        TEST(ports_are_gone_before_any_cpu_returns_to_the_domain),
        TEST(the_kernels_ports_are_granted_to_nobody),
        TEST(random_calls_neither_panic_nor_lose_anything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* fake_machine.c: CPUs that are threads of the test program, their registers, interrupts and halts; power on, power off.
 *
 * HLT ends only with an interrupt that was really sent: a kick that is missing is a CPU that sleeps for ever.
 */
#define _GNU_SOURCE
#define sched_yield libc_sched_yield /* the C library has one, too */
#include <pthread.h>
#undef sched_yield
#include <asm/prctl.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kernel/assert.h"
#include "kernel/fake/machine.h"
#include "kernel/frames.h"
#include "kernel/hostmap.h"
#include "kernel/info.h"
#include "kernel/irq.h"
#include "kernel/lapic.h"
#include "kernel/pool.h"
#include "kernel/power.h"
#include "kernel/trap.h"
#include "kernel/x86.h"

#define ROUNDS_MAX 20000

struct cpu cpus[MAX_CPUS];
uint32_t cpu_count;
struct info_page *info_page;
const struct virt_ops *virt;

struct account *fake_root;
uint64_t fake_tsc;
uint64_t fake_timer_deadline[MAX_CPUS];
bool fake_halt_waits;

static uint64_t cr3[MAX_CPUS], cr0[MAX_CPUS], cr2[MAX_CPUS], cr4[MAX_CPUS], fs_base[MAX_CPUS], xcr0[MAX_CPUS];
static uint32_t ipis[MAX_CPUS];        /* [a] sent since the last question */
static uint32_t ipi_pending[MAX_CPUS]; /* [a] sent, not yet taken */
static uint64_t *kernel_root;
static uint32_t ioapic_registers[1024];
static uint64_t pool_baseline, frames_baseline;
static __thread jmp_buf *landing;
static bool is_on;

/* ------------------------------------------------------------------------------------------------ being a CPU */

void fake_cpu_become(uint32_t index)
{
    long failed = syscall(SYS_arch_prctl, ARCH_SET_GS, &cpus[index]);

    ASSERT(failed == 0);
}

/* Its own function: this_cpu() may be remembered by the compiler for the rest of a function. */
static __attribute__((noinline)) uint32_t who_am_i(void)
{
    uint32_t index;

    __asm__ volatile("mov %%gs:%c1, %0" : "=r"(index) : "i"(offsetof(struct cpu, index)));
    return index;
}

static __attribute__((noreturn)) void land(enum fake_landing where)
{
    ASSERT(landing != NULL);
    longjmp(*landing, (int)where);
}

/* Interrupts that a CPU with interrupts on would now take. */
static bool take_interrupts(uint32_t index)
{
    bool taken = __atomic_exchange_n(&ipi_pending[index], 0, __ATOMIC_SEQ_CST) != 0;

    if (taken && cpus[index].sweeping) { /* as trap.c has it */
        cpus[index].sweeping = false;
        __atomic_fetch_or(&cpus[index].attention, ATTENTION_SWEEP, __ATOMIC_SEQ_CST);
    }
    if (fake_timer_deadline[index] <= __atomic_load_n(&fake_tsc, __ATOMIC_RELAXED)) {
        fake_timer_deadline[index] = UINT64_MAX;
        cpus[index].timer_programmed = UINT64_MAX;
        __atomic_fetch_or(&cpus[index].attention, ATTENTION_TIMER, __ATOMIC_SEQ_CST);
        taken = true;
    }
    return taken;
}

bool fake_cpu_is_blind(void)
{
    uint32_t index = who_am_i();

    return __atomic_load_n(&cpus[index].attention, __ATOMIC_SEQ_CST) != 0 &&
           __atomic_load_n(&ipi_pending[index], __ATOMIC_SEQ_CST) == 0;
}

static void halt(uint32_t index)
{
    struct timespec moment = { 0, 1000 };

    while (!take_interrupts(index)) {
        if (!fake_halt_waits)
            land(FAKE_IDLE);
        nanosleep(&moment, NULL);
    }
}

void fake_instruction(const char *text);

/* In the shadow of STI nothing is taken if HLT follows: that is the point of the pair. Loading null selectors, the third
 * thing that the kernel's files do, is without effect here. */
void fake_instruction(const char *text)
{
    if (strstr(text, "hlt") != NULL)
        halt(who_am_i());
    else if (strstr(text, "sti") != NULL)
        (void)take_interrupts(who_am_i());
}

/* ------------------------------------------------------------------------------------ instructions and devices */

uint64_t x86_rdtsc(void)
{
    return __atomic_load_n(&fake_tsc, __ATOMIC_RELAXED);
}

uint64_t x86_rdmsr(uint32_t index)
{
    return index == MSR_FS_BASE ? fs_base[who_am_i()] : 0;
}

void x86_wrmsr(uint32_t index, uint64_t value)
{
    if (index == MSR_FS_BASE)
        fs_base[who_am_i()] = value;
}

uint64_t x86_read_cr0(void)
{
    return cr0[who_am_i()];
}

void x86_write_cr0(uint64_t value)
{
    cr0[who_am_i()] = value;
}

uint64_t x86_read_cr2(void)
{
    return cr2[who_am_i()];
}

void x86_write_cr2(uint64_t value)
{
    cr2[who_am_i()] = value;
}

uint64_t x86_read_cr3(void)
{
    return cr3[who_am_i()];
}

void x86_write_cr3(uint64_t value)
{
    cr3[who_am_i()] = value;
    fake_tlb_write_cr3(who_am_i());
}

uint64_t fake_cr3(uint32_t cpu)
{
    return cr3[cpu];
}

uint64_t x86_read_cr4(void)
{
    return cr4[who_am_i()];
}

void x86_write_cr4(uint64_t value)
{
    cr4[who_am_i()] = value;
}

void x86_invlpg(const void *address)
{
    fake_tlb_invlpg(who_am_i(), (uint64_t)address);
}

void x86_outb(uint16_t port, uint8_t value)
{
    (void)port, (void)value;
}

uint8_t x86_inb(uint16_t port)
{
    (void)port;
    return 0xff;
}

void x86_xsetbv(uint32_t index, uint64_t value)
{
    ASSERT(index == 0 && (value & 1) != 0);
    xcr0[who_am_i()] = value;
}

uint64_t x86_xgetbv(uint32_t index)
{
    ASSERT(index == 0);
    return xcr0[who_am_i()];
}

void lapic_ipi(uint32_t apic_id, uint32_t command)
{
    ASSERT(apic_id < cpu_count && command == VECTOR_KICK);
    __atomic_fetch_add(&ipis[apic_id], 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&ipi_pending[apic_id], 1, __ATOMIC_SEQ_CST);
}

uint32_t fake_ipis(uint32_t cpu)
{
    return __atomic_exchange_n(&ipis[cpu], 0, __ATOMIC_SEQ_CST);
}

void lapic_timer(uint64_t deadline_tsc)
{
    fake_timer_deadline[who_am_i()] = deadline_tsc;
}

void hostmap_load(void)
{
    x86_write_cr3(hostmap_root().value);
}

struct hpa hostmap_root(void)
{
    return pool_physical(kernel_root);
}

void hostmap_share(uint64_t *root)
{
    memcpy(root + 256, kernel_root + 256, PAGE_SIZE / 2);
}

/* The only device is the IOAPIC. */
void *hostmap_device(struct hpa base)
{
    (void)base;
    return ioapic_registers;
}

void power_off(void)
{
    land(FAKE_POWERED_OFF);
}

void power_reset(void)
{
    land(FAKE_POWERED_OFF);
}

void resume_by_sysret(struct registers *registers) __attribute__((noreturn));
void resume_by_iret(struct registers *registers) __attribute__((noreturn));

void resume_by_sysret(struct registers *registers)
{
    const struct cpu *cpu = &cpus[who_am_i()];

    ASSERT(registers == &cpu->current->registers);
    ASSERT(cpu->vcpu == NULL || !fake_vcpu(cpu->vcpu)->live);
    land(FAKE_RING3);
}

void resume_by_iret(struct registers *registers)
{
    resume_by_sysret(registers);
}

/* --------------------------------------------------------------------------------------------- leaving the kernel */

static enum fake_landing run(uint32_t index, struct registers *registers)
{
    jmp_buf here;
    jmp_buf *outer = landing;
    int where;

    fake_cpu_become(index);
    (void)take_interrupts(index);
    landing = &here;
    where = setjmp(here);
    if (where == 0) {
        if (registers != NULL)
            syscall_handler(registers);
        kernel_exit();
    }
    landing = outer;
    return (enum fake_landing)where;
}

enum fake_landing fake_cpu_leave(uint32_t index)
{
    uint32_t before = who_am_i();
    enum fake_landing where = run(index, NULL);

    fake_cpu_become(before);
    return where;
}

void fake_all_leave(void)
{
    for (uint32_t i = 0; i < cpu_count; i++)
        (void)fake_cpu_leave(i);
    lock_acquire(&structure_lock);
    graveyard_sweep(); /* as the next system call would */
    lock_release(&structure_lock);
}

enum fake_landing fake_syscall(uint32_t index, uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                               uint64_t e, uint64_t f)
{
    struct thread *thread = cpus[index].current;
    uint32_t before = who_am_i();

    ASSERT(thread != NULL);
    struct registers *r = &thread->registers;
    r->vector = VECTOR_SYSCALL;
    r->rax = number;
    r->rdi = a;
    r->rsi = b;
    r->rdx = c;
    r->r10 = d;
    r->r8 = e;
    r->r9 = f;
    enum fake_landing where = run(index, r);
    fake_cpu_become(before);
    return where;
}

/* Without syscall.c there are no system calls. */
__attribute__((weak)) void syscall_handler(struct registers *registers)
{
    (void)registers;
    panic("this test has no system calls");
}

/* ------------------------------------------------------------------------------------------------ power on and off */

static void start_cpu(uint32_t index)
{
    struct cpu *cpu = &cpus[index];

    *cpu = (struct cpu){ .self = cpu,
                         .index = index,
                         .apic_id = index,
                         .xcr0 = xstate_mask,
                         .timer_programmed = UINT64_MAX,
                         .online = true,
                         .trace = pool_take(NULL, PAGE_SIZE) };
    fake_timer_deadline[index] = UINT64_MAX;
    ipis[index] = ipi_pending[index] = 0;
    xcr0[index] = xstate_mask;
    fake_cpu_become(index);
    sched_cpu_init(index, &cpu->sched, fake_tsc);
    hostmap_load();
}

static void probe_ioapic(void)
{
    static bool done;
    static const struct boot_info boot = { .ioapic_count = 1, .ioapics = { { .base = 0xfec00000, .pins = 24 } } };

    if (!done)
        irq_probe(&boot);
    done = true;
}

void fake_machine_start(unsigned count)
{
    struct hpa huge;

    if (is_on) {
        fprintf(stderr, "the test before this one left its machine running: nothing that follows means anything\n");
        exit(1);
    }
    is_on = true;
    fake_allocations_fail_from(0);
    fake_pool_create(FAKE_POOL_BYTES);
    fake_memory_reset();
    fake_guest = NULL;
    fake_unload_hook = NULL;
    fake_vcpu_set_status = CL_OK;
    fake_blind_entries = 0;
    fake_halt_waits = false;
    fake_random_seed(1);
    fake_tsc += 1000000; /* time never goes back, not even over a reset */
    tsc_hz = FAKE_TSC_HZ;
    structure_lock = (struct spinlock){ 0 };
    virt = &fake_virt_ops;
    cpu_count = count;
    kernel_root = pool_take(NULL, PAGE_SIZE);
    info_page = pool_take(NULL, PAGE_SIZE);
    ASSERT(kernel_root != NULL && info_page != NULL);
    frames_init(hpa(FAKE_HUGE_BASE + HUGE_SIZE - 1));
    frames_add(hpa(FAKE_HUGE_BASE), HUGE_SIZE);
    enum cl_status taken = frames_take(HUGE_SHIFT, false, &huge);
    ASSERT(taken == CL_OK);
    frames_add(hpa(FAKE_RAM_BASE), FAKE_RAM_FRAMES * PAGE_SIZE);
    sched_init(count, time_from_ns(3000000));
    for (uint32_t i = 0; i < count; i++)
        start_cpu(i);
    fake_cpu_become(0);
    probe_ioapic();
    fake_root = account_create_root(UINT64_C(1) << 40, FAKE_RAM_FRAMES * PAGE_SIZE);
    fake_all_leave();
    pool_baseline = pool_free_bytes();
    frames_baseline = frames_free();
}

enum cl_status fake_destroy(struct object *object)
{
    enum cl_status status = CL_IN_PROGRESS;

    object_reference(object);
    for (unsigned i = 0; status == CL_IN_PROGRESS && i < ROUNDS_MAX; i++) {
        lock_acquire(&structure_lock);
        status = object_destroy(object);
        lock_release(&structure_lock);
        if (status == CL_IN_PROGRESS)
            fake_all_leave();
    }
    object_drop(object);
    return status;
}

void fake_account_end(struct account *account)
{
    enum cl_status status = fake_destroy(&account->object);

    if (status != CL_OK)
        panic("an account could not be destroyed: status %u, \"%s\"", status, fake_refusal);
    for (unsigned i = 0; i < 16; i++)
        fake_all_leave();
}

void fake_machine_stop(void)
{
    fake_allocations_fail_from(0);
    while (fake_root->objects != NULL) {
        struct object *object = container_of(fake_root->objects, struct object, link);
        enum cl_status status = fake_destroy(object);
        if (status != CL_OK)
            panic("an object of type %u could not be destroyed: status %u, \"%s\"", object->type, status, fake_refusal);
    }
    for (unsigned i = 0; i < ROUNDS_MAX && pool_free_bytes() != pool_baseline; i++)
        fake_all_leave();
    if (pool_free_bytes() != pool_baseline || frames_free() != frames_baseline)
        panic("%lu bytes of the pool and %lu frames were not given back", pool_baseline - pool_free_bytes(),
              frames_baseline - frames_free());
    ASSERT(fake_root->used[PURSE_KERNEL] == 0 && fake_root->used[PURSE_MEMORY] == 0);
    if (fake_stale_frames != 0)
        panic("%lu frames were reused while a CPU could still reach them", fake_stale_frames);
    if (fake_blind_entries != 0)
        panic("%u times a guest was entered before its CPU had attended to everything", fake_blind_entries);
    fake_pool_destroy();
    is_on = false;
}

/* ------------------------------------------------------------------------------------------------------ shorthands */

struct account *fake_child_account(uint64_t kernel_bytes, uint64_t memory_bytes)
{
    struct account_arguments arguments = { .kernel_bytes = kernel_bytes,
                                           .memory_bytes = memory_bytes,
                                           .affinity = AFFINITY_ALL,
                                           .scheduling_class = CLASS_FAIR,
                                           .weight = WEIGHT_DEFAULT };
    struct account *account = NULL;
    enum cl_status status = account_create(fake_root, &arguments, &account);

    if (status != CL_OK)
        panic("no account: %s", fake_refusal);
    return account;
}

struct domain *fake_domain(struct account *account)
{
    static const char name[DOMAIN_NAME_MAX] = "test";
    struct domain *domain = NULL;
    enum cl_status status = domain_create(account, name, 64, &domain);

    if (status != CL_OK)
        panic("no domain: %s", fake_refusal);
    return domain;
}

struct thread *fake_thread(struct domain *domain, struct account *account, uint64_t page_address, uint32_t cpu)
{
    struct thread_arguments arguments = {
        .entry = 0x400000, .stack = 0x500000, .page_address = page_address, .cpu = cpu
    };
    struct thread *thread = NULL;
    enum cl_status status = thread_create(domain, account, &arguments, &thread);

    if (status != CL_OK)
        panic("no thread: %s", fake_refusal);
    return thread;
}

void fake_thread_run(struct thread *thread)
{
    thread_start(thread);
    (void)fake_cpu_leave(thread->sched.cpu);
    ASSERT(cpus[thread->sched.cpu].current == thread);
}

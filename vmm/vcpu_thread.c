/* SPDX-License-Identifier: Apache-2.0 */
/* vcpu_thread.c: run the guest, carry out its exit, complete it, and again. */
#include <stdio.h>

#include "lib/log.h"
#include "lib/refusal.h"
#include "lib/runtime.h"
#include "lib/slots.h"
#include "lib/syscall.h"
#include "services/protocol/control.h"
#include "vmm/boot_state.h"
#include "vmm/monitor.h"
#include "vmm/msr_access.h"
#include "vmm/pic8259.h"

#include "abi/hypercall.h"

#define WAKE_BIT 1u
#define STACK_BYTES (64u * 1024)
#define EMULATOR_GROUPS (VCPU_GROUP_RIP | VCPU_GROUP_CODE | VCPU_GROUP_CONTROL)
#define VECTOR_GP 13
#define KVM_HYPERCALL_END 0x1000u /* abi/hypercall.h: numbers below are KVM's */

static void complete(struct vcpu_page *page, enum vcpu_completion how)
{
    page->completion = how;
}

static void general_protection(struct vcpu_page *page)
{
    page->event = (struct vcpu_events){ .type = VCPU_EVENT_EXCEPTION,
                                        .vector = VECTOR_GP,
                                        .has_error_code = 1,
                                        .nmi_blocked = page->event.nmi_blocked,
                                        .nmi_pending = page->event.nmi_pending };
    complete(page, VCPU_COMPLETE_EXCEPTION);
}

/* Have the kernel fill in register groups that did not come with the exit. */
static bool need_groups(struct vcpu_thread *t, uint32_t groups)
{
    uint32_t missing = groups & ~t->page->valid;
    enum cl_status status;

    if (missing == 0)
        return true;
    status = cl_vcpu_state_get(t->slot, missing, 0, NULL, 0);
    if (status == CL_OK)
        return true;
    monitor_request(t->monitor, MACHINE_STOPPED, 0, cl_refusal(status));
    return false;
}

static void exit_emulate(struct vcpu_thread *t)
{
    uint32_t groups = EMULATOR_GROUPS;

    if (t->page->exit.reason == VCPU_EXIT_DECODE) {
        switch (t->page->exit.decode.intercept) {
        case VCPU_INTERCEPT_DR:
            groups |= VCPU_GROUP_DEBUG;
            break;
        case VCPU_INTERCEPT_RDTSC:
            groups |= VCPU_GROUP_MSRS;
            break;
        case VCPU_INTERCEPT_INSTRUCTION:
            groups |= VCPU_GROUP_SEGMENTS | VCPU_GROUP_MSRS | VCPU_GROUP_EVENTS;
            break;
        default:
            break;
        }
    }
    if (t->page->exit.reason == VCPU_EXIT_TASK_SWITCH)
        groups |= VCPU_GROUP_SEGMENTS | VCPU_GROUP_DEBUG;
    if ((groups & ~t->page->valid) != 0 && !need_groups(t, groups))
        return;
    if (emulate(&t->emulator, t->page) != CL_OK) {
        cl_log("vCPU %u: %s", t->index, t->emulator.reason);
        monitor_request(t->monitor, MACHINE_STOPPED, 0, t->emulator.reason);
    }
}

static void exit_io(struct vcpu_thread *t)
{
    struct vcpu_page *page = t->page;
    const struct vcpu_exit_io *io = &page->exit.io;
    struct bus *bus = &t->monitor->machine.bus;
    uint64_t mask = io->size_bytes == 4 ? UINT32_MAX : io->size_bytes == 2 ? UINT16_MAX : UINT8_MAX;

    if (io->flags & VCPU_IO_STRING) {
        exit_emulate(t);
        return;
    }
    if (io->flags & VCPU_IO_IN) {
        uint32_t value = bus_io_read(bus, &t->tx, io->port, io->size_bytes);

        /* A 32-bit result clears the upper half, the smaller ones leave it. */
        page->gpr[GPR_RAX] = io->size_bytes == 4 ? value : (page->gpr[GPR_RAX] & ~mask) | value;
        page->dirty |= VCPU_GROUP_RIP;
    } else {
        bus_io_write(bus, &t->tx, io->port, io->size_bytes, (uint32_t)(page->gpr[GPR_RAX] & mask));
    }
    complete(page, VCPU_COMPLETE_ADVANCE);
}

static void exit_msr(struct vcpu_thread *t)
{
    struct vcpu_page *page = t->page;
    const struct vcpu_exit_msr *msr = &page->exit.msr;
    uint64_t value = msr->value;
    bool known;

    if (!need_groups(t, VCPU_GROUP_RIP | VCPU_GROUP_MSRS))
        return;
    known = msr->write ? msr_write(t, msr->index, value) : msr_read(t, msr->index, &value);
    if (!known) {
        general_protection(page);
        return;
    }
    if (!msr->write) {
        page->gpr[GPR_RAX] = value & UINT32_MAX;
        page->gpr[GPR_RDX] = value >> 32;
        page->dirty |= VCPU_GROUP_RIP;
    }
    complete(page, VCPU_COMPLETE_ADVANCE);
}

static void exit_hypercall(struct vcpu_thread *t)
{
    struct vcpu_page *page = t->page;
    uint64_t number = page->gpr[GPR_RAX];

    page->gpr[GPR_RAX] = number < KVM_HYPERCALL_END ? (uint64_t)KVM_HYPERCALL_ENOSYS : CL_HYPERCALL_UNKNOWN;
    page->dirty |= VCPU_GROUP_RIP;
    complete(page, VCPU_COMPLETE_ADVANCE);
}

static void exit_extint(struct vcpu_thread *t)
{
    uint8_t vector = pic8259_acknowledge(t->monitor->machine.pic, &t->tx);
    enum cl_status status = cl_vcpu_extint(t->slot, vector);

    if (status != CL_OK)
        cl_log_refusal(status, "vCPU %u: vector %u of the 8259", t->index, vector);
    complete(t->page, VCPU_COMPLETE_RETRY);
}

static void exit_init(struct vcpu_thread *t)
{
    if (t->index == 0) { /* the first CPU would begin at the firmware's reset vector */
        monitor_request(t->monitor, MACHINE_RESET, 0, "INIT on the first vCPU");
        return;
    }
    if (!need_groups(t, VCPU_GROUP_CONTROL)) /* XCR0 stays what it is */
        return;
    boot_state_sipi(t->page, 0);
    t->page->event.activity = VCPU_WAIT_FOR_SIPI;
    complete(t->page, VCPU_COMPLETE_RETRY);
}

/* What a guest stood on when it ended: nobody can ask it afterwards. */
static void log_state(unsigned index, const struct vcpu_page *page)
{
    cl_log("vCPU %u: triple fault at rip %lx rsp %lx rflags %lx cs %x ss %x rax %lx rcx %lx rdx %lx", index, page->rip,
           page->gpr[GPR_RSP], page->rflags, page->segment[SEG_CS].selector, page->segment[SEG_SS].selector,
           page->gpr[GPR_RAX], page->gpr[GPR_RCX], page->gpr[GPR_RDX]);
    cl_log("vCPU %u: cr0 %lx cr2 %lx cr3 %lx cr4 %lx efer %lx idt %lx+%x gdt %lx+%x dr6 %lx dr7 %lx event %u/%u", index,
           page->cr0, page->cr2, page->cr3, page->cr4, page->efer, page->idtr.base, page->idtr.limit, page->gdtr.base,
           page->gdtr.limit, page->dr[6], page->dr[7], page->event.type, page->event.vector);
}

static void dispatch(struct vcpu_thread *t)
{
    struct vcpu_page *page = t->page;
    char text[80];

    switch (page->exit.reason) {
    case VCPU_EXIT_IO:
        exit_io(t);
        break;
    case VCPU_EXIT_MEMORY:
    case VCPU_EXIT_DECODE:
    case VCPU_EXIT_TASK_SWITCH:
        exit_emulate(t);
        break;
    case VCPU_EXIT_MSR:
        exit_msr(t);
        break;
    case VCPU_EXIT_HYPERCALL:
        exit_hypercall(t);
        break;
    case VCPU_EXIT_EXTINT:
        exit_extint(t);
        break;
    case VCPU_EXIT_INIT:
        exit_init(t);
        break;
    case VCPU_EXIT_SIPI:
        boot_state_sipi(page, (uint8_t)page->exit.sipi.vector);
        complete(page, VCPU_COMPLETE_RETRY);
        break;
    case VCPU_EXIT_TRIPLE_FAULT:
        log_state(t->index, page);
        monitor_request(t->monitor, MACHINE_RESET, 0, "triple fault");
        break;
    default:
        (void)snprintf(text, sizeof(text), "vCPU %u: exit %u at %llx cannot be handled", t->index, page->exit.reason,
                       (unsigned long long)page->rip);
        monitor_request(t->monitor, MACHINE_STOPPED, page->exit.reason, text);
        break;
    }
}

/* For an audit that init asked for. */
static void audit(struct vcpu_thread *t)
{
    enum cl_status status;
    uint64_t count;

    while ((status = cl_vcpu_audit(t->slot, &count)) == CL_BUSY)
        cl_yield();
    t->broken_rules = status == CL_OK ? (uint32_t)count : CONTROL_AUDIT_REFUSED;
    __atomic_store_n(&t->audit_wanted, 0, __ATOMIC_RELEASE);
    (void)!cl_notify(t->monitor->events, UINT64_C(1) << VMM_EVENT_REQUEST);
}

/* Wait until the machine may run. Collects the notification's bits. */
static void park(struct vcpu_thread *t)
{
    uint64_t bits;

    while (__atomic_load_n(&t->monitor->paused, __ATOMIC_ACQUIRE)) {
        __atomic_store_n(&t->parked, 1, __ATOMIC_RELEASE);
        (void)!cl_notify(t->monitor->events, UINT64_C(1) << VMM_EVENT_REQUEST);
        if (__atomic_load_n(&t->audit_wanted, __ATOMIC_ACQUIRE))
            audit(t);
        if (cl_wait(t->notification, CL_NEVER, &bits) == CL_STOPPED)
            return;
    }
    __atomic_store_n(&t->parked, 0, __ATOMIC_RELEASE);
}

static void *run(void *argument)
{
    struct vcpu_thread *t = argument;
    uint64_t completed = 0, bits;

    for (;;) {
        enum cl_status status;

        /* An exit that is done is completed first: the vCPU stands still between two instructions. Who wants it to has
         * kicked it, so its guest does not run for that. */
        if (completed == 0 && __atomic_load_n(&t->monitor->paused, __ATOMIC_ACQUIRE))
            park(t);
        if (completed == 0 && __atomic_load_n(&t->audit_wanted, __ATOMIC_ACQUIRE))
            audit(t);
        status = cl_vcpu_run(t->slot, t->notification, completed);
        if (status == CL_BUSY || status == CL_IN_PROGRESS) {
            cl_yield(); /* another CPU has yet to let go of it */
            continue;
        }
        if (status != CL_OK) {
            cl_log_refusal(status, "vCPU %u", t->index);
            monitor_request(t->monitor, MACHINE_STOPPED, 0, cl_refusal(status));
            completed = 0;
            continue;
        }
        completed = 0;
        if (t->page->exit.reason == VCPU_EXIT_NOTIFICATION || t->page->exit.reason == VCPU_EXIT_NONE) {
            (void)!cl_wait(t->notification, CL_POLL, &bits);
            continue;
        }
        if (t->page->exit.reason < VCPU_EXIT_REASON_COUNT)
            __atomic_fetch_add(&t->monitor->exits[t->page->exit.reason], 1, __ATOMIC_RELAXED);
        capsule_exit_begin(&t->tx, t->page->exit.sequence);
        dispatch(t);
        /* A request stops the machine with the exit still pending: whoever runs this vCPU next gets it again. */
        if (t->page->exit.pending && __atomic_load_n(&t->monitor->request, __ATOMIC_ACQUIRE) == MACHINE_RUN)
            completed = t->page->exit.sequence;
    }
    return NULL;
}

static bool apic_read(void *context, uint32_t offset, uint32_t *value)
{
    const struct vcpu_thread *t = context;

    return cl_vcpu_apic_read(t->slot, offset, value) == CL_OK;
}

static bool apic_write(void *context, uint32_t offset, uint32_t value)
{
    const struct vcpu_thread *t = context;

    return cl_vcpu_apic_write(t->slot, offset, value) == CL_OK;
}

static bool emulator_msr_read(void *context, uint32_t index, uint64_t *value)
{
    return msr_read(context, index, value);
}

static bool emulator_msr_write(void *context, uint32_t index, uint64_t value)
{
    return msr_write(context, index, value);
}

static void emulator_cpuid(void *context, uint32_t leaf, uint32_t subleaf, uint32_t result[4])
{
    const struct vcpu_thread *t = context;

    cpuid_query(&t->monitor->cpuid, t->page, t->index, leaf, subleaf, result);
}

static const struct emulator_ops emulator_ops = { .apic_read = apic_read,
                                                  .apic_write = apic_write,
                                                  .msr_read = emulator_msr_read,
                                                  .msr_write = emulator_msr_write,
                                                  .cpuid = emulator_cpuid };

enum cl_status vcpu_thread_create(struct monitor *m, unsigned index)
{
    struct vcpu_thread *t = &m->vcpu[index];
    uint64_t page = VMM_VCPU_PAGES + (uint64_t)index * 4096;

    t->monitor = m;
    t->index = index;
    t->page = (struct vcpu_page *)page;
    TRY(cl_slot_alloc(&t->slot));
    TRY(cl_vcpu_create(t->slot, m->vm, m->vm_account, index, page, m->local_apic));
    TRY(cl_slot_alloc(&t->notification));
    TRY(cl_notification_create(t->notification, cl_start()->account_slot));
    capsule_tx_init(&t->tx, m->machine.capsule, index + 1);
    t->emulator.memory = &m->machine.memory;
    t->emulator.bus = &m->machine.bus;
    t->emulator.tx = &t->tx;
    t->emulator.ops = &emulator_ops;
    t->emulator.context = t;
    t->emulator.cr4_allowed = m->cpuid.cr4;
    t->emulator.xcr0_allowed = m->cpuid.xcr0;
    return CL_OK;
}

enum cl_status vcpu_thread_start(struct vcpu_thread *t)
{
    pthread_attr_t attributes;
    int error;

    if (pthread_attr_init(&attributes) != 0)
        return CL_NO_MEMORY;
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    error = pthread_create(&t->thread, &attributes, run, t);
    (void)pthread_attr_destroy(&attributes);
    return error == 0 ? CL_OK : CL_NO_MEMORY;
}

void vcpu_thread_kick(struct vcpu_thread *t)
{
    (void)!cl_notify(t->notification, WAKE_BIT);
    (void)!cl_vcpu_kick(t->slot);
}

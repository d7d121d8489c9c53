/* SPDX-License-Identifier: Apache-2.0 */
/* syscall.h: one function for each system call of abi/syscall.h.
 *
 * Calls that report CL_IN_PROGRESS are repeated here until they have ended, so none of these functions returns that
 * status (but cl_vcpu_run(), which is one system call whatever happens). Each is callable from any thread;
 * what travels in the thread page (arguments, text, tables) is copied in and out, so nothing is shared by threads.
 * A failure's sentence is at hand until the same thread's next failing call: lib/refusal.h.
 */
#ifndef CL_LIB_SYSCALL_H
#define CL_LIB_SYSCALL_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "abi/info_page.h"
#include "abi/status.h"
#include "abi/syscall.h"
#include "abi/thread_page.h"
#include "lib/thread.h"

#define CL_NEVER UINT64_MAX /* a deadline that does not come */
#define CL_POLL UINT64_C(0) /* a deadline that has passed */

struct cl_result {
    enum cl_status status;
    uint64_t value; /* RDX */
};

#if CL_HOST_TEST
/* On the host, where the instruction would reach another kernel, the test answers. */
struct cl_result cl_syscall6(enum syscall_number number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                             uint64_t f);
#else
/* The instruction itself. In ring 3 it stands only here and at the end of a thread (lib/entry.asm). */
static inline struct cl_result cl_syscall6(enum syscall_number number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                                           uint64_t e, uint64_t f)
{
    uint64_t status = number, value = c;
    register uint64_t r10 __asm__("r10") = d;
    register uint64_t r8 __asm__("r8") = e;
    register uint64_t r9 __asm__("r9") = f;

    __asm__ volatile("syscall"
                     : "+a"(status), "+d"(value)
                     : "D"(a), "S"(b), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "cc", "memory");
    return (struct cl_result){ (enum cl_status)status, value };
}
#endif

/* The same, until it is done. */
static inline struct cl_result cl_syscall_whole(enum syscall_number number, uint64_t a, uint64_t b, uint64_t c,
                                                uint64_t d, uint64_t e, uint64_t f)
{
    struct cl_result result;

    do
        result = cl_syscall6(number, a, b, c, d, e, f);
    while (result.status == CL_IN_PROGRESS);
    return result;
}

static inline enum cl_status cl_call_(struct cl_result result, uint64_t *value)
{
    if (value != NULL)
        *value = result.value;
    return result.status;
}

static inline struct thread_page *cl_thread_page(void)
{
    return cl_thread_self()->page;
}

static inline const struct info_page *cl_info(void)
{
    return (const struct info_page *)INFO_PAGE_ADDRESS;
}

static inline uint64_t cl_tsc(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

/* ------------------------------------------------------------------------------------------------- authority */

/* Split an account off `parent` (RIGHT_CHARGE): its memory is taken from the parent, its CPU authority is a part of
 * the parent's. CL_NO_MEMORY, CL_NO_AUTHORITY: the parent has not that much. */
CL_MUST_CHECK static inline enum cl_status cl_account_create(uint32_t new_slot, uint32_t parent,
                                                             const struct account_arguments *arguments)
{
    memcpy(cl_thread_page()->argument, arguments, sizeof(*arguments));
    return cl_syscall_whole(SYS_ACCOUNT_CREATE, new_slot, parent, 0, 0, 0, 0).status;
}

/* A new domain, empty: no thread, no mapping, no capability. `name` (printable ASCII) is what the log shows; the kernel
 * keeps 23 characters of it. `capability_slots`: size of its table. Bit `fault_bit` of `faults` is set when a fault
 * stops the domain. */
CL_MUST_CHECK static inline enum cl_status cl_domain_create(uint32_t new_slot, uint32_t account,
                                                            uint32_t capability_slots, uint32_t faults,
                                                            uint32_t fault_bit, const char *name)
{
    char *data = (char *)cl_thread_page()->data;
    size_t length = strnlen(name, 63);

    memcpy(data, name, length);
    data[length] = 0;
    return cl_syscall_whole(SYS_DOMAIN_CREATE, new_slot, account, capability_slots, faults, fault_bit, 0).status;
}

/* No thread of the domain enters ring 3 or a guest again, once this has returned CL_OK. */
CL_MUST_CHECK static inline enum cl_status cl_domain_stop(uint32_t domain)
{
    return cl_syscall_whole(SYS_DOMAIN_STOP, domain, 0, 0, 0, 0, 0).status;
}

/* Copy a capability (RIGHT_COPY) into slot `new_slot` of `domain` (RIGHT_CONFIGURE), with `rights` of those it has. */
CL_MUST_CHECK static inline enum cl_status cl_cap_copy(uint32_t slot, uint32_t domain, uint32_t new_slot,
                                                       uint32_t rights)
{
    return cl_syscall_whole(SYS_CAP_COPY, slot, domain, new_slot, rights, 0, 0).status;
}

/* Empty a slot of a domain's table. The object lives on until it, or its account, is destroyed. */
CL_MUST_CHECK static inline enum cl_status cl_cap_delete(uint32_t domain, uint32_t slot)
{
    return cl_syscall_whole(SYS_CAP_DELETE, domain, slot, 0, 0, 0, 0).status;
}

/* Destroy the object (RIGHT_DESTROY) whoever else has a capability of it; an account with all that it paid for.
 * Returns when every CPU has let go of it. */
CL_MUST_CHECK static inline enum cl_status cl_object_destroy(uint32_t slot)
{
    return cl_syscall_whole(SYS_OBJECT_DESTROY, slot, 0, 0, 0, 0, 0).status;
}

/* ---------------------------------------------------------------------------------------------------- memory */

/* `flags`: MEMORY_*. `size_bytes` is a multiple of 4096; the contents are zero. */
CL_MUST_CHECK static inline enum cl_status cl_memory_create(uint32_t new_slot, uint32_t account, uint64_t size_bytes,
                                                            uint32_t flags)
{
    return cl_syscall_whole(SYS_MEMORY_CREATE, new_slot, account, size_bytes, flags, 0, 0).status;
}

/* A capability of a part of a memory object, which is revoked when the slice is destroyed, or its parent. */
CL_MUST_CHECK static inline enum cl_status cl_memory_slice(uint32_t new_slot, uint32_t memory, uint64_t offset,
                                                           uint64_t length)
{
    return cl_syscall_whole(SYS_MEMORY_SLICE, new_slot, memory, offset, length, 0, 0).status;
}

/* Map `length` bytes of `memory` from `offset` at `address` of `target`, a domain or a vm. `rights`: MAP_*. All three
 * numbers are multiples of 4096. After a failure nothing of it is mapped: the pieces that were are unmapped here, and the
 * breadcrumb is that of the failure. */
CL_MUST_CHECK static inline enum cl_status cl_memory_map(uint32_t memory, uint32_t target, uint64_t offset,
                                                         uint64_t length, uint64_t address, uint32_t rights)
{
    bool started = false;
    enum cl_status status;

    do {
        status = cl_syscall6(SYS_MEMORY_MAP, memory, target, offset, length, address, rights).status;
        started = started || status == CL_IN_PROGRESS;
    } while (status == CL_IN_PROGRESS);

    /* CL_NO_MEMORY may come after a part; if it came before, the addresses were free and there is nothing to unmap */
    if (status == CL_NO_MEMORY || (status != CL_OK && started)) {
        struct breadcrumb why = cl_thread_page()->breadcrumb;
        (void)!cl_syscall_whole(SYS_MEMORY_UNMAP, target, address, 0, 0, 0, 0).status;
        cl_thread_page()->breadcrumb = why;
    }
    return status;
}

/* Remove the whole mapping that starts at `address`. */
CL_MUST_CHECK static inline enum cl_status cl_memory_unmap(uint32_t target, uint64_t address)
{
    return cl_syscall_whole(SYS_MEMORY_UNMAP, target, address, 0, 0, 0, 0).status;
}

/* ------------------------------------------------------------------------------------------------- execution */

/* A thread of `domain`, stopped; cl_thread_start() lets it run. */
CL_MUST_CHECK static inline enum cl_status cl_thread_create(uint32_t new_slot, uint32_t domain, uint32_t account,
                                                            const struct thread_arguments *arguments)
{
    memcpy(cl_thread_page()->argument, arguments, sizeof(*arguments));
    return cl_syscall_whole(SYS_THREAD_CREATE, new_slot, domain, account, 0, 0, 0).status;
}

/* Any operation of enum thread_operation; `old` may be NULL. */
CL_MUST_CHECK static inline enum cl_status cl_thread_control(uint32_t thread, enum thread_operation operation,
                                                             uint64_t value, uint64_t *old)
{
    return cl_call_(cl_syscall_whole(SYS_THREAD_CONTROL, thread, operation, value, 0, 0, 0), old);
}

CL_MUST_CHECK static inline enum cl_status cl_thread_start(uint32_t thread)
{
    return cl_thread_control(thread, THREAD_START, 0, NULL);
}

/* Returns when the thread has left its CPU. */
CL_MUST_CHECK static inline enum cl_status cl_thread_stop(uint32_t thread)
{
    return cl_thread_control(thread, THREAD_STOP, 0, NULL);
}

/* State and, for a faulted thread, what it looked like. */
CL_MUST_CHECK static inline enum cl_status cl_thread_report(uint32_t thread, struct thread_report *report)
{
    TRY(cl_thread_control(thread, THREAD_GET_STATE, 0, NULL));
    memcpy(report, cl_thread_page()->data, sizeof(*report));
    return CL_OK;
}

CL_MUST_CHECK static inline enum cl_status cl_notification_create(uint32_t new_slot, uint32_t account)
{
    return cl_syscall_whole(SYS_NOTIFICATION_CREATE, new_slot, account, 0, 0, 0, 0).status;
}

/* Set `bits` (RIGHT_SIGNAL) and wake the waiter, if there is one. Bits that are already set stay set. */
CL_MUST_CHECK static inline enum cl_status cl_notify(uint32_t notification, uint64_t bits)
{
    return cl_syscall6(SYS_NOTIFY, notification, bits, 0, 0, 0, 0).status;
}

/* Wait until the notification (RIGHT_WAIT) has bits, collect and clear them. `deadline_tsc`: a TSC value, CL_POLL or
 * CL_NEVER. CL_TIMED_OUT: the deadline came first, and *bits is 0. CL_BUSY: another thread waits here. */
CL_MUST_CHECK static inline enum cl_status cl_wait(uint32_t notification, uint64_t deadline_tsc, uint64_t *bits)
{
    struct cl_result result = cl_syscall6(SYS_WAIT, notification, deadline_tsc, 0, 0, 0, 0);

    *bits = result.status == CL_OK ? result.value : 0;
    return result.status;
}

/* Let other threads of the same priority or account run. */
static inline void cl_yield(void)
{
    (void)!cl_syscall6(SYS_YIELD, 0, 0, 0, 0, 0, 0).status;
}

/* -------------------------------------------------------------------------------------------------- devices */

/* Let `domain` use `count` I/O ports from `first`, or no longer. */
CL_MUST_CHECK static inline enum cl_status cl_ports_grant(uint32_t ports, uint32_t domain, uint16_t first,
                                                          uint32_t count, bool grant)
{
    return cl_syscall_whole(SYS_PORTS_GRANT, ports, domain, first, count, grant, 0).status;
}

/* Bind global system interrupt `gsi` of an interrupt source to bit `bit` of a notification. */
CL_MUST_CHECK static inline enum cl_status cl_irq_bind(uint32_t new_slot, uint32_t account, uint32_t source,
                                                       uint32_t gsi, uint32_t notification, uint32_t bit)
{
    return cl_syscall_whole(SYS_IRQ_BIND, new_slot, account, source, gsi, notification, bit).status;
}

CL_MUST_CHECK static inline enum cl_status cl_irq_ack(uint32_t irq)
{
    return cl_syscall6(SYS_IRQ_ACK, irq, 0, 0, 0, 0, 0).status;
}

/* --------------------------------------------------------------------------------------------------- guests */

/* A VM; bit `bit` of `notification` is set at the EOI of a level interrupt and at an INIT. */
CL_MUST_CHECK static inline enum cl_status cl_vm_create(uint32_t new_slot, uint32_t account, uint32_t notification,
                                                        uint32_t bit, const char *name)
{
    char *data = (char *)cl_thread_page()->data;
    size_t length = strnlen(name, 63);

    memcpy(data, name, length);
    data[length] = 0;
    return cl_syscall_whole(SYS_VM_CREATE, new_slot, account, notification, bit, 0, 0).status;
}

/* Set entries [first, first + count) of the VM's CPUID table. CL_LIMIT: more than one page holds. */
CL_MUST_CHECK static inline enum cl_status cl_vm_policy_cpuid(uint32_t vm, uint32_t first, uint32_t count,
                                                              const struct vm_cpuid_entry *entries)
{
    if (count > THREAD_PAGE_DATA_MAX / sizeof(*entries))
        return CL_LIMIT;
    memcpy(cl_thread_page()->data, entries, count * sizeof(*entries));
    return cl_syscall_whole(SYS_VM_POLICY, vm, VM_POLICY_CPUID, first, count, 0, 0).status;
}

/* The same for MSRs. */
CL_MUST_CHECK static inline enum cl_status cl_vm_policy_msr(uint32_t vm, uint32_t first, uint32_t count,
                                                            const struct vm_msr_entry *entries)
{
    if (count > THREAD_PAGE_DATA_MAX / sizeof(*entries))
        return CL_LIMIT;
    memcpy(cl_thread_page()->data, entries, count * sizeof(*entries));
    return cl_syscall_whole(SYS_VM_POLICY, vm, VM_POLICY_MSR, first, count, 0, 0).status;
}

/* A write of `width_bytes` (1, 2, 4) to `port` only sets bit `bit` of `notification`, or no longer does. */
CL_MUST_CHECK static inline enum cl_status cl_vm_doorbell(uint32_t vm, uint16_t port, uint32_t width_bytes,
                                                          uint32_t notification, uint32_t bit, bool add)
{
    return cl_syscall_whole(SYS_VM_DOORBELL, vm, port, width_bytes, notification, bit, add).status;
}

/* Deliver the MSI that a device would write: SDM Vol. 3A 11.11. */
CL_MUST_CHECK static inline enum cl_status cl_vm_interrupt(uint32_t vm, uint64_t address, uint32_t data)
{
    return cl_syscall6(SYS_VM_INTERRUPT, vm, address, data, 0, 0, 0).status;
}

/* Which of the level vectors 64*word to 64*word+63 had an EOI since the last call. */
CL_MUST_CHECK static inline enum cl_status cl_vm_eoi_read(uint32_t vm, uint32_t word, uint64_t *vectors)
{
    return cl_call_(cl_syscall6(SYS_VM_EOI_READ, vm, word, 0, 0, 0, 0), vectors);
}

/* vCPU number `index`; its page (abi/vcpu.h) appears at `page_address` of the caller. `apic`: who works on its local APIC. */
CL_MUST_CHECK static inline enum cl_status cl_vcpu_create(uint32_t new_slot, uint32_t vm, uint32_t account,
                                                          uint32_t index, uint64_t page_address, enum vcpu_apic apic)
{
    return cl_syscall_whole(SYS_VCPU_CREATE, new_slot, vm, account, index, page_address, apic).status;
}

/* Run the guest until it needs the VMM or `notification` has bits: abi/vcpu.h. `completed`: sequence number of the
 * exit that the vCPU page completes, 0 for none. One system call: whatever its status is, it is the caller's. */
CL_MUST_CHECK static inline enum cl_status cl_vcpu_run(uint32_t vcpu, uint32_t notification, uint64_t completed)
{
    return cl_syscall6(SYS_VCPU_RUN, vcpu, notification, completed, 0, 0, 0).status;
}

/* Make this or the next run of the vCPU return at an instruction boundary. */
CL_MUST_CHECK static inline enum cl_status cl_vcpu_kick(uint32_t vcpu)
{
    return cl_syscall6(SYS_VCPU_KICK, vcpu, 0, 0, 0, 0, 0).status;
}

/* Read a register group (`what`: VCPU_GROUP_*, into the vCPU page) or a VCPU_STATE_* part, of which `size` bytes are
 * copied to `data`. For groups `data` is NULL. CL_LIMIT: `size` is more than a thread page holds. */
CL_MUST_CHECK static inline enum cl_status cl_vcpu_state_get(uint32_t vcpu, uint32_t what, uint32_t part, void *data,
                                                             size_t size)
{
    if (size > THREAD_PAGE_DATA_MAX)
        return CL_LIMIT;
    TRY(cl_syscall_whole(SYS_VCPU_STATE_GET, vcpu, what, part, 0, 0, 0).status);
    if (data != NULL)
        memcpy(data, cl_thread_page()->data, size);
    return CL_OK;
}

/* How many rules of VM entry the next entry of the vCPU would break; the log has them. CL_STOPPED: an entry was refused
 * before, and nothing is left of the state. */
CL_MUST_CHECK static inline enum cl_status cl_vcpu_audit(uint32_t vcpu, uint64_t *broken_rules)
{
    return cl_call_(cl_syscall_whole(SYS_VCPU_STATE_GET, vcpu, VCPU_STATE_AUDIT, 0, 0, 0, 0), broken_rules);
}

/* cl_vcpu_state_get the other way. */
CL_MUST_CHECK static inline enum cl_status cl_vcpu_state_set(uint32_t vcpu, uint32_t what, uint32_t part,
                                                             const void *data, size_t size)
{
    if (size > THREAD_PAGE_DATA_MAX)
        return CL_LIMIT;
    if (data != NULL)
        memcpy(cl_thread_page()->data, data, size);
    return cl_syscall_whole(SYS_VCPU_STATE_SET, vcpu, what, part, 0, 0, 0).status;
}

/* An access to the xAPIC page that the VMM decoded. */
CL_MUST_CHECK static inline enum cl_status cl_vcpu_apic_read(uint32_t vcpu, uint32_t offset, uint32_t *value)
{
    struct cl_result result = cl_syscall6(SYS_VCPU_APIC, vcpu, offset, 0, 0, 0, 0);

    *value = (uint32_t)result.value;
    return result.status;
}

CL_MUST_CHECK static inline enum cl_status cl_vcpu_apic_write(uint32_t vcpu, uint32_t offset, uint32_t value)
{
    return cl_syscall6(SYS_VCPU_APIC, vcpu, offset, value, 1, 0, 0).status;
}

/* `what`: a vector of the 8259 (0 to 255), 256 to raise the ExtINT line, 257 to lower it. */
CL_MUST_CHECK static inline enum cl_status cl_vcpu_extint(uint32_t vcpu, uint32_t what)
{
    return cl_syscall6(SYS_VCPU_EXTINT, vcpu, what, 0, 0, 0, 0).status;
}

CL_MUST_CHECK static inline enum cl_status cl_vcpu_lint(uint32_t vcpu, uint32_t pin, bool level)
{
    return cl_syscall6(SYS_VCPU_LINT, vcpu, pin, level, 0, 0, 0).status;
}

/* --------------------------------------------------------------------------------------------------- system */

CL_MUST_CHECK static inline enum cl_status cl_info_account(uint32_t account, struct account_report *report)
{
    TRY(cl_syscall6(SYS_SYSTEM_INFO, SYSTEM_INFO_ACCOUNT, account, 0, 0, 0, 0).status);
    memcpy(report, cl_thread_page()->data, sizeof(*report));
    return CL_OK;
}

CL_MUST_CHECK static inline enum cl_status cl_info_memory(struct memory_report *report)
{
    TRY(cl_syscall6(SYS_SYSTEM_INFO, SYSTEM_INFO_MEMORY, 0, 0, 0, 0, 0).status);
    memcpy(report, cl_thread_page()->data, sizeof(*report));
    return CL_OK;
}

CL_MUST_CHECK static inline enum cl_status cl_info_cpu(uint32_t cpu, struct cpu_report *report)
{
    TRY(cl_syscall6(SYS_SYSTEM_INFO, SYSTEM_INFO_CPU, cpu, 0, 0, 0, 0).status);
    memcpy(report, cl_thread_page()->data, sizeof(*report));
    return CL_OK;
}

/* Capabilities of `domain` from table slot `first` on: as many as fit into `capacity` and one thread page. */
CL_MUST_CHECK static inline enum cl_status cl_info_caps(uint32_t domain, uint32_t first, struct cap_report *reports,
                                                        uint32_t capacity, uint32_t *count)
{
    struct cl_result result = cl_syscall6(SYS_SYSTEM_INFO, SYSTEM_INFO_CAPS, domain, first, 0, 0, 0);
    uint64_t got = result.value;

    TRY(result.status);
    if (got > capacity)
        got = capacity;
    if (got > THREAD_PAGE_DATA_MAX / sizeof(*reports))
        got = THREAD_PAGE_DATA_MAX / sizeof(*reports);
    memcpy(reports, cl_thread_page()->data, got * sizeof(*reports));
    *count = (uint32_t)got;
    return CL_OK;
}

/* Text of the kernel's log ring from `*position` on, which moves behind what was read; *length 0: nothing new yet. */
CL_MUST_CHECK static inline enum cl_status cl_log_read(uint32_t system, uint64_t *position, char *text, size_t capacity,
                                                       size_t *length)
{
    struct cl_result result = cl_syscall6(SYS_LOG_READ, system, *position, 0, 0, 0, 0);
    const struct thread_page *page = cl_thread_page();

    TRY(result.status);
    if (result.value > THREAD_PAGE_DATA_MAX || result.value > capacity)
        return CL_LIMIT;
    memcpy(text, page->data, result.value);
    *length = result.value;
    *position = page->argument[0];
    return CL_OK;
}

/* One line of this domain into the log, without a newline; the kernel puts the domain's name before it. */
CL_MUST_CHECK static inline enum cl_status cl_log_write(const char *line, size_t length)
{
    if (length > THREAD_PAGE_DATA_MAX)
        return CL_LIMIT;
    memcpy(cl_thread_page()->data, line, length);
    return cl_syscall6(SYS_LOG_WRITE, length, 0, 0, 0, 0, 0).status;
}

/* Map the trace ring of a CPU at `address` of the caller, readable. */
CL_MUST_CHECK static inline enum cl_status cl_trace_map(uint32_t system, uint32_t cpu, uint64_t address)
{
    return cl_syscall_whole(SYS_TRACE_MAP, system, cpu, address, 0, 0, 0).status;
}

/* Power off or reset the machine. Returns only when it was refused. */
CL_MUST_CHECK static inline enum cl_status cl_system_control(uint32_t system, enum system_operation operation)
{
    return cl_syscall_whole(SYS_SYSTEM_CONTROL, system, operation, 0, 0, 0, 0).status;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: one VM's monitor: put the machine together, load its guest, start its vCPUs, serve its devices' other side. */
#include <cpuid.h>
#include <stdio.h>
#include <stdlib.h>

#include <cJSON.h>

#include "lib/log.h"
#include "lib/refusal.h"
#include "lib/runtime.h"
#include "lib/slots.h"
#include "lib/syscall.h"
#include "lib/thread.h"
#include "vmm/acpi_tables.h"
#include "vmm/boot_state.h"
#include "vmm/ioapic.h"
#include "vmm/load.h"
#include "vmm/monitor.h"
#include "vmm/msr_policy.h"
#include "vmm/pm.h"
#include "vmm/wiring.h"
#include "vmm/xsavec.h"

#define STATE_VERSION 1
#define CPUID_PER_CALL (THREAD_PAGE_DATA_MAX / sizeof(struct vm_cpuid_entry))
#define HOST_LEAVES_MAX 160u

static_assert(CONTROL_VCPUS_MAX < THREADS_MAX, "a thread for each vCPU, and the main thread");

static struct monitor monitor;
static struct wiring wiring;

/* End with a sentence: nothing of the guest has run yet, or nothing can any more. */
static _Noreturn void give_up(const char *what, enum cl_status status)
{
    char text[sizeof(((struct vmm_report *)0)->reason)];

    (void)snprintf(text, sizeof(text), "%s: %s", what, cl_status_name(status));
    cl_log_refusal(status, "%s", what);
    monitor_request(&monitor, MACHINE_STOPPED, status, text);
    exit(1);
}

static void need(enum cl_status status, const char *what)
{
    if (status != CL_OK)
        give_up(what, status);
}

static void *optional_region(const char *name, uint64_t *size)
{
    uint64_t address;

    *size = 0;
    return start_block_region(cl_start(), name, &address, size) == CL_OK ? (void *)address : NULL;
}

static uint32_t optional_slot(const char *name)
{
    uint32_t slot;

    return start_block_slot(cl_start(), name, &slot) == CL_OK ? slot : 0;
}

/* -------------------------------------------------------------------------------------------------- configuration */

static double json_number(const cJSON *json, const char *key, double otherwise)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);

    return cJSON_IsNumber(item) ? item->valuedouble : otherwise;
}

static const char *json_text(const cJSON *json, const char *key, const char *otherwise)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);

    return cJSON_IsString(item) ? item->valuestring : otherwise;
}

static cJSON *read_argument(void)
{
    const struct start_block *start = cl_start();
    cJSON *json = NULL;

    if (start->argument_address != 0)
        json = cJSON_ParseWithLength((const char *)start->argument_address, start->argument_size_bytes);
    if (json == NULL)
        give_up("the argument is not JSON", CL_BAD_ARGUMENT);
    return json;
}

/* ------------------------------------------------------------------------------------------------------- policies */

static void add_host_leaf(struct vm_cpuid_entry *leaves, unsigned *count, uint32_t leaf, uint32_t subleaf,
                          uint32_t flags)
{
    struct vm_cpuid_entry *e = &leaves[*count];

    if (*count == HOST_LEAVES_MAX)
        return;
    *e = (struct vm_cpuid_entry){ .leaf = leaf, .subleaf = subleaf, .flags = flags };
    __cpuid_count(leaf, subleaf, e->eax, e->ebx, e->ecx, e->edx);
    (*count)++;
}

/* The host's leaves; above the maximum of a range a CPU echoes another leaf, so the maxima come first. */
static unsigned read_host_cpuid(struct vm_cpuid_entry *leaves)
{
    uint32_t highest, highest_extended, b, c, d;
    unsigned count = 0;

    __cpuid(0, highest, b, c, d);
    __cpuid(0x80000000, highest_extended, b, c, d);
    for (uint32_t leaf = 0; leaf <= highest && leaf <= 0x1F; leaf++) {
        uint32_t subleaves = leaf == 4 ? 8 : leaf == 7 ? 1 : leaf == 0xD ? 32 : 0;

        if (subleaves == 0)
            add_host_leaf(leaves, &count, leaf, 0, 0);
        for (uint32_t sub = 0; sub < subleaves; sub++)
            add_host_leaf(leaves, &count, leaf, sub, VM_CPUID_SUBLEAF);
    }
    for (uint32_t leaf = 0x80000000; leaf <= highest_extended && leaf <= 0x80000020; leaf++) {
        if (leaf != 0x8000001D)
            add_host_leaf(leaves, &count, leaf, 0, 0);
        else
            for (uint32_t sub = 0; sub < 8; sub++)
                add_host_leaf(leaves, &count, leaf, sub, VM_CPUID_SUBLEAF);
    }
    return count;
}

static void set_policies(struct monitor *m)
{
    static struct vm_cpuid_entry leaves[HOST_LEAVES_MAX];
    const struct cpuid_options options = { .cpus = m->cpus,
                                           .tsc_hz = m->tsc_hz,
                                           /* the local APIC's timer counts TSC ticks */ .apic_hz = m->tsc_hz,
                                           .xcr0 = cl_info()->xcr0,
                                           .no_xsavec = !xsavec_works(cl_info()->xcr0) };
    unsigned count = read_host_cpuid(leaves);
    const struct vm_msr_entry *msrs;

    if (options.no_xsavec)
        cl_log("XSAVEC is hidden from the guest: it stores AVX state where XRSTOR does not look");

    need(cpuid_build(&m->cpuid, leaves, count, &options), "CPUID of the VM");
    for (unsigned at = 0; at < m->cpuid.count; at += CPUID_PER_CALL) {
        unsigned part = m->cpuid.count - at;

        if (part > CPUID_PER_CALL)
            part = CPUID_PER_CALL;
        need(cl_vm_policy_cpuid(m->vm, at, part, &m->cpuid.entry[at]), "CPUID policy");
    }
    msrs = msr_policy(cl_info()->vendor == INFO_VENDOR_AMD, &count);
    need(cl_vm_policy_msr(m->vm, 0, count, msrs), "MSR policy");
}

/* -------------------------------------------------------------------------------------------------------- machine */

/* Attach the capsule that an earlier VMM left, or make one. */
static void build_machine(struct monitor *m, const cJSON *argument)
{
    uint64_t capsule_bytes, low_bytes, high_bytes;
    void *memory = cl_require_region(VMM_REGION_CAPSULE, &capsule_bytes);
    struct guest_memory ram = { 0 };
    struct capsule_section *section;
    struct capsule *capsule;
    enum cl_status status = capsule_attach(memory, capsule_bytes, &capsule);
    bool created;

    ram.low = cl_require_region(VMM_REGION_RAM_LOW, &low_bytes);
    ram.low_bytes = low_bytes;
    ram.high = optional_region(VMM_REGION_RAM_HIGH, &high_bytes);
    ram.high_bytes = high_bytes;
    if (status == CL_NOT_FOUND)
        status = capsule_create(memory, capsule_bytes, m->cpus + 1, &capsule);
    need(status, "capsule");
    capsule_recover(capsule);
    need(capsule_section(capsule, "monitor", STATE_VERSION, sizeof(struct monitor_state), &section, &created),
         "capsule");
    m->state = capsule_section_state(capsule, section);
    if (created)
        m->state->base_ns = cl_monotonic_ns();
    machine_init(&m->machine, capsule, &ram, &monitor_host_ops, m);
    m->machine.cpus = m->cpus;
    capsule_tx_init(&m->tx, capsule, 0);
    need(machine_add_standard(&m->machine), "devices");
    need(kvmclock_add(&m->machine, m->tsc_hz, &m->clock), "clock");
    need(wiring_build(&wiring, m, argument), "PCI devices");
}

static void load_guest(struct monitor *m, const cJSON *argument)
{
    struct load_request request = { .memory = &m->machine.memory,
                                    .name = json_text(argument, "kernel_name", "kernel"),
                                    .command_line = json_text(argument, "command_line", ""),
                                    .rsdp = PLATFORM_ACPI_RSDP };
    enum cl_status status;

    request.kernel = cl_require_region(VMM_REGION_KERNEL, &request.kernel_bytes);
    request.module = optional_region(VMM_REGION_MODULE, &request.module_bytes);
    /* Regions are whole pages; the files in them are not. */
    request.kernel_bytes = (uint64_t)json_number(argument, "kernel_bytes", (double)request.kernel_bytes);
    request.module_bytes = (uint64_t)json_number(argument, "module_bytes", (double)request.module_bytes);
    need(acpi_tables_write(&m->machine.memory, m->cpus), "ACPI tables");
    status = load_kernel(&request, m->vcpu[0].page);
    if (status != CL_OK)
        give_up(request.error, status);
    for (unsigned i = 1; i < m->cpus; i++) {
        boot_state_reset(m->vcpu[i].page);
        m->vcpu[i].page->event.activity = VCPU_WAIT_FOR_SIPI;
    }
}

/* ------------------------------------------------------------------------------------------- the main thread's work */

static void serve_eoi(struct monitor *m)
{
    uint64_t vectors[4] = { 0 };

    for (uint32_t word = 0; word < 4; word++)
        if (cl_vm_eoi_read(m->vm, word, &vectors[word]) != CL_OK)
            vectors[word] = 0;
    ioapic_eoi(m->machine.ioapic, &m->tx, vectors);
}

static void set_paused(struct monitor *m, bool paused)
{
    if (!paused && __atomic_load_n(&m->request, __ATOMIC_ACQUIRE) != MACHINE_RUN)
        return; /* what has ended does not go on */
    __atomic_store_n(&m->paused, paused, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < m->cpus; i++)
        vcpu_thread_kick(&m->vcpu[i]);
}

static void tell_statistics(struct monitor *m, uint32_t cookie)
{
    static struct control_statistics s;

    memset(&s, 0, sizeof(s));
    for (unsigned i = 0; i < m->cpus; i++) {
        const struct vcpu_page *p = m->vcpu[i].page;

        s.guest_tsc += p->guest_tsc_total;
        s.exits_to_vmm += p->exits_to_vmm;
        s.exits_in_kernel += p->exits_in_kernel;
        s.count_cpuid += p->count_cpuid;
        s.count_msr += p->count_msr;
        s.count_hlt += p->count_hlt;
        s.count_doorbell += p->count_doorbell;
        s.count_hypercall += p->count_hypercall;
        s.count_interrupt += p->count_interrupt;
        s.count_memory += p->count_memory;
        s.count_io += p->count_io;
    }
    for (unsigned i = 0; i < VCPU_EXIT_REASON_COUNT && i < CONTROL_EXITS_MAX; i++)
        s.exits[i] = __atomic_load_n(&m->exits[i], __ATOMIC_RELAXED);
    s.absent_accesses = __atomic_load_n(&m->machine.bus.absent, __ATOMIC_RELAXED);
    wiring_statistics(m->wiring, &s);
    monitor_tell(m, CONTROL_STATISTICS_ARE, cookie, &s, sizeof(s));
}

/* Each vCPU is looked at by its own thread, which need not run its guest for that. A request that comes meanwhile takes the
 * place of the one before. */
static void begin_audit(struct monitor *m, uint32_t cookie)
{
    m->audit_cookie = cookie;
    for (unsigned i = 0; i < m->cpus; i++) {
        __atomic_store_n(&m->vcpu[i].audit_wanted, 1, __ATOMIC_RELEASE);
        vcpu_thread_kick(&m->vcpu[i]);
    }
}

static void tell_audit(struct monitor *m)
{
    struct control_audit audit = { .vcpus = m->cpus };

    if (m->audit_cookie == 0)
        return;
    for (unsigned i = 0; i < m->cpus; i++) {
        if (__atomic_load_n(&m->vcpu[i].audit_wanted, __ATOMIC_ACQUIRE))
            return;
        audit.broken_rules[i] = m->vcpu[i].broken_rules;
    }
    monitor_tell(m, CONTROL_AUDIT_IS, m->audit_cookie, &audit, sizeof(audit));
    m->audit_cookie = 0;
}

static void serve_control(struct monitor *m)
{
    struct channel_descriptor descriptor;
    uint8_t ignored[64];

    while (m->control.entries != 0) {
        enum cl_status status = channel_receive(&m->control, &descriptor, ignored, sizeof(ignored));

        if (status != CL_OK && status != CL_LIMIT)
            return;
        switch (descriptor.kind) {
        case VMM_CONTROL_POWER_BUTTON:
            pm_power_button(m->machine.pm, &m->tx);
            break;
        case VMM_CONTROL_PAUSE:
            set_paused(m, true);
            break;
        case VMM_CONTROL_RESUME:
            set_paused(m, false);
            break;
        case CONTROL_STATISTICS:
            tell_statistics(m, descriptor.cookie);
            break;
        case CONTROL_AUDIT:
            begin_audit(m, descriptor.cookie);
            break;
        default:
            break;
        }
    }
}

/* True if something came on a channel while it was armed. */
static bool arm_channels(struct monitor *m)
{
    bool more = serial_arm(&m->serial);

    return (m->control.entries != 0 && channel_arm(&m->control)) || more;
}

/* When the main thread has to look again if nothing wakes it, as a TSC value. */
static uint64_t next_look(struct monitor *m)
{
    uint64_t deadline, serial;

    /* Announced deadlines count from here on; one that came up before is seen by the second look. */
    __atomic_store_n(&m->armed_ns, DEADLINE_NEVER, __ATOMIC_SEQ_CST);
    deadline = machine_deadline(&m->machine);
    serial = serial_deadline(&m->serial);
    if (serial < deadline)
        deadline = serial;
    __atomic_store_n(&m->armed_ns, deadline, __ATOMIC_SEQ_CST);
    return deadline == DEADLINE_NEVER ? CL_NEVER : cl_deadline_at_ns(deadline + m->state->base_ns);
}

static _Noreturn void main_loop(struct monitor *m)
{
    uint64_t bits = 0, more = 0, deadline;

    for (;;) {
        if (bits & UINT64_C(1) << VMM_EVENT_EOI)
            serve_eoi(m);
        serve_control(m);
        tell_audit(m);
        serial_serve(&m->serial, &m->tx);
        monitor_report_end(m);
        more = virtio_service(&m->wiring->virtio, &m->tx, bits | more);
        if (__atomic_load_n(&m->request, __ATOMIC_ACQUIRE) != MACHINE_RUN)
            for (unsigned i = 0; i < m->cpus; i++)
                if (!__atomic_load_n(&m->vcpu[i].parked, __ATOMIC_ACQUIRE))
                    vcpu_thread_kick(&m->vcpu[i]);
        machine_timers(&m->machine, &m->tx);
        deadline = arm_channels(m) || more != 0 ? CL_POLL : next_look(m);
        if (cl_wait(m->events, deadline, &bits) == CL_STOPPED)
            exit(0);
    }
}

static void open_channel(struct channel_end *end, const char *region)
{
    uint64_t size;
    void *memory = optional_region(region, &size);

    if (memory != NULL)
        need(channel_open(end, memory, size, CHANNEL_SIDE_A), region);
}

int main(void)
{
    struct monitor *m = &monitor;
    cJSON *argument;

    m->events = cl_require_slot(VMM_SLOT_EVENTS);
    m->vm = cl_require_slot(VMM_SLOT_VM);
    m->vm_account = cl_require_slot(VMM_SLOT_VM_ACCOUNT);
    m->console_peer = optional_slot(VMM_SLOT_CONSOLE);
    m->control_peer = optional_slot(VMM_SLOT_CONTROL);
    open_channel(&m->control, VMM_REGION_CONTROL);
    argument = read_argument();
    m->console_bit = UINT64_C(1) << ((unsigned)json_number(argument, "console_bit", 0) & 63);
    m->control_bit = UINT64_C(1) << ((unsigned)json_number(argument, "control_bit", 0) & 63);
    open_channel(&m->stream, VMM_REGION_CONSOLE);
    m->wiring = &wiring;
    m->cpus = (unsigned)json_number(argument, "cpus", 1);
    if (m->cpus == 0 || m->cpus > CONTROL_VCPUS_MAX)
        give_up("\"cpus\" is not 1 to 64", CL_LIMIT);
    m->local_apic = (enum vcpu_apic)json_number(argument, "local_apic", VCPU_APIC_AUTO);
    m->tsc_hz = cl_info()->tsc_hz;
    m->vcpu = calloc(m->cpus, sizeof(*m->vcpu));
    if (m->vcpu == NULL)
        give_up("memory for the vCPUs", CL_NO_MEMORY);
    build_machine(m, argument);
    if (m->stream.entries != 0 && !wiring.console_is_virtio)
        serial_connect(&m->serial, &m->machine, &m->stream, m->console_peer, m->console_bit, m->events);
    set_policies(m);
    for (unsigned i = 0; i < m->cpus; i++)
        need(vcpu_thread_create(m, i), "vCPU");
    if (m->machine.fresh || !m->state->loaded) {
        machine_reset(&m->machine, &m->tx);
        load_guest(m, argument);
        m->state->loaded = 1;
    } else {
        machine_derive(&m->machine, &m->tx);
    }
    need(wiring_connect(&wiring, argument), "channels");
    cJSON_Delete(argument);
    for (unsigned i = 0; i < m->cpus; i++)
        need(vcpu_thread_start(&m->vcpu[i]), "thread of a vCPU");
    monitor_request(m, MACHINE_RUN, 0, "");
    main_loop(m);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* operator.c: the console's requests, answered. */
#include "services/init/operator.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/log.h"
#include "lib/refusal.h"
#include "lib/runtime.h"
#include "lib/syscall.h"
#include "services/init/console.h"
#include "services/init/host_end.h"
#include "services/init/switch.h"
#include "services/protocol/control.h"

#define STATISTICS_NS (UINT64_C(500) * 1000 * 1000)
#define AUDIT_NS (UINT64_C(5) * 1000 * 1000 * 1000) /* every vCPU has to get a CPU for it */
#define REQUESTS_PER_ROUND 8u
#define SEND_TRIES 200u
#define SEND_PAUSE_NS 1000000

/* A request that waits for VMMs. */
static struct {
    enum operator_verb verb; /* OPERATOR_STATISTICS, OPERATOR_AUDIT */
    uint32_t cookie;         /* of the console's request; 0: there is none */
    uint64_t deadline_ns;
} waiting;

/* Reports can be more than the ring holds: give the console a moment. One that does not read is no reason to wait
 * for ever. */
static void reply(uint32_t kind, uint32_t cookie, const void *message, uint32_t length)
{
    const struct timespec pause = { .tv_nsec = SEND_PAUSE_NS };

    for (unsigned i = 0; i < SEND_TRIES; i++) {
        if (link_send(&console_service()->link, kind, cookie, message, length) != CL_BUSY)
            return;
        nanosleep(&pause, NULL);
    }
}

static void done(uint32_t cookie, enum cl_status status, const char *text)
{
    struct operator_done message = { .status = status };

    snprintf(message.text, sizeof(message.text), "%s", text);
    reply(OPERATOR_DONE, cookie, &message, sizeof(message));
}

static void describe(const struct vm *vm, struct operator_vm *report)
{
    *report = (struct operator_vm){ .number = vm->number,
                                    .state = vm->state,
                                    .vcpus = vm->config->vcpus,
                                    .resets = vm->resets,
                                    .ram_bytes = vm->config->memory_bytes,
                                    .running_ns = vm->held ? cl_monotonic_ns() - vm->started_ns : 0 };
    snprintf(report->name, sizeof(report->name), "%s", vm->config->name);
    snprintf(report->last, sizeof(report->last), "%s", vm->last);
    report->overhead_bytes = vm_overhead_bytes(vm, &report->cpu_tsc);
}

static void answer_list(uint32_t cookie)
{
    struct operator_vm report;

    for (uint32_t i = 0; i < config.vm_count; i++) {
        describe(&vms[i], &report);
        reply(OPERATOR_VM, cookie, &report, sizeof(report));
    }
    done(cookie, CL_OK,
         config.vm_count > 0            ? ""
         : host_end_no_vms()[0] != '\0' ? host_end_no_vms()
                                        : "there are no VMs");
}

static void detail(uint32_t cookie, const char *what, const char *value)
{
    struct operator_text line;

    if (value[0] == '\0')
        return;
    snprintf(line.text, sizeof(line.text), "%-12s %s", what, value);
    reply(OPERATOR_DETAIL, cookie, &line, sizeof(line));
}

static const char *action_name(uint32_t action)
{
    static const char *const names[] = { "restart", "destroy", "preserve" };

    return action < 3 ? names[action] : "?";
}

/* In x2APIC mode; in xAPIC mode it is software's in any case. */
static const char *local_apic_name(uint32_t local_apic)
{
    if (local_apic == VCPU_APIC_AUTO)
        return cl_info()->features & INFO_FEATURE_LOCAL_APIC_AUTO ? "auto: hardware" : "auto: software";
    return local_apic == VCPU_APIC_HARDWARE ? "hardware" : "software";
}

static void answer_vm_info(uint32_t cookie, const struct vm *vm)
{
    const struct config_vm *c = vm->config;
    struct operator_vm report;
    char text[160];

    describe(vm, &report);
    reply(OPERATOR_VM, cookie, &report, sizeof(report));
    detail(cookie, "kernel", c->kernel);
    detail(cookie, "initrd", c->initrd);
    detail(cookie, "module", c->module);
    detail(cookie, "console", c->console == CONFIG_CONSOLE_SERIAL ? "serial" : "virtio");
    detail(cookie, "local APIC", local_apic_name(c->local_apic));
    snprintf(text, sizeof(text), "power off: %s, reboot: %s, crash: %s", action_name(c->on_poweroff),
             action_name(c->on_reboot), action_name(c->on_crash));
    detail(cookie, "policy", text);
    for (uint32_t i = 0; i < c->nic_count; i++) {
        const struct config_nic *nic = &c->nic[i];
        snprintf(text, sizeof(text), "%s, %02x:%02x:%02x:%02x:%02x:%02x, %u.%u.%u.%u", nic->network, nic->mac[0],
                 nic->mac[1], nic->mac[2], nic->mac[3], nic->mac[4], nic->mac[5], nic->ip.address >> 24,
                 nic->ip.address >> 16 & 255, nic->ip.address >> 8 & 255, nic->ip.address & 255);
        detail(cookie, "network card", text);
    }
    for (uint32_t i = 0; i < c->disk_count; i++) {
        snprintf(text, sizeof(text), "%.140s, %s", c->disk[i].image, c->disk[i].readonly ? "read-only" : "writable");
        detail(cookie, "disk", text);
    }
    detail(cookie, "last", vm->last);
    done(cookie, CL_OK, "");
}

static void answer_host_info(uint32_t cookie)
{
    struct operator_host report = { .up_ns = cl_monotonic_ns(), .cpus = cl_info()->cpu_count, .vms = config.vm_count };
    struct memory_report memory;
    char text[64];

    snprintf(report.hostname, sizeof(report.hostname), "%s", config.host.hostname);
    if (cl_info_memory(&memory) == CL_OK) {
        report.memory_total = memory.total;
        report.memory_free = memory.free;
        report.pool_total = memory.pool_total;
        report.pool_free = memory.pool_free;
    }
    reply(OPERATOR_HOST, cookie, &report, sizeof(report));
    detail(cookie, "CPU", cl_info()->cpu_name);
    if (__builtin_popcountll(cl_info()->guest_cpus) < (int)report.cpus) {
        snprintf(text, sizeof(text), "%d of %u; the log of the boot says why",
                 __builtin_popcountll(cl_info()->guest_cpus), report.cpus);
        detail(cookie, "CPUs for VMs", text);
    }
    done(cookie, CL_OK, "");
}

/* ------------------------------------------------------------------------------------------ what VMMs are asked for */

static bool vmms_are_awaited(void)
{
    for (uint32_t i = 0; i < config.vm_count; i++) {
        if (vms[i].awaited_cookie != 0)
            return true;
    }
    return false;
}

static void end_waiting(void)
{
    done(waiting.cookie, CL_OK, "");
    waiting.cookie = 0;
}

/* Ask the VMM of one VM, or of all that run. */
static void ask_vmms(enum operator_verb verb, uint32_t kind, uint64_t patience_ns, uint32_t cookie, struct vm *only)
{
    char text[OPERATOR_TEXT_MAX];

    if (waiting.cookie != 0) {
        done(cookie, CL_BUSY, "VMMs have yet to answer an earlier request");
        return;
    }
    waiting.verb = verb;
    waiting.cookie = cookie;
    waiting.deadline_ns = cl_monotonic_ns() + patience_ns;
    for (uint32_t i = 0; i < config.vm_count; i++) {
        if (vms[i].held && (only == NULL || only == &vms[i]) && vm_ask(&vms[i], kind, cookie) == CL_OK)
            vms[i].awaited_cookie = cookie;
    }
    if (!vmms_are_awaited()) {
        waiting.cookie = 0;
        snprintf(text, sizeof(text), "%s does not run", only != NULL ? only->config->name : "");
        done(cookie, CL_OK, only == NULL ? "no VM runs" : text);
    }
}

/* Whether it is what it was asked for. */
static bool has_answered(struct vm *vm, enum operator_verb verb)
{
    if (waiting.cookie == 0 || waiting.verb != verb)
        return false;
    vm->awaited_cookie = 0;
    return true;
}

static void send_statistics(const struct vm *vm, const struct control_statistics *numbers)
{
    struct operator_statistics report = { .vm = *numbers };

    snprintf(report.name, sizeof(report.name), "%s", vm->config->name);
    (void)vm_overhead_bytes(vm, &report.cpu_tsc);
    reply(OPERATOR_STATISTICS_ARE, waiting.cookie, &report, sizeof(report));
}

void operator_statistics_arrived(struct vm *vm, const struct control_statistics *numbers)
{
    if (!has_answered(vm, OPERATOR_STATISTICS))
        return;
    send_statistics(vm, numbers);
    if (!vmms_are_awaited())
        end_waiting();
}

static void send_audit(const struct vm *vm, uint32_t vcpu, uint32_t broken)
{
    bool amd = cl_info()->vendor == INFO_VENDOR_AMD;
    struct operator_text line;
    char found[160];

    if (broken == CONTROL_AUDIT_REFUSED)
        snprintf(found, sizeof(found), "the CPU has refused to enter it: 'log' has the broken rules");
    else if (broken == 0)
        snprintf(found, sizeof(found), "no rule of VM entry is broken (%s)",
                 amd ? "AMD-V: APM Vol. 2 15.5.1" : "VT-x: SDM Vol. 3C 27.2, 27.3");
    else
        snprintf(found, sizeof(found), "%" PRIu32 " rule%s of VM entry %s broken: 'log' has %s", broken,
                 broken == 1 ? "" : "s", broken == 1 ? "is" : "are", broken == 1 ? "it" : "them");
    snprintf(line.text, sizeof(line.text), "%s: vCPU %" PRIu32 ": %s", vm->config->name, vcpu, found);
    reply(OPERATOR_DETAIL, waiting.cookie, &line, sizeof(line));
}

void operator_audit_arrived(struct vm *vm, const struct control_audit *audit)
{
    if (!has_answered(vm, OPERATOR_AUDIT))
        return;
    for (uint32_t i = 0; i < audit->vcpus && i < CONTROL_VCPUS_MAX; i++)
        send_audit(vm, i, audit->broken_rules[i]);
    end_waiting();
}

/* A VMM that is silent: its CPU time is known all the same. */
static void send_silence(const struct vm *vm)
{
    static const struct control_statistics nothing;
    struct operator_text line;

    if (waiting.verb == OPERATOR_STATISTICS) {
        send_statistics(vm, &nothing);
        return;
    }
    snprintf(line.text, sizeof(line.text), "%s: its VMM does not answer", vm->config->name);
    reply(OPERATOR_DETAIL, waiting.cookie, &line, sizeof(line));
}

void operator_deadlines(uint64_t now_ns)
{
    if (waiting.cookie == 0 || now_ns < waiting.deadline_ns)
        return;
    for (uint32_t i = 0; i < config.vm_count; i++) {
        if (vms[i].awaited_cookie != 0)
            send_silence(&vms[i]);
        vms[i].awaited_cookie = 0;
    }
    end_waiting();
}

void operator_forget(void)
{
    for (uint32_t i = 0; i < config.vm_count; i++)
        vms[i].awaited_cookie = 0;
    waiting.cookie = 0;
}

uint64_t operator_next_ns(void)
{
    return waiting.cookie != 0 ? waiting.deadline_ns : UINT64_MAX;
}

/* --------------------------------------------------------------------------------------------- network, graph */

static void answer_network(uint32_t cookie)
{
    struct operator_port report;
    bool none = true;

    for (uint32_t i = 0; i < config.vm_count; i++) {
        for (uint32_t card = 0; vms[i].held && card < vms[i].config->nic_count; card++) {
            const struct config_nic *nic = &vms[i].config->nic[card];
            memset(&report, 0, sizeof(report));
            if (switch_port_counters(vms[i].port[card], &report.counters) != CL_OK)
                continue;
            snprintf(report.vm, sizeof(report.vm), "%s", vms[i].config->name);
            snprintf(report.network, sizeof(report.network), "%s", nic->network);
            memcpy(report.mac, nic->mac, sizeof(report.mac));
            reply(OPERATOR_PORT, cookie, &report, sizeof(report));
            none = false;
        }
    }
    done(cookie, CL_OK, none ? "no VM that runs has a network card" : "");
}

static void report_caps(uint32_t cookie, const char *name, uint32_t domain)
{
    struct cap_report caps[64];
    uint32_t count = 0, first = 0;

    while (cl_info_caps(domain, first, caps, 64, &count) == CL_OK && count > 0) {
        for (uint32_t i = 0; i < count; i++) {
            struct operator_cap report = {
                .slot = caps[i].slot, .type = caps[i].type, .rights = caps[i].rights, .identity = caps[i].identity
            };
            snprintf(report.domain, sizeof(report.domain), "%s", name);
            reply(OPERATOR_CAP, cookie, &report, sizeof(report));
        }
        first = caps[count - 1].slot + 1;
    }
}

static void report_service_caps(uint32_t cookie, const struct service *service)
{
    if (service->program.alive)
        report_caps(cookie, service->name, service->program.domain);
}

static void answer_caps(uint32_t cookie, const struct vm *only)
{
    if (only == NULL) {
        report_caps(cookie, "init", INIT_SLOT_DOMAIN);
        report_service_caps(cookie, console_service());
        report_service_caps(cookie, switch_service());
    }
    for (uint32_t i = 0; i < config.vm_count; i++) {
        if (vms[i].held && (only == NULL || only == &vms[i]))
            report_caps(cookie, vms[i].vmm.name, vms[i].vmm.domain);
    }
    done(cookie, CL_OK, "");
}

/* --------------------------------------------------------------------------------------------------- requests */

static void act_on(uint32_t verb, uint32_t cookie, struct vm *vm)
{
    char text[OPERATOR_TEXT_MAX] = "";
    enum cl_status status = wish_about_vm(verb, vm, text);

    done(cookie, status, text[0] != '\0' ? text : cl_refusal(status));
}

static void kill_service(uint32_t verb, uint32_t cookie)
{
    char text[OPERATOR_TEXT_MAX] = "";
    enum cl_status status = wish_kill_service(verb, text);

    done(cookie, status, text[0] != '\0' ? text : cl_refusal(status));
}

static void answer(const struct channel_descriptor *descriptor, const struct operator_request *request)
{
    uint32_t cookie = descriptor->cookie;
    struct vm *vm = request->vm[0] != '\0' ? vm_find(request->vm) : NULL;
    char text[OPERATOR_TEXT_MAX];

    if (request->vm[0] != '\0' && vm == NULL) {
        snprintf(text, sizeof(text), "there is no VM named %s", request->vm);
        done(cookie, CL_NOT_FOUND, text);
        return;
    }
    switch (descriptor->kind) {
    case OPERATOR_LIST:
        answer_list(cookie);
        break;
    case OPERATOR_INFO:
        if (vm != NULL)
            answer_vm_info(cookie, vm);
        else
            answer_host_info(cookie);
        break;
    case OPERATOR_STATISTICS:
        ask_vmms(OPERATOR_STATISTICS, CONTROL_STATISTICS, STATISTICS_NS, cookie, vm);
        break;
    case OPERATOR_AUDIT:
        if (vm != NULL)
            ask_vmms(OPERATOR_AUDIT, CONTROL_AUDIT, AUDIT_NS, cookie, vm);
        else
            done(cookie, CL_BAD_ARGUMENT, "which VM?");
        break;
    case OPERATOR_NETWORK:
        answer_network(cookie);
        break;
    case OPERATOR_CAPS:
        answer_caps(cookie, vm);
        break;
    case OPERATOR_START:
    case OPERATOR_SHUTDOWN:
    case OPERATOR_RESET:
    case OPERATOR_DESTROY:
    case OPERATOR_SUSPEND:
    case OPERATOR_RESUME:
    case OPERATOR_KILL_VMM:
        if (vm != NULL)
            act_on(descriptor->kind, cookie, vm);
        else
            done(cookie, CL_BAD_ARGUMENT, "which VM?");
        break;
    case OPERATOR_KILL_CONSOLE:
    case OPERATOR_KILL_SWITCH:
        kill_service(descriptor->kind, cookie);
        break;
    case OPERATOR_POWER_OFF:
    case OPERATOR_REBOOT:
        host_end_begin(descriptor->kind == OPERATOR_REBOOT ? SYSTEM_RESET : SYSTEM_POWER_OFF);
        done(cookie, CL_OK, "the VMs are asked to stop, then the machine ends");
        break;
    case OPERATOR_HEADLESS:
        host_end_set_headless();
        done(cookie, CL_OK, "");
        break;
    case OPERATOR_STREAM_DROPPED:
    case OPERATOR_DRAINED:
        break; /* too late: nobody waits for it any more */
    default:
        done(cookie, CL_UNSUPPORTED, "init knows no such request");
        break;
    }
}

void operator_serve(void)
{
    struct channel_descriptor descriptor;
    struct operator_request request;

    for (unsigned i = 0; i < REQUESTS_PER_ROUND; i++) {
        if (console_next_request(&descriptor, &request) != CL_OK)
            return;
        request.vm[sizeof(request.vm) - 1] = '\0';
        answer(&descriptor, &request);
    }
}

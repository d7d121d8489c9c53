/* SPDX-License-Identifier: Apache-2.0 */
/* print.c: init's reports as a person reads them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "abi/syscall.h"
#include "abi/vcpu.h"
#include "lib/syscall.h"
#include "services/console/console.h"

#define MIB (UINT64_C(1) << 20)
#define KIB UINT64_C(1024)
#define SECOND_NS UINT64_C(1000000000)

static const char *state_name(uint32_t state)
{
    static const char *const names[] = { "off", "starting", "running", "paused", "crashed", "stopping" };

    return state < OPERATOR_STATE_COUNT ? names[state] : "unknown";
}

/* Milliseconds of CPU time. */
static uint64_t cpu_ms(uint64_t tsc)
{
    uint64_t khz = cl_info()->tsc_hz / 1000;

    return khz == 0 ? 0 : tsc / khz;
}

static void print_vm(const struct operator_vm *vm)
{
    if (console.reports == 0)
        console_print("%-16s %-9s %8s %5s %10s %10s\n", "NAME", "STATE", "MEMORY", "CPUS", "CPU TIME", "UP");
    console_print("%-16s %-9s %5" PRIu64 " MiB %4" PRIu32 " %7" PRIu64 ".%02" PRIu64 " s %8" PRIu64 " s%s%s\n",
                  vm->name, state_name(vm->state), vm->ram_bytes / MIB, vm->vcpus, cpu_ms(vm->cpu_tsc) / 1000,
                  cpu_ms(vm->cpu_tsc) % 1000 / 10, vm->running_ns / SECOND_NS, vm->last[0] != '\0' ? "  " : "",
                  vm->last);
}

/* The details of `info NAME` follow the line of the VM. */
static void print_vm_details(const struct operator_vm *vm)
{
    if (vm->overhead_bytes != 0)
        console_print("outside RAM  %" PRIu64 " KiB of VMM, capsule, channels, kernel objects and page tables\n",
                      vm->overhead_bytes / KIB);
    if (vm->resets != 0)
        console_print("resets       %" PRIu32 "\n", vm->resets);
}

static void print_host(const struct operator_host *host)
{
    console_print("%s: up %" PRIu64 " s, %" PRIu32 " CPU%s, %" PRIu32 " VM%s\n", host->hostname,
                  host->up_ns / SECOND_NS, host->cpus, host->cpus == 1 ? "" : "s", host->vms,
                  host->vms == 1 ? "" : "s");
    console_print("memory       %" PRIu64 " of %" PRIu64 " MiB free (%" PRIu64 " KiB)\n", host->memory_free / MIB,
                  host->memory_total / MIB, host->memory_free / KIB);
    console_print("kernel pool  %" PRIu64 " of %" PRIu64 " KiB free\n", host->pool_free / KIB, host->pool_total / KIB);
}

static void print_statistics(const struct operator_statistics *s)
{
    static const char *const exits[CONTROL_EXITS_MAX] = {
        [VCPU_EXIT_NOTIFICATION] = "notification",
        [VCPU_EXIT_IO] = "io",
        [VCPU_EXIT_MEMORY] = "memory",
        [VCPU_EXIT_DECODE] = "decode",
        [VCPU_EXIT_MSR] = "msr",
        [VCPU_EXIT_HYPERCALL] = "hypercall",
        [VCPU_EXIT_INIT] = "init",
        [VCPU_EXIT_SIPI] = "sipi",
        [VCPU_EXIT_EXTINT] = "extint",
        [VCPU_EXIT_TRIPLE_FAULT] = "triple-fault",
        [VCPU_EXIT_TASK_SWITCH] = "task-switch",
        [VCPU_EXIT_INVALID_STATE] = "invalid-state",
    };
    const struct control_statistics *v = &s->vm;

    console_print("%s: CPU time %" PRIu64 ".%03" PRIu64 " s, in the guest %" PRIu64 ".%03" PRIu64 " s\n", s->name,
                  cpu_ms(s->cpu_tsc) / 1000, cpu_ms(s->cpu_tsc) % 1000, cpu_ms(v->guest_tsc) / 1000,
                  cpu_ms(v->guest_tsc) % 1000);
    if (v->exits_to_vmm == 0 && v->exits_in_kernel == 0) {
        console_print("  its VMM gave no numbers\n");
        return;
    }
    console_print("  exits: %" PRIu64 " served by the kernel, %" PRIu64 " by the VMM\n", v->exits_in_kernel,
                  v->exits_to_vmm);
    console_print("  cpuid %" PRIu64 "  msr %" PRIu64 "  hlt %" PRIu64 "  doorbell %" PRIu64 "  hypercall %" PRIu64
                  "  interrupt %" PRIu64 "  memory %" PRIu64 "  io %" PRIu64 "\n",
                  v->count_cpuid, v->count_msr, v->count_hlt, v->count_doorbell, v->count_hypercall, v->count_interrupt,
                  v->count_memory, v->count_io);
    console_print("  to the VMM:");
    for (unsigned i = 0; i < CONTROL_EXITS_MAX; i++) {
        if (v->exits[i] != 0)
            console_print(" %s %" PRIu64, exits[i] != NULL ? exits[i] : "other", v->exits[i]);
    }
    console_print("\n");
    for (unsigned i = 0; i < CONTROL_NICS_MAX; i++) {
        const struct control_nic_statistics *nic = &v->nic[i];
        if (nic->received_frames != 0 || nic->sent_frames != 0)
            console_print("  card %u: received %" PRIu64 " frames, %" PRIu64 " bytes; sent %" PRIu64 " frames, %" PRIu64
                          " bytes\n",
                          i, nic->received_frames, nic->received_bytes, nic->sent_frames, nic->sent_bytes);
    }
}

static void print_port(const struct operator_port *port)
{
    const struct switch_counters *c = &port->counters;
    const uint8_t *m = port->mac;

    if (console.reports == 0)
        console_print("%-5s%-14s%-14s%-18s%10s%13s%10s%13s  %s\n", "PORT", "VM", "NETWORK", "ADDRESS", "IN", "BYTES",
                      "OUT", "BYTES", "DROPPED: SIZE FORGED FULL  FLOODED");
    console_print("%-5" PRIu32 "%-14s%-14s%02x:%02x:%02x:%02x:%02x:%02x%11" PRIu64 "%13" PRIu64 "%10" PRIu64
                  "%13" PRIu64 "  %13" PRIu64 " %6" PRIu64 " %4" PRIu64 "  %7" PRIu64 "\n",
                  c->port, port->vm, port->network, m[0], m[1], m[2], m[3], m[4], m[5], c->in_frames, c->in_bytes,
                  c->out_frames, c->out_bytes, c->dropped_size, c->dropped_spoofed, c->dropped_full, c->flooded);
}

static void print_cap(const struct operator_cap *cap)
{
    static const char *const types[OBJECT_TYPE_COUNT] = { "none",   "account",      "domain", "thread",
                                                          "memory", "notification", "vm",     "vcpu",
                                                          "irq",    "ports",        "system", "irqs" };
    static const char *const rights[] = { "read",      "write", "execute", "signal", "wait",
                                          "configure", "map",   "charge",  "copy",   "destroy" };
    char text[100] = "";

    for (unsigned i = 0; i < sizeof(rights) / sizeof(rights[0]); i++) {
        if ((cap->rights >> i & 1) != 0) {
            size_t length = strlen(text);
            snprintf(text + length, sizeof(text) - length, " %s", rights[i]);
        }
    }
    if (console.reports == 0)
        console_print("%-20s %5s  %-13s %-18s %s\n", "DOMAIN", "SLOT", "OBJECT", "IDENTITY", "RIGHTS");
    console_print("%-20s %5" PRIu32 "  %-13s %-18" PRIx64 "%s\n", cap->domain, cap->slot,
                  cap->type < OBJECT_TYPE_COUNT ? types[cap->type] : "unknown", cap->identity, text);
}

/* Copies of `message` with the right type; what is too short was sent by nobody that we know. */
#define WITH(type, call)                                                                                               \
    do {                                                                                                               \
        struct type copy_;                                                                                             \
        if (length >= sizeof(copy_)) {                                                                                 \
            memcpy(&copy_, message, sizeof(copy_));                                                                    \
            call(&copy_);                                                                                              \
        }                                                                                                              \
    } while (0)

void print_report(uint32_t kind, const void *message, size_t length)
{
    switch (kind) {
    case OPERATOR_VM:
        WITH(operator_vm, print_vm);
        if (console.verb == OPERATOR_INFO)
            WITH(operator_vm, print_vm_details);
        break;
    case OPERATOR_HOST:
        WITH(operator_host, print_host);
        break;
    case OPERATOR_DETAIL:
        console_print("%.*s\n", OPERATOR_TEXT_MAX - 1, (const char *)message);
        break;
    case OPERATOR_STATISTICS_ARE:
        WITH(operator_statistics, print_statistics);
        break;
    case OPERATOR_PORT:
        WITH(operator_port, print_port);
        break;
    case OPERATOR_CAP:
        WITH(operator_cap, print_cap);
        break;
    default:
        break;
    }
    console.reports++;
}

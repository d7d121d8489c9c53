/* SPDX-License-Identifier: Apache-2.0 */
/* services.c: init's side of console and switch.
 *
 * Both are assumed to be breakable: every answer is awaited with a deadline, and a service that does not let go of a
 * channel in time has the memory taken away under it, which is its own crash and nobody else's.
 */
#include "services/init/services.h"

#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "lib/runtime.h"
#include "lib/slots.h"
#include "lib/syscall.h"
#include "services/protocol/stream.h"
#include "services/protocol/vmm.h"

#define KIB UINT64_C(1024)
#define MIB (UINT64_C(1) << 20)
#define PLACE_CONSOLE 62u
#define PLACE_SWITCH 63u
#define ANSWER_NS (UINT64_C(1000) * 1000 * 1000)
#define LAST_LINE_NS (UINT64_C(3000) * 1000 * 1000)
#define UART_PORT 0x3F8
#define UART_PORTS 8
#define UART_IRQ 4
#define SERVICE_WEIGHT (4 * WEIGHT_DEFAULT)
#define KEPT_MAX 8u

struct service {
    struct program program;
    uint32_t events;  /* outlives the program: peers keep their capabilities */
    uint32_t account; /* of the cable, outlives it too */
    struct cable cable;
    struct link link;
};

static struct service console, network;
static bool port_taken[SWITCH_PORTS_MAX];
static uint32_t cookies;

/* Requests that arrived while an answer was awaited. */
static struct {
    struct channel_descriptor descriptor;
    struct operator_request request;
} kept[KEPT_MAX];
static uint32_t kept_count;

static const struct program_limits limits = { 1 * MIB, 4 * MIB, SERVICE_WEIGHT };

struct link *services_console(void)
{
    return &console.link;
}

const struct program *services_console_program(void)
{
    return &console.program;
}

const struct program *services_switch_program(void)
{
    return &network.program;
}

static enum cl_status make_events(struct service *service)
{
    if (service->events != 0)
        return CL_OK;
    TRY(cl_slot_alloc(&service->events));
    return cl_notification_create(service->events, INIT_SLOT_ACCOUNT);
}

/* ---------------------------------------------------------------------------------------------------- console */

/* The serial port: its ports, and its interrupt if it has one. */
static enum cl_status give_uart(struct program *program)
{
    uint32_t irq;
    enum cl_status status;

    TRY(cl_ports_grant(INIT_SLOT_PORTS, program->domain, UART_PORT, UART_PORTS, true));
    TRY(program_own_slot(program, &irq));
    status = cl_irq_bind(irq, program->account, INIT_SLOT_IRQS, UART_IRQ, console.events, CONSOLE_EVENT_SERIAL_BIT);
    if (status != CL_OK) {
        cl_log_refusal(status, "the serial port's interrupt cannot be had, the console polls");
        return CL_OK;
    }
    return program_give(program, CONSOLE_SLOT_IRQ, irq, RIGHT_SIGNAL);
}

static enum cl_status start_console(void)
{
    struct console_start setup = { .headless = config.host.headless, .uart_port = UART_PORT };

    TRY(make_events(&console));
    TRY(cable_create(INIT_SLOT_ACCOUNT, OPERATOR_RING_ENTRIES, OPERATOR_MESSAGE_MAX, sizeof(struct operator_request),
                     &console.cable));
    TRY(cable_open_here(&console.cable, PLACE_CONSOLE, CHANNEL_SIDE_A, console.events, CONSOLE_EVENT_CONTROL,
                        &console.link));
    TRY(program_create(&console.program, "console", "console.elf", PROGRAM_INDEX_CONSOLE, console.events, &limits));
    TRY(cable_give(&console.cable, &console.program, CHANNEL_SIDE_B, CONSOLE_EVENT_CONTROL, program_init_events(),
                   UINT64_C(1) << INIT_EVENT_CONSOLE_BIT, &setup.control));
    TRY(program_give(&console.program, CONSOLE_SLOT_SYSTEM, INIT_SLOT_SYSTEM, RIGHT_READ));
    TRY(give_uart(&console.program));
    snprintf(setup.hostname, sizeof(setup.hostname), "%s", config.host.hostname);
    TRY(program_setup(&console.program, &setup, sizeof(setup)));
    /* the console prints what follows this line in the log: nothing is lost, nothing comes twice */
    cl_log("%s", CONSOLE_TAKES_OVER);
    TRY(cl_system_control(INIT_SLOT_SYSTEM, SYSTEM_RELEASE_SERIAL));
    return program_start(&console.program, NULL);
}

enum cl_status services_give_console(struct vm *vm)
{
    TRY(program_give(&vm->vmm, VMM_SLOT_CONSOLE, console.events, RIGHT_SIGNAL));
    return program_map(&vm->vmm, VMM_REGION_CONSOLE, vm->console_cable.memory, 0, vm->console_cable.size_bytes,
                       MAP_READ | MAP_WRITE, NULL);
}

static void attach_stream(struct vm *vm)
{
    struct operator_stream stream = { .number = vm->number };
    enum cl_status status;

    if (!console.program.alive)
        return;
    snprintf(stream.vm, sizeof(stream.vm), "%s", vm->config->name);
    status =
        cable_give_late(&vm->console_cable, &console.program, vm->number, CHANNEL_SIDE_B,
                        CONSOLE_EVENT_STREAM(vm->number), vm->events, UINT64_C(1) << VMM_EVENT_CONSOLE, &stream.wire);
    if (status == CL_OK) {
        status = link_send(&console.link, OPERATOR_STREAM_ATTACH, 0, &stream, sizeof(stream));
        if (status != CL_OK)
            cable_take_late(&console.program, vm->number);
    }
    if (status != CL_OK)
        cl_log_refusal(status, "%s: its console is not to be seen", vm->config->name);
    vm->stream_attached = status == CL_OK;
}

/* Wait for one answer of the console's; requests of the operator that come meanwhile are kept. */
static bool await_console(uint32_t verb, uint32_t value, uint64_t delay_ns)
{
    uint64_t deadline = cl_deadline_after_ns(delay_ns), bits;
    struct channel_descriptor descriptor;
    struct operator_request request;

    for (;;) {
        while (link_receive(&console.link, &descriptor, &request, sizeof(request)) == CL_OK) {
            if (descriptor.length < sizeof(request))
                continue;
            if (descriptor.kind == verb && request.value == value)
                return true;
            if (kept_count < KEPT_MAX) {
                kept[kept_count].descriptor = descriptor;
                kept[kept_count++].request = request;
            }
        }
        if (!console.link.open || !console.program.alive)
            return false;
        if (link_arm(&console.link))
            continue;
        if (cl_wait(program_init_events(), deadline, &bits) == CL_TIMED_OUT)
            return false;
        program_note_bits(bits);
        if (program_fault_noted(PROGRAM_INDEX_CONSOLE))
            return false;
    }
}

static void detach_stream(struct vm *vm)
{
    struct operator_stream stream = { .number = vm->number };

    if (!vm->stream_attached)
        return;
    vm->stream_attached = false;
    if (!console.program.alive)
        return;
    if (link_send(&console.link, OPERATOR_STREAM_DETACH, 0, &stream, sizeof(stream)) != CL_OK ||
        !await_console(OPERATOR_STREAM_DROPPED, vm->number, ANSWER_NS))
        cl_log("the console does not let go of %s's stream", vm->config->name);
    cable_take_late(&console.program, vm->number);
}

enum cl_status services_next_request(struct channel_descriptor *descriptor, struct operator_request *request)
{
    if (kept_count > 0) {
        *descriptor = kept[0].descriptor;
        *request = kept[0].request;
        kept_count--;
        memmove(&kept[0], &kept[1], kept_count * sizeof(kept[0]));
        return CL_OK;
    }
    TRY(link_receive(&console.link, descriptor, request, sizeof(*request)));
    if (descriptor->length < sizeof(*request))
        memset((uint8_t *)request + descriptor->length, 0, sizeof(*request) - descriptor->length);
    return CL_OK;
}

void services_last_line(const char *text)
{
    struct operator_text line;

    snprintf(line.text, sizeof(line.text), "%s", text);
    if (!console.program.alive || link_send(&console.link, OPERATOR_LAST_LINE, 0, &line, sizeof(line)) != CL_OK ||
        !await_console(OPERATOR_DRAINED, 0, LAST_LINE_NS))
        cl_log("%s", text);
}

bool services_console_died(uint64_t bits)
{
    bool faulted = (bits & UINT64_C(1) << INIT_EVENT_FAULT_BIT(PROGRAM_INDEX_CONSOLE)) != 0;

    return console.program.alive && (faulted || program_has_ended(&console.program));
}

void services_restart_console(void)
{
    enum cl_status status;

    cl_log("the console has died and is started again");
    program_destroy(&console.program);
    cable_close_here(PLACE_CONSOLE, &console.link);
    cable_forget(&console.cable);
    kept_count = 0;
    status = start_console();
    if (status != CL_OK) {
        cl_log_refusal(status, "the console cannot be started");
        program_destroy(&console.program);
        return;
    }
    for (uint32_t i = 0; i < config.vm_count; i++) {
        if (vms[i].held)
            attach_stream(&vms[i]);
    }
}

/* ----------------------------------------------------------------------------------------------------- switch */

static enum cl_status start_switch(void)
{
    struct switch_start setup = { { 0 } };

    TRY(make_events(&network));
    TRY(cable_create(INIT_SLOT_ACCOUNT, SWITCH_RING_ENTRIES, SWITCH_MESSAGE_MAX, SWITCH_MESSAGE_MAX, &network.cable));
    TRY(cable_open_here(&network.cable, PLACE_SWITCH, CHANNEL_SIDE_A, network.events, SWITCH_EVENT_CONTROL,
                        &network.link));
    TRY(program_create(&network.program, "switch", "switch.elf", PROGRAM_INDEX_SWITCH, network.events, &limits));
    TRY(cable_give(&network.cable, &network.program, CHANNEL_SIDE_B, SWITCH_EVENT_CONTROL, program_init_events(),
                   UINT64_C(1) << INIT_EVENT_SWITCH_BIT, &setup.control));
    TRY(program_setup(&network.program, &setup, sizeof(setup)));
    return program_start(&network.program, NULL);
}

bool services_switch_died(uint64_t bits)
{
    bool faulted = (bits & UINT64_C(1) << INIT_EVENT_FAULT_BIT(PROGRAM_INDEX_SWITCH)) != 0;

    return network.program.alive && (faulted || program_has_ended(&network.program));
}

/* One request and its answer. CL_TIMED_OUT: the switch does not answer. CL_NO_RIGHT: it refused. */
static enum cl_status ask_switch(uint32_t kind, const void *message, uint32_t length, struct switch_counters *counters)
{
    uint64_t deadline = cl_deadline_after_ns(ANSWER_NS), bits;
    uint32_t cookie = ++cookies;
    struct channel_descriptor descriptor;
    uint8_t answer[SWITCH_MESSAGE_MAX];

    if (!network.program.alive)
        return CL_NOT_FOUND;
    TRY(link_send(&network.link, kind, cookie, message, length));
    for (;;) {
        while (link_receive(&network.link, &descriptor, answer, sizeof(answer)) == CL_OK) {
            if (descriptor.cookie != cookie)
                continue;
            if (descriptor.kind == SWITCH_COUNTERS_ARE && counters != NULL && descriptor.length == sizeof(*counters)) {
                memcpy(counters, answer, sizeof(*counters));
                return CL_OK;
            }
            return descriptor.kind == SWITCH_DONE ? CL_OK : CL_NO_RIGHT;
        }
        if (!network.link.open)
            return CL_CORRUPT;
        if (link_arm(&network.link))
            continue;
        if (cl_wait(program_init_events(), deadline, &bits) == CL_TIMED_OUT)
            return CL_TIMED_OUT;
        program_note_bits(bits);
        if (program_fault_noted(PROGRAM_INDEX_SWITCH))
            return CL_STOPPED;
    }
}

void services_take_ports(struct vm *vm)
{
    for (uint32_t i = 0; i < CONFIG_NICS_MAX; i++)
        vm->port[i] = SWITCH_PORTS_MAX;
    for (uint32_t i = 0; i < vm->config->nic_count; i++) {
        for (uint32_t port = 0; port < SWITCH_PORTS_MAX; port++) {
            if (!port_taken[port]) {
                port_taken[port] = true;
                vm->port[i] = port;
                break;
            }
        }
    }
}

enum cl_status services_give_switch(struct vm *vm)
{
    char name[START_NAME_MAX];

    for (uint32_t i = 0; i < vm->config->nic_count; i++) {
        if (vm->port[i] == SWITCH_PORTS_MAX)
            return CL_LIMIT;
        snprintf(name, sizeof(name), VMM_NET "%u", i);
        TRY(program_give(&vm->vmm, name, network.events, RIGHT_SIGNAL));
    }
    return CL_OK;
}

static void attach_port(struct vm *vm, uint32_t card)
{
    const struct config_nic *nic = &vm->config->nic[card];
    struct switch_attach attach = { .port = vm->port[card], .network = nic->network_index };
    enum cl_status status;

    memcpy(attach.mac, nic->mac, sizeof(attach.mac));
    status = cable_give_late(&vm->nic_cable[card], &network.program, attach.port, CHANNEL_SIDE_B,
                             SWITCH_EVENT_PORT(attach.port), vm->events, UINT64_C(1) << (VMM_EVENT_NIC_FIRST + card),
                             &attach.wire);
    if (status == CL_OK) {
        status = ask_switch(SWITCH_ATTACH, &attach, sizeof(attach), NULL);
        if (status != CL_OK)
            cable_take_late(&network.program, attach.port);
    }
    if (status != CL_OK)
        cl_log_refusal(status, "%s: network card %u is not connected", vm->config->name, card);
}

static void detach_port(struct vm *vm, uint32_t card)
{
    const struct switch_port port = { vm->port[card] };

    if (port.port == SWITCH_PORTS_MAX)
        return;
    vm->port[card] = SWITCH_PORTS_MAX;
    port_taken[port.port] = false;
    if (!network.program.alive)
        return;
    if (ask_switch(SWITCH_DETACH, &port, sizeof(port), NULL) != CL_OK)
        cl_log("the switch does not let go of %s's port", vm->config->name);
    cable_take_late(&network.program, port.port);
}

enum cl_status services_port_counters(uint32_t port, struct switch_counters *counters)
{
    const struct switch_port message = { port };

    return ask_switch(SWITCH_COUNTERS, &message, sizeof(message), counters);
}

void services_restart_switch(void)
{
    enum cl_status status;

    cl_log("the switch has died and is started again");
    program_destroy(&network.program);
    cable_close_here(PLACE_SWITCH, &network.link);
    cable_forget(&network.cable);
    status = start_switch();
    if (status != CL_OK) {
        cl_log_refusal(status, "the switch cannot be started");
        program_destroy(&network.program);
        return;
    }
    for (uint32_t i = 0; i < config.vm_count; i++) {
        for (uint32_t card = 0; vms[i].held && card < vms[i].config->nic_count; card++)
            attach_port(&vms[i], card);
    }
}

/* ------------------------------------------------------------------------------------------------------- both */

enum cl_status services_start(void)
{
    TRY(start_console());
    return config.network_count > 0 ? start_switch() : CL_OK;
}

void services_attach(struct vm *vm)
{
    attach_stream(vm);
    for (uint32_t i = 0; i < vm->config->nic_count; i++)
        attach_port(vm, i);
}

void services_detach(struct vm *vm)
{
    detach_stream(vm);
    for (uint32_t i = 0; i < CONFIG_NICS_MAX; i++)
        detach_port(vm, i);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* console.c: init's side of the console.
 *
 * It is assumed to be breakable: every answer is awaited with a deadline, and a console that does not let go of a stream
 * in time has the memory taken away under it, which is its own crash and nobody else's.
 */
#include "services/init/console.h"

#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "lib/runtime.h"
#include "lib/syscall.h"
#include "services/protocol/stream.h"

#define ANSWER_NS (UINT64_C(10) * 1000 * 1000 * 1000) /* 115 KB of other output at 115,200 baud */
#define RETRY_NS (UINT64_C(10) * 1000 * 1000)
#define UART_PORT 0x3F8
#define UART_PORTS 8
#define UART_IRQ 4
#define KEPT_MAX 8u

static struct service console = {
    .name = "console",
    .member = "console.elf",
    .index = PROGRAM_INDEX_CONSOLE,
    .place = PLACE_CONSOLE,
    .ring_entries = OPERATOR_RING_ENTRIES,
    .here_bytes = OPERATOR_MESSAGE_MAX,
    .there_bytes = sizeof(struct operator_request),
    .control_bit = CONSOLE_EVENT_CONTROL,
    .init_bit = INIT_EVENT_CONSOLE_BIT,
};

/* Requests that arrived while an answer was awaited. */
static struct {
    struct channel_descriptor descriptor;
    struct operator_request request;
} kept[KEPT_MAX];
static uint32_t kept_count;

struct service *console_service(void)
{
    return &console;
}

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

enum cl_status console_start(bool headless)
{
    struct console_start setup = { .headless = headless, .uart_port = UART_PORT };

    TRY(service_create(&console, &setup.control));
    TRY(program_give(&console.program, CONSOLE_SLOT_SYSTEM, INIT_SLOT_SYSTEM, RIGHT_READ));
    TRY(give_uart(&console.program));
    snprintf(setup.hostname, sizeof(setup.hostname), "%s", config.host.hostname);
    /* the console prints what follows this line in the log: nothing is lost, nothing comes twice */
    cl_log("%s", CONSOLE_TAKES_OVER);
    TRY(cl_system_control(INIT_SLOT_SYSTEM, SYSTEM_RELEASE_SERIAL));
    return service_start(&console, &setup, sizeof(setup));
}

enum cl_status console_give(struct vm *vm)
{
    TRY(program_give(&vm->vmm, VMM_SLOT_CONSOLE, console.events, RIGHT_SIGNAL));
    return program_map(&vm->vmm, VMM_REGION_CONSOLE, vm->console_cable.memory, 0, vm->console_cable.size_bytes,
                       MAP_READ | MAP_WRITE, NULL);
}

/* Send the console what it must not miss: while it has a slow line to write to, its ring may be full. */
static enum cl_status tell_console(uint32_t kind, const void *message, uint32_t length)
{
    uint64_t end_ns = cl_monotonic_ns() + ANSWER_NS, bits;
    enum cl_status status;

    while ((status = link_send(&console.link, kind, 0, message, length)) == CL_BUSY && cl_monotonic_ns() < end_ns) {
        if (cl_wait(program_init_events(), cl_deadline_after_ns(RETRY_NS), &bits) == CL_OK)
            program_note_bits(bits);
        if (program_fault_noted(PROGRAM_INDEX_CONSOLE))
            return CL_STOPPED;
    }
    return status;
}

void console_attach(struct vm *vm)
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
        status = tell_console(OPERATOR_STREAM_ATTACH, &stream, sizeof(stream));
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

void console_detach(struct vm *vm)
{
    struct operator_stream stream = { .number = vm->number };

    if (!vm->stream_attached)
        return;
    vm->stream_attached = false;
    if (!console.program.alive)
        return;
    if (tell_console(OPERATOR_STREAM_DETACH, &stream, sizeof(stream)) != CL_OK ||
        !await_console(OPERATOR_STREAM_DROPPED, vm->number, ANSWER_NS))
        cl_log("the console does not let go of %s's stream", vm->config->name);
    cable_take_late(&console.program, vm->number);
}

enum cl_status console_next_request(struct channel_descriptor *descriptor, struct operator_request *request)
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

void console_last_line(const char *text)
{
    struct operator_text line;

    snprintf(line.text, sizeof(line.text), "%s", text);
    if (!console.program.alive || tell_console(OPERATOR_LAST_LINE, &line, sizeof(line)) != CL_OK ||
        !await_console(OPERATOR_DRAINED, 0, ANSWER_NS))
        cl_log("%s", text);
}

bool console_revive(uint64_t bits, bool headless)
{
    enum cl_status status;

    if (!service_died(&console, bits))
        return false;
    cl_log("the console has died");
    kept_count = 0;
    if (!service_bury(&console))
        return false;
    status = console_start(headless);
    if (status != CL_OK) {
        cl_log_refusal(status, "the console cannot be started again");
        program_destroy(&console.program);
        return false;
    }
    for (uint32_t i = 0; i < config.vm_count; i++) {
        if (vms[i].held)
            console_attach(&vms[i]);
    }
    return true;
}

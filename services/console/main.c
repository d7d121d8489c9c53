/* SPDX-License-Identifier: Apache-2.0 */
/* main.c of the console: the operator's command line over the serial port, and the consoles of the VMs.
 *
 * One loop: what init says, what was typed, what VMs print; then sleep until one of them rings. It holds no authority:
 * every command is a request that init answers.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "lib/runtime.h"
#include "lib/syscall.h"
#include "services/console/console.h"
#include "services/console/uart.h"

#define POLL_NS (UINT64_C(10) * 1000 * 1000)      /* without the serial port's interrupt */
#define LOG_POLL_NS (UINT64_C(200) * 1000 * 1000) /* headless: the log rings no bell */
#define COOKIE_VM_NAMES UINT32_MAX
#define NAMES_NS (UINT64_C(60) * 1000 * 1000 * 1000)

struct console console = { .attached = CONSOLE_NOBODY };

/* ----------------------------------------------------------------------------------------------------- printing */

void console_write_raw(const void *bytes, size_t length)
{
    uart_write(bytes, length);
}

/* Take prompt and line off the screen; they come back when there is nothing else to print. */
static void hide_prompt(void)
{
    if (console.has_prompt)
        uart_write("\r\x1b[K", 4);
    console.has_prompt = false;
}

static void write_text(const char *text, size_t length)
{
    size_t start = 0;

    for (size_t i = 0; i < length; i++) {
        if (text[i] != '\n')
            continue;
        uart_write(text + start, i - start);
        uart_write("\r\n", 2);
        start = i + 1;
    }
    uart_write(text + start, length - start);
}

void console_print(const char *format, ...)
{
    static char text[65536 + 1024];
    va_list arguments;
    int length;

    hide_prompt();
    va_start(arguments, format);
    length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (length > 0)
        write_text(text, (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1);
}

void console_show(const struct editor_output *out)
{
    uart_write(out->text, out->length);
}

static bool wants_prompt(void)
{
    return !console.headless && !console.ending && console.attached == CONSOLE_NOBODY && console.cookie == 0 &&
           !console.live;
}

void console_prompt(void)
{
    struct editor_output out = { 0 };

    if (!wants_prompt() || console.has_prompt)
        return;
    editor_redraw(&console.editor, &out);
    console_show(&out);
    console.has_prompt = true;
}

/* ---------------------------------------------------------------------------------------------------------- init */

static void event(const struct operator_text *message)
{
    if (console.headless)
        return; /* the log has it */
    if (console.attached != CONSOLE_NOBODY)
        console_print("\n[cloison: %.*s]\n", OPERATOR_TEXT_MAX - 1, message->text);
    else
        console_print("%.*s\n", OPERATOR_TEXT_MAX - 1, message->text);
}

static void answered(const struct operator_done *message)
{
    console.cookie = 0;
    if (message->text[0] != '\0' && !console.headless)
        console_print("%.*s\n", OPERATOR_TEXT_MAX - 1, message->text);
}

static void last_line(const struct operator_text *message)
{
    const struct operator_request drained = { .value = 0 };

    if (console.headless)
        log_print_new();
    streams_serve();
    console.ending = true;
    console_print("\n%.*s\n", OPERATOR_TEXT_MAX - 1, message->text);
    uart_drain();
    (void)!link_send(&console.control, OPERATOR_DRAINED, 0, &drained, sizeof(drained));
}

/* The names of all VMs, asked for at the beginning: completion and suggestions need them. */
static void learn_name(const struct operator_vm *vm)
{
    if (vm->number >= OPERATOR_VMS_MAX)
        return;
    memcpy(console.vm_name[vm->number], vm->name, OPERATOR_NAME_MAX);
    console.vm_name[vm->number][OPERATOR_NAME_MAX - 1] = '\0';
    if (vm->number >= console.vm_count)
        console.vm_count = vm->number + 1;
}

static void drop_stream(uint32_t number)
{
    const struct operator_request dropped = { .value = number };

    streams_detach(number);
    (void)!link_send(&console.control, OPERATOR_STREAM_DROPPED, 0, &dropped, sizeof(dropped));
}

static void hear(const struct channel_descriptor *descriptor, const void *message)
{
    switch (descriptor->kind) {
    case OPERATOR_STREAM_ATTACH:
        streams_attach(message);
        return;
    case OPERATOR_STREAM_DETACH:
        drop_stream(((const struct operator_stream *)message)->number);
        return;
    case OPERATOR_EVENT:
        event(message);
        return;
    case OPERATOR_LAST_LINE:
        last_line(message);
        return;
    default:
        break;
    }
    if (descriptor->cookie == COOKIE_VM_NAMES && descriptor->kind == OPERATOR_VM) {
        learn_name(message);
        return;
    }
    if (descriptor->cookie != console.cookie || console.cookie == 0)
        return; /* an answer that came too late */
    if (descriptor->kind == OPERATOR_DONE)
        answered(message);
    else
        print_report(descriptor->kind, message, descriptor->length);
}

static void listen(void)
{
    static union {
        struct operator_vm vm;
        struct operator_stream stream;
        uint8_t bytes[OPERATOR_MESSAGE_MAX];
    } message;
    struct channel_descriptor descriptor;

    while (link_receive(&console.control, &descriptor, &message, sizeof(message)) == CL_OK) {
        /* texts end within the message whatever was sent */
        memset(message.bytes + descriptor.length, 0, sizeof(message) - descriptor.length);
        hear(&descriptor, &message);
    }
    if (console.cookie != 0 && cl_monotonic_ns() >= console.answer_deadline_ns) {
        console.cookie = 0;
        console_print("init has not answered\n");
    }
}

/* ---------------------------------------------------------------------------------------------------------- loop */

static uint64_t sleep_until(bool has_irq)
{
    uint64_t now = cl_monotonic_ns(), until = input_deadline();

    if (!has_irq && now + POLL_NS < until)
        until = now + POLL_NS;
    if (console.headless && now + LOG_POLL_NS < until)
        until = now + LOG_POLL_NS;
    if (console.cookie != 0 && console.answer_deadline_ns < until)
        until = console.answer_deadline_ns;
    if (console.live && console.live_ns != 0 && console.live_ns < until)
        until = console.live_ns;
    return until == UINT64_MAX ? CL_NEVER : cl_deadline_at_ns(until);
}

static void begin(const struct console_start *start)
{
    const struct operator_request request = { .value = 0 };
    char prompt[EDITOR_PROMPT_MAX];

    console.headless = start->headless != 0;
    snprintf(prompt, sizeof(prompt), "%.31s> ", start->hostname);
    editor_init(&console.editor, prompt);
    log_skip_to_take_over();
    log_print_new();
    if (!console.headless)
        console_print("\n'help' lists the commands.\n");
    /* init answers when it has started what starts by itself: until then no name is known and there is no prompt */
    if (link_send(&console.control, OPERATOR_LIST, COOKIE_VM_NAMES, &request, sizeof(request)) == CL_OK) {
        console.cookie = COOKIE_VM_NAMES;
        console.answer_deadline_ns = cl_monotonic_ns() + NAMES_NS;
    }
}

int main(void)
{
    uint64_t size, bits;
    const struct console_start *start = cl_require_region(WIRE_REGION_SETUP, &size);
    uint32_t irq = 0;
    bool has_irq;

    console.events = cl_require_slot(WIRE_SLOT_EVENTS);
    console.system = cl_require_slot(CONSOLE_SLOT_SYSTEM);
    has_irq = start_block_slot(cl_start(), CONSOLE_SLOT_IRQ, &irq) == CL_OK;
    if (size < sizeof(*start) || link_open(&console.control, &start->control) != CL_OK) {
        cl_log("init gave no way to speak to it");
        return 1;
    }
    uart_begin(start->uart_port, irq);
    begin(start);
    for (;;) {
        listen();
        input_take();
        streams_serve();
        commands_repeat_live();
        if (console.headless && !console.ending)
            log_print_new();
        console_prompt();
        if (streams_arm() || link_arm(&console.control))
            continue;
        (void)!cl_wait(console.events, sleep_until(has_irq), &bits);
    }
}

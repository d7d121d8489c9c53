/* SPDX-License-Identifier: Apache-2.0 */
/* commands.c: entered lines become requests to init, or are done here. */
#include "services/console/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/runtime.h"
#include "services/console/console.h"

#define ANSWER_NS (UINT64_C(20) * 1000 * 1000 * 1000) /* starting a large VM takes a while */
#define LIVE_NS (UINT64_C(2) * 1000 * 1000 * 1000)
#define LOG_LINES 40u

static const char *names[OPERATOR_VMS_MAX + 32];
static uint32_t last_cookie;

static size_t vm_names(void)
{
    size_t count = 0;

    for (uint32_t i = 0; i < console.vm_count; i++) {
        if (console.vm_name[i][0] != '\0')
            names[count++] = console.vm_name[i];
    }
    return count;
}

void commands_ask(uint32_t verb, const char *vm)
{
    struct operator_request request = { .value = 0 };
    enum cl_status status;

    snprintf(request.vm, sizeof(request.vm), "%s", vm);
    console.reports = 0;
    console.verb = verb;
    console.cookie = ++last_cookie;
    console.answer_deadline_ns = cl_monotonic_ns() + ANSWER_NS;
    status = link_send(&console.control, verb, console.cookie, &request, sizeof(request));
    if (status != CL_OK) {
        console.cookie = 0;
        console_print("init does not listen\n");
    }
}

static void help(void)
{
    for (size_t i = 0; i < command_count; i++)
        console_print("  %-18s %s\n", command_list[i].usage, command_list[i].help);
    console_print("Tab completes, the arrows recall earlier lines.\n");
}

static void enter_console(const char *name)
{
    for (uint32_t i = 0; i < console.vm_count; i++) {
        if (strcmp(console.vm_name[i], name) == 0)
            streams_enter(i);
    }
}

static void run(const struct command_line *parsed)
{
    const struct command *command = parsed->command;
    const char *vm = command->argument == COMMAND_TAKES_COUNT ? "" : parsed->argument;

    switch (command->action) {
    case COMMAND_HELP:
        help();
        break;
    case COMMAND_CONSOLE:
        enter_console(parsed->argument);
        break;
    case COMMAND_LOG:
        log_print_last(parsed->argument[0] != '\0' ? (unsigned)atoi(parsed->argument) : LOG_LINES);
        break;
    case COMMAND_TRACE:
        trace_print_last(parsed->argument[0] != '\0' ? (unsigned)atoi(parsed->argument) : LOG_LINES);
        break;
    case COMMAND_CLEAR:
        console_write_raw("\x1b[H\x1b[2J", 7);
        break;
    case COMMAND_HEADLESS:
        streams_go_headless();
        commands_ask(command->verb, "");
        break;
    case COMMAND_ASK:
        console.live = command->verb == OPERATOR_STATISTICS && strcmp(vm, "live") == 0;
        commands_ask(command->verb, console.live ? "" : vm);
        break;
    }
}

void commands_run(const char *line)
{
    struct command_line parsed;

    command_parse(line, names, vm_names(), &parsed);
    if (parsed.error[0] != '\0')
        console_print("%s\n", parsed.error);
    else if (parsed.command != NULL)
        run(&parsed);
}

void commands_repeat_live(void)
{
    uint64_t now = cl_monotonic_ns();

    if (!console.live || console.cookie != 0)
        return;
    if (console.live_ns == 0) {
        console.live_ns = now + LIVE_NS;
    } else if (now >= console.live_ns) {
        console.live_ns = 0;
        console_write_raw("\x1b[H\x1b[2J", 7);
        commands_ask(OPERATOR_STATISTICS, "");
    }
}

void commands_complete(struct editor *editor, struct editor_output *out)
{
    size_t count = 0;

    if (editor_word_number(editor) == 0) {
        for (; count < command_count; count++)
            names[count] = command_list[count].name;
    } else if (editor_word_number(editor) == 1) {
        count = vm_names();
    }
    editor_complete(editor, names, count, out);
}

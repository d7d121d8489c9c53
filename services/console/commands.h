/* SPDX-License-Identifier: Apache-2.0 */
/* commands.h: the operator's commands as data: names, what they take, what they ask init for. Pure. */
#ifndef CL_SERVICES_CONSOLE_COMMANDS_H
#define CL_SERVICES_CONSOLE_COMMANDS_H

#include <stddef.h>
#include <stdint.h>

enum command_argument { COMMAND_TAKES_NOTHING, COMMAND_TAKES_VM, COMMAND_MAY_TAKE_VM, COMMAND_TAKES_COUNT };

/* What a command does beyond sending its verb to init. */
enum command_action {
    COMMAND_ASK,
    COMMAND_HELP,
    COMMAND_CONSOLE,
    COMMAND_LOG,
    COMMAND_TRACE,
    COMMAND_HEADLESS,
    COMMAND_CLEAR
};

struct command {
    const char *name;
    enum command_action action;
    enum command_argument argument;
    uint32_t verb; /* enum operator_verb */
    const char *usage;
    const char *help;
};

extern const struct command command_list[];
extern const size_t command_count;

/* A line, taken apart. */
struct command_line {
    const struct command *command; /* NULL: nothing was entered, or it is wrong */
    char argument[40];             /* empty: none */
    char error[160];               /* what is wrong with it; empty: nothing */
};

/* `vms`: names that are known. Words that are wrong get the likely right one as a suggestion. */
void command_parse(const char *line, const char *const *vms, size_t vm_count, struct command_line *parsed);

#endif

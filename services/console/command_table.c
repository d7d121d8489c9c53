/* SPDX-License-Identifier: Apache-2.0 */
/* command_table.c: every command, once; and a line taken apart by them. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "services/common/words.h"
#include "services/console/commands.h"
#include "services/protocol/operator.h"

#define COMMANDS_MAX 32

const struct command command_list[] = {
    { "help", COMMAND_HELP, COMMAND_TAKES_NOTHING, 0, "help", "this list" },
    { "list", COMMAND_ASK, COMMAND_TAKES_NOTHING, OPERATOR_LIST, "list", "all VMs and their states" },
    { "info", COMMAND_ASK, COMMAND_MAY_TAKE_VM, OPERATOR_INFO, "info [NAME]", "about a VM, or about this machine" },
    { "console", COMMAND_CONSOLE, COMMAND_TAKES_VM, 0, "console NAME", "a VM's console; Ctrl-] leads back" },
    { "log", COMMAND_LOG, COMMAND_TAKES_COUNT, 0, "log [LINES]", "the latest lines of the log" },
    { "trace", COMMAND_TRACE, COMMAND_TAKES_COUNT, 0, "trace [LINES]", "what ran last on each CPU, thread by thread" },
    { "stats", COMMAND_ASK, COMMAND_MAY_TAKE_VM, OPERATOR_STATISTICS, "stats [NAME|live]",
      "exits, CPU time and packets; live: again every two seconds until a key is pressed" },
    { "audit", COMMAND_ASK, COMMAND_TAKES_VM, OPERATOR_AUDIT, "audit NAME",
      "check its vCPUs against the rules of VM entry, as they stand" },
    { "net", COMMAND_ASK, COMMAND_TAKES_NOTHING, OPERATOR_NETWORK, "net", "the switch's ports and counters" },
    { "caps", COMMAND_ASK, COMMAND_MAY_TAKE_VM, OPERATOR_CAPS, "caps [NAME]", "who can do what: the capability graph" },
    { "start", COMMAND_ASK, COMMAND_TAKES_VM, OPERATOR_START, "start NAME", "start a VM that is off" },
    { "shutdown", COMMAND_ASK, COMMAND_TAKES_VM, OPERATOR_SHUTDOWN, "shutdown NAME", "press its power button" },
    { "reset", COMMAND_ASK, COMMAND_TAKES_VM, OPERATOR_RESET, "reset NAME", "start it from the beginning at once" },
    { "destroy", COMMAND_ASK, COMMAND_TAKES_VM, OPERATOR_DESTROY, "destroy NAME", "pull its plug" },
    { "suspend", COMMAND_ASK, COMMAND_TAKES_VM, OPERATOR_SUSPEND, "suspend NAME", "let it stand still" },
    { "resume", COMMAND_ASK, COMMAND_TAKES_VM, OPERATOR_RESUME, "resume NAME", "let it go on" },
    { "kill-vmm", COMMAND_ASK, COMMAND_TAKES_VM, OPERATOR_KILL_VMM, "kill-vmm NAME",
      "stop its VMM as a crash would (to see what survives)" },
    { "kill-console", COMMAND_ASK, COMMAND_TAKES_NOTHING, OPERATOR_KILL_CONSOLE, "kill-console",
      "stop this console as a crash would; it is started again" },
    { "kill-switch", COMMAND_ASK, COMMAND_TAKES_NOTHING, OPERATOR_KILL_SWITCH, "kill-switch",
      "stop the virtual switch as a crash would; it is started again" },
    { "clear", COMMAND_CLEAR, COMMAND_TAKES_NOTHING, 0, "clear", "an empty screen" },
    { "headless", COMMAND_HEADLESS, COMMAND_TAKES_NOTHING, OPERATOR_HEADLESS, "headless",
      "no prompt any more: all VMs' lines, and power-off when all have stopped" },
    { "poweroff", COMMAND_ASK, COMMAND_TAKES_NOTHING, OPERATOR_POWER_OFF, "poweroff", "stop all VMs, switch off" },
    { "reboot", COMMAND_ASK, COMMAND_TAKES_NOTHING, OPERATOR_REBOOT, "reboot",
      "stop all VMs, start the machine again" },
};
const size_t command_count = sizeof(command_list) / sizeof(command_list[0]);

_Static_assert(sizeof(command_list) / sizeof(command_list[0]) <= COMMANDS_MAX, "room for their names");

static const struct command *find(const char *word)
{
    for (size_t i = 0; i < command_count; i++) {
        if (strcmp(command_list[i].name, word) == 0)
            return &command_list[i];
    }
    return NULL;
}

static void unknown_command(const char *word, struct command_line *parsed)
{
    const char *names[COMMANDS_MAX], *nearest;

    for (size_t i = 0; i < command_count; i++)
        names[i] = command_list[i].name;
    nearest = words_nearest(word, names, command_count);
    if (nearest != NULL)
        snprintf(parsed->error, sizeof(parsed->error), "unknown command '%.40s': did you mean '%s'?", word, nearest);
    else
        snprintf(parsed->error, sizeof(parsed->error), "unknown command '%.40s': 'help' lists what there is", word);
}

static void check_vm(const struct command *command, const char *const *vms, size_t vm_count,
                     struct command_line *parsed)
{
    const char *nearest;

    for (size_t i = 0; i < vm_count; i++) {
        if (strcmp(vms[i], parsed->argument) == 0)
            return;
    }
    if (command->verb == OPERATOR_STATISTICS && strcmp(parsed->argument, "live") == 0)
        return;
    nearest = words_nearest(parsed->argument, vms, vm_count);
    if (nearest != NULL)
        snprintf(parsed->error, sizeof(parsed->error), "there is no VM '%s': did you mean '%s'?", parsed->argument,
                 nearest);
    else
        snprintf(parsed->error, sizeof(parsed->error), "there is no VM '%s': 'list' shows all", parsed->argument);
}

static void check_argument(const struct command *command, const char *const *vms, size_t vm_count,
                           struct command_line *parsed)
{
    bool given = parsed->argument[0] != '\0';

    if (command->argument == COMMAND_TAKES_NOTHING && given)
        snprintf(parsed->error, sizeof(parsed->error), "'%s' takes nothing behind it", command->name);
    else if (command->argument == COMMAND_TAKES_VM && !given)
        snprintf(parsed->error, sizeof(parsed->error), "which VM? usage: %s", command->usage);
    else if (command->argument == COMMAND_TAKES_COUNT && given &&
             parsed->argument[strspn(parsed->argument, "0123456789")] != '\0')
        snprintf(parsed->error, sizeof(parsed->error), "'%s' is no number; usage: %s", parsed->argument,
                 command->usage);
    else if ((command->argument == COMMAND_TAKES_VM || command->argument == COMMAND_MAY_TAKE_VM) && given)
        check_vm(command, vms, vm_count, parsed);
}

void command_parse(const char *line, const char *const *vms, size_t vm_count, struct command_line *parsed)
{
    char words[3][64] = { "", "", "" };
    const struct command *command;
    int count = sscanf(line, "%63s %63s %63s", words[0], words[1], words[2]);

    memset(parsed, 0, sizeof(*parsed));
    if (count <= 0)
        return;
    command = find(words[0]);
    snprintf(parsed->argument, sizeof(parsed->argument), "%.39s", words[1]);
    if (command == NULL)
        unknown_command(words[0], parsed);
    else if (count > 2)
        snprintf(parsed->error, sizeof(parsed->error), "too many words; usage: %s", command->usage);
    else
        check_argument(command, vms, vm_count, parsed);
    if (parsed->error[0] == '\0')
        parsed->command = command;
}

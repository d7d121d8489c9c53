/* SPDX-License-Identifier: Apache-2.0 */
/* console.h: the parts of the console service and what they share. */
#ifndef CL_SERVICES_CONSOLE_CONSOLE_H
#define CL_SERVICES_CONSOLE_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/status.h"
#include "services/common/link.h"
#include "services/console/line_editor.h"
#include "services/protocol/operator.h"

#define CONSOLE_ESCAPE 0x1d /* Ctrl-], as in virsh and telnet */
#define CONSOLE_NOBODY OPERATOR_VMS_MAX

struct console {
    struct link control;
    struct editor editor;
    uint32_t events;
    uint32_t system; /* slot: the log */
    bool headless;
    bool has_prompt;   /* the prompt is on the screen: whatever else is printed goes above it */
    uint32_t attached; /* VM whose console the operator has; CONSOLE_NOBODY: the prompt */
    uint32_t verb;     /* of the latest request */
    uint32_t cookie;   /* of the request that is being answered; 0: none */
    uint64_t answer_deadline_ns;
    bool quiet; /* its answer is not printed: the list of VMs at the beginning */
    bool live;  /* `stats live`: ask again */
    uint64_t live_ns;
    uint32_t reports; /* printed for this request so far */
    uint64_t log_position;
    bool ending;       /* the last line was printed */
    uint32_t vm_count; /* names of VMs, by their numbers */
    char vm_name[OPERATOR_VMS_MAX][OPERATOR_NAME_MAX];
};

extern struct console console;

/* main.c: what is printed. LF becomes CR LF; the prompt, if it is there, is taken away first and comes back later. */
__attribute__((format(printf, 1, 2))) void console_print(const char *format, ...);
void console_write_raw(const void *bytes, size_t length);
void console_show(const struct editor_output *out);

/* Show the prompt again after an answer, or what stands for it. */
void console_prompt(void);

/* input.c: use what was typed, as far as it can be used now; when to try again if no bell comes before. */
void input_take(void);
uint64_t input_deadline(void);

/* commands.c: an entered line; the candidates for completion; sending one request to init. */
void commands_run(const char *line);
void commands_complete(struct editor *editor, struct editor_output *out);
void commands_ask(uint32_t verb, const char *vm);
void commands_repeat_live(void);

/* print.c: one report of init's. */
void print_report(uint32_t kind, const void *message, size_t length);

/* streams.c: the VMs' consoles. */
void streams_attach(const struct operator_stream *stream);
void streams_detach(uint32_t number);
void streams_serve(void);
bool streams_arm(void);
/* The operator goes to a VM's console, types there, and comes back. Typing tells how many bytes the VM's ring took. */
void streams_enter(uint32_t number);
void streams_leave(void);
size_t streams_type(const uint8_t *bytes, size_t length);
/* Print everything that was kept, line by line; from now on all lines are printed. */
void streams_go_headless(void);

/* log.c: the kernel's log. */
void log_skip_to_take_over(void);
void log_print_new(void);
void log_print_last(unsigned lines);

/* trace.c: what the CPUs did last. */
void trace_print_last(unsigned lines);

#endif

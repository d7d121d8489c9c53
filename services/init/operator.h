/* SPDX-License-Identifier: Apache-2.0 */
/* operator.h: the operator's requests: answered (operator.c), and those that change something carried out (wishes.c). */
#ifndef CL_SERVICES_INIT_OPERATOR_H
#define CL_SERVICES_INIT_OPERATOR_H

#include "services/init/vm.h"

#define WISH_SHUTDOWN_NS                                                                                               \
    (UINT64_C(30) * 1000 * 1000 * 1000) /* how long a guest may take to react to its power button */

/* A bounded number of requests. */
void operator_serve(void);

/* A VMM's answer to CONTROL_STATISTICS, or CONTROL_AUDIT. */
void operator_statistics_arrived(struct vm *vm, const struct control_statistics *statistics);
void operator_audit_arrived(struct vm *vm, const struct control_audit *audit);

/* The console that asked is gone: nobody waits for VMMs any more. */
void operator_forget(void);

uint64_t operator_next_ns(void);
void operator_deadlines(uint64_t now_ns);

/* Start the VMs that start by themselves: all are prepared before the first one runs. */
void wish_autostart(void);

/* One wish about a VM (OPERATOR_START to OPERATOR_RESUME, OPERATOR_KILL_VMM); the text of an answer is in `text`
 * whatever the status is. */
CL_MUST_CHECK enum cl_status wish_about_vm(enum operator_verb verb, struct vm *vm, char text[OPERATOR_TEXT_MAX]);

/* OPERATOR_KILL_CONSOLE, OPERATOR_KILL_SWITCH */
CL_MUST_CHECK enum cl_status wish_kill_service(enum operator_verb verb, char text[OPERATOR_TEXT_MAX]);

/* Guests that have not reacted to their power button: say so. And when to look again. */
void wish_deadlines(uint64_t now_ns);
uint64_t wish_next_ns(void);

#endif

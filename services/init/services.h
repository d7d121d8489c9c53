/* SPDX-License-Identifier: Apache-2.0 */
/* services.h: console and switch as init sees them: started, wired to VMs, started again when they die. */
#ifndef CL_SERVICES_INIT_SERVICES_H
#define CL_SERVICES_INIT_SERVICES_H

#include "services/init/vm.h"

/* Start both (the switch only if there is a network). */
CL_MUST_CHECK enum cl_status services_start(void);

/* Destroy and start again one that died; VMs that are there are wired to the new one. */
void services_restart_console(void);
void services_restart_switch(void);
bool services_console_died(uint64_t bits);
bool services_switch_died(uint64_t bits);

/* Wire a VM to them before its VMM starts, and tear the wires before its memory goes. */
CL_MUST_CHECK enum cl_status services_give_console(struct vm *vm);
CL_MUST_CHECK enum cl_status services_give_switch(struct vm *vm);
void services_attach(struct vm *vm);
void services_detach(struct vm *vm);

/* Ports of the switch: numbers are init's. */
void services_take_ports(struct vm *vm);
CL_MUST_CHECK enum cl_status services_port_counters(uint32_t port, struct switch_counters *counters);

/* The wire to the console, and both programs. */
struct link *services_console(void);
const struct program *services_console_program(void);
const struct program *services_switch_program(void);

/* The next request of the console's. CL_NOT_FOUND: none. Requests that came while init waited for another answer come
 * first. */
CL_MUST_CHECK enum cl_status services_next_request(struct channel_descriptor *descriptor,
                                                   struct operator_request *request);

/* Print `text` alone on a line and wait, three seconds at most, until it has left the machine. */
void services_last_line(const char *text);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* console.h: the console as init sees it: started, given the VMs' streams, asked and answered, started again when it
 * dies.
 */
#ifndef CL_SERVICES_INIT_CONSOLE_H
#define CL_SERVICES_INIT_CONSOLE_H

#include "services/init/service.h"
#include "services/init/vm.h"

/* `headless`: no prompt, all VMs' lines. */
CL_MUST_CHECK enum cl_status console_start(bool headless);

/* Start it again if it has died, with the streams of the VMs that are there. True: it was started again. */
bool console_revive(uint64_t bits, bool headless);

/* A VM's stream: the capability and memory for a VMM that does not run yet, the console's end, and its end. */
CL_MUST_CHECK enum cl_status console_give(struct vm *vm);
void console_attach(struct vm *vm);
void console_detach(struct vm *vm);

/* The next request of the operator's. CL_NOT_FOUND: none. Requests that came while init waited for another answer come
 * first. */
CL_MUST_CHECK enum cl_status console_next_request(struct channel_descriptor *descriptor,
                                                  struct operator_request *request);

/* Print `text` alone on a line and wait, three seconds at most, until it has left the machine. */
void console_last_line(const char *text);

/* The service itself: its wire, its domain. */
struct service *console_service(void);

#endif

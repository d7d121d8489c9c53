/* SPDX-License-Identifier: Apache-2.0 */
/* switch.h: the switch as init sees it: started, given the VMs' network cards, started again when it dies.
 *
 * Numbers of ports are init's; a VM has its own as long as it is there.
 */
#ifndef CL_SERVICES_INIT_SWITCH_H
#define CL_SERVICES_INIT_SWITCH_H

#include "services/init/service.h"
#include "services/init/vm.h"

CL_MUST_CHECK enum cl_status switch_start(void);

/* Start it again if it has died, with the ports of the VMs that are there. True: it was started again. */
bool switch_revive(uint64_t bits);

/* A VM's ports: numbers, the capabilities for a VMM that does not run yet, the switch's ends, and their end. */
void switch_take_ports(struct vm *vm);
CL_MUST_CHECK enum cl_status switch_give(struct vm *vm);
void switch_attach(struct vm *vm);
void switch_detach(struct vm *vm);

/* CL_TIMED_OUT, CL_NOT_FOUND: the switch does not answer, does not run. CL_NO_RIGHT: it has no such port. */
CL_MUST_CHECK enum cl_status switch_port_counters(uint32_t port, struct switch_counters *counters);

/* The service itself: its domain. */
struct service *switch_service(void);

#endif

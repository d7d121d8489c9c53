/* SPDX-License-Identifier: Apache-2.0 */
/* supervisor.h: what happens when something happens: policies for VMs that end, restarts of programs that die, and the
 * end of the whole machine.
 */
#ifndef CL_SERVICES_INIT_SUPERVISOR_H
#define CL_SERVICES_INIT_SUPERVISOR_H

#include "abi/syscall.h"
#include "services/init/vm.h"

/* Start the VMs that start by themselves. */
void supervisor_autostart(void);

/* Everything that came with these bits of init's notification, and every deadline that has passed. */
void supervisor_serve(uint64_t bits);

/* When supervisor_serve() wants to be called again even if nothing comes: cl_monotonic_ns() time; UINT64_MAX: never. */
uint64_t supervisor_next_ns(void);

/* Ask for bells. True: something is there already. */
bool supervisor_arm(void);

/* The operator's wishes; the text of an answer is in `text` whatever the status is. */
CL_MUST_CHECK enum cl_status supervisor_start_vm(struct vm *vm, char text[OPERATOR_TEXT_MAX]);
CL_MUST_CHECK enum cl_status supervisor_shutdown_vm(struct vm *vm, char text[OPERATOR_TEXT_MAX]);
CL_MUST_CHECK enum cl_status supervisor_reset_vm(struct vm *vm, char text[OPERATOR_TEXT_MAX]);
CL_MUST_CHECK enum cl_status supervisor_destroy_vm(struct vm *vm, char text[OPERATOR_TEXT_MAX]);
CL_MUST_CHECK enum cl_status supervisor_pause_vm(struct vm *vm, bool pause, char text[OPERATOR_TEXT_MAX]);
CL_MUST_CHECK enum cl_status supervisor_kill_vmm(struct vm *vm, char text[OPERATOR_TEXT_MAX]);

/* End everything: guests get the power button and a deadline. */
void supervisor_shut_down_host(enum system_operation operation);

/* From now on the machine ends by itself when all VMs have ended. */
void supervisor_set_headless(void);

/* Tell the operator, in the log and at the prompt. */
__attribute__((format(printf, 1, 2))) void supervisor_tell(const char *format, ...);

/* operator.c */
void operator_serve(void);
void operator_statistics_arrived(struct vm *vm, const struct control_statistics *statistics);
uint64_t operator_next_ns(void);
void operator_deadlines(uint64_t now_ns);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* supervisor.h: init's loop: what VMMs report, programs that die, the operator's requests, deadlines. */
#ifndef CL_SERVICES_INIT_SUPERVISOR_H
#define CL_SERVICES_INIT_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>

/* Everything that came with these bits of init's notification, and every deadline that has passed. */
void supervisor_serve(uint64_t bits);

/* When supervisor_serve() wants to be called again even if nothing comes: cl_monotonic_ns() time; UINT64_MAX: never. */
uint64_t supervisor_next_ns(void);

/* Ask for bells. True: something is there already. */
bool supervisor_arm(void);

/* Tell the operator, in the log and at the prompt. */
__attribute__((format(printf, 1, 2))) void supervisor_tell(const char *format, ...);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* host_end.h: the end of the whole machine: asked for by the operator, or, headless, because all VMs have ended. */
#ifndef CL_SERVICES_INIT_HOST_END_H
#define CL_SERVICES_INIT_HOST_END_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/syscall.h"

#define HOST_END_NS (UINT64_C(30) * 1000 * 1000 * 1000) /* how long the guests have from their power button on */

/* Every guest gets its power button; the machine ends when all have stopped, or when their time is up. Once. */
void host_end_begin(enum system_operation operation);
bool host_end_begun(void);

/* From now on the machine ends by itself: when all VMs that were started have ended as they should, or as soon as one
 * has not. */
void host_end_set_headless(void);
bool host_end_is_headless(void);

/* There is nothing to run, and this is why: a headless run fails with it. */
void host_end_nothing_to_run(const char *reason);
const char *host_end_no_vms(void); /* the reason; empty: there is none */

/* End the machine if it is time to. Returns if it is not. */
void host_end_serve(uint64_t now_ns);

/* When to ask again; UINT64_MAX: when something has happened. */
uint64_t host_end_next_ns(void);

#endif

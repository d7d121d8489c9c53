/* SPDX-License-Identifier: Apache-2.0 */
/* runtime.h: what a program asks its runtime: who am I, what was I given, how late is it; and how it ends.
 *
 * Everything else comes with its own header: syscall.h, slots.h, log.h, channel.h, and the C library's malloc and
 * pthreads.
 */
#ifndef CL_LIB_RUNTIME_H
#define CL_LIB_RUNTIME_H

#include <stdint.h>

#include "abi/status.h"
#include "lib/start_block.h"

/* The start block, checked; init's own is made by the runtime. Never NULL. */
const struct start_block *cl_start(void);

/* A capability slot or a mapped region by its name in the start block; if the creator gave none of this name the
 * program ends with a line in the log: for what it cannot do without. */
uint32_t cl_require_slot(const char *name);
void *cl_require_region(const char *name, uint64_t *size_bytes);

/* Nanoseconds since the loader's hand-over, by the TSC, and the TSC value at such a moment (CL_NEVER stays it). */
uint64_t cl_monotonic_ns(void);
uint64_t cl_deadline_at_ns(uint64_t monotonic_ns);
uint64_t cl_deadline_after_ns(uint64_t delay_ns);

/* End the program, all its threads: a line in the log if `code` is not 0, bit 0 of the notification named "exit" if
 * there is one, then no thread of the domain runs again. What exit() and _exit() come to. */
_Noreturn void cl_program_exit(int code);

/* The same for what must not happen: the line, then an invalid instruction, so that the kernel's crash report shows
 * where. */
_Noreturn void cl_program_crash(const char *why);

#endif

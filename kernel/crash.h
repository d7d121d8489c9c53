/* SPDX-License-Identifier: Apache-2.0 */
/* crash.h: the last words: registers and a backtrace with names, on every console there is. */
#ifndef CL_KERNEL_CRASH_H
#define CL_KERNEL_CRASH_H

#include "kernel/types.h"

struct registers;
struct thread;

/* The kernel itself failed at `registers`: report, stop all CPUs. */
void crash_kernel(const struct registers *registers, const char *what) __attribute__((noreturn));

/* A thread faulted: domain, registers, address; into the log. */
void crash_report_user(const struct thread *thread, uint64_t address);

/* An NMI while a crash is under way: this CPU stays here. */
bool crash_is_stopping(void);
void crash_begin_stop(void);
void crash_park(void) __attribute__((noreturn));

/* "function+offset" of a kernel address, or "?". */
const char *symbol_name(uint64_t address, uint64_t *offset);

#endif

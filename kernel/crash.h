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

/* This CPU goes on alone, every other one parks: they take an NMI. Whoever comes second parks as well. From here on
 * the log's lines go to the serial port, whoever owns it. */
void crash_stop_others(void);
/* An NMI has come: if it is because of that, it does not return. */
void crash_nmi(void);
void crash_park(void) __attribute__((noreturn));

#endif

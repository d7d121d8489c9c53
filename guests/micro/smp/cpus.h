/* SPDX-License-Identifier: Apache-2.0 */
/* cpus.h: CPUs beside the first one: started by INIT and SIPI, then halted until they are given work.
 *
 * A CPU's number is its APIC ID, 0 to count - 1. What several CPUs write is volatile or atomic; the console, micro_check()
 * and TRY() are the first CPU's alone.
 */
#ifndef MICRO_CPUS_H
#define MICRO_CPUS_H

#include "micro.h"
#include "trap.h"

#define CPUS_MAX 64u

typedef void cpu_work(unsigned cpu);

/* What a CPU found when it came in, each time anew. */
struct cpu_found {
    uint32_t times; /* it has come in */
    uint32_t svr, lvt_timer, ldr;
    uint64_t apic_base;
};
extern volatile struct cpu_found cpus_found[CPUS_MAX];

/* Put the trampoline in its place. */
void cpus_prepare(void);

/* INIT, SIPI, SIPI, whatever the CPU does. False: it has not come in. */
bool cpus_start(unsigned cpu);

/* Have CPU `cpu` do `work` with interrupts off, and halt again. The first CPU does it at once. */
void cpus_give(unsigned cpu, cpu_work *work);

/* Wait until it has done it, or until `*counter` is `value`, with interrupts on. False: 3 * 10^10 ticks have passed. */
bool cpus_wait(unsigned cpu);
bool cpus_wait_for(const volatile uint32_t *counter, uint32_t value);

/* The CPU on whose stack an interrupt came. */
unsigned cpus_of(const struct micro_frame *frame);

/* From the ACPI tables: how many enabled local APICs the MADT lists, and whether they are 0 to that number - 1. 0: there are
 * no tables. */
unsigned madt_cpus(bool *in_order);

#endif

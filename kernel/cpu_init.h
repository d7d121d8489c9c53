/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_init.h: from the loader to a CPU's own stack, tables and registers. */
#ifndef CL_KERNEL_CPU_INIT_H
#define CL_KERNEL_CPU_INIT_H

#include "kernel/cpu.h"

/* Make `cpu` this CPU: GDT, TSS, IDT, GS, SYSCALL, SMEP, SMAP, UMIP, NX, PAT. Its stacks exist. */
void cpu_setup(struct cpu *cpu);

/* Build the interrupt descriptor table that all CPUs share. Once. */
void idt_build(void);

/* Leave the loader's stack and tables for `cpu`'s stack and the root table at `root` (entry.asm); on to cpu_main(). */
void kernel_enter(struct cpu *cpu, uint64_t root) __attribute__((noreturn));
void cpu_main(struct cpu *cpu) __attribute__((noreturn));

#endif

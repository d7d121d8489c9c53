/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_init.h: descriptor tables, control registers and MSRs of one CPU; starting the other CPUs. */
#ifndef CL_KERNEL_CPU_INIT_H
#define CL_KERNEL_CPU_INIT_H

#include "abi/boot_info.h"
#include "kernel/cpu.h"

/* Make `cpu` this CPU: GDT, TSS, IDT, GS, SYSCALL, SMEP, SMAP, UMIP, NX, PAT. Its stacks exist. */
void cpu_setup(struct cpu *cpu);

/* Build the interrupt descriptor table that all CPUs share. Once. */
void idt_build(void);

/* Start every other CPU by INIT and SIPI through the page at boot->trampoline; returns how many came. */
uint32_t smp_start(const struct boot_info *boot);

/* Where a started CPU goes on, on its own stack; never returns. */
void cpu_main(struct cpu *cpu) __attribute__((noreturn));

#endif

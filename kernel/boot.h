/* SPDX-License-Identifier: Apache-2.0 */
/* boot.h: the steps from the loader to init. */
#ifndef CL_KERNEL_BOOT_H
#define CL_KERNEL_BOOT_H

#include "abi/boot_info.h"
#include "kernel/cpu.h"

struct account;

/* Make `cpu` this CPU: GDT, TSS, IDT, GS, SYSCALL, SMEP, SMAP, UMIP, NX, PAT. Its stacks exist. */
void cpu_setup(struct cpu *cpu);

/* Build the interrupt descriptor table that all CPUs share. Once. */
void idt_build(void);

/* Leave the loader's stack and tables for `cpu`'s stack and the root table at `root` (entry.asm); on to cpu_main(). */
void kernel_enter(struct cpu *cpu, uint64_t root) __attribute__((noreturn));
void cpu_main(struct cpu *cpu) __attribute__((noreturn));

/* Build init's domain out of the segments in `boot` and start its thread. Panics with a sentence when that fails. */
void boot_init(const struct boot_info *boot, struct account *root);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* trap.h: where entry.asm calls in. */
#ifndef CL_KERNEL_TRAP_H
#define CL_KERNEL_TRAP_H

struct registers;
struct cpu;

#define EXCEPTIONS 32
extern const char *const exception_names[EXCEPTIONS];

void interrupt_from_user(struct registers *registers) __attribute__((noreturn));
void interrupt_from_kernel(struct registers *registers);
/* NMI, #DF and #MC, on stacks of their own. */
void exception_on_ist(struct registers *registers, struct cpu *cpu);
void syscall_handler(struct registers *registers) __attribute__((noreturn));

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* trap.h: exceptions that a test expects, and interrupts that it waits for.
 *
 * TRY() runs one instruction (or a few) that may raise an exception; afterwards `micro_trap` holds what was raised.
 * A handler set with micro_handle() sees every occurrence of its vector instead and may change the frame. An exception
 * that neither expects ends the guest with ERROR.
 */
#ifndef MICRO_TRAP_H
#define MICRO_TRAP_H

#include "micro.h"

enum micro_vector {
    VECTOR_DE = 0,
    VECTOR_DB = 1,
    VECTOR_NMI = 2,
    VECTOR_BP = 3,
    VECTOR_OF = 4,
    VECTOR_BR = 5,
    VECTOR_UD = 6,
    VECTOR_NM = 7,
    VECTOR_DF = 8,
    VECTOR_TS = 10,
    VECTOR_NP = 11,
    VECTOR_SS = 12,
    VECTOR_GP = 13,
    VECTOR_PF = 14,
    VECTOR_MF = 16,
    VECTOR_AC = 17,
    VECTOR_XM = 19,
    VECTOR_NONE = -1,
};

/* Registers as the stub saves them, in the order in which they lie on the stack. */
struct micro_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
    uint64_t rdi, rsi, rbp, rbx, rdx, rcx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};

/* What the last TRY() raised. `vector` is VECTOR_NONE when nothing was. */
struct micro_trap {
    int32_t vector;
    uint32_t error;
    uint64_t rip; /* as the CPU pushed it */
    uint64_t rflags;
    uint64_t cr2; /* valid for VECTOR_PF */
};

extern volatile struct micro_trap micro_trap;
extern volatile uint64_t micro_resume; /* where an expected exception goes on; 0 = none is expected */

/* Run `code` with its asm operands, e.g. TRY("rdmsr", : "=a"(low), "=d"(high) : "c"(msr)). Exceptions in it end up in
 * micro_trap and execution goes on behind it. `code` must leave RSP as it was, or restore it after the label.
 */
#define TRY(code, ...)                                                                                                 \
    asm volatile("movl $-1, micro_trap(%%rip)\n\t"                                                                     \
                 "movq $77f, micro_resume(%%rip)\n\t" code "\n"                                                        \
                 "77:\tmovq $0, micro_resume(%%rip)" __VA_ARGS__)

/* The same at CPL 3, with `flags` (an immediate) as RFLAGS. Call paging_allow_user() first. Operands must be registers.
 * INT 80h, which the macro adds, comes back from there; a test may use it as the last of its own instructions, too.
 */
#define TRY_USER(flags, code, ...)                                                                                     \
    asm volatile("movl $-1, micro_trap(%%rip)\n\t"                                                                     \
                 "movq $77f, micro_resume(%%rip)\n\t"                                                                  \
                 "movq %%rsp, micro_resume_rsp(%%rip)\n\t"                                                             \
                 "pushq $0x3B\n\t"                                                                                     \
                 "pushq $micro_user_stack_top\n\t"                                                                     \
                 "pushq $" #flags "\n\t"                                                                               \
                 "pushq $0x43\n\t"                                                                                     \
                 "pushq $76f\n\t"                                                                                      \
                 "iretq\n"                                                                                             \
                 "76:\t" code "\n\t"                                                                                   \
                 "int $0x80\n"                                                                                         \
                 "77:\tmovq $0, micro_resume(%%rip)" __VA_ARGS__)

#define USER_FLAGS_NONE 2

/* RDMSR and WRMSR that may raise #GP: true when they did not. */
bool rdmsr_try(uint32_t msr, uint64_t *value);
bool wrmsr_try(uint32_t msr, uint64_t value);

/* Vector's name ("#GP"), or "no exception" for VECTOR_NONE. */
const char *trap_name(int32_t vector);

/* Check that the last TRY() raised `vector`, and nothing else. */
void check_trap(int32_t vector, const char *what);
/* The same, with the error code. */
void check_trap_error(int32_t vector, uint32_t error, const char *what);

/* Call `routine` with registers RAX RCX RDX RBX – RBP RSI RDI R8–R15 from the array (RSP's place is unused), and put
 * there what they hold afterwards.
 */
void micro_call_with_registers(uint64_t registers[16], void (*routine)(void));

typedef void micro_handler(struct micro_frame *frame);

/* Call `handler` for every occurrence of `vector` (0–255); NULL gives the vector back to TRY(). */
void micro_handle(uint8_t vector, micro_handler *handler);

/* Use stack 1, 2 or 3 of the TSS (0 = the current stack) for `vector`. */
void micro_set_ist(uint8_t vector, uint8_t ist);

/* Interrupts in the order of their arrival. */
#define IRQ_LOG_LENGTH 64

struct irq_log {
    uint32_t count; /* may exceed the length of `vectors`: later ones are only counted */
    uint8_t vectors[IRQ_LOG_LENGTH];
    uint64_t rip; /* where the last one came */
};
extern volatile struct irq_log irq_log;

void irq_log_clear(void);

/* Handlers for micro_handle(): log, then end the interrupt at the local APIC, at the 8259s, or nowhere. */
micro_handler irq_log_apic, irq_log_pic, irq_log_only;

/* Mark the gate of `vector` present or not: without it, delivery raises #NP. */
void micro_gate_present(uint8_t vector, bool present);

/* Let interrupts in until `count` are logged; false after about 3 * 10^9 TSC ticks without. Returns with IF clear. */
bool irq_wait(uint32_t count);

/* Let whatever is pending in now, without waiting. */
void irq_window(void);

/* Spin for `ticks` of the TSC with interrupts as they are. */
void spin_ticks(uint64_t ticks);

#endif

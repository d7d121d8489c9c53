/* SPDX-License-Identifier: Apache-2.0 */
/* instructions.h: makes the inline assembly of the kernel file that is included next a call, fake_instruction().
 *
 * For the few files that contain privileged instructions themselves (STI, HLT, loading segments): fake_system.c and
 * fake_vcpu_run.c include all headers, then this one, then the kernel's file. The text of the statement says what is to
 * be done.
 */
#ifndef CL_KERNEL_FAKE_INSTRUCTIONS_H
#define CL_KERNEL_FAKE_INSTRUCTIONS_H

void fake_instruction(const char *text);

/* "__asm__ volatile(…)" loses its first word, and the second is a macro as long as a parenthesis follows it. */
#define __asm__
#define volatile(...) fake_instruction(#__VA_ARGS__)

#endif

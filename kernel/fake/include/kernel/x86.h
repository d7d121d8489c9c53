/* SPDX-License-Identifier: Apache-2.0 */
/* x86.h: shadows kernel/x86.h in host tests: the constants are the real ones, the privileged instructions are calls into
 * the fake machine (kernel/fake/fake_machine.c). CPUID is not privileged and stays the building
 * machine's. Found first by the -iquote of tests/unit/build.mk.
 */
#ifndef CL_KERNEL_FAKE_X86_H
#define CL_KERNEL_FAKE_X86_H

/* The real functions step aside; no test calls them. The debug registers are those of fake_vmx.c alone. */
#define x86_rdmsr hardware_rdmsr
#define x86_wrmsr hardware_wrmsr
#define x86_rdtsc hardware_rdtsc
#define x86_read_cr0 hardware_read_cr0
#define x86_read_cr2 hardware_read_cr2
#define x86_read_cr3 hardware_read_cr3
#define x86_read_cr4 hardware_read_cr4
#define x86_write_cr0 hardware_write_cr0
#define x86_write_cr2 hardware_write_cr2
#define x86_write_cr3 hardware_write_cr3
#define x86_write_cr4 hardware_write_cr4
#define x86_read_dr0 hardware_read_dr0
#define x86_write_dr0 hardware_write_dr0
#define x86_read_dr1 hardware_read_dr1
#define x86_write_dr1 hardware_write_dr1
#define x86_read_dr2 hardware_read_dr2
#define x86_write_dr2 hardware_write_dr2
#define x86_read_dr3 hardware_read_dr3
#define x86_write_dr3 hardware_write_dr3
#define x86_read_dr6 hardware_read_dr6
#define x86_write_dr6 hardware_write_dr6
#define x86_invlpg hardware_invlpg
#define x86_outb hardware_outb
#define x86_inb hardware_inb
#define x86_xsetbv hardware_xsetbv
#define x86_xgetbv hardware_xgetbv

#include_next "kernel/x86.h"

#undef x86_rdmsr
#undef x86_wrmsr
#undef x86_rdtsc
#undef x86_read_cr0
#undef x86_read_cr2
#undef x86_read_cr3
#undef x86_read_cr4
#undef x86_write_cr0
#undef x86_write_cr2
#undef x86_write_cr3
#undef x86_write_cr4
#undef x86_read_dr0
#undef x86_write_dr0
#undef x86_read_dr1
#undef x86_write_dr1
#undef x86_read_dr2
#undef x86_write_dr2
#undef x86_read_dr3
#undef x86_write_dr3
#undef x86_read_dr6
#undef x86_write_dr6
#undef x86_invlpg
#undef x86_outb
#undef x86_inb
#undef x86_xsetbv
#undef x86_xgetbv

uint64_t x86_rdmsr(uint32_t index);
void x86_wrmsr(uint32_t index, uint64_t value);
uint64_t x86_rdtsc(void);
uint64_t x86_read_cr0(void);
uint64_t x86_read_cr2(void);
uint64_t x86_read_cr3(void);
uint64_t x86_read_cr4(void);
void x86_write_cr0(uint64_t value);
void x86_write_cr2(uint64_t value);
void x86_write_cr3(uint64_t value);
void x86_write_cr4(uint64_t value);
uint64_t x86_read_dr0(void);
void x86_write_dr0(uint64_t value);
uint64_t x86_read_dr1(void);
void x86_write_dr1(uint64_t value);
uint64_t x86_read_dr2(void);
void x86_write_dr2(uint64_t value);
uint64_t x86_read_dr3(void);
void x86_write_dr3(uint64_t value);
uint64_t x86_read_dr6(void);
void x86_write_dr6(uint64_t value);
void x86_invlpg(const void *address);
void x86_outb(uint16_t port, uint8_t value);
uint8_t x86_inb(uint16_t port);
void x86_xsetbv(uint32_t index, uint64_t value);
uint64_t x86_xgetbv(uint32_t index);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* guest_cpu_table.h: a row for each bit of CR4 and EFER that not every processor has. */
#ifndef CL_KERNEL_GUEST_CPU_TABLE_H
#define CL_KERNEL_GUEST_CPU_TABLE_H

#include "kernel/guest_cpu.h"

enum cpuid_register { EAX, EBX, ECX, EDX };

/* `value` belongs to `*valid` where bit `bit` of the CPUID leaf is set. */
struct conditional_bit {
    uint32_t leaf;
    uint8_t reg; /* enum cpuid_register */
    uint8_t bit;
    uint64_t *valid;
    uint64_t value;
};
#define CONDITIONAL_BITS 13
extern const struct conditional_bit conditional_bits[CONDITIONAL_BITS];

/* What every 64-bit processor has. */
#define CR4_EVERYWHERE                                                                                                 \
    (CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | CR4_OSFXSR |             \
     CR4_OSXMMEXCPT)
#define EFER_EVERYWHERE (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)

#define EXCEPTIONS_WITH_ERROR                                                                                          \
    ((1u << VECTOR_DF) | (1u << VECTOR_TS) | (1u << VECTOR_NP) | (1u << VECTOR_SS) | (1u << VECTOR_GP) |               \
     (1u << VECTOR_PF) | (1u << VECTOR_AC))

#endif

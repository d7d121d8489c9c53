/* SPDX-License-Identifier: Apache-2.0 */
/* guest_cpu_table.c: the bits of CR4 and EFER that hang on one of CPUID (SDM Vol. 2A CPUID, APM Vol. 3 appendix E). */
#include "kernel/guest_cpu_table.h"

#define EFER_TCE (UINT64_C(1) << 15)

const struct conditional_bit conditional_bits[CONDITIONAL_BITS] = {
    { 1, ECX, 5, &guest_cpu.cr4_valid, CR4_VMXE },
    { 1, ECX, 6, &guest_cpu.cr4_valid, CR4_SMXE },
    { 1, ECX, 17, &guest_cpu.cr4_valid, CR4_PCIDE },
    { 1, ECX, 26, &guest_cpu.cr4_valid, CR4_OSXSAVE },
    { 7, EBX, 0, &guest_cpu.cr4_valid, CR4_FSGSBASE },
    { 7, EBX, 7, &guest_cpu.cr4_valid, CR4_SMEP },
    { 7, EBX, 20, &guest_cpu.cr4_valid, CR4_SMAP },
    { 7, ECX, 2, &guest_cpu.cr4_valid, CR4_UMIP },
    { 7, ECX, 3, &guest_cpu.cr4_valid, CR4_PKE },
    { 7, ECX, 7, &guest_cpu.cr4_valid, CR4_CET },
    { 7, ECX, 16, &guest_cpu.cr4_valid, CR4_LA57 },
    { 0x80000001u, EDX, 25, &guest_cpu.efer_valid, EFER_FFXSR },
    { 0x80000001u, ECX, 17, &guest_cpu.efer_valid, EFER_TCE },
};

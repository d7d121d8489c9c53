/* SPDX-License-Identifier: Apache-2.0 */
/* x86_table.h: the architecture's constants and layouts under the manuals' names. */
#ifndef CL_KERNEL_X86_TABLE_H
#define CL_KERNEL_X86_TABLE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* Control registers: SDM Vol. 3A 2.5. */
#define CR0_PE (UINT64_C(1) << 0)
#define CR0_MP (UINT64_C(1) << 1)
#define CR0_EM (UINT64_C(1) << 2)
#define CR0_TS (UINT64_C(1) << 3)
#define CR0_ET (UINT64_C(1) << 4)
#define CR0_NE (UINT64_C(1) << 5)
#define CR0_WP (UINT64_C(1) << 16)
#define CR0_AM (UINT64_C(1) << 18)
#define CR0_NW (UINT64_C(1) << 29)
#define CR0_CD (UINT64_C(1) << 30)
#define CR0_PG (UINT64_C(1) << 31)

#define CR4_VME (UINT64_C(1) << 0)
#define CR4_PVI (UINT64_C(1) << 1)
#define CR4_TSD (UINT64_C(1) << 2)
#define CR4_DE (UINT64_C(1) << 3)
#define CR4_PSE (UINT64_C(1) << 4)
#define CR4_PAE (UINT64_C(1) << 5)
#define CR4_MCE (UINT64_C(1) << 6)
#define CR4_PGE (UINT64_C(1) << 7)
#define CR4_PCE (UINT64_C(1) << 8)
#define CR4_OSFXSR (UINT64_C(1) << 9)
#define CR4_OSXMMEXCPT (UINT64_C(1) << 10)
#define CR4_UMIP (UINT64_C(1) << 11)
#define CR4_LA57 (UINT64_C(1) << 12)
#define CR4_VMXE (UINT64_C(1) << 13)
#define CR4_SMXE (UINT64_C(1) << 14)
#define CR4_FSGSBASE (UINT64_C(1) << 16)
#define CR4_PCIDE (UINT64_C(1) << 17)
#define CR4_OSXSAVE (UINT64_C(1) << 18)
#define CR4_SMEP (UINT64_C(1) << 20)
#define CR4_SMAP (UINT64_C(1) << 21)
#define CR4_PKE (UINT64_C(1) << 22)
#define CR4_CET (UINT64_C(1) << 23)

#define RFLAGS_FIXED (UINT64_C(1) << 1)
#define RFLAGS_TF (UINT64_C(1) << 8)
#define RFLAGS_IF (UINT64_C(1) << 9)
#define RFLAGS_DF (UINT64_C(1) << 10)
#define RFLAGS_IOPL (UINT64_C(3) << 12)
#define RFLAGS_NT (UINT64_C(1) << 14)
#define RFLAGS_RF (UINT64_C(1) << 16)
#define RFLAGS_VM (UINT64_C(1) << 17)
#define RFLAGS_AC (UINT64_C(1) << 18)

/* Model-specific registers: SDM Vol. 4, APM Vol. 2 appendix A. */
#define MSR_TSC 0x10u
#define MSR_APIC_BASE 0x1Bu
#define MSR_FEATURE_CONTROL 0x3Au
#define MSR_ARCH_CAPABILITIES 0x10Au
#define MSR_SYSENTER_CS 0x174u
#define MSR_SYSENTER_ESP 0x175u
#define MSR_SYSENTER_EIP 0x176u
#define MSR_DEBUGCTL 0x1D9u
#define MSR_PAT 0x277u
#define MSR_TSC_DEADLINE 0x6E0u
#define MSR_X2APIC_FIRST 0x800u
#define MSR_X2APIC_LAST 0x8FFu
#define MSR_EFER 0xC0000080u
#define MSR_STAR 0xC0000081u
#define MSR_LSTAR 0xC0000082u
#define MSR_CSTAR 0xC0000083u
#define MSR_SFMASK 0xC0000084u
#define MSR_FS_BASE 0xC0000100u
#define MSR_GS_BASE 0xC0000101u
#define MSR_KERNEL_GS_BASE 0xC0000102u
#define MSR_TSC_AUX 0xC0000103u
#define MSR_VM_CR 0xC0010114u
#define MSR_VM_HSAVE_PA 0xC0010117u

#define EFER_SCE (UINT64_C(1) << 0)
#define EFER_LME (UINT64_C(1) << 8)
#define EFER_LMA (UINT64_C(1) << 10)
#define EFER_NXE (UINT64_C(1) << 11)
#define EFER_SVME (UINT64_C(1) << 12)
#define EFER_FFXSR (UINT64_C(1) << 14)

/* Exception vectors: SDM Vol. 3A table 6-1. */
enum x86_vector {
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
    VECTOR_MC = 18,
    VECTOR_XM = 19,
    VECTOR_VE = 20,
    VECTOR_CP = 21
};

/* Segment selectors of the host's GDT (gdt.c). The order is what SYSCALL and SYSRET need. */
#define SELECTOR_KERNEL_CODE 0x08
#define SELECTOR_KERNEL_DATA 0x10
#define SELECTOR_USER_DATA 0x1B
#define SELECTOR_USER_CODE 0x23
#define SELECTOR_TSS 0x28

/* Interrupt gate: SDM Vol. 3A figure 6-8. */
struct gate {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
};
#define GATE_INTERRUPT 0x8e
#define GATE_DPL3 0x60

/* What LGDT and LIDT read: SDM Vol. 3A figure 2-6. */
struct table_pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

/* 64-bit TSS: SDM Vol. 3A figure 8-11. The I/O permission bitmap follows it. */
struct tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t iomap_base;
    uint8_t iomap[8192 + 1];
} __attribute__((packed));
static_assert(offsetof(struct tss, iomap) == 104, "SDM Vol. 3A figure 8-11");

#endif

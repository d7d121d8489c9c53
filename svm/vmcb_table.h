/* SPDX-License-Identifier: Apache-2.0 */
/* vmcb_table.h: the virtual machine control block as the processor reads it (APM Vol. 2 appendix B), and its constants.
 *
 * The auditor and the tests name these fields by the manual's names. Nothing outside svm/ includes this file.
 */
#ifndef CL_SVM_VMCB_TABLE_H
#define CL_SVM_VMCB_TABLE_H

#include "kernel/types.h"

/* Segment in the state-save area: attributes are descriptor bits 47:40 in 7:0 and 55:52 in 11:8. */
struct vmcb_segment {
    uint16_t selector;
    uint16_t attributes;
    uint32_t limit;
    uint64_t base;
};
static_assert(sizeof(struct vmcb_segment) == 16, "APM Vol. 2 table B-2");

#define VMCB_SEGMENT_PRESENT (1u << 7)
#define VMCB_SEGMENT_LONG (1u << 9)

/* APM Vol. 2 table B-1. */
struct vmcb_control {
    uint16_t intercept_cr_read;    /* 000h */
    uint16_t intercept_cr_write;   /* 002h */
    uint16_t intercept_dr_read;    /* 004h */
    uint16_t intercept_dr_write;   /* 006h */
    uint32_t intercept_exceptions; /* 008h */
    uint32_t intercept_1;          /* 00Ch */
    uint32_t intercept_2;          /* 010h */
    uint32_t intercept_3;          /* 014h */
    uint8_t reserved_018[0x3C - 0x18];
    uint16_t pause_threshold; /* 03Ch */
    uint16_t pause_count;     /* 03Eh */
    uint64_t iopm_base;       /* 040h */
    uint64_t msrpm_base;      /* 048h */
    uint64_t tsc_offset;      /* 050h */
    uint32_t asid;            /* 058h */
    uint8_t tlb_control;      /* 05Ch */
    uint8_t reserved_05d[3];
    uint8_t v_tpr;      /* 060h */
    uint8_t v_pending;  /* 061h: V_IRQ */
    uint8_t v_priority; /* 062h: V_INTR_PRIO and V_IGN_TPR */
    uint8_t v_control;  /* 063h: V_INTR_MASKING */
    uint8_t v_vector;   /* 064h */
    uint8_t reserved_065[3];
    uint64_t interrupt_state; /* 068h */
    uint64_t exit_code;       /* 070h */
    uint64_t exit_info_1;     /* 078h */
    uint64_t exit_info_2;     /* 080h */
    uint64_t exit_int_info;   /* 088h */
    uint64_t nested_control;  /* 090h */
    uint64_t avic_apic_bar;   /* 098h */
    uint64_t ghcb;            /* 0A0h */
    uint64_t event_injection; /* 0A8h */
    uint64_t nested_cr3;      /* 0B0h */
    uint64_t lbr_control;     /* 0B8h */
    uint64_t clean;           /* 0C0h */
    uint64_t next_rip;        /* 0C8h */
    uint8_t fetched_count;    /* 0D0h */
    uint8_t fetched[15];
    uint8_t reserved_0e0[0x400 - 0xE0];
};
static_assert(sizeof(struct vmcb_control) == 0x400, "APM Vol. 2 table B-1");
static_assert(offsetof(struct vmcb_control, pause_threshold) == 0x3C, "APM Vol. 2 table B-1");
static_assert(offsetof(struct vmcb_control, iopm_base) == 0x40, "APM Vol. 2 table B-1");
static_assert(offsetof(struct vmcb_control, tlb_control) == 0x5C, "APM Vol. 2 table B-1");
static_assert(offsetof(struct vmcb_control, v_tpr) == 0x60, "APM Vol. 2 table B-1");
static_assert(offsetof(struct vmcb_control, exit_int_info) == 0x88, "APM Vol. 2 table B-1");
static_assert(offsetof(struct vmcb_control, event_injection) == 0xA8, "APM Vol. 2 table B-1");
static_assert(offsetof(struct vmcb_control, next_rip) == 0xC8, "APM Vol. 2 table B-1");

/* APM Vol. 2 table B-2. VMRUN and #VMEXIT move all but the fields marked V, which VMLOAD and VMSAVE move. */
struct vmcb_save {
    struct vmcb_segment es, cs, ss, ds; /* 400h */
    struct vmcb_segment fs, gs;         /* 440h V */
    struct vmcb_segment gdtr;           /* 460h */
    struct vmcb_segment ldtr;           /* 470h V */
    struct vmcb_segment idtr;           /* 480h */
    struct vmcb_segment tr;             /* 490h V */
    uint8_t reserved_4a0[0x4CB - 0x4A0];
    uint8_t cpl; /* 4CBh */
    uint32_t reserved_4cc;
    uint64_t efer; /* 4D0h */
    uint8_t reserved_4d8[0x548 - 0x4D8];
    uint64_t cr4, cr3, cr0; /* 548h */
    uint64_t dr7, dr6;      /* 560h */
    uint64_t rflags, rip;   /* 570h */
    uint8_t reserved_580[0x5D8 - 0x580];
    uint64_t rsp;                                     /* 5D8h */
    uint64_t s_cet, ssp, isst_addr;                   /* 5E0h */
    uint64_t rax;                                     /* 5F8h */
    uint64_t star, lstar, cstar, sfmask;              /* 600h V */
    uint64_t kernel_gs_base;                          /* 620h V */
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip; /* 628h V */
    uint64_t cr2;                                     /* 640h */
    uint8_t reserved_648[0x668 - 0x648];
    uint64_t g_pat;   /* 668h */
    uint64_t dbgctl;  /* 670h */
    uint64_t br_from; /* 678h */
    uint64_t br_to, last_exception_from, last_exception_to;
};
#define VMCB_SAVE_OFFSET 0x400

struct vmcb {
    struct vmcb_control control;
    struct vmcb_save save;
    uint8_t reserved[PAGE_SIZE - sizeof(struct vmcb_control) - sizeof(struct vmcb_save)];
};
static_assert(sizeof(struct vmcb) == PAGE_SIZE, "a VMCB is one page");
static_assert(offsetof(struct vmcb, save.cpl) == 0x4CB, "APM Vol. 2 table B-2");
static_assert(offsetof(struct vmcb, save.efer) == 0x4D0, "APM Vol. 2 table B-2");
static_assert(offsetof(struct vmcb, save.cr4) == 0x548, "APM Vol. 2 table B-2");
static_assert(offsetof(struct vmcb, save.rip) == 0x578, "APM Vol. 2 table B-2");
static_assert(offsetof(struct vmcb, save.rsp) == 0x5D8, "APM Vol. 2 table B-2");
static_assert(offsetof(struct vmcb, save.rax) == 0x5F8, "APM Vol. 2 table B-2");
static_assert(offsetof(struct vmcb, save.kernel_gs_base) == 0x620, "APM Vol. 2 table B-2");
static_assert(offsetof(struct vmcb, save.cr2) == 0x640, "APM Vol. 2 table B-2");
static_assert(offsetof(struct vmcb, save.g_pat) == 0x668, "APM Vol. 2 table B-2");

/* intercept_cr_write. */
#define INTERCEPT_CR8 (1u << 8)

/* intercept_dr_read, intercept_dr_write: DR7, and DR5, which is another name of it without CR4.DE. */
#define INTERCEPT_DR7 (1u << 5 | 1u << 7)

/* intercept_1: vector 3 of the manual, offset 00Ch. */
#define INTERCEPT_INTR (1u << 0)
#define INTERCEPT_NMI (1u << 1)
#define INTERCEPT_SMI (1u << 2)
#define INTERCEPT_INIT (1u << 3)
#define INTERCEPT_VINTR (1u << 4)
#define INTERCEPT_CR0_SELECTIVE (1u << 5)
#define INTERCEPT_RDTSC (1u << 14)
#define INTERCEPT_RDPMC (1u << 15)
#define INTERCEPT_PUSHF (1u << 16)
#define INTERCEPT_CPUID (1u << 18)
#define INTERCEPT_RSM (1u << 19)
#define INTERCEPT_IRET (1u << 20)
#define INTERCEPT_INVD (1u << 22)
#define INTERCEPT_PAUSE (1u << 23)
#define INTERCEPT_HLT (1u << 24)
#define INTERCEPT_INVLPGA (1u << 26)
#define INTERCEPT_IOIO_PROT (1u << 27)
#define INTERCEPT_MSR_PROT (1u << 28)
#define INTERCEPT_TASK_SWITCH (1u << 29)
#define INTERCEPT_SHUTDOWN (1u << 31)

/* intercept_2: offset 010h. */
#define INTERCEPT_VMRUN (1u << 0)
#define INTERCEPT_VMMCALL (1u << 1)
#define INTERCEPT_VMLOAD (1u << 2)
#define INTERCEPT_VMSAVE (1u << 3)
#define INTERCEPT_STGI (1u << 4)
#define INTERCEPT_CLGI (1u << 5)
#define INTERCEPT_SKINIT (1u << 6)
#define INTERCEPT_RDTSCP (1u << 7)
#define INTERCEPT_WBINVD (1u << 9)
#define INTERCEPT_MONITOR (1u << 10)
#define INTERCEPT_MWAIT (1u << 11)
#define INTERCEPT_MWAIT_ARMED (1u << 12)
#define INTERCEPT_XSETBV (1u << 13)
#define INTERCEPT_RDPRU (1u << 14)

/* TLB_CONTROL: APM Vol. 2 15.16.2. */
enum { TLB_KEEP = 0, TLB_FLUSH_ALL = 1, TLB_FLUSH_GUEST = 3, TLB_FLUSH_GUEST_LOCAL = 7 };

/* Virtual interrupts, byte by byte: APM Vol. 2 15.21.1 and following. */
#define V_IRQ 1u
#define V_INTR_PRIO_15 15u
#define V_IGN_TPR (1u << 4)
#define V_INTR_MASKING 1u

#define INTERRUPT_SHADOW UINT64_C(1)
#define NESTED_PAGING UINT64_C(1)

/* Exit codes: APM Vol. 2 appendix C. */
enum {
    VMEXIT_CR0_READ = 0x00,
    VMEXIT_CR0_WRITE = 0x10,
    VMEXIT_DR0_READ = 0x20,
    VMEXIT_DR0_WRITE = 0x30,
    VMEXIT_EXCEPTION = 0x40,
    VMEXIT_INTR = 0x60,
    VMEXIT_NMI = 0x61,
    VMEXIT_SMI = 0x62,
    VMEXIT_INIT = 0x63,
    VMEXIT_VINTR = 0x64,
    VMEXIT_CR0_SEL_WRITE = 0x65,
    VMEXIT_RDTSC = 0x6E,
    VMEXIT_RDPMC = 0x6F,
    VMEXIT_PUSHF = 0x70,
    VMEXIT_CPUID = 0x72,
    VMEXIT_RSM = 0x73,
    VMEXIT_IRET = 0x74,
    VMEXIT_INVD = 0x76,
    VMEXIT_PAUSE = 0x77,
    VMEXIT_HLT = 0x78,
    VMEXIT_INVLPGA = 0x7A,
    VMEXIT_IOIO = 0x7B,
    VMEXIT_MSR = 0x7C,
    VMEXIT_TASK_SWITCH = 0x7D,
    VMEXIT_SHUTDOWN = 0x7F,
    VMEXIT_VMRUN = 0x80,
    VMEXIT_VMMCALL = 0x81,
    VMEXIT_VMLOAD = 0x82,
    VMEXIT_VMSAVE = 0x83,
    VMEXIT_STGI = 0x84,
    VMEXIT_CLGI = 0x85,
    VMEXIT_SKINIT = 0x86,
    VMEXIT_RDTSCP = 0x87,
    VMEXIT_WBINVD = 0x89,
    VMEXIT_MONITOR = 0x8A,
    VMEXIT_MWAIT = 0x8B,
    VMEXIT_MWAIT_ARMED = 0x8C,
    VMEXIT_XSETBV = 0x8D,
    VMEXIT_RDPRU = 0x8E,
    VMEXIT_TABLE_END = 0x8F,
    VMEXIT_NPF = 0x400,
};
#define VMEXIT_INVALID_LOW UINT32_C(0xFFFFFFFF) /* -1; some emulators keep only the low half */

/* EXITINFO1 of an I/O intercept: APM Vol. 2 15.10.2. */
#define IOIO_IN (1u << 0)
#define IOIO_STRING (1u << 2)
#define IOIO_REP (1u << 3)
#define IOIO_SIZE_SHIFT 4    /* one of three bits: 8, 16, 32 */
#define IOIO_ADDRESS_SHIFT 7 /* one of three bits: 16, 32, 64 */
#define IOIO_PORT_SHIFT 16

/* EXITINFO1 of a nested page fault: APM Vol. 2 15.25.6. */
#define NPF_PRESENT (UINT64_C(1) << 0)
#define NPF_WRITE (UINT64_C(1) << 1)
#define NPF_FETCH (UINT64_C(1) << 4)
#define NPF_TABLE (UINT64_C(1) << 33)

/* EXITINFO2 of a task switch: APM Vol. 2 15.14.1. */
#define TASK_IRET (UINT64_C(1) << 36)
#define TASK_JUMP (UINT64_C(1) << 38)
#define TASK_ERROR_CODE (UINT64_C(1) << 44)

/* Features: CPUID 8000_000Ah EDX. */
#define SVM_FEATURE_NP (1u << 0)
#define SVM_FEATURE_LBR (1u << 1)
#define SVM_FEATURE_SVML (1u << 2)
#define SVM_FEATURE_NRIPS (1u << 3)
#define SVM_FEATURE_TSC_RATE (1u << 4)
#define SVM_FEATURE_CLEAN (1u << 5)
#define SVM_FEATURE_FLUSH_BY_ASID (1u << 6)
#define SVM_FEATURE_DECODE_ASSISTS (1u << 7)
#define SVM_FEATURE_PAUSE_FILTER (1u << 10)
#define SVM_FEATURE_PAUSE_THRESHOLD (1u << 12)
#define SVM_FEATURE_AVIC (1u << 13)
#define SVM_FEATURE_VIRTUAL_VMLOAD (1u << 15)
#define SVM_FEATURE_VGIF (1u << 16)
#define SVM_FEATURE_VNMI (1u << 25)

#define VM_CR_SVMDIS (UINT64_C(1) << 4)

/* The MSR permission map, the I/O permission map, the host's pages of each CPU. */
#define MSRPM_BYTES (2 * PAGE_SIZE)
#define IOPM_BYTES (3 * PAGE_SIZE) /* 64 K ports, and three more bits that an access to the last one looks at */
#define HOST_BYTES (2 * PAGE_SIZE)
#define MSRPM_RANGE_BYTES 0x800u

/* Bits that the host holds while the guest sees its own: caches stay on, x87 errors stay internal, machine checks reach
 * the host. A guest that wants another value has its reads intercepted. */
#define SVM_HOST_CR0 (CR0_CD | CR0_NW | CR0_NE)
#define SVM_HOST_CR4 CR4_MCE
#define SVM_EXCEPTIONS ((1u << VECTOR_DB) | (1u << VECTOR_AC) | (1u << VECTOR_MC))

/* A spinning guest loses the CPU after so many PAUSEs that are at most `threshold` cycles apart. */
#define PAUSE_COUNT 3000
#define PAUSE_THRESHOLD 128

#endif

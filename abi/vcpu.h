/* SPDX-License-Identifier: Apache-2.0 */
/* vcpu.h: a vCPU as its VMM sees it: registers, the pending exit, and how an exit is completed.
 *
 * One page per vCPU, shared by kernel and VMM (a frame of the kernel's pool, mapped into the domain that created the
 * vCPU). The general registers live in the page itself; the other groups are copied only when `valid` or `dirty` says
 * so. State is architectural and the same for both vendors (DESIGN.md rule 7).
 *
 * A VMM calls vcpu_run(vcpu, notification, completed). The kernel returns with `exit` filled in. The exit stays
 * pending until a later vcpu_run names its sequence number as completed; until then every vcpu_run hands the same
 * exit out again.
 */
#ifndef CL_ABI_VCPU_H
#define CL_ABI_VCPU_H

#include <assert.h>
#include <stdint.h>

/* General registers, in the encoding order of ModRM.reg (SDM Vol. 2A table 2-2). */
enum vcpu_gpr {
    GPR_RAX,
    GPR_RCX,
    GPR_RDX,
    GPR_RBX,
    GPR_RSP,
    GPR_RBP,
    GPR_RSI,
    GPR_RDI,
    GPR_R8,
    GPR_R9,
    GPR_R10,
    GPR_R11,
    GPR_R12,
    GPR_R13,
    GPR_R14,
    GPR_R15,
    GPR_COUNT
};

/* Segment registers in the encoding order of Sreg, then the system segments. */
enum vcpu_segment_name { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR, SEG_COUNT };

/* Attributes as in SDM Vol. 3C table 25-2: type 3:0, S 4, DPL 6:5, P 7, AVL 12, L 13, D/B 14, G 15, unusable 16.
 * Normal form: an unusable segment has only bit 16 set and base, limit 0 except that FS and GS keep their base and
 * SS its DPL; SS.DPL is the CPL; TR is busy, code and data are accessed. The limit is in bytes, already scaled by G,
 * and G is set when it is above FFFFFh. */
struct vcpu_segment {
    uint16_t selector;
    uint16_t reserved;
    uint32_t limit;
    uint32_t attributes;
    uint32_t reserved2;
    uint64_t base;
};

#define SEG_ATTR_UNUSABLE (1u << 16)
#define SEG_ATTR_LONG (1u << 13)
#define SEG_ATTR_DEFAULT_BIG (1u << 14)
#define SEG_ATTR_PRESENT (1u << 7)
#define SEG_ATTR_DPL_SHIFT 5

struct vcpu_table {
    uint64_t base;
    uint32_t limit;
    uint32_t reserved;
};

/* Groups of registers: bits of `valid` (the kernel filled it in with this exit) and `dirty` (the VMM changed it: load
 * it before the guest runs on). The general registers but RSP and RAX are always both; VCPU_GROUP_RIP covers RIP,
 * RFLAGS, RSP, RAX. */
enum vcpu_group {
    VCPU_GROUP_RIP = 1 << 0,      /* rip, rflags, and RSP and RAX of gpr[] */
    VCPU_GROUP_SEGMENTS = 1 << 1, /* segment[], gdtr, idtr */
    VCPU_GROUP_CONTROL = 1 << 2,  /* cr0, cr2, cr3, cr4, cr8, efer, xcr0, pdpte[] */
    VCPU_GROUP_DEBUG = 1 << 3,    /* dr[] */
    VCPU_GROUP_EVENTS = 1 << 4,   /* event */
    VCPU_GROUP_MSRS = 1 << 5,     /* msr[] */
    VCPU_GROUP_ALL = (1 << 6) - 1,
    /* In `valid` only: of segment[] what decoding needs. In 64-bit mode the attributes of CS and SS and the bases of FS
     * and GS; else all. */
    VCPU_GROUP_CODE = 1 << 6
};

/* MSRs that belong to the architectural state, by name. */
enum vcpu_msr {
    VCPU_MSR_STAR,
    VCPU_MSR_LSTAR,
    VCPU_MSR_CSTAR,
    VCPU_MSR_SFMASK,
    VCPU_MSR_KERNEL_GS_BASE,
    VCPU_MSR_SYSENTER_CS,
    VCPU_MSR_SYSENTER_ESP,
    VCPU_MSR_SYSENTER_EIP,
    VCPU_MSR_PAT,
    VCPU_MSR_TSC_AUX,
    VCPU_MSR_TSC,
    VCPU_MSR_XSS,
    VCPU_MSR_COUNT
};

/* In msr[VCPU_MSR_TSC] when MSRs are set: the TSC goes on as it is, for what stands there was true when it was given. All
 * vCPUs of a VM begin with the same TSC. */
#define VCPU_TSC_UNCHANGED UINT64_MAX

/* As in SDM Vol. 3C table 25-17 and APM Vol. 2 §15.20. */
enum vcpu_event_type {
    VCPU_EVENT_NONE = 0,
    VCPU_EVENT_INTERRUPT = 1, /* external interrupt, `vector` */
    VCPU_EVENT_NMI = 2,
    VCPU_EVENT_EXCEPTION = 3,      /* hardware exception, `vector`, perhaps `error_code` */
    VCPU_EVENT_SOFT_INTERRUPT = 4, /* INT n: `instruction_length` counts */
    VCPU_EVENT_SOFT_EXCEPTION = 5, /* INT3, INTO */
};

enum vcpu_activity { VCPU_RUNNING = 0, VCPU_HALTED = 1, VCPU_WAIT_FOR_SIPI = 2 };

/* Normal form: CR2 and DR6 hold the payload already. INT n, INT3 and INTO are no events, for RIP stands on the
 * instruction and running it raises them; they can be set, and are given out as none. Before an NMI that is to be
 * delivered NMIs are not blocked. An interrupt or NMI that was taken, and on whose way into the guest an exception was
 * met, is deferred: that exception goes first, and nothing else but exceptions before the guest can take it. A vCPU
 * that is halted has no event and no pending trap: one that is set with them runs. In an interrupt shadow the trap of
 * a single step is not told as a pending one: RFLAGS.TF says it. */
struct vcpu_events {
    uint8_t type; /* enum vcpu_event_type: to be delivered at the next entry */
    uint8_t vector;
    uint8_t has_error_code;
    uint8_t instruction_length;
    uint32_t error_code;
    uint64_t payload;    /* CR2 for #PF, DR6 bits for #DB, when the event is an exception */
    uint8_t nmi_blocked; /* an NMI handler has not yet reached IRET */
    uint8_t nmi_pending;
    uint8_t interrupt_shadow; /* after STI or MOV SS */
    uint8_t activity;         /* enum vcpu_activity */
    uint32_t pending_debug;   /* DR6 bits of a trap that waits for the next instruction boundary */
    uint8_t deferred_type;    /* VCPU_EVENT_NONE, or an interrupt or NMI; then `type` is neither */
    uint8_t deferred_vector;
    uint8_t reserved[6];
};

/* Why vcpu_run returned. */
enum vcpu_exit_reason {
    VCPU_EXIT_NONE = 0,
    VCPU_EXIT_NOTIFICATION = 1, /* the notification has bits; nothing is pending. Also after a kick */
    VCPU_EXIT_IO = 2,           /* IN, OUT, INS, OUTS: io */
    VCPU_EXIT_MEMORY = 3,       /* a nested page fault: memory. Decode at RIP */
    VCPU_EXIT_DECODE = 4,       /* an intercepted instruction whose length or operands hardware did not give: decode
                                   at RIP; `decode.intercept` says which kind was caught */
    VCPU_EXIT_MSR = 5,          /* RDMSR, WRMSR of an index with policy VM_MSR_TO_VMM: msr */
    VCPU_EXIT_HYPERCALL = 6,    /* VMCALL, VMMCALL with a number that the kernel does not serve: registers */
    VCPU_EXIT_INIT = 7,         /* an INIT arrived for this vCPU */
    VCPU_EXIT_SIPI = 8,         /* a SIPI arrived while it waits for one: sipi.vector */
    VCPU_EXIT_EXTINT = 9,       /* the guest can take an ExtINT: answer with vcpu_extint(vector) */
    VCPU_EXIT_TRIPLE_FAULT = 10,
    VCPU_EXIT_TASK_SWITCH = 11,   /* task */
    VCPU_EXIT_INVALID_STATE = 12, /* the VM entry was refused; the log has the auditor's words */
    VCPU_EXIT_EOI = 13,           /* reserved: level EOIs set a notification bit instead */
    VCPU_EXIT_REASON_COUNT
};

/* What was caught in a VCPU_EXIT_DECODE: the instruction classes that the kernel intercepts without a length. */
enum vcpu_intercept {
    VCPU_INTERCEPT_CR_READ = 1,
    VCPU_INTERCEPT_CR_WRITE = 2,
    VCPU_INTERCEPT_INVD = 3,
    VCPU_INTERCEPT_WBINVD = 4,
    VCPU_INTERCEPT_MONITOR = 5,
    VCPU_INTERCEPT_MWAIT = 6,
    VCPU_INTERCEPT_RDPMC = 7,
    VCPU_INTERCEPT_INVALID_INSTRUCTION = 8, /* VMX, SVM, SMX instructions: becomes #UD */
    VCPU_INTERCEPT_RDTSC = 9,
    VCPU_INTERCEPT_DR = 10,
    VCPU_INTERCEPT_XSETBV = 11,
    VCPU_INTERCEPT_INSTRUCTION = 12, /* CPUID, HLT, RDMSR, WRMSR or VMMCALL with prefixes or an odd encoding */
    VCPU_INTERCEPT_PAUSE = 13,
};

#define VCPU_IO_IN (1u << 0)     /* the guest reads */
#define VCPU_IO_STRING (1u << 1) /* INS, OUTS: operands in RSI/RDI/RCX as usual */
#define VCPU_IO_REP (1u << 2)

struct vcpu_exit_io {
    uint16_t port;
    uint8_t size_bytes;   /* 1, 2, 4 */
    uint8_t flags;        /* VCPU_IO_* */
    uint8_t address_bits; /* 16, 32, 64: of INS and OUTS */
    uint8_t segment;      /* enum vcpu_segment_name: source of OUTS, 0xFF when the VMM has to decode it */
    uint16_t reserved;
};

#define VCPU_MEMORY_WRITE (1u << 0)
#define VCPU_MEMORY_FETCH (1u << 1)
#define VCPU_MEMORY_TABLE (1u << 2)   /* met while the CPU walked the guest's own page tables */
#define VCPU_MEMORY_PRESENT (1u << 3) /* the page is mapped: the rights were too small */

struct vcpu_exit_memory {
    uint64_t address; /* guest-physical */
    uint32_t flags;   /* VCPU_MEMORY_* */
    uint32_t reserved;
};

struct vcpu_exit_msr {
    uint32_t index;
    uint32_t write; /* 1: WRMSR of `value` */
    uint64_t value;
};

struct vcpu_exit {
    uint64_t sequence; /* never 0; counts up by one with each exit that needs completion */
    uint32_t reason;   /* enum vcpu_exit_reason */
    uint32_t pending;  /* 1: has to be completed by its sequence number */
    uint64_t next_rip; /* RIP after the instruction, 0 when not known (decode it) */
    union {
        struct vcpu_exit_io io;
        struct vcpu_exit_memory memory;
        struct vcpu_exit_msr msr;
        struct {
            uint32_t intercept;
            uint32_t detail;
        } decode; /* enum vcpu_intercept; CR or DR number */
        struct {
            uint32_t vector;
        } sipi;
        struct {
            uint16_t selector;
            uint8_t source;
            uint8_t has_error_code;
            uint32_t error_code;
        } task;
        uint64_t words[4];
    };
};

/* How the VMM completes the exit: read by vcpu_run together with `completed`. */
enum vcpu_completion {
    VCPU_COMPLETE_RETRY = 0,   /* run the guest on from the RIP in the page */
    VCPU_COMPLETE_ADVANCE = 1, /* the instruction is done: go to next_rip, end the interrupt shadow, honour RFLAGS.TF */
    VCPU_COMPLETE_EXCEPTION = 2, /* raise the exception in `event` instead (group EVENTS need not be marked dirty) */
};

struct vcpu_page {
    uint64_t gpr[GPR_COUNT];
    uint64_t rip;
    uint64_t rflags;
    uint32_t valid; /* enum vcpu_group */
    uint32_t dirty;
    uint32_t completion; /* enum vcpu_completion */
    uint32_t reserved;

    struct vcpu_exit exit;

    uint64_t cr0, cr2, cr3, cr4, cr8, efer, xcr0;
    /* Zero but with PAE paging; on AMD-V always, for it reads the tables themselves: who brings a state from there
     * to VT-x reads them, too. */
    uint64_t pdpte[4];
    struct vcpu_table gdtr, idtr;
    struct vcpu_segment segment[SEG_COUNT];
    uint64_t dr[8]; /* DR0-DR3, DR6, DR7 at their numbers */
    struct vcpu_events event;
    uint64_t msr[VCPU_MSR_COUNT];

    /* statistics, written by the kernel: exits by reason that reached the VMM and those that did not */
    uint64_t exits_to_vmm;
    uint64_t exits_in_kernel;
    uint64_t guest_tsc_total; /* TSC ticks in the guest, with the exits that the kernel serves */
    uint64_t count_cpuid, count_msr, count_hlt, count_doorbell, count_hypercall, count_interrupt, count_memory,
        count_io;
};

static_assert(sizeof(struct vcpu_page) <= 4096, "the vCPU page is one page");

#endif

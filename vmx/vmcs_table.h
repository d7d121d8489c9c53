/* SPDX-License-Identifier: Apache-2.0 */
/* vmcs_table.h: the fields of a VMCS by their encoding (SDM Vol. 3D appendix B), and their constants.
 *
 * The processor keeps the VMCS in a form of its own: only VMREAD and VMWRITE see the fields. Nothing outside vmx/
 * includes this file.
 */
#ifndef CL_VMX_VMCS_TABLE_H
#define CL_VMX_VMCS_TABLE_H

#include "kernel/types.h"

/* Segments stand in the order of enum vcpu_segment_name, two apart. */
enum vmcs_field {
    VMCS_VPID = 0x0000,
    VMCS_GUEST_SELECTOR = 0x0800,
    VMCS_INTERRUPT_STATUS = 0x0810, /* RVI, above it SVI */
    VMCS_HOST_SELECTOR = 0x0C00,    /* six as of the guest, then TR */
    VMCS_MSR_BITMAP = 0x2004,
    VMCS_EXIT_MSR_STORE_AREA = 0x2006,
    VMCS_EXIT_MSR_LOAD_AREA = 0x2008,
    VMCS_ENTRY_MSR_LOAD_AREA = 0x200A,
    VMCS_TSC_OFFSET = 0x2010,
    VMCS_VIRTUAL_APIC = 0x2012,
    VMCS_EPTP = 0x201A,
    VMCS_EOI_EXITS = 0x201C, /* four, two apart */
    VMCS_GUEST_PHYSICAL = 0x2400,
    VMCS_LINK = 0x2800,
    VMCS_GUEST_DEBUGCTL = 0x2802,
    VMCS_GUEST_PAT = 0x2804,
    VMCS_GUEST_EFER = 0x2806,
    VMCS_GUEST_PDPTE = 0x280A, /* four, two apart */
    VMCS_HOST_PAT = 0x2C00,
    VMCS_HOST_EFER = 0x2C02,
    VMCS_PIN_CONTROLS = 0x4000,
    VMCS_PRIMARY_CONTROLS = 0x4002,
    VMCS_EXCEPTION_BITMAP = 0x4004,
    VMCS_PAGE_FAULT_MASK = 0x4006,
    VMCS_PAGE_FAULT_MATCH = 0x4008,
    VMCS_CR3_TARGETS = 0x400A,
    VMCS_EXIT_CONTROLS = 0x400C,
    VMCS_EXIT_MSR_STORES = 0x400E,
    VMCS_EXIT_MSR_LOADS = 0x4010,
    VMCS_ENTRY_CONTROLS = 0x4012,
    VMCS_ENTRY_MSR_LOADS = 0x4014,
    VMCS_ENTRY_EVENT = 0x4016, /* VM-entry interruption-information */
    VMCS_ENTRY_ERROR = 0x4018,
    VMCS_ENTRY_LENGTH = 0x401A,
    VMCS_TPR_THRESHOLD = 0x401C,
    VMCS_SECONDARY_CONTROLS = 0x401E,
    VMCS_PLE_GAP = 0x4020,
    VMCS_PLE_WINDOW = 0x4022,
    VMCS_INSTRUCTION_ERROR = 0x4400,
    VMCS_EXIT_REASON = 0x4402,
    VMCS_EXIT_EVENT = 0x4404, /* VM-exit interruption information */
    VMCS_EXIT_ERROR = 0x4406,
    VMCS_VECTORING = 0x4408, /* IDT-vectoring information */
    VMCS_VECTORING_ERROR = 0x440A,
    VMCS_INSTRUCTION_LENGTH = 0x440C,
    VMCS_INSTRUCTION_INFO = 0x440E,
    VMCS_GUEST_LIMIT = 0x4800,
    VMCS_GUEST_GDTR_LIMIT = 0x4810,
    VMCS_GUEST_IDTR_LIMIT = 0x4812,
    VMCS_GUEST_ACCESS = 0x4814, /* access rights */
    VMCS_INTERRUPTIBILITY = 0x4824,
    VMCS_ACTIVITY = 0x4826,
    VMCS_GUEST_SYSENTER_CS = 0x482A,
    VMCS_PREEMPTION_TIMER = 0x482E,
    VMCS_HOST_SYSENTER_CS = 0x4C00,
    VMCS_CR0_MASK = 0x6000,
    VMCS_CR4_MASK = 0x6002,
    VMCS_CR0_SHADOW = 0x6004,
    VMCS_CR4_SHADOW = 0x6006,
    VMCS_QUALIFICATION = 0x6400,
    VMCS_GUEST_CR0 = 0x6800,
    VMCS_GUEST_CR3 = 0x6802,
    VMCS_GUEST_CR4 = 0x6804,
    VMCS_GUEST_BASE = 0x6806,
    VMCS_GUEST_GDTR_BASE = 0x6816,
    VMCS_GUEST_IDTR_BASE = 0x6818,
    VMCS_GUEST_DR7 = 0x681A,
    VMCS_GUEST_RSP = 0x681C,
    VMCS_GUEST_RIP = 0x681E,
    VMCS_GUEST_RFLAGS = 0x6820,
    VMCS_PENDING_DEBUG = 0x6822,
    VMCS_GUEST_SYSENTER_ESP = 0x6824,
    VMCS_GUEST_SYSENTER_EIP = 0x6826,
    VMCS_HOST_CR0 = 0x6C00,
    VMCS_HOST_CR3 = 0x6C02,
    VMCS_HOST_CR4 = 0x6C04,
    VMCS_HOST_FS_BASE = 0x6C06,
    VMCS_HOST_GS_BASE = 0x6C08,
    VMCS_HOST_TR_BASE = 0x6C0A,
    VMCS_HOST_GDTR_BASE = 0x6C0C,
    VMCS_HOST_IDTR_BASE = 0x6C0E,
    VMCS_HOST_SYSENTER_ESP = 0x6C10,
    VMCS_HOST_SYSENTER_EIP = 0x6C12,
    VMCS_HOST_RIP = 0x6C16,
};
#define VMCS_OF(first, n) ((first) + 2u * (unsigned)(n))

/* Pin-based controls: table 25-5. */
#define PIN_INTERRUPT (1u << 0)
#define PIN_NMI (1u << 3)
#define PIN_VIRTUAL_NMI (1u << 5)
#define PIN_PREEMPTION_TIMER (1u << 6)
#define PIN_POSTED (1u << 7)

/* Primary processor-based controls: table 25-6. */
#define PRIMARY_INTERRUPT_WINDOW (1u << 2)
#define PRIMARY_TSC_OFFSET (1u << 3)
#define PRIMARY_HLT (1u << 7)
#define PRIMARY_MWAIT (1u << 10)
#define PRIMARY_RDPMC (1u << 11)
#define PRIMARY_CR3_LOAD (1u << 15)
#define PRIMARY_CR3_STORE (1u << 16)
#define PRIMARY_CR8_LOAD (1u << 19)
#define PRIMARY_CR8_STORE (1u << 20)
#define PRIMARY_TPR_SHADOW (1u << 21)
#define PRIMARY_NMI_WINDOW (1u << 22)
#define PRIMARY_IO (1u << 24)
#define PRIMARY_MTF (1u << 27)
#define PRIMARY_MSR_BITMAP (1u << 28)
#define PRIMARY_MONITOR (1u << 29)
#define PRIMARY_SECONDARY (1u << 31)

/* Secondary processor-based controls: table 25-7. */
#define SECONDARY_APIC_ACCESS (1u << 0)
#define SECONDARY_EPT (1u << 1)
#define SECONDARY_RDTSCP (1u << 3)
#define SECONDARY_X2APIC (1u << 4)
#define SECONDARY_VPID (1u << 5)
#define SECONDARY_WBINVD (1u << 6)
#define SECONDARY_UNRESTRICTED (1u << 7)
#define SECONDARY_APIC_REGISTERS (1u << 8)
#define SECONDARY_VIRTUAL_INTERRUPTS (1u << 9)
#define SECONDARY_PAUSE_LOOP (1u << 10)
#define SECONDARY_INVPCID (1u << 12)
#define SECONDARY_VMFUNC (1u << 13)
#define SECONDARY_VMCS_SHADOWING (1u << 14)
#define SECONDARY_PML (1u << 17)
#define SECONDARY_VE (1u << 18)
#define SECONDARY_XSAVES (1u << 20)
#define SECONDARY_TSC_SCALING (1u << 25)

/* VM-exit controls: table 25-13. VM-entry controls: table 25-15. */
#define EXIT_SAVE_DEBUG (1u << 2)
#define EXIT_HOST_64 (1u << 9)
#define EXIT_LOAD_PAT (1u << 19)
#define EXIT_SAVE_EFER (1u << 20)
#define EXIT_LOAD_EFER (1u << 21)
#define EXIT_SAVE_TIMER (1u << 22)
#define ENTRY_LOAD_DEBUG (1u << 2)
#define ENTRY_GUEST_64 (1u << 9)
#define ENTRY_SMM (3u << 10) /* to SMM; end of dual-monitor treatment */
#define ENTRY_LOAD_PAT (1u << 14)
#define ENTRY_LOAD_EFER (1u << 15)

/* Interruptibility state: table 25-3. */
#define BLOCKED_BY_STI (1u << 0)
#define BLOCKED_BY_MOV_SS (1u << 1)
#define BLOCKED_SHADOW (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS)
#define BLOCKED_BY_SMI (1u << 2)
#define BLOCKED_BY_NMI (1u << 3)

/* Pending debug exceptions: table 25-4; the rest is as in DR6. */
#define PENDING_ENABLED (UINT64_C(1) << 12)

/* Interruption information of entry, exit and IDT vectoring beside what kernel/guest_cpu.h has: tables 25-17, 25-19, 25-20. */
#define EVENT_NMI_UNBLOCKED (UINT64_C(1) << 12) /* of an exit: an IRET that faulted had ended the blocking */
enum { EVENT_TYPE_INT1 = 5, EVENT_TYPE_INT3 = 6 };

/* Basic exit reasons: appendix C. */
enum {
    EXIT_EXCEPTION = 0,
    EXIT_INTERRUPT = 1,
    EXIT_TRIPLE_FAULT = 2,
    EXIT_INIT = 3,
    EXIT_INTERRUPT_WINDOW = 7,
    EXIT_NMI_WINDOW = 8,
    EXIT_TASK_SWITCH = 9,
    EXIT_CPUID = 10,
    EXIT_GETSEC = 11,
    EXIT_HLT = 12,
    EXIT_INVD = 13,
    EXIT_RDPMC = 15,
    EXIT_VMCALL = 18,
    EXIT_VMCLEAR = 19,
    EXIT_VMXON = 27,
    EXIT_CR = 28,
    EXIT_IO = 30,
    EXIT_RDMSR = 31,
    EXIT_WRMSR = 32,
    EXIT_BAD_GUEST = 33,
    EXIT_MWAIT = 36,
    EXIT_MONITOR = 39,
    EXIT_PAUSE = 40,
    EXIT_BAD_MACHINE = 41,
    EXIT_TPR = 43,
    EXIT_EOI = 45,
    EXIT_EPT_VIOLATION = 48,
    EXIT_INVEPT = 50,
    EXIT_PREEMPTION_TIMER = 52,
    EXIT_INVVPID = 53,
    EXIT_WBINVD = 54,
    EXIT_XSETBV = 55,
    EXIT_APIC_WRITE = 56,
    EXIT_TABLE_END = 57,
};
#define EXIT_ENTRY_FAILED (1u << 31)

/* Exit qualification of control-register accesses (table 28-3), I/O (28-5), EPT violations (28-7), task switches (28-2). */
#define CR_NUMBER 15u
#define CR_ACCESS_SHIFT 4
enum { CR_MOV_TO = 0, CR_MOV_FROM = 1 };
#define IO_SIZE 7u
#define IO_IN (1u << 3)
#define IO_STRING (1u << 4)
#define IO_REP (1u << 5)
#define IO_PORT_SHIFT 16
#define EPT_VIOLATION_WRITE (1u << 1)
#define EPT_VIOLATION_FETCH (1u << 2)
#define EPT_VIOLATION_MAPPED (7u << 3)
#define EPT_VIOLATION_LINEAR (1u << 7)
#define EPT_VIOLATION_FINAL (1u << 8) /* not met while the guest's own page tables were walked */
#define TASK_SOURCE_SHIFT 30

/* VM-exit instruction information of INS and OUTS: table 28-8. */
#define INFO_ADDRESS_SHIFT 7
#define INFO_SEGMENT_SHIFT 15

/* EPTP: table 25-9. */
#define EPTP_WRITE_BACK UINT64_C(6)
#define EPTP_FOUR_LEVELS (UINT64_C(3) << 3)
#define EPTP_ACCESSED_DIRTY (UINT64_C(1) << 6)

/* Capability MSRs: appendix A. Of IA32_VMX_BASIC: */
#define MSR_VMX_BASIC 0x480u
#define MSR_VMX_PIN 0x481u /* and the four others; the true ones are at 48Dh, in the same order */
#define MSR_VMX_MISC 0x485u
#define MSR_VMX_CR0_FIXED0 0x486u
#define MSR_VMX_CR4_FIXED0 0x488u
#define MSR_VMX_CR4_FIXED1 0x489u
#define MSR_VMX_SECONDARY 0x48Bu
#define MSR_VMX_EPT_VPID 0x48Cu
#define MSR_VMX_TRUE_PIN 0x48Du
#define BASIC_REVISION UINT64_C(0x7FFFFFFF)
#define BASIC_INOUT_INFO (UINT64_C(1) << 54)
#define BASIC_TRUE (UINT64_C(1) << 55)
#define MISC_TIMER_SHIFT UINT64_C(31) /* the preemption timer counts when this bit of the TSC changes */

/* Of IA32_VMX_EPT_VPID_CAP, a word of 32 bits each: */
#define EPT_FOUR_LEVELS (1u << 6)
#define EPT_UNCACHEABLE (1u << 8)
#define EPT_WRITE_BACK (1u << 14)
#define EPT_2M (1u << 16)
#define EPT_1G (1u << 17)
#define EPT_INVEPT (1u << 20)
#define EPT_ACCESSED_DIRTY (1u << 21)
#define EPT_INVEPT_ALL (1u << 26)
#define VPID_INVVPID (1u << 0)
#define VPID_INVVPID_ALL (1u << 10)

enum { INVEPT_ALL = 2, INVVPID_ALL = 2 };

#define FEATURE_CONTROL_LOCK (UINT64_C(1) << 0)
#define FEATURE_CONTROL_VMX (UINT64_C(1) << 2) /* outside SMX */

/* What is on while the guest is in x2APIC mode, on processors that have it all. */
#define SECONDARY_ASSIST (SECONDARY_X2APIC | SECONDARY_APIC_REGISTERS | SECONDARY_VIRTUAL_INTERRUPTS)

/* Bits that the host holds while the guest sees its own. Of CR4 the guest owns what changes how it pages and nothing that
 * a VM's CPUID may lack: those go through the VMM. */
#define VMX_HOST_CR0 (CR0_CD | CR0_NW | CR0_NE)
#define VMX_GUEST_CR4                                                                                                  \
    (CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT)
#define VMX_SET_CR4 (CR4_VMXE | CR4_MCE) /* set whatever the guest sees */
#define VMX_EXCEPTIONS ((1u << VECTOR_DB) | (1u << VECTOR_AC) | (1u << VECTOR_MC))
#define DR7_GD (UINT64_C(1) << 13)

/* A spinning guest loses the CPU after `window` cycles of PAUSEs that are at most `gap` cycles apart. */
#define PAUSE_GAP 128
#define PAUSE_WINDOW 4096

/* A guest comes out this often even if an interrupt does not bring it out: Bochs keeps interrupts from one that it enters
 * with IF clear, until the guest changes IF. */
#define STAYS_PER_SECOND 200

#endif

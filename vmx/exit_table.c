/* SPDX-License-Identifier: Apache-2.0 */
/* exit_table.c: what each exit reason is in the kernel's words (SDM Vol. 3D appendix C). */
#include "vmx/exit_table.h"

#define PLAIN(kind)                                                                                                    \
    {                                                                                                                  \
        VIRT_EXIT_##kind, VMX_EXIT_PLAIN, 0                                                                            \
    }
#define INSTRUCTION(kind)                                                                                              \
    {                                                                                                                  \
        VIRT_EXIT_##kind, VMX_EXIT_INSTRUCTION, 0                                                                      \
    }
#define DECODED(what)                                                                                                  \
    {                                                                                                                  \
        VIRT_EXIT_DECODE, VMX_EXIT_DECODE, VCPU_INTERCEPT_##what                                                       \
    }
const struct vmx_exit_row vmx_exit_rows[EXIT_TABLE_END + 1] = {
    [EXIT_EXCEPTION] = { VIRT_EXIT_EXCEPTION, VMX_EXIT_EXCEPTION, 0 },
    [EXIT_INTERRUPT] = PLAIN(INTERRUPT),
    [EXIT_TRIPLE_FAULT] = PLAIN(TRIPLE_FAULT),
    [EXIT_INIT] = PLAIN(INIT),
    [EXIT_INTERRUPT_WINDOW] = PLAIN(WINDOW),
    [EXIT_NMI_WINDOW] = PLAIN(WINDOW),
    [EXIT_TASK_SWITCH] = { VIRT_EXIT_TASK_SWITCH, VMX_EXIT_TASK, 0 },
    [EXIT_CPUID] = INSTRUCTION(CPUID),
    [EXIT_GETSEC] = DECODED(INVALID_INSTRUCTION),
    [EXIT_HLT] = INSTRUCTION(HLT),
    [EXIT_INVD] = DECODED(INVD),
    [EXIT_RDPMC] = DECODED(RDPMC),
    [EXIT_VMCALL] = INSTRUCTION(HYPERCALL),
    [EXIT_VMCLEAR... EXIT_VMXON] = DECODED(INVALID_INSTRUCTION),
    [EXIT_CR] = { VIRT_EXIT_DECODE, VMX_EXIT_CR, VCPU_INTERCEPT_CR_WRITE },
    [EXIT_IO] = { VIRT_EXIT_IO, VMX_EXIT_IO, 0 },
    [EXIT_RDMSR] = INSTRUCTION(RDMSR),
    [EXIT_WRMSR] = INSTRUCTION(WRMSR),
    [EXIT_MWAIT] = DECODED(MWAIT),
    [EXIT_MONITOR] = DECODED(MONITOR),
    [EXIT_PAUSE] = PLAIN(PAUSE),
    [EXIT_TPR] = PLAIN(WINDOW),
    [EXIT_EOI] = { VIRT_EXIT_EOI, VMX_EXIT_EOI, 0 },
    [EXIT_EPT_VIOLATION] = { VIRT_EXIT_MEMORY, VMX_EXIT_MEMORY, 0 },
    [EXIT_INVEPT] = DECODED(INVALID_INSTRUCTION),
    [EXIT_PREEMPTION_TIMER] = PLAIN(INTERRUPT),
    [EXIT_INVVPID] = DECODED(INVALID_INSTRUCTION),
    [EXIT_WBINVD] = DECODED(WBINVD),
    [EXIT_XSETBV] = INSTRUCTION(XSETBV),
    [EXIT_APIC_WRITE] = { VIRT_EXIT_SELF_IPI, VMX_EXIT_SELF_IPI, 0 },
};

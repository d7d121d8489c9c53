/* SPDX-License-Identifier: Apache-2.0 */
/* reset_table.c: a VMCB as a vCPU begins: what is intercepted, and a processor after RESET. */
#include "svm/svm.h"

#define INTERCEPTS_1                                                                                                   \
    (INTERCEPT_INTR | INTERCEPT_NMI | INTERCEPT_INIT | INTERCEPT_VINTR | INTERCEPT_CR0_SELECTIVE | INTERCEPT_RDPMC |   \
     INTERCEPT_CPUID | INTERCEPT_INVD | INTERCEPT_HLT | INTERCEPT_INVLPGA | INTERCEPT_IOIO_PROT | INTERCEPT_MSR_PROT | \
     INTERCEPT_TASK_SWITCH | INTERCEPT_SHUTDOWN)
#define INTERCEPTS_2                                                                                                   \
    (INTERCEPT_VMRUN | INTERCEPT_VMMCALL | INTERCEPT_VMLOAD | INTERCEPT_VMSAVE | INTERCEPT_STGI | INTERCEPT_CLGI |     \
     INTERCEPT_SKINIT | INTERCEPT_WBINVD | INTERCEPT_MONITOR | INTERCEPT_MWAIT | INTERCEPT_MWAIT_ARMED |               \
     INTERCEPT_XSETBV)

#define PAT_WRITE_BACK UINT64_C(0x0606060606060606) /* whatever the guest's page tables ask for: msr.c */
#define DATA                                                                                                           \
    {                                                                                                                  \
        .attributes = 0x93, .limit = 0xFFFF                                                                            \
    }

const struct vmcb_control svm_reset_control = {
    .intercept_cr_write = 1u << 4,
    .intercept_exceptions = SVM_EXCEPTIONS,
    .intercept_1 = INTERCEPTS_1,
    .intercept_2 = INTERCEPTS_2,
    .v_priority = V_INTR_PRIO_15 | V_IGN_TPR,
    .v_control = V_INTR_MASKING,
    .nested_control = NESTED_PAGING,
    .asid = 1, /* the first entry takes another one */
};

/* SDM Vol. 3A table 10-1, APM Vol. 2 table 14-1. The guest sees CD and NW in CR0, and neither NE nor CR4.MCE. */
const struct vmcb_save svm_reset_save = {
    .es = DATA,
    .cs = { .selector = 0xF000, .attributes = 0x93, .limit = 0xFFFF, .base = 0xFFFF0000 },
    .ss = DATA,
    .ds = DATA,
    .fs = DATA,
    .gs = DATA,
    .gdtr = { .limit = 0xFFFF },
    .ldtr = { .attributes = 0x82, .limit = 0xFFFF },
    .idtr = { .limit = 0xFFFF },
    .tr = { .attributes = 0x8B, .limit = 0xFFFF },
    .efer = EFER_SVME,
    .cr4 = CR4_MCE,
    .cr0 = CR0_ET | CR0_NE,
    .dr7 = DR7_FIXED,
    .dr6 = DR6_FIXED,
    .g_pat = PAT_WRITE_BACK,
};

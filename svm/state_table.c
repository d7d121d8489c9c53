/* SPDX-License-Identifier: Apache-2.0 */
/* state_table.c: the MSRs of the VMCB, and the rules of each segment (SDM Vol. 3C 27.3.1.2). */
#include "svm/state_table.h"

#define MSR(name, save)                                                                                                \
    {                                                                                                                  \
        MSR_##name, offsetof(struct vcpu_page, msr[VCPU_MSR_##name]), offsetof(struct vmcb_save, save)                 \
    }
#define SEGMENT_BASE(name, save)                                                                                       \
    {                                                                                                                  \
        MSR_##name, 0, offsetof(struct vmcb_save, save)                                                                \
    }

const struct svm_register svm_registers[SVM_REGISTER_COUNT] = {
    MSR(STAR, star),
    MSR(LSTAR, lstar),
    MSR(CSTAR, cstar),
    MSR(SFMASK, sfmask),
    MSR(KERNEL_GS_BASE, kernel_gs_base),
    MSR(SYSENTER_CS, sysenter_cs),
    MSR(SYSENTER_ESP, sysenter_esp),
    MSR(SYSENTER_EIP, sysenter_eip),
    SEGMENT_BASE(FS_BASE, fs.base),
    SEGMENT_BASE(GS_BASE, gs.base),
};

#define SEGMENT(field) offsetof(struct vmcb_save, field)

const struct svm_segment svm_segments[SEG_COUNT] = {
    [SEG_ES] = { "ES: ", SEGMENT(es), 0x10, 0x10, false, false, false },
    [SEG_CS] = { "CS: ", SEGMENT(cs), 0x10, 0x10, true, false, false },
    [SEG_SS] = { "SS: ", SEGMENT(ss), 0x10, 0x10, false, false, false },
    [SEG_DS] = { "DS: ", SEGMENT(ds), 0x10, 0x10, false, false, false },
    [SEG_FS] = { "FS: ", SEGMENT(fs), 0x10, 0x10, false, true, true },
    [SEG_GS] = { "GS: ", SEGMENT(gs), 0x10, 0x10, false, true, true },
    [SEG_LDTR] = { "LDTR: ", SEGMENT(ldtr), 0x1F, 0x02, false, false, true },
    [SEG_TR] = { "TR: ", SEGMENT(tr), 0x17, 0x03, true, false, true },
};

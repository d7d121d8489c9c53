/* SPDX-License-Identifier: Apache-2.0 */
/* state_table.c: where the VMCB has MSRs and segments. */
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

#define SEGMENT(name, save) [SEG_##name] = offsetof(struct vmcb_save, save)

const uint16_t svm_segments[SEG_COUNT] = {
    SEGMENT(ES, es), SEGMENT(CS, cs), SEGMENT(SS, ss),     SEGMENT(DS, ds),
    SEGMENT(FS, fs), SEGMENT(GS, gs), SEGMENT(LDTR, ldtr), SEGMENT(TR, tr),
};

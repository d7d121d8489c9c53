/* SPDX-License-Identifier: Apache-2.0 */
/* state_table.h: a row for each MSR that the VMCB holds, and where it has the segments. */
#ifndef CL_SVM_STATE_TABLE_H
#define CL_SVM_STATE_TABLE_H

#include "svm/svm.h"

struct svm_register {
    uint32_t msr;
    uint16_t page; /* offset in struct vcpu_page; 0: it is part of something else there */
    uint16_t save; /* offset in struct vmcb_save */
};
#define SVM_REGISTER_COUNT 10
extern const struct svm_register svm_registers[SVM_REGISTER_COUNT];

static inline uint64_t *svm_page_field(struct vcpu_page *page, unsigned i)
{
    return (uint64_t *)((char *)page + svm_registers[i].page);
}

static inline uint64_t svm_page_value(const struct vcpu_page *page, unsigned i)
{
    return *(const uint64_t *)((const char *)page + svm_registers[i].page);
}

static inline uint64_t *svm_register_field(struct vmcb_save *save, unsigned i)
{
    return (uint64_t *)((char *)save + svm_registers[i].save);
}

extern const uint16_t svm_segments[SEG_COUNT]; /* offsets in struct vmcb_save */

#endif

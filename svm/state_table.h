/* SPDX-License-Identifier: Apache-2.0 */
/* state_table.h: a row for each MSR that the VMCB holds, and for each segment. */
#ifndef CL_SVM_STATE_TABLE_H
#define CL_SVM_STATE_TABLE_H

#include "svm/svm.h"

enum svm_value { SVM_VALUE_ANY, SVM_VALUE_ADDRESS, SVM_VALUE_PAT };

struct svm_register {
    uint32_t msr;
    uint16_t page; /* offset in struct vcpu_page; 0: it is part of something else there */
    uint16_t save; /* offset in struct vmcb_save */
    enum svm_value value;
};
#define SVM_REGISTER_COUNT 11
extern const struct svm_register svm_registers[SVM_REGISTER_COUNT];

static inline uint64_t *svm_register_field(struct vmcb_save *save, const struct svm_register *r)
{
    return (uint64_t *)((char *)save + r->save);
}

/* False: the value is not legal, and `save` is as before. In msr.c. */
bool svm_register_write(struct vmcb_save *save, const struct svm_register *r, uint64_t value);

/* By enum vcpu_segment_name: where the VMCB has it, and the rules that it keeps. */
struct svm_segment {
    const char *name;
    uint16_t save;           /* offset in struct vmcb_save */
    uint8_t kind_mask, kind; /* of the attributes: code or data, an LDT, a busy TSS */
    bool required;           /* never unusable */
    bool keeps_base;         /* even when it is unusable */
    bool base_is_64_bit;     /* canonical; the others are below 4 GiB */
};
extern const struct svm_segment svm_segments[SEG_COUNT];

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* state_table.h: a row for each MSR that the VMCB holds, and for each segment. */
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

/* Attributes as in abi/vcpu.h. */
#define ATTR_ACCESSED 1u
#define ATTR_BUSY 2u
#define ATTR_SYSTEM_NOT (1u << 4) /* S: code or data */
#define ATTR_DPL (3u << SEG_ATTR_DPL_SHIFT)
#define ATTR_GRANULAR (1u << 15)
#define ATTR_RESERVED (~(uint32_t)(0xF0FF | SEG_ATTR_UNUSABLE))
#define LIMIT_BYTES_MAX 0xFFFFFu /* without G */

/* By enum vcpu_segment_name: where the VMCB has it, and the rules that it keeps. */
struct svm_segment {
    const char *name;        /* for a message that begins with it */
    uint16_t save;           /* offset in struct vmcb_save */
    uint8_t kind_mask, kind; /* of the attributes: code or data, an LDT, a busy TSS */
    bool required;           /* never unusable */
    bool keeps_base;         /* even when it is unusable */
    bool base_is_64_bit;     /* canonical; the others are below 4 GiB */
};
extern const struct svm_segment svm_segments[SEG_COUNT];

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* segment.c: segment registers between the VMCB's form and the normal form of abi/vcpu.h.
 *
 * The VMCB has no unusable flag (a segment that is not present is unusable), keeps the CPL in a field of its own, and
 * processors do not keep G, nor always the type of TR.
 */
#include "svm/state_table.h"

static struct vmcb_segment *segment_of(struct vmcb_save *save, unsigned name)
{
    return (void *)((char *)save + svm_segments[name]);
}

static inline uint32_t normal_attributes(const struct vmcb_save *save, unsigned name, const struct vmcb_segment *from)
{
    uint32_t attributes = (from->attributes & 0xFFu) | ((from->attributes & 0x700u) << 4);

    if (!(from->attributes & VMCB_SEGMENT_PRESENT))
        attributes = SEG_ATTR_UNUSABLE;
    else
        attributes |=
            (from->limit > LIMIT_BYTES_MAX ? ATTR_GRANULAR : 0) | (attributes & ATTR_SYSTEM_NOT ? ATTR_ACCESSED : 0);
    if (name == SEG_TR)
        attributes |= ATTR_BUSY | (save->efer & EFER_LMA ? ATTR_32_BIT : 0);
    return name == SEG_SS ? (attributes & ~ATTR_DPL) | (uint32_t)save->cpl << SEG_ATTR_DPL_SHIFT : attributes;
}

static struct vmcb_segment from_normal(unsigned name, const struct vcpu_segment *from)
{
    bool usable = !(from->attributes & SEG_ATTR_UNUSABLE);
    uint32_t attributes = usable           ? (from->attributes & 0xFF) | ((from->attributes >> 4) & 0xF00)
                          : name == SEG_SS ? from->attributes & ATTR_DPL
                                           : 0;

    return (struct vmcb_segment){
        .selector = from->selector, .attributes = (uint16_t)attributes, .limit = from->limit, .base = from->base
    };
}

/* A function of its own, so that the next one needs no registers for it. */
static __attribute__((noinline)) void get_all(struct vmcb_save *save, struct vcpu_page *page)
{
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        const struct vmcb_segment *from = segment_of(save, i);

        page->segment[i] = (struct vcpu_segment){ .selector = from->selector,
                                                  .limit = from->limit,
                                                  .attributes = normal_attributes(save, i, from),
                                                  .base = from->base };
    }
    guest_segments_normalise(page);
    page->gdtr = (struct vcpu_table){ .base = save->gdtr.base, .limit = save->gdtr.limit & UINT16_MAX };
    page->idtr = (struct vcpu_table){ .base = save->idtr.base, .limit = save->idtr.limit & UINT16_MAX };
}

/* Not `all`: VCPU_GROUP_CODE. */
void svm_segments_get(struct vmcb_save *save, struct vcpu_page *page, bool all)
{
    if (all || !(save->efer & EFER_LMA) || !(save->cs.attributes & VMCB_SEGMENT_LONG)) {
        get_all(save, page);
        return;
    }
    page->segment[SEG_CS].attributes = normal_attributes(save, SEG_CS, &save->cs);
    page->segment[SEG_SS].attributes = normal_attributes(save, SEG_SS, &save->ss);
    page->segment[SEG_FS].base = save->fs.base;
    page->segment[SEG_GS].base = save->gs.base;
}

/* In normal form. */
void svm_segments_set(struct vmcb_save *save, const struct vcpu_page *page)
{
    for (unsigned i = 0; i < SEG_COUNT; i++)
        *segment_of(save, i) = from_normal(i, &page->segment[i]);
    save->cpl = (page->segment[SEG_SS].attributes & ATTR_DPL) >> SEG_ATTR_DPL_SHIFT;
    save->gdtr.base = page->gdtr.base;
    save->gdtr.limit = page->gdtr.limit;
    save->idtr.base = page->idtr.base;
    save->idtr.limit = page->idtr.limit;
}

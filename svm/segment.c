/* SPDX-License-Identifier: Apache-2.0 */
/* segment.c: segment registers between the VMCB's form and the normal form of abi/vcpu.h.
 *
 * The VMCB has no unusable flag (a segment that is not present is unusable), keeps the CPL in a field of its own, and
 * processors do not keep G, nor always the busy bit of TR.
 */
#include "kernel/assert.h"
#include "svm/state_table.h"

#define ATTR_ACCESSED 1u
#define ATTR_BUSY 2u
#define ATTR_SYSTEM_NOT (1u << 4) /* S: code or data */
#define ATTR_DPL (3u << SEG_ATTR_DPL_SHIFT)
#define ATTR_GRANULAR (1u << 15)
#define ATTR_RESERVED (~(uint32_t)(0xF0FF | SEG_ATTR_UNUSABLE))
#define LIMIT_BYTES_MAX 0xFFFFFu /* without G */

static inline __attribute__((always_inline)) void to_normal(struct vcpu_page *page, unsigned name,
                                                            const struct vmcb_save *save)
{
    const struct vmcb_segment *from = (const void *)((const char *)save + svm_segments[name].save);
    struct vcpu_segment *to = &page->segment[name];
    uint32_t attributes = (from->attributes & 0xFFu) | ((from->attributes & 0x700u) << 4);
    bool present = from->attributes & VMCB_SEGMENT_PRESENT;

    if (!present)
        attributes = SEG_ATTR_UNUSABLE;
    else
        attributes |= (from->limit > LIMIT_BYTES_MAX ? ATTR_GRANULAR : 0) |
                      (attributes & ATTR_SYSTEM_NOT ? ATTR_ACCESSED : 0) | (name == SEG_TR ? ATTR_BUSY : 0);
    if (name == SEG_SS)
        attributes = (attributes & ~ATTR_DPL) | (uint32_t)save->cpl << SEG_ATTR_DPL_SHIFT;
    *to = (struct vcpu_segment){ .selector = from->selector,
                                 .limit = present ? from->limit : 0,
                                 .attributes = attributes,
                                 .base = present || svm_segments[name].keeps_base ? from->base : 0 };
}

static struct vmcb_segment from_normal(unsigned name, const struct vcpu_segment *from)
{
    struct vmcb_segment to = { .selector = from->selector };

    if (from->attributes & SEG_ATTR_UNUSABLE) {
        to.attributes = (uint16_t)(name == SEG_SS ? from->attributes & ATTR_DPL : 0);
        to.base = svm_segments[name].keeps_base ? from->base : 0;
    } else {
        to.attributes = (uint16_t)((from->attributes & 0xFF) | ((from->attributes >> 4) & 0xF00));
        to.limit = from->limit;
        to.base = from->base;
    }
    return to;
}

/* The rules for a segment on entry that both vendors' processors keep by themselves (SDM Vol. 3C 27.3.1.2). */
static enum cl_status check(unsigned name, const struct vcpu_segment *s)
{
    const struct svm_segment *row = &svm_segments[name];
    uint32_t a = s->attributes;
    bool granular = a & ATTR_GRANULAR;

    if (a & ATTR_RESERVED)
        return refuse(CL_BAD_ARGUMENT, "%s: attributes %x have reserved bits", row->name, a);
    if (row->base_is_64_bit ? !svm_canonical(s->base) : s->base > UINT32_MAX)
        return refuse(CL_BAD_ARGUMENT, "%s: base %lx cannot be", row->name, s->base);
    if (a & SEG_ATTR_UNUSABLE)
        return row->required ? refuse(CL_BAD_ARGUMENT, "%s cannot be unusable", row->name) : CL_OK;
    if (!(a & SEG_ATTR_PRESENT))
        return refuse(CL_BAD_ARGUMENT, "%s: neither present nor unusable", row->name);
    if (granular ? (s->limit & 0xFFF) != 0xFFF : s->limit > LIMIT_BYTES_MAX)
        return refuse(CL_BAD_ARGUMENT, "%s: limit %x contradicts the G bit", row->name, s->limit);
    if ((a & row->kind_mask) != row->kind)
        return refuse(CL_BAD_ARGUMENT, "%s: attributes %x are of another kind of segment", row->name, a);
    return CL_OK;
}

static enum cl_status table_set(const char *name, struct vmcb_segment *to, const struct vcpu_table *from)
{
    to->base = from->base;
    to->limit = from->limit;
    if (to->limit > UINT16_MAX || !svm_canonical(to->base))
        return refuse(CL_BAD_ARGUMENT, "%s: base %lx or limit %x cannot be", name, to->base, to->limit);
    return CL_OK;
}

/* Not `all`: VCPU_GROUP_CODE. */
void svm_segments_get(const struct vmcb_save *save, struct vcpu_page *page, bool all)
{
    if (!all && (save->efer & EFER_LMA) && (save->cs.attributes & VMCB_SEGMENT_LONG)) {
        to_normal(page, SEG_CS, save);
        to_normal(page, SEG_SS, save);
        page->segment[SEG_FS].base = save->fs.base;
        page->segment[SEG_GS].base = save->gs.base;
        return;
    }
    for (unsigned i = 0; i < SEG_COUNT; i++)
        to_normal(page, i, save);
    page->gdtr = (struct vcpu_table){ .base = save->gdtr.base, .limit = save->gdtr.limit & UINT16_MAX };
    page->idtr = (struct vcpu_table){ .base = save->idtr.base, .limit = save->idtr.limit & UINT16_MAX };
}

/* `save` and `page` are the caller's copies: `save` is half written when this refuses. */
enum cl_status svm_segments_set(struct vmcb_save *save, const struct vcpu_page *page)
{
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        const struct vcpu_segment *segment = &page->segment[i];

        TRY(check(i, segment));
        *(struct vmcb_segment *)((char *)save + svm_segments[i].save) = from_normal(i, segment);
        if (i == SEG_SS)
            save->cpl = (uint8_t)((segment->attributes & ATTR_DPL) >> SEG_ATTR_DPL_SHIFT);
    }
    TRY(table_set("GDTR", &save->gdtr, &page->gdtr));
    return table_set("IDTR", &save->idtr, &page->idtr);
}

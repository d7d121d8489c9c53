/* SPDX-License-Identifier: Apache-2.0 */
/* emulate_task.c: hardware task switches between 32-bit TSSs (SDM Vol. 3A 7.3; APM Vol. 2 12.3).
 *
 * VT-x leaves every task switch to software (SDM Vol. 3C 26.4.2), with the checks of rights, presence and busy bits done.
 * Nothing here looks at the busy bits again: a run that was cut off behind their change and is repeated ends the same.
 */
#include <stdio.h>

#include "vmm/emulate_internal.h"

#define VECTOR_TS 10
#define VECTOR_NP 11

#define TSS_WORDS 26u
#define TSS_LIMIT 0x67u
#define TSS_AVAILABLE_32 0x9u
#define TSS_BUSY_32 0xBu
#define TSS_BUSY_BIT (UINT64_C(2) << 40)
#define TYPE_LDT 0x2u

#define SEGMENT_ORDINARY 0x10u /* code or data */
#define SEGMENT_CODE 0x08u
#define SEGMENT_CONFORMING 0x04u
#define SEGMENT_WRITABLE 0x02u /* of code: readable */
#define SEGMENT_ACCESSED 0x01u
#define ATTRIBUTES_GRANULAR (1u << 15)

#define SELECTOR_INDEX 0xFFF8u
#define SELECTOR_LDT 4u
#define SELECTOR_ERROR 0xFFFCu
#define DR7_LOCAL UINT64_C(0x155)
#define RFLAGS_NT (UINT64_C(1) << 14)
#define RFLAGS_VM (UINT64_C(1) << 17)
#define RFLAGS_WRITABLE UINT64_C(0x3F7FD5)

enum source { FROM_CALL = 0, FROM_IRET = 1, FROM_JUMP = 2, FROM_GATE = 3 };

/* Words of a 32-bit TSS (SDM Vol. 3A figure 7-2). The general and the segment registers stand in the order of their
 * numbers. */
enum {
    TSS_LINK = 0,
    TSS_CR3 = 7,
    TSS_EIP = 8,
    TSS_EFLAGS = 9,
    TSS_GPR = 10,
    TSS_SEGMENT = 18,
    TSS_LDTR = 24,
    TSS_T = 25
};

static enum outcome refuse(struct emulator *e, const char *why)
{
    (void)snprintf(e->reason, sizeof(e->reason), "task switch to selector %#x: %s", e->page->exit.task.selector, why);
    return REFUSED;
}

/* The descriptor that `selector` names. FAULT with `vector`: its table ends before it. */
static enum outcome descriptor_read(struct emulator *e, uint16_t selector, uint8_t vector, uint64_t *address,
                                    uint64_t *descriptor)
{
    const struct vcpu_page *p = e->page;
    bool local = selector & SELECTOR_LDT;
    uint32_t limit = local ? p->segment[SEG_LDTR].limit : p->gdtr.limit, index = selector & SELECTOR_INDEX;

    if ((local && p->segment[SEG_LDTR].attributes & SEG_ATTR_UNUSABLE) || index + 7 > limit)
        return raise_code(e, vector, selector & SELECTOR_ERROR);
    *address = ((local ? p->segment[SEG_LDTR].base : p->gdtr.base) + index) & UINT32_MAX;
    return memory_read(e, *address, 8, 0, descriptor);
}

static struct vcpu_segment segment_of(uint16_t selector, uint64_t descriptor)
{
    uint32_t attributes = (uint32_t)(descriptor >> 40) & 0xF0FF;
    uint32_t limit = (uint32_t)(descriptor & 0xFFFF) | (uint32_t)(descriptor >> 32 & 0xF0000);

    return (struct vcpu_segment){ .selector = selector,
                                  .limit = attributes & ATTRIBUTES_GRANULAR ? limit << 12 | 0xFFF : limit,
                                  .attributes = attributes,
                                  .base = (descriptor >> 16 & 0xFFFFFF) | (descriptor >> 32 & 0xFF000000) };
}

/* SDM Vol. 3A table 7-1: what is wrong with an ordinary segment of the new task, as a vector; 0: nothing. */
static uint8_t segment_fault(const struct emulator *e, unsigned name, uint16_t selector, uint32_t attributes)
{
    unsigned dpl = attributes >> SEG_ATTR_DPL_SHIFT & 3, rpl = selector & 3;
    bool code = attributes & SEGMENT_CODE, conforming = code && attributes & SEGMENT_CONFORMING, right;

    if (name == SEG_CS)
        right = code && (conforming ? dpl <= rpl : dpl == rpl);
    else if (name == SEG_SS)
        right = !code && attributes & SEGMENT_WRITABLE && dpl == e->cpl && rpl == e->cpl;
    else
        right = (!code || attributes & SEGMENT_WRITABLE) && (conforming || (dpl >= e->cpl && dpl >= rpl));
    if (!(attributes & SEGMENT_ORDINARY) || !right)
        return VECTOR_TS;
    if (!(attributes & SEG_ATTR_PRESENT))
        return name == SEG_SS ? VECTOR_SS : VECTOR_NP;
    return 0;
}

static enum outcome segment_load(struct emulator *e, unsigned name)
{
    struct vcpu_segment *segment = &e->page->segment[name];
    uint16_t selector = segment->selector;
    uint64_t address, descriptor;
    uint8_t vector;

    if ((selector & SELECTOR_ERROR) == 0)
        return name == SEG_CS || name == SEG_SS ? raise_code(e, VECTOR_TS, 0) : DONE; /* it stays unusable */
    STEP(descriptor_read(e, selector, VECTOR_TS, &address, &descriptor));
    vector = segment_fault(e, name, selector, (uint32_t)(descriptor >> 40) & 0xFF);
    if (vector != 0)
        return raise_code(e, vector, selector & SELECTOR_ERROR);
    if (!(descriptor >> 40 & SEGMENT_ACCESSED)) {
        descriptor |= (uint64_t)SEGMENT_ACCESSED << 40;
        STEP(memory_write(e, address + 5, 1, descriptor >> 40 & 0xFF));
    }
    *segment = segment_of(selector, descriptor);
    return DONE;
}

static enum outcome ldtr_load(struct emulator *e, uint16_t selector)
{
    uint64_t address, descriptor;

    if ((selector & SELECTOR_ERROR) == 0)
        return DONE;
    if (selector & SELECTOR_LDT)
        return raise_code(e, VECTOR_TS, selector & SELECTOR_ERROR);
    STEP(descriptor_read(e, selector, VECTOR_TS, &address, &descriptor));
    if ((descriptor >> 40 & 0x1F) != TYPE_LDT || !(descriptor >> 40 & SEG_ATTR_PRESENT))
        return raise_code(e, VECTOR_TS, selector & SELECTOR_ERROR);
    e->page->segment[SEG_LDTR] = segment_of(selector, descriptor);
    return DONE;
}

/* The instruction that asked for the switch is behind the old task; a fault or an interrupt is not. */
static enum outcome old_eip(struct emulator *e, uint64_t *eip)
{
    const struct vcpu_page *p = e->page;
    uint64_t bytes[2] = { 0, 0 };
    unsigned available = 0;
    bool far = false, soft = false;

    *eip = p->rip;
    if (p->exit.task.source == FROM_GATE && p->exit.task.has_error_code)
        return DONE;
    (void)fetch(e, bytes, &available);
    if (available != 0 && decode(&e->cache, bytes, available, e->mode, &e->instruction) == CL_OK) {
        far = e->instruction->operation == OP_FAR;
        soft = e->instruction->operation == OP_INT;
    }
    if (p->exit.task.source != FROM_GATE && !far)
        return refuse(e, "no instruction that asks for it stands at EIP");
    if (far || soft)
        *eip = (p->rip + e->instruction->length) & UINT32_MAX;
    if (p->exit.task.source == FROM_GATE && far)
        *eip = p->rip;
    e->instruction = NULL; /* its operands are not what is read and written from here on */
    return DONE;
}

/* Everything that lies in memory: the old TSS, the link of the new one, both busy bits. */
static enum outcome change_memory(struct emulator *e, uint64_t new_base, uint64_t new_address, uint64_t new_descriptor)
{
    const struct vcpu_page *p = e->page;
    const struct vcpu_segment *old = &p->segment[SEG_TR];
    unsigned source = p->exit.task.source;
    uint64_t eip, address, descriptor;

    STEP(old_eip(e, &eip));
    STEP(descriptor_read(e, old->selector, VECTOR_TS, &address, &descriptor));
    STEP(memory_write(e, old->base + TSS_EIP * 4, 4, eip));
    STEP(memory_write(e, old->base + TSS_EFLAGS * 4, 4, source == FROM_IRET ? e->rflags & ~RFLAGS_NT : e->rflags));
    for (unsigned i = 0; i < 8; i++)
        STEP(memory_write(e, old->base + (TSS_GPR + i) * 4, 4, e->gpr[i]));
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        STEP(memory_write(e, old->base + (TSS_SEGMENT + i) * 4, 2, p->segment[i].selector));
    if (source == FROM_JUMP || source == FROM_IRET)
        STEP(memory_write(e, address + 5, 1, (descriptor & ~TSS_BUSY_BIT) >> 40 & 0xFF));
    else
        STEP(memory_write(e, new_base + TSS_LINK * 4, 2, old->selector));
    if (source != FROM_IRET)
        STEP(memory_write(e, new_address + 5, 1, (new_descriptor | TSS_BUSY_BIT) >> 40 & 0xFF));
    return DONE;
}

/* The registers become the new task's. An exception from here on is one of the new task. */
static enum outcome change_registers(struct emulator *e, const uint32_t tss[TSS_WORDS], const struct vcpu_segment *tr)
{
    struct vcpu_page *p = e->page;
    bool nested = p->exit.task.source == FROM_CALL || p->exit.task.source == FROM_GATE;

    p->dirty |= VCPU_GROUP_RIP | VCPU_GROUP_SEGMENTS | VCPU_GROUP_CONTROL | VCPU_GROUP_DEBUG;
    p->rip = tss[TSS_EIP];
    e->rflags = (tss[TSS_EFLAGS] & RFLAGS_WRITABLE) | 2 | (nested ? RFLAGS_NT : 0);
    for (unsigned i = 0; i < 8; i++)
        e->gpr[i] = tss[TSS_GPR + i];
    memcpy(p->gpr, e->gpr, sizeof(p->gpr)); /* what a fault below leaves */
    p->rflags = e->rflags;
    for (unsigned i = SEG_ES; i <= SEG_LDTR; i++)
        p->segment[i] =
            (struct vcpu_segment){ .selector = (uint16_t)tss[TSS_SEGMENT + i], .attributes = SEG_ATTR_UNUSABLE };
    e->cpl = tss[TSS_SEGMENT + SEG_CS] & 3;
    p->segment[SEG_TR] = *tr;
    p->cr0 |= CR0_TS;
    p->dr[7] &= ~DR7_LOCAL;
    if (p->cr0 & CR0_PG) {
        STEP(load_pdptes(e, p->cr0, tss[TSS_CR3], p->cr4));
        p->cr3 = tss[TSS_CR3];
    }
    STEP(ldtr_load(e, (uint16_t)tss[TSS_LDTR]));
    STEP(segment_load(e, SEG_CS));
    STEP(segment_load(e, SEG_SS));
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        if (i != SEG_CS && i != SEG_SS)
            STEP(segment_load(e, i));
    return DONE;
}

static enum outcome push_error_code(struct emulator *e)
{
    const struct vcpu_segment *ss = &e->page->segment[SEG_SS];
    unsigned bytes = ss->attributes & SEG_ATTR_DEFAULT_BIG ? 4 : 2;
    uint64_t top = (e->gpr[GPR_RSP] - 4) & size_mask(bytes), linear;

    STEP(linear_address(e, SEG_SS, top, 4, &linear));
    STEP(memory_write(e, linear, 4, e->page->exit.task.error_code));
    register_write(e, GPR_RSP, bytes, top);
    return DONE;
}

enum outcome emulate_task_switch(struct emulator *e)
{
    const struct vcpu_page *p = e->page;
    uint16_t selector = p->exit.task.selector;
    uint8_t vector = p->exit.task.source == FROM_CALL || p->exit.task.source == FROM_JUMP ? VECTOR_GP : VECTOR_TS;
    uint64_t address, descriptor, word;
    uint32_t tss[TSS_WORDS];
    struct vcpu_segment tr;
    unsigned type;

    if (selector & SELECTOR_LDT)
        return raise_code(e, vector, selector & SELECTOR_ERROR);
    STEP(descriptor_read(e, selector, vector, &address, &descriptor));
    type = descriptor >> 40 & 0x1F;
    tr = segment_of(selector, descriptor | TSS_BUSY_BIT);
    if ((type & ~2u) == 1 || (p->segment[SEG_TR].attributes & 0x1F) != TSS_BUSY_32)
        return refuse(e, "a 16-bit TSS has part in it");
    if ((type & ~2u) != TSS_AVAILABLE_32)
        return raise_code(e, vector, selector & SELECTOR_ERROR);
    if (!(tr.attributes & SEG_ATTR_PRESENT))
        return raise_code(e, VECTOR_NP, selector & SELECTOR_ERROR);
    if (tr.limit < TSS_LIMIT)
        return raise_code(e, VECTOR_TS, selector & SELECTOR_ERROR);
    e->cpl = 0; /* whatever it was: a CPU reads and writes its tables as the system */
    for (unsigned i = 0; i < TSS_WORDS; i++) {
        STEP(memory_read(e, tr.base + i * 4, 4, 0, &word));
        tss[i] = (uint32_t)word;
    }
    if (tss[TSS_EFLAGS] & RFLAGS_VM)
        return refuse(e, "the new task is in virtual-8086 mode");
    if (tss[TSS_T] & 1)
        return refuse(e, "the new TSS asks for a debug trap");
    STEP(change_memory(e, tr.base, address, descriptor));
    e->completion = VCPU_COMPLETE_RETRY;
    STEP(change_registers(e, tss, &tr));
    return p->exit.task.has_error_code ? push_error_code(e) : DONE;
}

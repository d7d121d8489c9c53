/* SPDX-License-Identifier: Apache-2.0 */
/* emulate_system.c: control and debug registers, and the instructions that belong to an operating system.
 *
 * SDM Vol. 3A 2.5 (control registers), 4.1.1 (changing paging modes), Vol. 2 for each instruction.
 */
#include "vmm/emulate_internal.h"

#define CR0_RESERVED (~UINT64_C(0xE005003F))
#define CR3_RESERVED UINT64_C(0x7FF0000000000000)
#define CR3_NO_FLUSH (UINT64_C(1) << 63)
#define PDPTE_PRESENT UINT64_C(1)
#define PDPTE_RESERVED UINT64_C(0xFFF00000000001E6)
#define DR6_FIXED UINT64_C(0xFFFF0FF0)
#define DR6_WRITABLE UINT64_C(0xE00F)
#define DR7_FIXED UINT64_C(0x400)
#define DR7_WRITABLE UINT64_C(0xFFFF23FF)
#define XCR0_X87 UINT64_C(1)
#define XCR0_SSE UINT64_C(2)
#define XCR0_AVX UINT64_C(4)
#define XCR0_AVX512 UINT64_C(0xE0)

static enum outcome general_protection(struct emulator *e)
{
    return raise_code(e, VECTOR_GP, 0);
}

enum outcome load_pdptes(struct emulator *e, uint64_t cr0, uint64_t cr3, uint64_t cr4)
{
    uint64_t entries[4];

    if (!(cr0 & CR0_PG) || !(cr4 & CR4_PAE) || e->page->efer & EFER_LMA)
        return DONE;
    if (guest_memory_read(e->memory, cr3 & 0xFFFFFFE0u, entries, sizeof(entries)) != CL_OK)
        return general_protection(e);
    for (unsigned i = 0; i < 4; i++)
        if (entries[i] & PDPTE_PRESENT && entries[i] & PDPTE_RESERVED)
            return general_protection(e);
    memcpy(e->page->pdpte, entries, sizeof(entries));
    return DONE;
}

static enum outcome write_cr0(struct emulator *e, uint64_t value)
{
    struct vcpu_page *p = e->page;
    uint64_t efer = p->efer, changed = value ^ p->cr0;

    if (value >> 32 != 0 || (value & CR0_PG && !(value & CR0_PE)) || (value & CR0_NW && !(value & CR0_CD)))
        return general_protection(e);
    value = (value & ~CR0_RESERVED) | CR0_ET;
    if (changed & CR0_PG && value & CR0_PG && efer & EFER_LME) {
        if (!(p->cr4 & CR4_PAE) || p->segment[SEG_CS].attributes & SEG_ATTR_LONG)
            return general_protection(e);
        efer |= EFER_LMA;
    } else if (changed & CR0_PG && !(value & CR0_PG)) {
        if (e->mode == DECODE_64 || p->cr4 & CR4_PCIDE)
            return general_protection(e);
        efer &= ~EFER_LMA;
    }
    if (!(efer & EFER_LMA) && changed & (CR0_PG | CR0_CD | CR0_NW))
        STEP(load_pdptes(e, value, p->cr3, p->cr4));
    p->efer = efer; /* before CR0: a run cut off in between and repeated comes to the same end */
    p->cr0 = value;
    return DONE;
}

static enum outcome write_cr3(struct emulator *e, uint64_t value)
{
    struct vcpu_page *p = e->page;

    if (p->cr4 & CR4_PCIDE)
        value &= ~CR3_NO_FLUSH;
    if (e->mode == DECODE_64 ? (value & (CR3_RESERVED | CR3_NO_FLUSH)) != 0 : value >> 32 != 0)
        return general_protection(e);
    STEP(load_pdptes(e, p->cr0, value, p->cr4));
    p->cr3 = value;
    return DONE;
}

static enum outcome write_cr4(struct emulator *e, uint64_t value)
{
    struct vcpu_page *p = e->page;
    uint64_t changed = value ^ p->cr4;

    if (value & ~e->cr4_allowed)
        return general_protection(e);
    if (p->efer & EFER_LMA && !(value & CR4_PAE))
        return general_protection(e);
    if (changed & value & CR4_PCIDE && (!(p->efer & EFER_LMA) || p->cr3 & 0xFFF))
        return general_protection(e);
    if (changed & (CR4_PAE | UINT64_C(0x100090))) /* PAE, PGE, PSE, SMEP */
        STEP(load_pdptes(e, p->cr0, p->cr3, value));
    p->cr4 = value;
    return DONE;
}

static enum outcome move_to_cr(struct emulator *e)
{
    const struct instruction *i = e->instruction;
    uint64_t value = register_read(e, i->from.reg, e->mode == DECODE_64 ? 8 : 4);

    e->page->dirty |= VCPU_GROUP_CONTROL;
    switch (i->number) {
    case 0:
        return write_cr0(e, value);
    case 2:
        e->page->cr2 = value;
        return DONE;
    case 3:
        return write_cr3(e, value);
    case 4:
        return write_cr4(e, value);
    case 8:
        if (value > 15)
            return general_protection(e);
        e->page->cr8 = value;
        return DONE;
    default:
        return raise_plain(e, VECTOR_UD);
    }
}

static enum outcome move_from_cr(struct emulator *e)
{
    const struct vcpu_page *p = e->page;
    uint64_t value;

    switch (e->instruction->number) {
    case 0:
        value = p->cr0;
        break;
    case 2:
        value = p->cr2;
        break;
    case 3:
        value = p->cr3;
        break;
    case 4:
        value = p->cr4;
        break;
    case 8:
        value = p->cr8;
        break;
    default:
        return raise_plain(e, VECTOR_UD);
    }
    register_write(e, e->instruction->from.reg, e->mode == DECODE_64 ? 8 : 4, value);
    return DONE;
}

static enum outcome move_dr(struct emulator *e, bool write)
{
    unsigned number = e->instruction->number, size = e->mode == DECODE_64 ? 8 : 4;
    uint64_t value;

    if (number == 4 || number == 5) {
        if (e->page->cr4 & CR4_DE)
            return raise_plain(e, VECTOR_UD);
        number += 2;
    }
    if (number > 7)
        return raise_plain(e, VECTOR_UD);
    if (!write) {
        register_write(e, e->instruction->from.reg, size, e->page->dr[number]);
        return DONE;
    }
    value = register_read(e, e->instruction->from.reg, size);
    if (number >= 6) {
        if (value >> 32 != 0)
            return general_protection(e);
        value = number == 7 ? (value & DR7_WRITABLE) | DR7_FIXED : (value & DR6_WRITABLE) | DR6_FIXED;
    }
    e->page->dr[number] = value;
    e->page->dirty |= VCPU_GROUP_DEBUG;
    return DONE;
}

static enum outcome xsetbv(struct emulator *e)
{
    uint64_t value = (e->gpr[GPR_RDX] << 32) | (e->gpr[GPR_RAX] & UINT32_MAX);
    uint64_t avx512 = value & XCR0_AVX512;

    if (!(e->page->cr4 & CR4_OSXSAVE))
        return raise_plain(e, VECTOR_UD);
    if ((uint32_t)e->gpr[GPR_RCX] != 0 || !(value & XCR0_X87) || value & ~e->xcr0_allowed ||
        (value & XCR0_AVX && !(value & XCR0_SSE)) || (avx512 && (avx512 != XCR0_AVX512 || !(value & XCR0_AVX))))
        return general_protection(e);
    e->page->xcr0 = value;
    e->page->dirty |= VCPU_GROUP_CONTROL;
    return DONE;
}

static void write_pair(struct emulator *e, uint64_t value)
{
    register_write(e, GPR_RAX, 4, value & UINT32_MAX);
    register_write(e, GPR_RDX, 4, value >> 32);
}

static enum outcome msr(struct emulator *e, bool write)
{
    uint32_t index = (uint32_t)e->gpr[GPR_RCX];
    uint64_t value = (e->gpr[GPR_RDX] << 32) | (e->gpr[GPR_RAX] & UINT32_MAX);

    if (write)
        return e->ops->msr_write(e->context, index, value) ? DONE : general_protection(e);
    if (!e->ops->msr_read(e->context, index, &value))
        return general_protection(e);
    write_pair(e, value);
    return DONE;
}

static enum outcome load_status_word(struct emulator *e)
{
    const struct instruction *i = e->instruction;
    uint64_t linear, value;

    if (i->to.kind == OPERAND_MEMORY) {
        STEP(linear_address(e, i->segment, effective_offset(e), 2, &linear));
        STEP(memory_read(e, linear, 2, 0, &value));
    } else {
        value = register_read(e, i->to.reg, 2);
    }
    /* LMSW can set PE but not clear it. */
    e->page->cr0 = (e->page->cr0 & ~UINT64_C(0xE)) | (value & 0xF);
    e->page->dirty |= VCPU_GROUP_CONTROL;
    return DONE;
}

static enum outcome store_status_word(struct emulator *e)
{
    const struct instruction *i = e->instruction;
    uint64_t linear;

    if (i->to.kind != OPERAND_MEMORY) {
        register_write(e, i->to.reg, i->to.size, e->page->cr0);
        return DONE;
    }
    STEP(linear_address(e, i->segment, effective_offset(e), 2, &linear));
    return memory_write(e, linear, 2, e->page->cr0);
}

static enum outcome privileged(struct emulator *e)
{
    switch (e->instruction->operation) {
    case OP_MOV_TO_CR:
        return move_to_cr(e);
    case OP_MOV_FROM_CR:
        return move_from_cr(e);
    case OP_MOV_TO_DR:
        return move_dr(e, true);
    case OP_MOV_FROM_DR:
        return move_dr(e, false);
    case OP_CLTS:
        e->page->cr0 &= ~CR0_TS;
        e->page->dirty |= VCPU_GROUP_CONTROL;
        return DONE;
    case OP_LMSW:
        return load_status_word(e);
    case OP_INVD: /* never done: it would lose what other guests and the host have written */
    case OP_WBINVD:
        return DONE;
    case OP_RDMSR:
        return msr(e, false);
    case OP_WRMSR:
        return msr(e, true);
    case OP_XSETBV:
        return xsetbv(e);
    default: /* OP_HLT */
        e->page->event.activity = VCPU_HALTED;
        e->page->event.interrupt_shadow = 0;
        e->page->dirty |= VCPU_GROUP_EVENTS;
        return DONE;
    }
}

enum outcome emulate_system(struct emulator *e)
{
    uint32_t result[4];

    switch (e->instruction->operation) {
    case OP_CPUID:
        e->ops->cpuid(e->context, (uint32_t)e->gpr[GPR_RAX], (uint32_t)e->gpr[GPR_RCX], result);
        register_write(e, GPR_RAX, 4, result[0]);
        register_write(e, GPR_RBX, 4, result[1]);
        register_write(e, GPR_RCX, 4, result[2]);
        register_write(e, GPR_RDX, 4, result[3]);
        return DONE;
    case OP_SMSW:
        return store_status_word(e);
    case OP_PAUSE:
        return DONE;
    case OP_RDTSC:
    case OP_RDTSCP:
        if (e->page->cr4 & CR4_TSD && e->cpl != 0)
            return general_protection(e);
        if (e->instruction->operation == OP_RDTSCP)
            register_write(e, GPR_RCX, 4, e->page->msr[VCPU_MSR_TSC_AUX]);
        write_pair(e, e->page->msr[VCPU_MSR_TSC]);
        return DONE;
    case OP_RDPMC: /* there are no counters */
        return general_protection(e);
    case OP_MONITOR:
    case OP_MWAIT:
    case OP_UNDEFINED:
        return raise_plain(e, VECTOR_UD);
    case OP_HYPERCALL:
        register_write(e, GPR_RAX, 8, UINT64_MAX);
        return DONE;
    default:
        if (e->cpl != 0)
            return general_protection(e);
        return privileged(e);
    }
}

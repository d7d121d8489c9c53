/* SPDX-License-Identifier: Apache-2.0 */
/* emulate_string.c: MOVS, STOS, LODS, CMPS, SCAS, INS, OUTS, with and without REP.
 *
 * A repeated instruction is done in pieces: after PIECE elements the guest executes it again with what is left in rCX,
 * and interrupts can come in between, as on a CPU.
 */
#include "vmm/emulate_internal.h"

#define PIECE 15u /* elements of a repeated instruction that are done before the guest may be interrupted */
/* Device accesses of one element: 8 bytes from a device to a device, where both take single bytes only. */
#define ELEMENT_STEPS_MAX 16u

static void advance(struct emulator *e, unsigned reg)
{
    uint64_t step = e->rflags & RFLAGS_DF ? (uint64_t)0 - e->instruction->size : e->instruction->size;

    register_write(e, reg, e->instruction->address_bytes, e->gpr[reg] + step);
}

static enum outcome source(struct emulator *e, uint64_t *value)
{
    const struct instruction *i = e->instruction;
    uint64_t linear;

    STEP(linear_address(e, i->segment, e->gpr[GPR_RSI] & size_mask(i->address_bytes), i->size, &linear));
    return memory_read(e, linear, i->size, 0, value);
}

static enum outcome destination(struct emulator *e, uint64_t *linear)
{
    const struct instruction *i = e->instruction;

    return linear_address(e, SEG_ES, e->gpr[GPR_RDI] & size_mask(i->address_bytes), i->size, linear);
}

/* Whether a write there would fault, before a device is read whose answer could get lost. */
static enum outcome probe_destination(struct emulator *e, uint64_t *linear)
{
    const struct instruction *i = e->instruction;
    uint64_t physical;
    uint32_t code = 0, access = PAGE_FAULT_WRITE | (e->cpl == 3 ? PAGE_FAULT_USER : 0);

    STEP(destination(e, linear));
    for (unsigned at = 0; at<i->size; at += i->size> 1 ? i->size - 1u : 1u) {
        enum cl_status status = guest_translate(e->memory, e->page, *linear + at, access, &physical, &code);

        if (status == CL_BAD_ARGUMENT)
            return REFUSED;
        if (status != CL_OK) {
            e->fault_address = *linear + at;
            return raise_code(e, VECTOR_PF, code);
        }
    }
    return DONE;
}

static enum outcome element(struct emulator *e)
{
    const struct instruction *i = e->instruction;
    uint64_t value = 0, other = 0, linear;
    uint16_t port = (uint16_t)e->gpr[GPR_RDX];
    bool ignored;

    switch (i->operation) {
    case OP_MOVS:
        STEP(probe_destination(e, &linear));
        STEP(source(e, &value));
        STEP(memory_write(e, linear, i->size, value));
        break;
    case OP_STOS:
        STEP(destination(e, &linear));
        STEP(memory_write(e, linear, i->size, e->gpr[GPR_RAX]));
        break;
    case OP_LODS:
        STEP(source(e, &value));
        register_write(e, GPR_RAX, i->size, value);
        break;
    case OP_CMPS:
        STEP(source(e, &value));
        STEP(destination(e, &linear));
        STEP(memory_read(e, linear, i->size, 0, &other));
        (void)alu(e, OP_CMP, i->size, value, other, &ignored);
        break;
    case OP_SCAS:
        STEP(destination(e, &linear));
        STEP(memory_read(e, linear, i->size, 0, &other));
        (void)alu(e, OP_CMP, i->size, e->gpr[GPR_RAX], other, &ignored);
        break;
    case OP_INS:
        STEP(probe_destination(e, &linear));
        value = bus_io_read(e->bus, e->tx, port, i->size);
        STEP(memory_write(e, linear, i->size, value));
        break;
    default: /* OP_OUTS */
        STEP(source(e, &value));
        bus_io_write(e->bus, e->tx, port, i->size, (uint32_t)value);
        break;
    }
    if (i->operation != OP_STOS && i->operation != OP_SCAS && i->operation != OP_INS)
        advance(e, GPR_RSI);
    if (i->operation != OP_LODS && i->operation != OP_OUTS)
        advance(e, GPR_RDI);
    return DONE;
}

/* REPE and REPNE end CMPS and SCAS early. */
static bool comparison_ends(const struct emulator *e)
{
    const struct instruction *i = e->instruction;
    bool equal = (e->rflags & RFLAGS_ZF) != 0;

    if (i->operation != OP_CMPS && i->operation != OP_SCAS)
        return false;
    return i->repne ? equal : !equal;
}

enum outcome emulate_string(struct emulator *e)
{
    const struct instruction *i = e->instruction;
    uint64_t mask = size_mask(i->address_bytes);
    bool ended = false;

    if (!i->rep && !i->repne)
        return element(e);
    for (unsigned n = 0; n < PIECE && (e->gpr[GPR_RCX] & mask) != 0 && !ended; n++) {
        if (e->tx->step + ELEMENT_STEPS_MAX > CAPSULE_STEPS_MAX)
            break;
        enum outcome outcome = element(e);

        if (outcome != DONE) {
            /* What was done stays done: the exception comes with the registers of the element that faulted. */
            return outcome;
        }
        register_write(e, GPR_RCX, i->address_bytes, e->gpr[GPR_RCX] - 1);
        ended = comparison_ends(e);
    }
    if (!ended && (e->gpr[GPR_RCX] & mask) != 0)
        e->completion = VCPU_COMPLETE_RETRY;
    return DONE;
}

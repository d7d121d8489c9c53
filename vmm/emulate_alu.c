/* SPDX-License-Identifier: Apache-2.0 */
/* emulate_alu.c: results and flags (SDM Vol. 1 table A-1, and each instruction in Vol. 2). */
#include "vmm/emulate_internal.h"

static uint64_t sign_bit(unsigned size)
{
    return UINT64_C(1) << (size * 8 - 1);
}

/* SF, ZF, PF of a result. */
static uint64_t flags_of(uint64_t result, unsigned size)
{
    uint64_t flags = 0;

    result &= size_mask(size);
    if (result == 0)
        flags |= RFLAGS_ZF;
    if (result & sign_bit(size))
        flags |= RFLAGS_SF;
    if (!__builtin_parity((unsigned)(result & 0xFF)))
        flags |= RFLAGS_PF;
    return flags;
}

static void set_flags(struct emulator *e, uint64_t which, uint64_t flags)
{
    e->rflags = (e->rflags & ~which) | (flags & which);
}

static uint64_t add(struct emulator *e, unsigned size, uint64_t a, uint64_t b, uint64_t carry, uint64_t which)
{
    uint64_t mask = size_mask(size), result = (a + b + carry) & mask, flags = flags_of(result, size);
    uint64_t carries = (a & b) | ((a | b) & ~result);

    if (carries & sign_bit(size))
        flags |= RFLAGS_CF;
    if (carries & 8)
        flags |= RFLAGS_AF;
    if ((a ^ result) & (b ^ result) & sign_bit(size))
        flags |= RFLAGS_OF;
    set_flags(e, which, flags);
    return result;
}

static uint64_t subtract(struct emulator *e, unsigned size, uint64_t a, uint64_t b, uint64_t borrow, uint64_t which)
{
    uint64_t mask = size_mask(size), result = (a - b - borrow) & mask, flags = flags_of(result, size);
    uint64_t borrows = (~a & b) | ((~a | b) & result);

    if (borrows & sign_bit(size))
        flags |= RFLAGS_CF;
    if (borrows & 8)
        flags |= RFLAGS_AF;
    if ((a ^ b) & (a ^ result) & sign_bit(size))
        flags |= RFLAGS_OF;
    set_flags(e, which, flags);
    return result;
}

static uint64_t logic(struct emulator *e, unsigned size, uint64_t result)
{
    set_flags(e, RFLAGS_ARITHMETIC, flags_of(result, size));
    return result & size_mask(size);
}

static uint64_t shift(struct emulator *e, unsigned operation, unsigned size, uint64_t value, uint64_t count)
{
    unsigned bits = size * 8, n = (unsigned)count & (size == 8 ? 63u : 31u);
    uint64_t result, out;

    if (n == 0)
        return value;
    if (operation == OP_SHL) {
        out = n <= bits ? value >> (bits - n) & 1 : 0;
        result = n < bits ? value << n : 0;
    } else if (operation == OP_SHR) {
        out = n <= bits ? value >> (n - 1) & 1 : 0;
        result = n < bits ? value >> n : 0;
    } else {
        int64_t extended = (int64_t)sign_extend(value, size);

        out = (uint64_t)(extended >> (n > bits ? bits - 1 : n - 1)) & 1;
        result = (uint64_t)(extended >> (n >= bits ? bits - 1 : n));
    }
    result &= size_mask(size);
    set_flags(e, RFLAGS_ARITHMETIC & ~RFLAGS_AF, flags_of(result, size) | (out ? RFLAGS_CF : 0));
    if (n == 1 && operation != OP_SAR) {
        bool top = (result & sign_bit(size)) != 0;
        bool overflow = operation == OP_SHL ? top != (out != 0) : (value & sign_bit(size)) != 0;

        set_flags(e, RFLAGS_OF, overflow ? RFLAGS_OF : 0);
    }
    return result;
}

static uint64_t bit_operation(struct emulator *e, unsigned operation, unsigned size, uint64_t to, uint64_t from)
{
    uint64_t bit = UINT64_C(1) << (from & (size * 8 - 1));

    set_flags(e, RFLAGS_CF, to & bit ? RFLAGS_CF : 0);
    switch (operation) {
    case OP_BTS:
        return to | bit;
    case OP_BTR:
        return to & ~bit;
    case OP_BTC:
        return to ^ bit;
    default:
        return to;
    }
}

uint64_t alu(struct emulator *e, unsigned operation, unsigned size, uint64_t to, uint64_t from, bool *keeps_destination)
{
    uint64_t carry = e->rflags & RFLAGS_CF;

    *keeps_destination = operation == OP_CMP || operation == OP_TEST || operation == OP_BT;
    to &= size_mask(size);
    from &= size_mask(size);
    switch (operation) {
    case OP_ADD:
    case OP_XADD:
        return add(e, size, to, from, 0, RFLAGS_ARITHMETIC);
    case OP_ADC:
        return add(e, size, to, from, carry, RFLAGS_ARITHMETIC);
    case OP_INC:
        return add(e, size, to, 1, 0, RFLAGS_ARITHMETIC & ~RFLAGS_CF);
    case OP_SUB:
    case OP_CMP:
        return subtract(e, size, to, from, 0, RFLAGS_ARITHMETIC);
    case OP_SBB:
        return subtract(e, size, to, from, carry, RFLAGS_ARITHMETIC);
    case OP_DEC:
        return subtract(e, size, to, 1, 0, RFLAGS_ARITHMETIC & ~RFLAGS_CF);
    case OP_NEG:
        return subtract(e, size, 0, to, 0, RFLAGS_ARITHMETIC);
    case OP_AND:
    case OP_TEST:
        return logic(e, size, to & from);
    case OP_OR:
        return logic(e, size, to | from);
    case OP_XOR:
        return logic(e, size, to ^ from);
    case OP_NOT:
        return ~to & size_mask(size);
    case OP_SHL:
    case OP_SHR:
    case OP_SAR:
        return shift(e, operation, size, to, from);
    case OP_BT:
    case OP_BTS:
    case OP_BTR:
    case OP_BTC:
        return bit_operation(e, operation, size, to, from);
    default: /* moves */
        return from;
    }
}

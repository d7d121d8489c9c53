/* SPDX-License-Identifier: Apache-2.0 */
/* decode.c: Zydis' answer, reduced to struct instruction; and a cache in front, because a decode costs a thousand
 * instructions.
 */
#include <string.h>

#include <Zydis/Zydis.h>

#include "abi/vcpu.h"
#include "vmm/decode.h"

static const struct {
    uint16_t mnemonic;
    uint8_t operation;
} operations[] = {
    { ZYDIS_MNEMONIC_MOV, OP_MOV },
    { ZYDIS_MNEMONIC_MOVNTI, OP_MOV },
    { ZYDIS_MNEMONIC_MOVZX, OP_MOVZX },
    { ZYDIS_MNEMONIC_MOVSX, OP_MOVSX },
    { ZYDIS_MNEMONIC_MOVSXD, OP_MOVSX },
    { ZYDIS_MNEMONIC_ADD, OP_ADD },
    { ZYDIS_MNEMONIC_OR, OP_OR },
    { ZYDIS_MNEMONIC_ADC, OP_ADC },
    { ZYDIS_MNEMONIC_SBB, OP_SBB },
    { ZYDIS_MNEMONIC_AND, OP_AND },
    { ZYDIS_MNEMONIC_SUB, OP_SUB },
    { ZYDIS_MNEMONIC_XOR, OP_XOR },
    { ZYDIS_MNEMONIC_CMP, OP_CMP },
    { ZYDIS_MNEMONIC_TEST, OP_TEST },
    { ZYDIS_MNEMONIC_XCHG, OP_XCHG },
    { ZYDIS_MNEMONIC_XADD, OP_XADD },
    { ZYDIS_MNEMONIC_CMPXCHG, OP_CMPXCHG },
    { ZYDIS_MNEMONIC_BT, OP_BT },
    { ZYDIS_MNEMONIC_BTS, OP_BTS },
    { ZYDIS_MNEMONIC_BTR, OP_BTR },
    { ZYDIS_MNEMONIC_BTC, OP_BTC },
    { ZYDIS_MNEMONIC_MOVBE, OP_MOVBE },
    { ZYDIS_MNEMONIC_INC, OP_INC },
    { ZYDIS_MNEMONIC_DEC, OP_DEC },
    { ZYDIS_MNEMONIC_NOT, OP_NOT },
    { ZYDIS_MNEMONIC_NEG, OP_NEG },
    { ZYDIS_MNEMONIC_PUSH, OP_PUSH },
    { ZYDIS_MNEMONIC_POP, OP_POP },
    { ZYDIS_MNEMONIC_SHL, OP_SHL },
    { ZYDIS_MNEMONIC_SHR, OP_SHR },
    { ZYDIS_MNEMONIC_SAR, OP_SAR },
    { ZYDIS_MNEMONIC_MOVSB, OP_MOVS },
    { ZYDIS_MNEMONIC_MOVSW, OP_MOVS },
    { ZYDIS_MNEMONIC_MOVSD, OP_MOVS },
    { ZYDIS_MNEMONIC_MOVSQ, OP_MOVS },
    { ZYDIS_MNEMONIC_STOSB, OP_STOS },
    { ZYDIS_MNEMONIC_STOSW, OP_STOS },
    { ZYDIS_MNEMONIC_STOSD, OP_STOS },
    { ZYDIS_MNEMONIC_STOSQ, OP_STOS },
    { ZYDIS_MNEMONIC_LODSB, OP_LODS },
    { ZYDIS_MNEMONIC_LODSW, OP_LODS },
    { ZYDIS_MNEMONIC_LODSD, OP_LODS },
    { ZYDIS_MNEMONIC_LODSQ, OP_LODS },
    { ZYDIS_MNEMONIC_CMPSB, OP_CMPS },
    { ZYDIS_MNEMONIC_CMPSW, OP_CMPS },
    { ZYDIS_MNEMONIC_CMPSD, OP_CMPS },
    { ZYDIS_MNEMONIC_CMPSQ, OP_CMPS },
    { ZYDIS_MNEMONIC_SCASB, OP_SCAS },
    { ZYDIS_MNEMONIC_SCASW, OP_SCAS },
    { ZYDIS_MNEMONIC_SCASD, OP_SCAS },
    { ZYDIS_MNEMONIC_SCASQ, OP_SCAS },
    { ZYDIS_MNEMONIC_INSB, OP_INS },
    { ZYDIS_MNEMONIC_INSW, OP_INS },
    { ZYDIS_MNEMONIC_INSD, OP_INS },
    { ZYDIS_MNEMONIC_OUTSB, OP_OUTS },
    { ZYDIS_MNEMONIC_OUTSW, OP_OUTS },
    { ZYDIS_MNEMONIC_OUTSD, OP_OUTS },
    { ZYDIS_MNEMONIC_CLTS, OP_CLTS },
    { ZYDIS_MNEMONIC_LMSW, OP_LMSW },
    { ZYDIS_MNEMONIC_SMSW, OP_SMSW },
    { ZYDIS_MNEMONIC_INVD, OP_INVD },
    { ZYDIS_MNEMONIC_WBINVD, OP_WBINVD },
    { ZYDIS_MNEMONIC_CPUID, OP_CPUID },
    { ZYDIS_MNEMONIC_RDMSR, OP_RDMSR },
    { ZYDIS_MNEMONIC_WRMSR, OP_WRMSR },
    { ZYDIS_MNEMONIC_MONITOR, OP_MONITOR },
    { ZYDIS_MNEMONIC_MONITORX, OP_MONITOR },
    { ZYDIS_MNEMONIC_MWAIT, OP_MWAIT },
    { ZYDIS_MNEMONIC_MWAITX, OP_MWAIT },
    { ZYDIS_MNEMONIC_RDPMC, OP_RDPMC },
    { ZYDIS_MNEMONIC_RDTSC, OP_RDTSC },
    { ZYDIS_MNEMONIC_RDTSCP, OP_RDTSCP },
    { ZYDIS_MNEMONIC_HLT, OP_HLT },
    { ZYDIS_MNEMONIC_VMCALL, OP_HYPERCALL },
    { ZYDIS_MNEMONIC_VMMCALL, OP_HYPERCALL },
    { ZYDIS_MNEMONIC_XSETBV, OP_XSETBV },
    { ZYDIS_MNEMONIC_PAUSE, OP_PAUSE },
    { ZYDIS_MNEMONIC_CALL, OP_FAR },
    { ZYDIS_MNEMONIC_JMP, OP_FAR },
    { ZYDIS_MNEMONIC_IRET, OP_FAR },
    { ZYDIS_MNEMONIC_IRETD, OP_FAR },
    { ZYDIS_MNEMONIC_INT, OP_INT },
    { ZYDIS_MNEMONIC_INT1, OP_INT },
    { ZYDIS_MNEMONIC_INT3, OP_INT },
    { ZYDIS_MNEMONIC_INTO, OP_INT },
    { ZYDIS_MNEMONIC_VMRUN, OP_UNDEFINED },
    { ZYDIS_MNEMONIC_VMLOAD, OP_UNDEFINED },
    { ZYDIS_MNEMONIC_VMSAVE, OP_UNDEFINED },
    { ZYDIS_MNEMONIC_STGI, OP_UNDEFINED },
    { ZYDIS_MNEMONIC_CLGI, OP_UNDEFINED },
    { ZYDIS_MNEMONIC_SKINIT, OP_UNDEFINED },
    { ZYDIS_MNEMONIC_INVLPGA, OP_UNDEFINED },
    { ZYDIS_MNEMONIC_VMXON, OP_UNDEFINED },
    { ZYDIS_MNEMONIC_VMXOFF, OP_UNDEFINED },
    { ZYDIS_MNEMONIC_VMCLEAR, OP_UNDEFINED },
    { ZYDIS_MNEMONIC_VMPTRLD, OP_UNDEFINED },
    { ZYDIS_MNEMONIC_VMPTRST, OP_UNDEFINED },
    { ZYDIS_MNEMONIC_VMREAD, OP_UNDEFINED },
    { ZYDIS_MNEMONIC_VMWRITE, OP_UNDEFINED },
    { ZYDIS_MNEMONIC_VMLAUNCH, OP_UNDEFINED },
    { ZYDIS_MNEMONIC_VMRESUME, OP_UNDEFINED },
    { ZYDIS_MNEMONIC_INVEPT, OP_UNDEFINED },
    { ZYDIS_MNEMONIC_INVVPID, OP_UNDEFINED },
    { ZYDIS_MNEMONIC_VMFUNC, OP_UNDEFINED },
    { ZYDIS_MNEMONIC_GETSEC, OP_UNDEFINED },
};

static uint8_t operation_of(ZydisMnemonic mnemonic)
{
    for (unsigned i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
        if (operations[i].mnemonic == mnemonic)
            return operations[i].operation;
    return OP_NONE;
}

static bool is_string(uint8_t operation)
{
    return operation >= OP_MOVS && operation <= OP_OUTS;
}

static uint8_t gpr_number(ZydisRegister reg)
{
    int8_t id;

    if (reg == ZYDIS_REGISTER_NONE)
        return REGISTER_NONE;
    switch (ZydisRegisterGetClass(reg)) {
    case ZYDIS_REGCLASS_GPR8:
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32:
    case ZYDIS_REGCLASS_GPR64:
        id = ZydisRegisterGetId(reg);
        return id >= 0 ? (uint8_t)id : REGISTER_NONE;
    case ZYDIS_REGCLASS_IP:
        return REGISTER_RIP;
    default:
        return REGISTER_NONE;
    }
}

/* Fill in a register operand. False if it is none of the general registers. */
static bool set_register(struct operand *operand, ZydisRegister reg)
{
    operand->kind = OPERAND_REGISTER;
    if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH) {
        operand->kind = OPERAND_HIGH_BYTE;
        operand->reg = (uint8_t)(reg - ZYDIS_REGISTER_AH);
        return true;
    }
    if (ZydisRegisterGetClass(reg) == ZYDIS_REGCLASS_GPR8) {
        /* AL to BL, then (after AH to BH) SPL to DIL and R8B on: numbers without the high bytes. */
        operand->reg = (uint8_t)(reg <= ZYDIS_REGISTER_BL ? reg - ZYDIS_REGISTER_AL : reg - ZYDIS_REGISTER_SPL + 4);
        return true;
    }
    operand->reg = gpr_number(reg);
    return operand->reg < 16;
}

static bool set_memory(struct instruction *i, const ZydisDecodedOperand *operand)
{
    ZydisRegister segment = operand->mem.segment;

    if (operand->mem.type == ZYDIS_MEMOP_TYPE_VSIB)
        return false;
    i->base = gpr_number(operand->mem.base);
    i->index = gpr_number(operand->mem.index);
    i->scale = operand->mem.scale;
    i->displacement = operand->mem.disp.has_displacement ? operand->mem.disp.value : 0;
    switch (segment) {
    case ZYDIS_REGISTER_ES:
        i->segment = SEG_ES;
        break;
    case ZYDIS_REGISTER_CS:
        i->segment = SEG_CS;
        break;
    case ZYDIS_REGISTER_SS:
        i->segment = SEG_SS;
        break;
    case ZYDIS_REGISTER_FS:
        i->segment = SEG_FS;
        break;
    case ZYDIS_REGISTER_GS:
        i->segment = SEG_GS;
        break;
    default:
        i->segment = SEG_DS;
        break;
    }
    return true;
}

static bool set_operand(struct instruction *i, struct operand *out, const ZydisDecodedOperand *operand)
{
    out->size = (uint8_t)(operand->size / 8);
    switch (operand->type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
        return set_register(out, operand->reg.value);
    case ZYDIS_OPERAND_TYPE_MEMORY:
        out->kind = OPERAND_MEMORY;
        return set_memory(i, operand);
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
        out->kind = OPERAND_IMMEDIATE;
        i->immediate = operand->imm.value.u;
        return true;
    default:
        return false;
    }
}

/* MOV with a control or debug register: the number goes aside, the general register becomes the operand. */
static bool move_system_register(struct instruction *i, const ZydisDecodedOperand *operands)
{
    for (unsigned n = 0; n < 2; n++) {
        ZydisRegisterClass kind = operands[n].type == ZYDIS_OPERAND_TYPE_REGISTER
                                      ? ZydisRegisterGetClass(operands[n].reg.value)
                                      : ZYDIS_REGCLASS_INVALID;
        bool debug = kind == ZYDIS_REGCLASS_DEBUG;

        if (!debug && kind != ZYDIS_REGCLASS_CONTROL)
            continue;
        i->number = (uint8_t)ZydisRegisterGetId(operands[n].reg.value);
        if (n == 0)
            i->operation = debug ? OP_MOV_TO_DR : OP_MOV_TO_CR;
        else
            i->operation = debug ? OP_MOV_FROM_DR : OP_MOV_FROM_CR;
        return set_operand(i, &i->from, &operands[1 - n]);
    }
    return false;
}

static bool set_string(struct instruction *i, const ZydisDecodedInstruction *z, const ZydisDecodedOperand *operands)
{
    for (unsigned n = 0; n < z->operand_count; n++)
        if (operands[n].type == ZYDIS_OPERAND_TYPE_MEMORY) {
            i->size = (uint8_t)(operands[n].size / 8);
            /* The source of MOVS, LODS, CMPS and OUTS is the one whose segment can be chosen: [rSI]. */
            if (gpr_number(operands[n].mem.base) == GPR_RSI && !set_memory(i, &operands[n]))
                return false;
        }
    return i->size != 0;
}

static enum cl_status describe(struct instruction *i, const ZydisDecodedInstruction *z,
                               const ZydisDecodedOperand *operands)
{
    memset(i, 0, sizeof(*i));
    i->operation = operation_of(z->mnemonic);
    i->length = z->length;
    i->address_bytes = (uint8_t)(z->address_width / 8);
    i->size = (uint8_t)(z->operand_width / 8);
    i->segment = SEG_DS;
    i->base = i->index = REGISTER_NONE;
    i->rep = (z->attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE)) != 0;
    i->repne = (z->attributes & ZYDIS_ATTRIB_HAS_REPNE) != 0;
    i->lock = (z->attributes & ZYDIS_ATTRIB_HAS_LOCK) != 0;
    if (i->operation == OP_NONE)
        return CL_NOT_FOUND;
    if (i->operation == OP_FAR || i->operation == OP_INT)
        return CL_OK;
    if (i->operation == OP_MOV && move_system_register(i, operands))
        return CL_OK;
    /* MOVSD and CMPSD are SSE instructions too. */
    if (is_string(i->operation))
        return z->meta.category == ZYDIS_CATEGORY_STRINGOP || z->meta.category == ZYDIS_CATEGORY_IOSTRINGOP
                   ? (set_string(i, z, operands) ? CL_OK : CL_NOT_FOUND)
                   : CL_NOT_FOUND;
    if (z->operand_count_visible > 0 && !set_operand(i, &i->to, &operands[0]))
        return CL_NOT_FOUND;
    if (z->operand_count_visible > 1 && !set_operand(i, &i->from, &operands[1]))
        return CL_NOT_FOUND;
    if (z->operand_count_visible > 2)
        return CL_NOT_FOUND;
    if (i->to.size != 0 && i->operation < OP_MOVS)
        i->size = i->to.size;
    i->plain_move = i->operation == OP_MOV && ((i->to.kind == OPERAND_MEMORY && i->from.kind == OPERAND_REGISTER) ||
                                               (i->to.kind == OPERAND_REGISTER && i->from.kind == OPERAND_MEMORY));
    return CL_OK;
}

static __attribute__((noinline)) enum cl_status decode_bytes(struct instruction *i, const uint64_t bytes[2],
                                                             unsigned available, enum decode_mode mode)
{
    static const struct {
        ZydisMachineMode machine;
        ZydisStackWidth stack;
    } modes[] = { [DECODE_16] = { ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16 },
                  [DECODE_32] = { ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32 },
                  [DECODE_64] = { ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64 } };
    ZydisDecoder decoder;
    ZydisDecodedInstruction z;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    ZyanStatus status;

    if (ZYAN_FAILED(ZydisDecoderInit(&decoder, modes[mode].machine, modes[mode].stack)))
        return CL_CORRUPT;
    memset(operands, 0, sizeof(operands));
    status = ZydisDecoderDecodeFull(&decoder, bytes, available > INSTRUCTION_MAX ? INSTRUCTION_MAX : available, &z,
                                    operands);
    if (status == ZYDIS_STATUS_NO_MORE_DATA && available < INSTRUCTION_MAX)
        return CL_NOT_FOUND;
    if (ZYAN_FAILED(status))
        return CL_CORRUPT;
    return describe(i, &z, operands);
}

enum cl_status decode(struct decode_cache *cache, const uint64_t bytes[2], unsigned available, enum decode_mode mode,
                      const struct instruction **out)
{
    uint64_t hash = (bytes[0] ^ bytes[1] * 0x9E3779B97F4A7C15u) * 0x9E3779B97F4A7C15u;
    struct decode_cache_entry *entry = &cache->entry[hash >> 58];

    static_assert(DECODE_CACHE_ENTRIES == 1u << (64 - 58), "the hash's highest bits choose the entry");
    *out = &entry->instruction;
    if (entry->available == available && entry->mode == mode && entry->bytes[0] == bytes[0] &&
        entry->bytes[1] == bytes[1])
        return CL_OK;
    cache->misses++;
    entry->available = 0;
    TRY(decode_bytes(&entry->instruction, bytes, available, mode));
    entry->bytes[0] = bytes[0];
    entry->bytes[1] = bytes[1];
    entry->mode = mode;
    entry->available = available;
    return CL_OK;
}

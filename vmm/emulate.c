/* SPDX-License-Identifier: Apache-2.0 */
/* emulate.c: from the exit to the finished instruction; instructions with ordinary operands. */
#include <stdio.h>

#include "vmm/emulate_internal.h"

enum outcome raise_plain(struct emulator *e, uint8_t vector)
{
    e->fault_vector = vector;
    e->fault_has_code = false;
    e->fault_code = 0;
    return FAULT;
}

enum outcome raise_code(struct emulator *e, uint8_t vector, uint32_t code)
{
    e->fault_vector = vector;
    e->fault_has_code = true;
    e->fault_code = code;
    return FAULT;
}

static void operand_write_register(struct emulator *e, const struct operand *o, unsigned size, uint64_t value)
{
    if (o->kind == OPERAND_HIGH_BYTE)
        e->gpr[o->reg] = (e->gpr[o->reg] & ~UINT64_C(0xFF00)) | (value & 0xFF) << 8;
    else
        register_write(e, o->reg, size, value);
}

/* A bit string's bit can lie far from its operand's address (BT with a register source). */
static uint64_t bit_string_offset(const struct emulator *e)
{
    const struct instruction *i = e->instruction;
    int64_t bit;

    if (i->operation < OP_BT || i->operation > OP_BTC || i->from.kind != OPERAND_REGISTER)
        return 0;
    bit = (int64_t)sign_extend(e->gpr[i->from.reg] & size_mask(i->size), i->size);
    return (uint64_t)((bit >> (i->size == 8 ? 6 : i->size == 4 ? 5 : 4)) * i->size);
}

static enum outcome operand_linear(struct emulator *e, unsigned size, uint64_t *linear)
{
    uint64_t offset = (effective_offset(e) + bit_string_offset(e)) & size_mask(e->instruction->address_bytes);

    return linear_address(e, e->instruction->segment, offset, size, linear);
}

static enum outcome operand_read(struct emulator *e, const struct operand *o, uint32_t access, uint64_t *value)
{
    uint64_t linear;

    switch (o->kind) {
    case OPERAND_REGISTER:
        *value = register_read(e, o->reg, o->size);
        return DONE;
    case OPERAND_HIGH_BYTE:
        *value = e->gpr[o->reg] >> 8 & 0xFF;
        return DONE;
    case OPERAND_IMMEDIATE:
        *value = e->instruction->immediate;
        return DONE;
    case OPERAND_MEMORY:
        STEP(operand_linear(e, o->size, &linear));
        return memory_read(e, linear, o->size, access, value);
    default:
        *value = 0;
        return DONE;
    }
}

static enum outcome operand_write(struct emulator *e, const struct operand *o, uint64_t value)
{
    uint64_t linear;

    if (o->kind != OPERAND_MEMORY) {
        operand_write_register(e, o, o->size, value);
        return DONE;
    }
    STEP(operand_linear(e, o->size, &linear));
    return memory_write(e, linear, o->size, value);
}

static uint64_t byte_swap(uint64_t value, unsigned size)
{
    return __builtin_bswap64(value) >> (64 - size * 8);
}

static enum outcome emulate_move(struct emulator *e)
{
    const struct instruction *i = e->instruction;
    uint64_t value;

    STEP(operand_read(e, &i->from, 0, &value));
    if (i->operation == OP_MOVSX)
        value = sign_extend(value, i->from.size);
    else if (i->operation == OP_MOVBE)
        value = byte_swap(value & size_mask(i->size), i->size);
    return operand_write(e, &i->to, value);
}

static enum outcome emulate_exchange(struct emulator *e)
{
    const struct instruction *i = e->instruction;
    uint64_t to, from, result;
    bool ignored;

    STEP(operand_read(e, &i->to, PAGE_FAULT_WRITE, &to));
    STEP(operand_read(e, &i->from, PAGE_FAULT_WRITE, &from));
    if (i->operation == OP_CMPXCHG) {
        uint64_t flags = e->rflags;
        uint64_t accumulator = register_read(e, GPR_RAX, i->size);

        result = accumulator == to ? from : to;
        (void)alu(e, OP_CMP, i->size, accumulator, to, &ignored);
        flags = e->rflags;
        STEP(operand_write(e, &i->to, result));
        e->rflags = flags;
        if (accumulator != to)
            register_write(e, GPR_RAX, i->size, to);
        return DONE;
    }
    result = i->operation == OP_XADD ? alu(e, OP_XADD, i->size, to, from, &ignored) : from;
    /* With two registers XADD's sum wins when they are the same one (SDM: DEST is written last). */
    if (i->to.kind == OPERAND_MEMORY) {
        STEP(operand_write(e, &i->to, result));
        return operand_write(e, &i->from, to);
    }
    STEP(operand_write(e, &i->from, to));
    return operand_write(e, &i->to, result);
}

static enum outcome emulate_alu(struct emulator *e)
{
    const struct instruction *i = e->instruction;
    bool reads_only = i->operation == OP_CMP || i->operation == OP_TEST || i->operation == OP_BT, keeps;
    uint64_t to, from, result;

    STEP(operand_read(e, &i->to, reads_only ? 0 : PAGE_FAULT_WRITE, &to));
    STEP(operand_read(e, &i->from, 0, &from));
    result = alu(e, i->operation, i->size, to, from, &keeps);
    return keeps ? DONE : operand_write(e, &i->to, result);
}

static unsigned stack_address_bytes(const struct emulator *e)
{
    if (e->mode == DECODE_64)
        return 8;
    return e->page->segment[SEG_SS].attributes & SEG_ATTR_DEFAULT_BIG ? 4 : 2;
}

static enum outcome emulate_stack(struct emulator *e)
{
    const struct instruction *i = e->instruction;
    unsigned bytes = stack_address_bytes(e);
    uint64_t linear, value, top = e->gpr[GPR_RSP] & size_mask(bytes);

    if (i->operation == OP_PUSH) {
        STEP(operand_read(e, &i->to, 0, &value));
        top = (top - i->size) & size_mask(bytes);
        STEP(linear_address(e, SEG_SS, top, i->size, &linear));
        STEP(memory_write(e, linear, i->size, value));
        register_write(e, GPR_RSP, bytes, top);
        return DONE;
    }
    STEP(linear_address(e, SEG_SS, top, i->size, &linear));
    STEP(memory_read(e, linear, i->size, 0, &value));
    /* The destination's address is computed with the new rSP (SDM, POP). */
    register_write(e, GPR_RSP, bytes, top + i->size);
    return operand_write(e, &i->to, value);
}

static enum outcome dispatch(struct emulator *e)
{
    switch (e->instruction->operation) {
    case OP_MOV:
    case OP_MOVZX:
    case OP_MOVSX:
    case OP_MOVBE:
        return emulate_move(e);
    case OP_XCHG:
    case OP_XADD:
    case OP_CMPXCHG:
        return emulate_exchange(e);
    case OP_PUSH:
    case OP_POP:
        return emulate_stack(e);
    default:
        break;
    }
    if (e->instruction->operation < OP_MOVS)
        return emulate_alu(e);
    if (e->instruction->operation <= OP_OUTS)
        return emulate_string(e);
    return emulate_system(e);
}

static enum decode_mode mode_of(const struct vcpu_page *page)
{
    uint32_t attributes = page->segment[SEG_CS].attributes;

    if (page->efer & EFER_LMA && attributes & SEG_ATTR_LONG)
        return DECODE_64;
    return attributes & SEG_ATTR_DEFAULT_BIG ? DECODE_32 : DECODE_16;
}

static enum cl_status refuse(struct emulator *e, const char *why, const uint64_t *bytes, unsigned available)
{
    const struct vcpu_exit *exit = &e->page->exit;
    size_t used = (size_t)snprintf(e->reason, sizeof(e->reason), "%s at %llx (exit %u, %llx)", why,
                                   (unsigned long long)e->page->rip, exit->reason, (unsigned long long)exit->words[0]);

    for (unsigned i = 0; i < available && i < INSTRUCTION_MAX && used + 4 < sizeof(e->reason); i++)
        used += (size_t)snprintf(e->reason + used, sizeof(e->reason) - used, "%s%02x", i == 0 ? ":" : " ",
                                 ((const uint8_t *)bytes)[i]);
    return CL_UNSUPPORTED;
}

/* Fetch and decode what stands at RIP. FAULT: the guest gets an exception instead; REFUSED: `reason` says why. */
static enum outcome fetch_and_decode(struct emulator *e)
{
    uint64_t bytes[2] = { 0, 0 };
    unsigned available = 0;
    enum outcome fetched = fetch(e, bytes, &available);
    enum cl_status status;

    if (available == 0) {
        if (fetched == REFUSED)
            (void)!refuse(e, "the guest runs where there is no RAM", bytes, 0);
        return fetched;
    }
    status = decode(&e->cache, bytes, available, e->mode, &e->instruction);
    if (status == CL_OK && e->instruction->operation != OP_FAR && e->instruction->operation != OP_INT)
        return DONE;
    if (status == CL_CORRUPT)
        return raise_plain(e, VECTOR_UD);
    if (available < DECODE_BYTES && fetched == FAULT)
        return FAULT; /* its tail lies on the page that faults */
    (void)!refuse(e, "no emulation for the instruction", bytes, available);
    return REFUSED;
}

/* Why an instruction cannot be fetched or its addresses translated. RAM is code, but for what the kernel cannot enter. */
static const char *why_no_code(uint32_t flags)
{
    if (!(flags & VCPU_MEMORY_FETCH))
        return "page tables where there is no RAM";
    return flags & VCPU_MEMORY_PRESENT ? "the VM's account has no kernel memory left for the page table of its code"
                                       : "the guest runs where there is no RAM";
}

static enum outcome run_instruction(struct emulator *e)
{
    const struct vcpu_exit *exit = &e->page->exit;
    enum outcome outcome;

    if (exit->reason == VCPU_EXIT_DECODE &&
        (exit->decode.intercept == VCPU_INTERCEPT_MONITOR || exit->decode.intercept == VCPU_INTERCEPT_MWAIT ||
         exit->decode.intercept == VCPU_INTERCEPT_INVALID_INSTRUCTION))
        return raise_plain(e, VECTOR_UD);
    if (exit->reason == VCPU_EXIT_MEMORY && exit->memory.flags & (VCPU_MEMORY_FETCH | VCPU_MEMORY_TABLE)) {
        (void)!refuse(e, why_no_code(exit->memory.flags), NULL, 0);
        return REFUSED;
    }
    if (exit->reason == VCPU_EXIT_TASK_SWITCH) {
        (void)!refuse(e, "page tables where there is no RAM", NULL, 0); /* unless it is refused for a better reason */
        return emulate_task_switch(e);
    }
    STEP(fetch_and_decode(e));
    e->next_rip = (e->page->rip + e->instruction->length) & size_mask(e->mode == DECODE_64 ? 8 : 4);
    outcome = device_move(e) ? DONE : dispatch(e);
    if (outcome == REFUSED)
        (void)!refuse(e, "page tables where there is no RAM", NULL, 0);
    return outcome;
}

static void publish(struct emulator *e, enum outcome outcome)
{
    struct capsule_outcome *o = capsule_outcome_buffer(e->tx);

    o->rflags = e->rflags;
    o->next_rip = e->next_rip;
    o->completion = outcome == FAULT ? VCPU_COMPLETE_EXCEPTION : e->completion;
    if (outcome == FAULT) {
        o->event = e->fault_vector | (uint64_t)e->fault_has_code << 8;
        o->error_code = e->fault_code;
        o->payload = e->fault_address;
    }
    capsule_outcome_publish(e->tx);
}

/* From the capsule into the vCPU page; may be repeated. */
static void apply(struct emulator *e)
{
    const struct capsule_outcome *o = capsule_outcome_buffer(e->tx);
    struct vcpu_page *p = e->page;

    memcpy(p->gpr, o->gpr, sizeof(p->gpr));
    p->rflags = o->rflags;
    p->dirty |= VCPU_GROUP_RIP;
    p->completion = (uint32_t)o->completion;
    if (o->completion == VCPU_COMPLETE_ADVANCE)
        p->exit.next_rip = o->next_rip;
    if (o->completion != VCPU_COMPLETE_EXCEPTION)
        return;
    p->event.type = VCPU_EVENT_EXCEPTION;
    p->event.vector = (uint8_t)o->event;
    p->event.has_error_code = (uint8_t)(o->event >> 8);
    p->event.error_code = (uint32_t)o->error_code;
    p->event.payload = o->payload;
    p->event.instruction_length = 0;
    if (p->event.vector == VECTOR_PF) { /* CR2 is the VMM's to set when it raises a page fault */
        p->cr2 = o->payload;
        p->dirty |= VCPU_GROUP_CONTROL;
    }
}

enum cl_status emulate(struct emulator *e, struct vcpu_page *page)
{
    enum outcome outcome;

    e->page = page;
    e->instruction = NULL;
    if (capsule_outcome_known(e->tx)) {
        apply(e);
        return CL_OK;
    }
    e->gpr = capsule_outcome_buffer(e->tx)->gpr;
    memcpy(e->gpr, page->gpr, sizeof(page->gpr));
    e->rflags = page->rflags;
    e->next_rip = 0;
    e->completion = VCPU_COMPLETE_ADVANCE;
    e->fault_address = 0;
    e->cpl = page->segment[SEG_SS].attributes >> SEG_ATTR_DPL_SHIFT & 3;
    e->mode = mode_of(page);
    outcome = run_instruction(e);
    if (outcome == REFUSED)
        return CL_UNSUPPORTED;
    if (outcome == FAULT &&
        (e->instruction == NULL || e->instruction->operation < OP_MOVS || e->instruction->operation > OP_OUTS)) {
        /* A faulting instruction has changed nothing; only strings stop between two elements. */
        memcpy(e->gpr, page->gpr, sizeof(page->gpr));
        e->rflags = page->rflags;
    }
    publish(e, outcome);
    apply(e);
    return CL_OK;
}

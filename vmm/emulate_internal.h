/* SPDX-License-Identifier: Apache-2.0 */
/* emulate_internal.h: what the emulator's files share. */
#ifndef CL_VMM_EMULATE_INTERNAL_H
#define CL_VMM_EMULATE_INTERNAL_H

#include "vmm/emulate.h"

#define VECTOR_UD 6
#define VECTOR_SS 12
#define VECTOR_GP 13
#define VECTOR_PF 14

#define CR0_PE (UINT64_C(1) << 0)
#define CR0_TS (UINT64_C(1) << 3)
#define CR0_ET (UINT64_C(1) << 4)
#define CR0_NW (UINT64_C(1) << 29)
#define CR0_CD (UINT64_C(1) << 30)
#define CR0_PG (UINT64_C(1) << 31)
#define CR4_TSD (UINT64_C(1) << 2)
#define CR4_DE (UINT64_C(1) << 3)
#define CR4_PAE (UINT64_C(1) << 5)
#define CR4_PCIDE (UINT64_C(1) << 17)
#define CR4_OSXSAVE (UINT64_C(1) << 18)
#define EFER_LME (UINT64_C(1) << 8)
#define EFER_LMA (UINT64_C(1) << 10)

#define RFLAGS_CF (UINT64_C(1) << 0)
#define RFLAGS_PF (UINT64_C(1) << 2)
#define RFLAGS_AF (UINT64_C(1) << 4)
#define RFLAGS_ZF (UINT64_C(1) << 6)
#define RFLAGS_SF (UINT64_C(1) << 7)
#define RFLAGS_DF (UINT64_C(1) << 10)
#define RFLAGS_OF (UINT64_C(1) << 11)
#define RFLAGS_ARITHMETIC (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

/* How a part of the emulation ended. */
enum outcome {
    DONE,   /* go on */
    FAULT,  /* the guest gets the exception that is noted in the emulator */
    REFUSED /* cannot be emulated */
};

#define STEP(call)                                                                                                     \
    do {                                                                                                               \
        enum outcome step_outcome_ = (call);                                                                           \
        if (step_outcome_ != DONE)                                                                                     \
            return step_outcome_;                                                                                      \
    } while (0)

static inline uint64_t size_mask(unsigned size)
{
    return size >= 8 ? UINT64_MAX : (UINT64_C(1) << size * 8) - 1;
}

static inline uint64_t sign_extend(uint64_t value, unsigned size)
{
    unsigned shift = 64 - size * 8;

    return (uint64_t)((int64_t)(value << shift) >> shift);
}

static inline uint64_t register_read(const struct emulator *e, unsigned reg, unsigned size)
{
    return e->gpr[reg] & size_mask(size);
}

/* A 32-bit write clears the upper half. */
static inline void register_write(struct emulator *e, unsigned reg, unsigned size, uint64_t value)
{
    uint64_t kept = size == 4 ? 0 : e->gpr[reg] & ~size_mask(size);

    e->gpr[reg] = kept | (value & size_mask(size));
}

/* Note an exception; returns FAULT. */
enum outcome raise_plain(struct emulator *e, uint8_t vector);
enum outcome raise_code(struct emulator *e, uint8_t vector, uint32_t code);

/* The memory operand's offset in its segment. */
static inline uint64_t effective_offset(const struct emulator *e)
{
    const struct instruction *i = e->instruction;
    uint64_t offset = (uint64_t)i->displacement;

    if (i->base == REGISTER_RIP)
        offset += e->next_rip;
    else if (i->base != REGISTER_NONE)
        offset += e->gpr[i->base];
    if (i->index < GPR_COUNT)
        offset += e->gpr[i->index] * i->scale;
    return offset & size_mask(i->address_bytes);
}

static inline bool is_canonical(uint64_t address)
{
    return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

/* emulate_memory.c: memory as the instruction sees it. `access`: 0, or PAGE_FAULT_WRITE if the operand is (also)
 * written. */
enum outcome linear_in_segment(struct emulator *e, unsigned segment, uint64_t offset, unsigned size, uint64_t *linear);

static inline enum outcome linear_address(struct emulator *e, unsigned segment, uint64_t offset, unsigned size,
                                          uint64_t *linear)
{
    uint64_t address = offset + (segment == SEG_FS || segment == SEG_GS ? e->page->segment[segment].base : 0);

    if (e->mode != DECODE_64 || !is_canonical(address) || !is_canonical(address + size - 1))
        return linear_in_segment(e, segment, offset, size, linear);
    *linear = address;
    return DONE;
}

enum outcome memory_read(struct emulator *e, uint64_t linear, unsigned size, uint32_t access, uint64_t *value);
enum outcome memory_write(struct emulator *e, uint64_t linear, unsigned size, uint64_t value);
/* What drivers do: a MOV between a register and the device register that the exit names. The CPU has walked the guest's
 * tables on its way there. False: the instruction is something else, and nothing has happened. */
bool device_move(struct emulator *e);
/* The bytes at RIP; `available` of them, at least one, if DONE. */
enum outcome fetch(struct emulator *e, uint64_t bytes[2], unsigned *available);

/* emulate_alu.c: operations with a result and flags. */
uint64_t alu(struct emulator *e, unsigned operation, unsigned size, uint64_t to, uint64_t from,
             bool *keeps_destination);

/* emulate_string.c, emulate_system.c: whole instructions. */
enum outcome emulate_string(struct emulator *e);
enum outcome emulate_system(struct emulator *e);
/* With PAE and outside of long mode the CPU loads the four PDPTEs whenever CR3 or the paging mode changes. */
enum outcome load_pdptes(struct emulator *e, uint64_t cr0, uint64_t cr3, uint64_t cr4);

/* emulate_task.c: VCPU_EXIT_TASK_SWITCH. */
enum outcome emulate_task_switch(struct emulator *e);

#endif

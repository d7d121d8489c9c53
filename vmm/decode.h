/* SPDX-License-Identifier: Apache-2.0 */
/* decode.h: the bytes of an intercepted instruction become a small description of what it does.
 *
 * Only what a guest can be caught with is described: moves, arithmetic and string instructions on memory, port I/O,
 * control and debug registers, and the system instructions that the kernel intercepts.
 */
#ifndef CL_VMM_DECODE_H
#define CL_VMM_DECODE_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/status.h"

#define INSTRUCTION_MAX 15
#define DECODE_BYTES 16 /* a cache key is two words */

enum decode_mode { DECODE_16 = 0, DECODE_32 = 1, DECODE_64 = 2 };

enum operation {
    OP_NONE,
    /* one destination, one source */
    OP_MOV,
    OP_MOVZX,
    OP_MOVSX,
    OP_ADD,
    OP_OR,
    OP_ADC,
    OP_SBB,
    OP_AND,
    OP_SUB,
    OP_XOR,
    OP_CMP,
    OP_TEST,
    OP_XCHG,
    OP_XADD,
    OP_CMPXCHG,
    OP_BT,
    OP_BTS,
    OP_BTR,
    OP_BTC,
    OP_MOVBE,
    /* one operand */
    OP_INC,
    OP_DEC,
    OP_NOT,
    OP_NEG,
    OP_PUSH,
    OP_POP,
    OP_SHL,
    OP_SHR,
    OP_SAR,
    /* strings */
    OP_MOVS,
    OP_STOS,
    OP_LODS,
    OP_CMPS,
    OP_SCAS,
    OP_INS,
    OP_OUTS,
    /* system */
    OP_MOV_FROM_CR,
    OP_MOV_TO_CR,
    OP_MOV_FROM_DR,
    OP_MOV_TO_DR,
    OP_CLTS,
    OP_LMSW,
    OP_SMSW,
    OP_INVD,
    OP_WBINVD,
    OP_CPUID,
    OP_RDMSR,
    OP_WRMSR,
    OP_MONITOR,
    OP_MWAIT,
    OP_RDPMC,
    OP_RDTSC,
    OP_RDTSCP,
    OP_HLT,
    OP_HYPERCALL,
    OP_XSETBV,
    OP_PAUSE,
    OP_FAR,      /* far CALL and JMP, IRET: only the length is told */
    OP_INT,      /* INT n, INT1, INT3, INTO: the same */
    OP_UNDEFINED /* valid, but not for this guest: #UD */
};

enum operand_kind { OPERAND_NONE, OPERAND_REGISTER, OPERAND_HIGH_BYTE, OPERAND_MEMORY, OPERAND_IMMEDIATE };

#define REGISTER_NONE 0xFF
#define REGISTER_RIP 0xFE

struct operand {
    uint8_t kind; /* enum operand_kind */
    uint8_t reg;  /* GPR number; for OPERAND_HIGH_BYTE 0 to 3 */
    uint8_t size; /* in bytes */
};

struct instruction {
    uint8_t operation; /* enum operation */
    uint8_t length;
    uint8_t size;               /* of the operation, in bytes */
    uint8_t address_bytes;      /* 2, 4, 8 */
    uint8_t segment;            /* of the memory operand: enum vcpu_segment_name */
    uint8_t base, index, scale; /* GPR numbers, REGISTER_NONE, REGISTER_RIP */
    uint8_t number;             /* of the control or debug register */
    bool rep, repne, lock;
    bool plain_move; /* MOV between one general register and memory */
    struct operand to, from;
    int64_t displacement;
    uint64_t immediate; /* sign-extended */
};

/* What was decoded lately, found by the bytes themselves and the mode; private to a thread. */
#define DECODE_CACHE_ENTRIES 64u

struct decode_cache {
    struct decode_cache_entry {
        uint64_t bytes[2];
        uint32_t mode;
        uint32_t available; /* 0: empty */
        struct instruction instruction;
    } entry[DECODE_CACHE_ENTRIES];
    uint64_t misses;
};

/* Decode the instruction that begins with `bytes`, of which `available` (1 to 16) are known and the others zero.
 *
 * CL_NOT_FOUND: the instruction goes on behind what is known, or is not one that is described here; CL_CORRUPT: no
 * instruction at all (#UD, or #GP if it is longer than 15 bytes). `*out` stays valid until the next call. */
enum cl_status decode(struct decode_cache *cache, const uint64_t bytes[2], unsigned available, enum decode_mode mode,
                      const struct instruction **out) CL_MUST_CHECK;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: hardware task switches in 32-bit protected mode: far JMP and CALL, IRET, task gates, with and without error code.
 *
 * SDM Vol. 3A 7.2 (TSS), 7.3 (task switching), 7.4 (task linking); APM Vol. 2 12.3. routines.asm has the tasks.
 */
#include "legacy.h"
#include "trap.h"

void tasks_run(void);

struct tss {
    uint32_t word[26];
};

/* Words of a TSS */
enum { CR3 = 7, EIP = 8, EFLAGS = 9, EAX = 10, ESP = 14, ES = 18, CS, SS, DS, FS, GS, LDTR };

#define CODE32 0x18
#define DATA32 0x20
#define LDT 0x78
#define IN_LDT 0x0C

struct tss tasks_main, tasks_other;
uint64_t tasks_gdt[24] __attribute__((aligned(16)));
uint64_t tasks_ldt[2] __attribute__((aligned(16)));
extern uint64_t micro_gdt[13];
extern uint32_t tasks_other_stack_top[];
void tasks_other_entry(void);

static uint64_t system_descriptor(const void *base, uint32_t limit, uint8_t type)
{
    uint64_t address = (uint64_t)base;

    return limit | (address & 0xFFFFFF) << 16 | (uint64_t)type << 40 | (address >> 24 & 0xFF) << 56;
}

void micro_main(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) pointer = { sizeof(tasks_gdt) - 1, (uint64_t)tasks_gdt };

    for (unsigned i = 0; i < 13; i++)
        tasks_gdt[i] = micro_gdt[i];
    tasks_gdt[13] = system_descriptor(&tasks_main, sizeof(tasks_main) - 1, 0x89);   /* 68h */
    tasks_gdt[14] = system_descriptor(&tasks_other, sizeof(tasks_other) - 1, 0x89); /* 70h */
    tasks_gdt[15] = system_descriptor(tasks_ldt, sizeof(tasks_ldt) - 1, 0x82);      /* 78h */
    tasks_gdt[16] = 0x0000850000700000ull;                                          /* 80h: task gate to 70h */
    tasks_gdt[17] = 0x00CF92000000FFFFull;                                          /* 88h: data, not yet accessed */
    tasks_ldt[1] = 0x00CF93000000FFFFull;
    tasks_other.word[EIP] = (uint32_t)(uint64_t)tasks_other_entry;
    tasks_other.word[EFLAGS] = 2 | RFLAGS_CF;
    tasks_other.word[ESP] = (uint32_t)(uint64_t)tasks_other_stack_top;
    for (unsigned i = 0; i < 8; i++)
        if (EAX + i != ESP)
            tasks_other.word[EAX + i] = 0xB0000000u + i;
    tasks_other.word[CS] = CODE32;
    tasks_other.word[SS] = tasks_other.word[DS] = DATA32;
    tasks_other.word[ES] = IN_LDT;
    tasks_other.word[FS] = 0x88;
    tasks_other.word[LDTR] = LDT;
    asm volatile("lgdt %0" : : "m"(pointer) : "memory");
    legacy_run(tasks_run);
    TRY("ud2", : : : "memory");
    check_trap(VECTOR_UD, "UD2 behind the visit");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: hostile: #AC whose delivery raises #AC, without end (CVE-2015-5307; SDM Vol. 3A 6.15 "Interrupt 17").
 *
 * Only 32-bit mode has it: at CPL 3 with EFLAGS.AC, the gate of #AC leads to CPL 3, too, so the frame is pushed to the
 * same stack, which is not aligned, which raises #AC. Two of them make no double fault (table 6-5: #AC is benign). On
 * real CPUs only an intercept of #AC ends this. The guest says `delivery loop` and must never get further; a host that
 * loses a #AC lets it run into a triple fault.
 */
#include "legacy.h"

void ac_loop_run(void);

uint64_t ac_loop_gdt[16] __attribute__((aligned(16)));
extern uint64_t micro_gdt[13];

void micro_main(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) pointer = { sizeof(ac_loop_gdt) - 1, (uint64_t)ac_loop_gdt };

    for (unsigned i = 0; i < 13; i++)
        ac_loop_gdt[i] = micro_gdt[i];
    ac_loop_gdt[13] = 0x00CFFB000000FFFFull; /* 68h: user code */
    ac_loop_gdt[14] = 0x00CFF3000000FFFFull; /* 70h: user data */
    asm volatile("lgdt %0" : : "m"(pointer) : "memory");
    write_cr0(read_cr0() | CR0_AM);
    micro_step("delivery loop");
    micro_call32(ac_loop_run);
    micro_fail("the loop ended");
}

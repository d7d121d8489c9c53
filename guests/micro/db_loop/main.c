/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: hostile: #DB whose delivery raises #DB, without end (CVE-2015-8104; SDM Vol. 3C 26.2, APM Vol. 2 15.12.2).
 *
 * A data breakpoint on the stack of the #DB handler: the push of the exception frame hits it, so the next #DB is
 * delivered before the handler's first instruction, and so on. On real CPUs only an intercept of #DB ends this. The guest
 * says `delivery loop` and must never get further: the host has to stay alive, its neighbours served, until someone
 * destroys the guest. A host that breaks the loop by dropping a #DB lets the guest reach FAIL.
 */
#include "trap.h"

#define DR7_WATCH 0x000D0403u /* DR0, 4 bytes, writes, local and global */

static uint8_t stack[4096] __attribute__((aligned(4096)));
extern uint8_t micro_tss[];

static void handler(struct micro_frame *frame)
{
    (void)frame;
    write_dr7(0x400);
    micro_fail("the handler was reached: a #DB was lost");
}

void micro_main(void)
{
    uint64_t top = (uint64_t)stack + sizeof(stack);

    micro_handle(VECTOR_DB, handler);
    memcpy(micro_tss + 0x24 + 2 * 8, &top, sizeof(top)); /* IST 3 */
    micro_set_ist(VECTOR_DB, 3);
    write_dr0(top - 8);
    write_dr7(DR7_WATCH);
    micro_step("delivery loop");
    asm volatile("int $1" : : : "memory");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* layout_table.h: the kernel half of every address space, and the bounds of the user half.
 *
 *   0000000000001000 .. 00007fffffff0fff   the domain's own half
 *   ffffa00000000000 + random              pool (random 1 GiB step within 16 TiB: abi/boot_info.h)
 *   ffffc00000000000                       device registers: local APIC, IOAPICs
 *   ffffc10000000000                       stacks, with a guard page below each
 *   ffffc20000000000                       windows: one page per CPU, mapped only inside a call
 *   ffffffff80000000                       kernel image
 */
#ifndef CL_KERNEL_LAYOUT_TABLE_H
#define CL_KERNEL_LAYOUT_TABLE_H

#include <stdint.h>

#define LAYOUT_USER_FIRST UINT64_C(0x1000)
#define LAYOUT_USER_END UINT64_C(0x00007fffffff1000)
#define LAYOUT_DEVICES UINT64_C(0xffffc00000000000)
#define LAYOUT_STACKS UINT64_C(0xffffc10000000000)
#define LAYOUT_WINDOWS UINT64_C(0xffffc20000000000)

/* Guest-physical addresses end here: 1 TiB is more RAM than any machine this kernel starts on. */
#define LAYOUT_GUEST_END (UINT64_C(1) << 40)

#define STACK_BYTES UINT64_C(16384)
#define STACK_STRIDE UINT64_C(32768) /* stack and its guard */
#define IST_COUNT 3                  /* NMI, #DF, #MC */
#define STACKS_PER_CPU (1 + IST_COUNT)

#endif

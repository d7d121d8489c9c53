/* SPDX-License-Identifier: Apache-2.0 */
/* legal_state.h: random states that a processor can be in, whoever made it.
 *
 * Made from the manuals' definitions of the modes and registers (SDM Vol. 3A 2, 3, 5, 10; APM Vol. 2 1.2, 3, 4), forwards:
 * a mode is chosen, then what can stand in each register in that mode. Nothing here is checked, and nothing here knows what
 * the kernel's auditors check. The result is in the normal form of abi/vcpu.h.
 */
#ifndef CL_TESTS_VIRT_LEGAL_STATE_H
#define CL_TESTS_VIRT_LEGAL_STATE_H

#include "abi/vcpu.h"

/* The processor meant: 40 bits of physical addresses, 48 of linear ones, x87, SSE and AVX, RDTSCP, and these bits. */
#define LEGAL_PHYSICAL_BITS 40u
#define LEGAL_LINEAR_BITS 48u
#define LEGAL_CR4                                                                                                      \
    (CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | CR4_OSFXSR |             \
     CR4_OSXMMEXCPT | CR4_FSGSBASE | CR4_PCIDE | CR4_OSXSAVE | CR4_SMEP | CR4_SMAP)
#define LEGAL_EFER (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)

/* Fill in all that is state of `page`, from RAX to the last MSR; the name of the mode. */
const char *legal_state(struct vcpu_page *page);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* boot_state.h: the registers with which a vCPU begins. */
#ifndef CL_VMM_BOOT_STATE_H
#define CL_VMM_BOOT_STATE_H

#include "abi/vcpu.h"

/* All groups as after power-on (SDM Vol. 3A table 10-1), and marked dirty: execution begins at F000:FFF0. */
void boot_state_reset(struct vcpu_page *page);

/* After a SIPI: real mode at vector:0000. The rest of the state is that of INIT. */
void boot_state_sipi(struct vcpu_page *page, uint8_t vector);

/* Flat 32-bit protected mode without paging at `entry`, interrupts off: what multiboot and Linux' 32-bit boot protocol
 * begin with. `code` and `data` are the selectors. */
void boot_state_flat32(struct vcpu_page *page, uint32_t entry, uint16_t code, uint16_t data);

#endif

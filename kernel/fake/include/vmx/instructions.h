/* SPDX-License-Identifier: Apache-2.0 */
/* instructions.h: shadows vmx/instructions.h in host tests: every instruction is a call into kernel/fake/fake_vmx.c. Found
 * first by the -iquote of tests/unit/build.mk.
 */
#ifndef CL_KERNEL_FAKE_VMX_INSTRUCTIONS_H
#define CL_KERNEL_FAKE_VMX_INSTRUCTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "vmx/vmcs_table.h"

bool vmx_vmxon(uint64_t pa);
void vmx_vmclear(uint64_t pa);
void vmx_vmptrld(uint64_t pa);
uint64_t vmx_read(unsigned field);
void vmx_write(unsigned field, uint64_t value);
void vmx_invept_all(void);
void vmx_invvpid_all(void);
void vmx_take_nmi(void);
void vmx_load_gdtr(const void *base, uint16_t limit);
void vmx_load_tr(uint16_t selector);
uint64_t vmx_idt_base(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* state_table.h: a row for each register that the VMCS and the vCPU page hold in the same form. */
#ifndef CL_VMX_STATE_TABLE_H
#define CL_VMX_STATE_TABLE_H

#include "vmx/vmx.h"

struct vmx_register {
    uint16_t group; /* enum vcpu_group */
    uint16_t page;  /* offset in struct vcpu_page */
    uint16_t size;  /* bytes there */
    uint16_t field; /* enum vmcs_field */
};
#define VMX_REGISTER_COUNT 41
extern const struct vmx_register vmx_registers[VMX_REGISTER_COUNT];

#endif

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

/* Attributes as in abi/vcpu.h. */
#define ATTR_ACCESSED 1u
#define ATTR_READABLE (1u << 1)
#define ATTR_CODE (1u << 3)
#define ATTR_SYSTEM_NOT (1u << 4) /* S: code or data */
#define ATTR_DPL (3u << SEG_ATTR_DPL_SHIFT)
#define ATTR_GRANULAR (1u << 15)
#define ATTR_RESERVED (~(uint32_t)(0xF0FF | SEG_ATTR_UNUSABLE))
#define LIMIT_BYTES_MAX 0xFFFFFu /* without G */

#endif

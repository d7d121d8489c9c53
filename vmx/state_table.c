/* SPDX-License-Identifier: Apache-2.0 */
/* state_table.c: the registers that the VMCS and the vCPU page hold in the same form, but for those of control. */
#include "vmx/state_table.h"

#define REGISTER(group, member, field)                                                                                 \
    {                                                                                                                  \
        VCPU_GROUP_##group, offsetof(struct vcpu_page, member), sizeof(((struct vcpu_page *)0)->member), field         \
    }
#define SEGMENT(name)                                                                                                  \
    REGISTER(SEGMENTS, segment[name].selector, VMCS_OF(VMCS_GUEST_SELECTOR, name)),                                    \
        REGISTER(SEGMENTS, segment[name].base, VMCS_OF(VMCS_GUEST_BASE, name)),                                        \
        REGISTER(SEGMENTS, segment[name].limit, VMCS_OF(VMCS_GUEST_LIMIT, name)),                                      \
        REGISTER(SEGMENTS, segment[name].attributes, VMCS_OF(VMCS_GUEST_ACCESS, name))
#define MSR(name) REGISTER(MSRS, msr[VCPU_MSR_##name], VMCS_GUEST_##name)

const struct vmx_register vmx_registers[VMX_REGISTER_COUNT] = {
    SEGMENT(SEG_ES),
    SEGMENT(SEG_CS),
    SEGMENT(SEG_SS),
    SEGMENT(SEG_DS),
    SEGMENT(SEG_FS),
    SEGMENT(SEG_GS),
    SEGMENT(SEG_LDTR),
    SEGMENT(SEG_TR),
    REGISTER(SEGMENTS, gdtr.base, VMCS_GUEST_GDTR_BASE),
    REGISTER(SEGMENTS, gdtr.limit, VMCS_GUEST_GDTR_LIMIT),
    REGISTER(SEGMENTS, idtr.base, VMCS_GUEST_IDTR_BASE),
    REGISTER(SEGMENTS, idtr.limit, VMCS_GUEST_IDTR_LIMIT),
    REGISTER(DEBUG, dr[7], VMCS_GUEST_DR7),
    MSR(SYSENTER_CS),
    MSR(SYSENTER_ESP),
    MSR(SYSENTER_EIP),
    MSR(PAT),
};

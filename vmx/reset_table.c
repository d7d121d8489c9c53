/* SPDX-License-Identifier: Apache-2.0 */
/* reset_table.c: a VMCS as a vCPU begins: what is the same on every machine, and a processor after RESET.
 *
 * Every field that an entry reads is written once: what VMCLEAR leaves in a new VMCS is nobody's promise (SDM Vol. 3C
 * 25.11.3).
 */
#include "vmx/vmx.h"

#define PAT_HOST UINT64_C(0x0007010600070106) /* as cpu.c of the kernel has it */
#define SEGMENT(name, selector, base, access)                                                                          \
    { VMCS_OF(VMCS_GUEST_SELECTOR, name), selector }, { VMCS_OF(VMCS_GUEST_BASE, name), base },                        \
        { VMCS_OF(VMCS_GUEST_LIMIT, name), 0xFFFF },                                                                   \
    {                                                                                                                  \
        VMCS_OF(VMCS_GUEST_ACCESS, name), access                                                                       \
    }

/* SDM Vol. 3A table 10-1. The guest sees CD and NW in CR0, and neither NE nor CR4's MCE and VMXE. */
const struct vmx_setting vmx_reset[VMX_RESET_COUNT] = {
    SEGMENT(SEG_ES, 0, 0, 0x93),
    SEGMENT(SEG_CS, 0xF000, 0xFFFF0000, 0x93),
    SEGMENT(SEG_SS, 0, 0, 0x93),
    SEGMENT(SEG_DS, 0, 0, 0x93),
    SEGMENT(SEG_FS, 0, 0, 0x93),
    SEGMENT(SEG_GS, 0, 0, 0x93),
    SEGMENT(SEG_LDTR, 0, 0, 0x82),
    SEGMENT(SEG_TR, 0, 0, 0x8B),
    { VMCS_GUEST_GDTR_LIMIT, 0xFFFF },
    { VMCS_GUEST_IDTR_LIMIT, 0xFFFF },
    { VMCS_GUEST_CR0, CR0_ET | CR0_NE },
    { VMCS_CR0_SHADOW, CR0_CD | CR0_NW | CR0_ET },
    { VMCS_CR0_MASK, VMX_HOST_CR0 },
    { VMCS_GUEST_CR4, VMX_SET_CR4 },
    { VMCS_CR4_MASK, ~VMX_GUEST_CR4 },
    { VMCS_GUEST_PAT, PAT_RESET },
    { VMCS_GUEST_DR7, DR7_FIXED },
    { VMCS_LINK, UINT64_MAX },
    { VMCS_EXCEPTION_BITMAP, VMX_EXCEPTIONS },
    { VMCS_OF(VMCS_HOST_SELECTOR, SEG_CS), SELECTOR_KERNEL_CODE },
    { VMCS_OF(VMCS_HOST_SELECTOR, SEG_SS), SELECTOR_KERNEL_DATA },
    { VMCS_OF(VMCS_HOST_SELECTOR, 6), SELECTOR_TSS },
    { VMCS_HOST_PAT, PAT_HOST },
};

const uint16_t vmx_reset_zero[VMX_RESET_ZERO_COUNT] = {
    VMCS_GUEST_GDTR_BASE,
    VMCS_GUEST_IDTR_BASE,
    VMCS_GUEST_CR3,
    VMCS_CR4_SHADOW,
    VMCS_GUEST_EFER,
    VMCS_GUEST_DEBUGCTL,
    VMCS_GUEST_SYSENTER_CS,
    VMCS_GUEST_SYSENTER_ESP,
    VMCS_GUEST_SYSENTER_EIP,
    VMCS_GUEST_PDPTE,
    VMCS_OF(VMCS_GUEST_PDPTE, 1),
    VMCS_OF(VMCS_GUEST_PDPTE, 2),
    VMCS_OF(VMCS_GUEST_PDPTE, 3),
    VMCS_INTERRUPTIBILITY,
    VMCS_ACTIVITY,
    VMCS_PENDING_DEBUG,
    VMCS_PAGE_FAULT_MASK,
    VMCS_PAGE_FAULT_MATCH,
    VMCS_CR3_TARGETS,
    VMCS_EXIT_MSR_STORES,
    VMCS_EXIT_MSR_LOADS,
    VMCS_ENTRY_MSR_LOADS,
    VMCS_ENTRY_EVENT,
    VMCS_TSC_OFFSET,
    VMCS_HOST_FS_BASE,
    VMCS_HOST_SYSENTER_CS,
    VMCS_HOST_SYSENTER_ESP,
    VMCS_HOST_SYSENTER_EIP,
    VMCS_OF(VMCS_HOST_SELECTOR, SEG_ES),
    VMCS_OF(VMCS_HOST_SELECTOR, SEG_DS),
    VMCS_OF(VMCS_HOST_SELECTOR, SEG_FS),
    VMCS_OF(VMCS_HOST_SELECTOR, SEG_GS),
};

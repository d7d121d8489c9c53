/* SPDX-License-Identifier: Apache-2.0 */
/* probe_table.h: a row for each feature of VT-x, and for each bit of a register that not every processor has. */
#ifndef CL_VMX_PROBE_TABLE_H
#define CL_VMX_PROBE_TABLE_H

#include "vmx/vmx.h"

/* What is done with a feature. REQUIRED: nothing without it. OPTIONAL: used where it is, `instead` where it is not.
 * UNUSED: named when present. */
enum vmx_use { USE_REQUIRED, USE_OPTIONAL, USE_UNUSED };

struct vmx_feature {
    uint8_t word; /* enum vmx_word */
    uint8_t use;  /* enum vmx_use */
    uint32_t bits;
    const char *name;
    const char *instead;
};
#define VMX_FEATURE_COUNT 38
extern const struct vmx_feature vmx_features[VMX_FEATURE_COUNT];

enum vmx_cpuid_register { EAX, EBX, ECX, EDX };

/* `value` belongs to `*valid` where bit `bit` of the CPUID leaf is set. */
struct vmx_conditional {
    uint32_t leaf;
    uint8_t reg; /* enum vmx_cpuid_register */
    uint8_t bit;
    uint64_t *valid;
    uint64_t value;
};
#define VMX_CONDITIONAL_COUNT 11
extern const struct vmx_conditional vmx_conditional[VMX_CONDITIONAL_COUNT];

/* What every 64-bit processor has. */
#define CR4_EVERYWHERE                                                                                                 \
    (CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | CR4_OSFXSR |             \
     CR4_OSXMMEXCPT)

#endif

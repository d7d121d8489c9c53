/* SPDX-License-Identifier: Apache-2.0 */
/* probe_table.h: a row for each feature of VT-x. */
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
#define VMX_FEATURE_COUNT 37
extern const struct vmx_feature vmx_features[VMX_FEATURE_COUNT];

#endif

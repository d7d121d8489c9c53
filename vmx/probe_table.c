/* SPDX-License-Identifier: Apache-2.0 */
/* probe_table.c: features that the capability MSRs tell (SDM Vol. 3D appendix A), and the bits of CR4 and EFER that hang
 * on one of CPUID. */
#include "vmx/probe_table.h"

const struct vmx_feature vmx_features[VMX_FEATURE_COUNT] = {
    { WORD_PIN, USE_REQUIRED, PIN_INTERRUPT | PIN_NMI, "exits of interrupts and NMIs", NULL },
    { WORD_PIN, USE_REQUIRED, PIN_VIRTUAL_NMI, "virtual NMIs", NULL },
    { WORD_PRIMARY, USE_REQUIRED, PRIMARY_TSC_OFFSET | PRIMARY_IO | PRIMARY_SECONDARY, "secondary controls", NULL },
    { WORD_PRIMARY, USE_REQUIRED, PRIMARY_HLT | PRIMARY_MWAIT | PRIMARY_MONITOR | PRIMARY_RDPMC,
      "exits of HLT, MONITOR, MWAIT and RDPMC", NULL },
    { WORD_PRIMARY, USE_REQUIRED, PRIMARY_MSR_BITMAP, "MSR bitmaps", NULL },
    { WORD_SECONDARY, USE_REQUIRED, SECONDARY_EPT, "extended page tables", NULL },
    { WORD_SECONDARY, USE_REQUIRED, SECONDARY_UNRESTRICTED, "unrestricted guest", NULL },
    { WORD_SECONDARY, USE_REQUIRED, SECONDARY_WBINVD, "exit of WBINVD", NULL },
    { WORD_EXIT, USE_REQUIRED, EXIT_SAVE_DEBUG | EXIT_HOST_64, "64-bit host", NULL },
    { WORD_EXIT, USE_REQUIRED, EXIT_SAVE_EFER | EXIT_LOAD_EFER, "EFER in the VMCS", NULL },
    { WORD_EXIT, USE_REQUIRED, EXIT_LOAD_PAT, "PAT in the VMCS", NULL },
    { WORD_ENTRY, USE_REQUIRED, ENTRY_LOAD_DEBUG, "debug controls in the VMCS", NULL },
    { WORD_ENTRY, USE_REQUIRED, ENTRY_LOAD_EFER, "EFER in the VMCS", NULL },
    { WORD_ENTRY, USE_REQUIRED, ENTRY_LOAD_PAT, "PAT in the VMCS", NULL },
    { WORD_EPT, USE_REQUIRED, EPT_FOUR_LEVELS, "EPT of 4 levels", NULL },
    { WORD_EPT, USE_REQUIRED, EPT_WRITE_BACK, "EPT in write-back memory", NULL },
    { WORD_EPT, USE_REQUIRED, EPT_2M, "EPT pages of 2 MiB", NULL },
    { WORD_EPT, USE_REQUIRED, EPT_INVEPT | EPT_INVEPT_ALL, "INVEPT of all contexts", NULL },

    { WORD_PIN, USE_OPTIONAL, PIN_PREEMPTION_TIMER, "preemption timer", "interrupts alone" },
    { WORD_SECONDARY, USE_OPTIONAL, SECONDARY_VPID, "VPID", "a flush at each entry and exit" },
    { WORD_VPID, USE_OPTIONAL, VPID_INVVPID | VPID_INVVPID_ALL, "INVVPID of all contexts", "no VPID" },
    { WORD_PRIMARY, USE_OPTIONAL, PRIMARY_TPR_SHADOW, "TPR shadow", "exits of CR8 accesses" },
    { WORD_SECONDARY, USE_OPTIONAL, SECONDARY_PAUSE_LOOP, "PAUSE-loop exiting", "time slices alone" },
    { WORD_SECONDARY, USE_OPTIONAL, SECONDARY_RDTSCP, "RDTSCP in guests", "#UD" },
    { WORD_SECONDARY, USE_OPTIONAL, SECONDARY_INVPCID, "INVPCID in guests", "#UD" },
    { WORD_SECONDARY, USE_OPTIONAL, SECONDARY_ASSIST, "virtual-interrupt delivery in x2APIC mode",
      "exits of interrupts and their ends" },
    { WORD_EPT, USE_OPTIONAL, EPT_ACCESSED_DIRTY, "EPT accessed and dirty bits", "nothing" },
    { WORD_EPT, USE_OPTIONAL, EPT_1G, "EPT pages of 1 GiB", "pages of 2 MiB" },

    { WORD_PIN, USE_UNUSED, PIN_POSTED, "posted interrupts", NULL },
    { WORD_PRIMARY, USE_UNUSED, PRIMARY_MTF, "monitor trap flag", NULL },
    { WORD_SECONDARY, USE_UNUSED, SECONDARY_APIC_ACCESS, "APIC-access page", NULL },
    { WORD_SECONDARY, USE_UNUSED, SECONDARY_VMFUNC, "VM functions", NULL },
    { WORD_SECONDARY, USE_UNUSED, SECONDARY_VMCS_SHADOWING, "VMCS shadowing", NULL },
    { WORD_SECONDARY, USE_UNUSED, SECONDARY_PML, "page-modification logging", NULL },
    { WORD_SECONDARY, USE_UNUSED, SECONDARY_VE, "virtualization exceptions", NULL },
    { WORD_SECONDARY, USE_UNUSED, SECONDARY_XSAVES, "XSAVES in guests", NULL },
    { WORD_SECONDARY, USE_UNUSED, SECONDARY_TSC_SCALING, "TSC scaling", NULL },
};

/* SPDX-License-Identifier: Apache-2.0 */
/* info_page.h: facts about the machine, mapped read-only into every domain at INFO_PAGE_ADDRESS. */
#ifndef CL_ABI_INFO_PAGE_H
#define CL_ABI_INFO_PAGE_H

#include <stdint.h>

#define INFO_PAGE_ADDRESS UINT64_C(0x00007fffffff0000)
#define INFO_PAGE_VERSION 1
#define INFO_CPUS_MAX 64

enum info_vendor { INFO_VENDOR_NONE = 0, INFO_VENDOR_INTEL = 1, INFO_VENDOR_AMD = 2 };

/* What the machine's virtualisation offers; `info` on the console prints them by name. */
enum info_feature {
    INFO_FEATURE_VIRTUAL_MACHINES = 1 << 0, /* this build can run VMs on this CPU */
    INFO_FEATURE_NRIP_SAVE = 1 << 1,
    INFO_FEATURE_FLUSH_BY_ASID = 1 << 2,
    INFO_FEATURE_PAUSE_FILTER = 1 << 3,
    INFO_FEATURE_TSC_DEADLINE = 1 << 4,
    INFO_FEATURE_X2APIC = 1 << 5,
    INFO_FEATURE_PAGES_1GIB = 1 << 6,
    INFO_FEATURE_INVARIANT_TSC = 1 << 7,
    INFO_FEATURE_LOCAL_APIC = 1 << 8,      /* the processor can work on guests' local APICs (enum vcpu_apic) */
    INFO_FEATURE_LOCAL_APIC_AUTO = 1 << 9, /* ... and does for those who have no wish */
};

struct info_page {
    uint32_t version;
    uint32_t vendor; /* enum info_vendor */
    uint32_t features;
    uint32_t cpu_count;
    uint64_t tsc_hz;
    uint64_t boot_tsc;     /* TSC at the loader's hand-over */
    uint64_t boot_unix_ns; /* wall-clock time at that moment, 0 if the firmware did not say */
    uint64_t memory_bytes; /* RAM of the machine */
    uint64_t pool_bytes;   /* of it, the kernel's pool */
    uint64_t xcr0;         /* XSAVE components that guests may be given */
    uint64_t guest_cpus;   /* bit n: CPU n runs guests well; where there are others, the boot log says why */
    char cpu_name[48];     /* CPUID 80000002h to 80000004h, NUL-terminated */
    uint32_t apic_id[INFO_CPUS_MAX];
};

#endif

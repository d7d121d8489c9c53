/* SPDX-License-Identifier: Apache-2.0 */
/* info.c: fills the info page. */
#include "kernel/info.h"

#include "kernel/assert.h"
#include "kernel/cpu.h"
#include "kernel/lapic.h"
#include "kernel/pool.h"
#include "kernel/string.h"
#include "kernel/time.h"
#include "kernel/x86.h"
#include "kernel/xstate.h"

struct info_page *info_page;

static void cpu_name(char name[48])
{
    if (x86_cpuid(0x80000000, 0).eax < 0x80000004)
        return;
    for (uint32_t i = 0; i < 3; i++) {
        struct x86_cpuid part = x86_cpuid(0x80000002 + i, 0);
        memcpy(name + 16 * i, &part, 16);
    }
    name[47] = '\0';
}

void info_build(const struct boot_info *boot)
{
    struct x86_cpuid vendor = x86_cpuid(0, 0);
    uint32_t extended = x86_cpuid(0x80000000, 0).eax;

    info_page = pool_take(NULL, PAGE_SIZE);
    ASSERT(info_page != NULL);
    info_page->version = INFO_PAGE_VERSION;
    info_page->vendor = vendor.ecx == 0x6c65746e   ? INFO_VENDOR_INTEL
                        : vendor.ecx == 0x444d4163 ? INFO_VENDOR_AMD
                                                   : INFO_VENDOR_NONE;
    info_page->cpu_count = cpu_count;
    info_page->tsc_hz = tsc_hz;
    info_page->boot_tsc = boot->handover_tsc;
    info_page->boot_unix_ns = boot->boot_unix_ns;
    info_page->xcr0 = xstate_mask;
    info_page->features |= lapic_has_x2apic() ? INFO_FEATURE_X2APIC : 0;
    info_page->features |= lapic_has_tsc_deadline() ? INFO_FEATURE_TSC_DEADLINE : 0;
    if (extended >= 0x80000001 && (x86_cpuid(0x80000001, 0).edx & (1u << 26)) != 0)
        info_page->features |= INFO_FEATURE_PAGES_1GIB;
    if (extended >= 0x80000007 && (x86_cpuid(0x80000007, 0).edx & (1u << 8)) != 0)
        info_page->features |= INFO_FEATURE_INVARIANT_TSC;
    for (uint32_t i = 0; i < cpu_count; i++)
        info_page->apic_id[i] = cpus[i].apic_id;
    cpu_name(info_page->cpu_name);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* probe.c: what this processor's AMD-V can do (CPUID Fn8000_000A, APM Vol. 3 appendix E.4.9), said in the boot log. */
#include "kernel/assert.h"
#include "kernel/lapic.h"
#include "kernel/xstate.h"
#include "svm/probe_table.h"

/* EBX of leaf 8000_0008h */
#define CPUID_XSAVE_ERROR_POINTERS (1u << 2)
#define CPUID_RDPRU (1u << 4)

struct svm_host svm_host;

static void log_features(void)
{
    for (unsigned i = 0; i < SVM_FEATURE_COUNT; i++) {
        const struct svm_feature *f = &svm_features[i];

        if (!(svm_host.features & f->bit)) {
            if (!f->unused)
                log_line("AMD-V: %s: absent, %s instead", f->name, f->instead);
        } else {
            log_line("AMD-V: %s: %s", f->name, f->unused ? "present, unused" : "used");
        }
    }
}

/* QEMU's TCG (seen in 7.2; it calls itself so in leaf 4000_0000h) neither loads nor clears the shadow at VMRUN, and
 * arms breakpoints at a MOV to DR7 only: those of a guest go on hitting in whatever runs on that CPU next, the kernel
 * included. So no guest's breakpoint gets into DR7 there. And whatever CPU loads x87 state writes back, unlocked, what it
 * read of the flags that say whether CPU 0 is in a guest, nested paging and GIF among them (cpu_clear_ignne() in its
 * source): CPU 0 must be in no guest, ever, if there are others. VMRUN with V_IRQ writes back the word of what interrupts
 * are pending in the same way (helper_vmrun()): one that comes at that moment stays unseen until the next one comes. */
static void find_faults(uint64_t *guest_cpus)
{
    struct x86_cpuid name = x86_cpuid_leaf(1).ecx & (1u << 31) ? x86_cpuid(0x40000000u, 0) : (struct x86_cpuid){ 0 };

    svm_host.is_tcg = name.ebx == 0x54474354 && name.ecx == 0x43544743 && name.edx == 0x47435447;
    if (!svm_host.is_tcg)
        return;
    log_line("AMD-V: interrupt shadow: lost by this emulator at an entry, stepped over instead");
    log_line("AMD-V: hardware breakpoints: kept by this emulator beyond an exit, so a guest's do not hit");
    log_line("AMD-V: host's interrupts: may be lost by this emulator at an entry, looked for %u times a second",
             LAPIC_REPEAT_HZ);
    lapic_repeat_timer();
    if (*guest_cpus == 1)
        return;
    log_line("AMD-V: CPU 0: mixed up by this emulator when others load x87 state, runs no guest");
    *guest_cpus &= ~UINT64_C(1);
}

/* APM Vol. 2 15.4. */
enum cl_status svm_probe(uint64_t *guest_cpus)
{
    struct x86_cpuid svm;

    if (!(x86_cpuid_leaf(0x80000001u).ecx & (1u << 2)))
        return refuse(CL_UNSUPPORTED, "this processor has no AMD-V (CPUID 8000_0001h ECX bit 2)");
    svm = x86_cpuid_leaf(0x8000000Au);
    svm_host.features = svm.edx;
    svm_host.asid_count = svm.ebx;
    if (x86_rdmsr(MSR_VM_CR) & VM_CR_SVMDIS)
        return refuse(CL_UNSUPPORTED, "AMD-V is disabled%s: enable SVM in the firmware's setup",
                      svm.edx & SVM_FEATURE_SVML ? " and locked" : "");
    if (!(svm.edx & SVM_FEATURE_NP))
        return refuse(CL_UNSUPPORTED, "this processor's AMD-V has no nested paging (CPUID 8000_000Ah EDX bit 0)");
    if (svm.ebx < 2)
        return refuse(CL_UNSUPPORTED, "this processor's AMD-V has %u ASIDs, 2 are needed", svm.ebx);
    svm_host.has_rdpru = x86_cpuid_leaf(0x80000008u).ebx & CPUID_RDPRU;
    xstate_keeps_pointers = !(x86_cpuid_leaf(0x80000008u).ebx & CPUID_XSAVE_ERROR_POINTERS);

    log_line("AMD-V: revision %u, nested paging, %u ASIDs", svm.eax & 0xFF, svm.ebx);
    log_features();
    log_line("AMD-V: x87 pointers in XRSTOR: %s", xstate_keeps_pointers ? "absent, cleared before it instead" : "used");
    find_faults(guest_cpus);
    return CL_OK;
}

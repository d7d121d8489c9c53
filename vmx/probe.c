/* SPDX-License-Identifier: Apache-2.0 */
/* probe.c: what this processor's VT-x can do (SDM Vol. 3D appendix A), said in the boot log. */
#include "kernel/assert.h"
#include "vmx/probe_table.h"

#define CPUID_1_ECX_VMX (1u << 5)
#define CPUID_7_EDX_ARCH_CAPABILITIES (1u << 29)
#define ARCH_PSCHANGE_MC_NO (UINT64_C(1) << 6)
#define BOCHS_REVISION 0x2Bu /* of its VMCS: its own choice */

struct vmx_host vmx_host;

/* A.2 to A.5, A.10: in the low half what has to be set, in the high half what can be. */
static void find_controls(bool true_controls)
{
    for (unsigned word = WORD_PIN; word < WORD_CONTROLS; word++) {
        uint32_t index = (true_controls ? MSR_VMX_TRUE_PIN : MSR_VMX_PIN) + word;
        uint64_t capability;

        if (word == WORD_SECONDARY)
            index = MSR_VMX_SECONDARY;
        if (word == WORD_SECONDARY && !(vmx_host.may[WORD_PRIMARY] & PRIMARY_SECONDARY))
            continue;
        capability = x86_rdmsr(index);
        vmx_host.must[word] = vmx_host.used[word] = (uint32_t)capability;
        vmx_host.may[word] = (uint32_t)(capability >> 32);
    }
    if (vmx_host.may[WORD_SECONDARY] & (SECONDARY_EPT | SECONDARY_VPID)) {
        vmx_host.may[WORD_EPT] = (uint32_t)x86_rdmsr(MSR_VMX_EPT_VPID);
        vmx_host.may[WORD_VPID] = (uint32_t)(x86_rdmsr(MSR_VMX_EPT_VPID) >> 32);
    }
}

static enum cl_status choose(const struct vmx_feature *f)
{
    bool present = (vmx_host.may[f->word] & f->bits) == f->bits;

    if (f->use == USE_REQUIRED && !present)
        return refuse(CL_UNSUPPORTED, "this processor's VT-x lacks: %s", f->name);
    if (f->use == USE_UNUSED) {
        if (present)
            log_line("VT-x: %s: present, unused", f->name);
        return CL_OK;
    }
    if (present)
        vmx_host.used[f->word] |= f->bits;
    if (f->use == USE_OPTIONAL && present)
        log_line("VT-x: %s: used", f->name);
    else if (f->use == USE_OPTIONAL)
        log_line("VT-x: %s: absent, %s instead", f->name, f->instead);
    return CL_OK;
}

/* A.1, 24.6, 24.7. */
static enum cl_status check_basics(uint64_t basic)
{
    uint64_t control = x86_rdmsr(MSR_FEATURE_CONTROL);

    if ((control & FEATURE_CONTROL_LOCK) && !(control & FEATURE_CONTROL_VMX))
        return refuse(CL_UNSUPPORTED, "VT-x is disabled and locked: enable it in the firmware's setup");
    if (!(basic & BASIC_INOUT_INFO))
        return refuse(CL_UNSUPPORTED, "this processor's VT-x lacks: information on INS and OUTS");
    return CL_OK;
}

/* Bochs (seen in 2.7) answers an interrupt of the host with the virtual one that waits, whether or not the guest has interrupts
 * on (InterruptAcknowledge() in its source); and an EPT violation on the way to the handler of a virtual interrupt tells
 * of an older event (VMX_Deliver_Virtual_Interrupt() notes none). A guest that meets either stands still. */
void vmx_find_faults(void)
{
    vlapic_hardware_auto = vlapic_hardware && vmx_host.revision != BOCHS_REVISION;
    if (vlapic_hardware == vlapic_hardware_auto)
        return;
    log_line(
        "VT-x: virtual interrupts: delivered by this emulator although the guest has them off, so only to VMs that "
        "ask for it");
}

/* SDM Vol. 4 table 2-2: no machine check when the size of a page changes under the code that runs there. */
static void find_code_pages(void)
{
    bool tells = x86_cpuid_leaf(7).edx & CPUID_7_EDX_ARCH_CAPABILITIES;

    pt_small_code = !tells || !(x86_rdmsr(MSR_ARCH_CAPABILITIES) & ARCH_PSCHANGE_MC_NO);
    log_line("VT-x: code of guests in large pages: %s",
             pt_small_code ? "may machine-check this processor, pages of 4 KiB instead" : "used");
}

enum cl_status vmx_probe(uint64_t *guest_cpus)
{
    uint64_t basic;

    (void)guest_cpus; /* every one */
    if (!(x86_cpuid_leaf(1).ecx & CPUID_1_ECX_VMX))
        return refuse(CL_UNSUPPORTED, "this processor has no VT-x (CPUID 1 ECX bit 5)");
    basic = x86_rdmsr(MSR_VMX_BASIC);
    vmx_host.revision = (uint32_t)(basic & BASIC_REVISION);
    TRY(check_basics(basic));
    find_controls(basic & BASIC_TRUE);
    for (unsigned i = 0; i < VMX_FEATURE_COUNT; i++)
        TRY(choose(&vmx_features[i]));
    log_line("VT-x: revision %x, EPT, unrestricted guest, virtual NMIs, MSR bitmaps, EFER and PAT in the VMCS",
             vmx_host.revision);
    log_line("VT-x: true controls: %s", basic & BASIC_TRUE ? "used" : "absent, the default ones instead");
    if (vmx_host.used[WORD_PRIMARY] & (PRIMARY_CR3_LOAD | PRIMARY_CR3_STORE))
        return refuse(CL_UNSUPPORTED, "this processor's VT-x cannot let guests load CR3 without an exit");
    if ((vmx_host.used[WORD_VPID] & VPID_INVVPID_ALL) == 0)
        vmx_host.used[WORD_SECONDARY] &= ~SECONDARY_VPID;
    if (!(vmx_host.used[WORD_PRIMARY] & PRIMARY_TPR_SHADOW))
        vmx_host.used[WORD_PRIMARY] |= PRIMARY_CR8_LOAD | PRIMARY_CR8_STORE;
    else
        vmx_host.used[WORD_PRIMARY] &= ~(PRIMARY_CR8_LOAD | PRIMARY_CR8_STORE);
    vlapic_hardware = (vmx_host.used[WORD_PRIMARY] & PRIMARY_TPR_SHADOW) &&
                      (vmx_host.used[WORD_SECONDARY] & SECONDARY_ASSIST) == SECONDARY_ASSIST;
    vmx_find_faults();
    vmx_host.used[WORD_SECONDARY] &= ~SECONDARY_ASSIST; /* apic.c turns them on */
    if (!(vmx_host.used[WORD_EPT] & EPT_1G))
        pt_largest_shift = LARGE_SHIFT;
    find_code_pages();
    /* an unrestricted guest is free of PE and PG */
    vmx_host.cr0_must = x86_rdmsr(MSR_VMX_CR0_FIXED0) & ~(CR0_PE | CR0_PG);
    vmx_host.cr4_must = x86_rdmsr(MSR_VMX_CR4_FIXED0);
    vmx_host.cr4_may = x86_rdmsr(MSR_VMX_CR4_FIXED1);
    return CL_OK;
}

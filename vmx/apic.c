/* SPDX-License-Identifier: Apache-2.0 */
/* apic.c: the processor works on the guest's local APIC (SDM Vol. 3C ch. 30).
 *
 * The page of the virtual APIC is the one in which kernel/vlapic.c has the registers. While the guest is in x2APIC mode the
 * processor delivers what IRR has and serves accesses to what needs nobody else; all the rest exits as ever. In xAPIC mode
 * the accesses come through memory and a VMM that decodes them, and everything is kernel/vlapic.c's.
 *
 * Nothing that the processor reads of the page may change while it is in the guest (25.11.4): what other CPUs send waits in
 * `request` until the kick has brought the guest out. TMR may: its reads exit, and for ends there is the EOI-exit bitmap.
 */
#include "kernel/pool.h"
#include "vmx/instructions.h"
#include "vmx/vmx.h"

static void set_mode(const struct vcpu *vcpu, struct vmx_vcpu *vmx, bool assisted)
{
    const uint8_t *bitmaps = vcpu->vm->virt;

    vmx->assisted = assisted;
    vmx_write(VMCS_SECONDARY_CONTROLS, vmx_host.used[WORD_SECONDARY] | (assisted ? SECONDARY_ASSIST : 0));
    vmx_write(VMCS_MSR_BITMAP, pool_physical(bitmaps + (assisted ? PAGE_SIZE : 0)).value);
}

/* The end of an interrupt exits where TMR says that somebody waits for it. TMR is read after IRR: a sender sets it first. */
void vmx_apic_update(struct vcpu *vcpu)
{
    const struct vlapic_slot *tmr = &vcpu->lapic.reg[VLAPIC_REG_TMR];
    uint16_t status = vlapic_status(&vcpu->lapic);
    struct vmx_vcpu *vmx = vcpu->virt;
    bool assisted = vcpu->lapic.assisted;

    if (assisted != vmx->assisted)
        set_mode(vcpu, vmx, assisted);
    if (!assisted)
        return;
    vmx_write(VMCS_INTERRUPT_STATUS, status);
    for (unsigned i = 0; i < ARRAY_SIZE(vmx->eoi_exits); i++) {
        uint64_t level = READ_ONCE(tmr[2 * i].value) | (uint64_t)READ_ONCE(tmr[2 * i + 1].value) << 32;

        if (level != vmx->eoi_exits[i])
            vmx_write(VMCS_OF(VMCS_EOI_EXITS, i), vmx->eoi_exits[i] = level);
    }
}

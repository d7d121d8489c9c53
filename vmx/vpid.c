/* SPDX-License-Identifier: Apache-2.0 */
/* vpid.c: virtual-processor identifiers, given out per CPU in generations (SDM Vol. 3C 29.1, 29.4).
 *
 * A vCPU keeps its VPID on a CPU as long as the CPU's generation lasts. One whose own translations have to go, or that
 * comes from another CPU, where it may have made those that it left here stale, takes a new number: what stands under
 * the old one is never looked at again. When the numbers run out, INVVPID drops everything and counting begins at 1 (0 is
 * the host's). Changes of an EPT are vmx_cpu_flush's: INVEPT reaches every VPID.
 *
 * Without VPIDs the processor itself drops all translations at each entry and exit (29.4.3.1).
 */
#include "vmx/instructions.h"
#include "vmx/vmx.h"

#define VPID_END 0x10000u

void vmx_vpid_assign(struct vmx_cpu *cpu, struct vmx_vcpu *vmx)
{
    if (cpu->next_vpid == VPID_END) {
        cpu->generation++;
        cpu->next_vpid = 1;
        vmx_invvpid_all();
    }
    vmx->generation = cpu->generation;
    if (vmx_host.used[WORD_SECONDARY] & SECONDARY_VPID)
        vmx_write(VMCS_VPID, cpu->next_vpid++);
}

/* Drop this vCPU's own translations before its next entry: its paging mode was changed behind the processor's back. */
void vmx_vpid_flush(struct vmx_vcpu *vmx)
{
    vmx->generation = 0;
}

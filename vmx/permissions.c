/* SPDX-License-Identifier: Apache-2.0 */
/* permissions.c: the MSR bitmap of a VM (SDM Vol. 3C 25.6.9).
 *
 * Four bitmaps of 1 KiB: reads of 0 to 1FFFh and of C0000000h to C0001FFFh, writes likewise; 1 exits, and so does an MSR
 * outside the ranges. Open is what holds the guest's value while the guest runs: what the VMCS switches, and
 * KERNEL_GS_BASE, which SWAPGS changes anyway. The other MSRs that ring 3 shares may be read; a write exits, so that what
 * the guest has is known without reading it back.
 *
 * Behind it stands the bitmap of a vCPU whose local APIC the processor works on: open are the registers that have no say in
 * anything when they are read, and those of which it knows what a write does (SDM Vol. 3C 30.5).
 */
#include "kernel/pool.h"
#include "kernel/string.h"
#include "vmx/vmx.h"

#define HALF_BYTES 0x400u
#define MSRS_HIGH 0xC0000000u

static void let(uint8_t *bitmap, uint32_t index, bool write)
{
    uint8_t *half = bitmap + (index >= MSRS_HIGH ? HALF_BYTES : 0) + (write ? 2 * HALF_BYTES : 0);

    index &= 8 * HALF_BYTES - 1;
    half[index / 8] &= (uint8_t) ~(1u << index % 8);
}

static void let_apic(uint8_t *bitmap)
{
    static const uint8_t reads[] = { VLAPIC_REG_ID,  VLAPIC_REG_VERSION, VLAPIC_REG_TPR, VLAPIC_REG_PPR,
                                     VLAPIC_REG_LDR, VLAPIC_REG_SVR,     VLAPIC_REG_ESR };
    static const uint8_t writes[] = { VLAPIC_REG_TPR, VLAPIC_REG_EOI, VLAPIC_REG_SELF_IPI };

    for (unsigned i = 0; i < ARRAY_SIZE(reads); i++)
        let(bitmap, MSR_X2APIC_FIRST + reads[i], false);
    for (uint32_t reg = VLAPIC_REG_LVT_TIMER; reg <= VLAPIC_REG_LVT_ERROR; reg++)
        let(bitmap, MSR_X2APIC_FIRST + reg, false);
    for (unsigned i = 0; i < ARRAY_SIZE(writes); i++)
        let(bitmap, MSR_X2APIC_FIRST + writes[i], true);
}

enum cl_status vmx_vm_create(struct vm *vm, struct account *account)
{
    static const uint32_t both[] = { MSR_FS_BASE,     MSR_GS_BASE,      MSR_KERNEL_GS_BASE,
                                     MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP };
    static const uint32_t reads[] = { MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SFMASK };
    uint8_t *bitmap = vm->virt = pool_take(account, vlapic_hardware ? 2 * PAGE_SIZE : PAGE_SIZE);

    if (bitmap == NULL)
        return CL_NO_MEMORY;
    memset(bitmap, 0xFF, PAGE_SIZE);
    for (unsigned i = 0; i < ARRAY_SIZE(both); i++) {
        let(bitmap, both[i], false);
        let(bitmap, both[i], true);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(reads); i++)
        let(bitmap, reads[i], false);
    if (vlapic_hardware)
        let_apic(memcpy(bitmap + PAGE_SIZE, bitmap, PAGE_SIZE));
    return CL_OK;
}

void vmx_vm_destroy(struct vm *vm, struct account *account)
{
    pool_give(account, vm->virt);
    vm->virt = NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* permissions.c: the MSR permission map of a VM (APM Vol. 2 15.11).
 *
 * Two bits for each MSR of three ranges, read below write, 1 intercepts; an MSR outside the ranges is always
 * intercepted. Open is what VMLOAD and VMSAVE switch: the guest's value is in the register while the guest runs, and
 * the host's is back before the host looks.
 */
#include "kernel/pool.h"
#include "kernel/string.h"
#include "svm/state_table.h"

static void pass(uint8_t *map, uint32_t index)
{
    static const uint32_t first[] = { 0, 0xC0000000u, 0xC0010000u };

    for (unsigned i = 0; i < ARRAY_SIZE(first); i++)
        if (index - first[i] < MSRPM_RANGE_BYTES * 4)
            map[i * MSRPM_RANGE_BYTES + (index - first[i]) / 4] &= (uint8_t) ~(3u << (index & 3) * 2);
}

enum cl_status svm_vm_create(struct vm *vm, struct account *account)
{
    vm->virt = pool_take(account, MSRPM_BYTES);
    if (vm->virt == NULL)
        return CL_NO_MEMORY;
    memset(vm->virt, 0xFF, MSRPM_BYTES);
    for (unsigned i = 0; i < SVM_REGISTER_COUNT; i++)
        pass(vm->virt, svm_registers[i].msr);
    return CL_OK;
}

void svm_vm_destroy(struct vm *vm, struct account *account)
{
    pool_give(account, vm->virt);
    vm->virt = NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* permissions.c: the MSR permission map of a VM (APM Vol. 2 15.11).
 *
 * Two bits for each MSR of three ranges, read below write, 1 intercepts; an MSR outside the ranges is always
 * intercepted. Open from the start is what VMLOAD and VMSAVE switch: the guest's value is in the register while the
 * guest runs, and the host's is back before the host looks.
 */
#include "kernel/pool.h"
#include "kernel/string.h"
#include "svm/state_table.h"

#define MSRPM_BYTES 8192
#define MSRPM_RANGE_BYTES 0x800u

/* The byte with the two bits of `index` and their position in it; NULL when the map has no such MSR. */
static uint8_t *find(uint8_t *map, uint32_t index, unsigned *shift)
{
    static const uint32_t first[] = { 0, 0xC0000000u, 0xC0010000u };

    *shift = (index & 3) * 2;
    for (unsigned i = 0; i < ARRAY_SIZE(first); i++)
        if (index - first[i] < MSRPM_RANGE_BYTES * 4)
            return &map[i * MSRPM_RANGE_BYTES + (index - first[i]) / 4];
    return NULL;
}

/* May be called while vCPUs run: each sees the change at its next entry at the latest. An MSR outside the map stays
 * intercepted. */
void svm_vm_msr_pass(struct vm *vm, uint32_t index, bool read, bool write)
{
    unsigned shift;
    uint8_t *byte = find(vm->virt, index, &shift);

    if (byte == NULL)
        return;
    *byte = (uint8_t)((*byte & ~(3u << shift)) | (((read ? 0u : 1u) | (write ? 0u : 2u)) << shift));
}

enum cl_status svm_vm_create(struct vm *vm, struct account *account)
{
    vm->virt = pool_take(account, MSRPM_BYTES);
    if (vm->virt == NULL)
        return CL_NO_MEMORY;
    memset(vm->virt, 0xFF, MSRPM_BYTES);
    for (unsigned i = 0; i < SVM_REGISTER_COUNT; i++)
        if (svm_registers[i].msr != MSR_PAT)
            svm_vm_msr_pass(vm, svm_registers[i].msr, true, true);
    return CL_OK;
}

void svm_vm_destroy(struct vm *vm, struct account *account)
{
    pool_give(account, vm->virt);
    vm->virt = NULL;
}

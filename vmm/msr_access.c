/* SPDX-License-Identifier: Apache-2.0 */
/* msr_access.c: MSRs by number (SDM Vol. 4 table 2-2) in the vCPU page, the x2APIC's, the clock's, the policy's. */
#include "lib/syscall.h"
#include "vmm/msr_access.h"
#include "vmm/msr_policy.h"

#define MSR_TSC 0x10u
#define MSR_EFER 0xC0000080u
#define MSR_FS_BASE 0xC0000100u
#define MSR_GS_BASE 0xC0000101u
#define MSR_X2APIC_FIRST 0x800u
#define MSR_X2APIC_LAST 0x83Fu
#define X2APIC_ICR 0x830u

#define EFER_SCE UINT64_C(1)
#define EFER_LME (UINT64_C(1) << 8)
#define EFER_LMA (UINT64_C(1) << 10)
#define EFER_NXE (UINT64_C(1) << 11)
#define CR0_PG (UINT64_C(1) << 31)

static const struct {
    uint32_t index;
    uint8_t name;
    bool address; /* must be canonical */
} by_name[] = {
    { 0xC0000081, VCPU_MSR_STAR, false },
    { 0xC0000082, VCPU_MSR_LSTAR, true },
    { 0xC0000083, VCPU_MSR_CSTAR, true },
    { 0xC0000084, VCPU_MSR_SFMASK, false },
    { 0xC0000102, VCPU_MSR_KERNEL_GS_BASE, true },
    { 0x174, VCPU_MSR_SYSENTER_CS, false },
    { 0x175, VCPU_MSR_SYSENTER_ESP, true },
    { 0x176, VCPU_MSR_SYSENTER_EIP, true },
    { 0x277, VCPU_MSR_PAT, false },
    { 0xC0000103, VCPU_MSR_TSC_AUX, false },
    { MSR_TSC, VCPU_MSR_TSC, false },
};

static bool is_clock(uint32_t index)
{
    return index == KVM_MSR_WALL_CLOCK || index == KVM_MSR_SYSTEM_TIME || index == KVM_MSR_WALL_CLOCK_OLD ||
           index == KVM_MSR_SYSTEM_TIME_OLD;
}

static bool canonical(uint64_t value)
{
    return (int64_t)(value << 16) >> 16 == (int64_t)value;
}

static const struct vm_msr_entry *policy_entry(uint32_t index)
{
    bool amd = cl_info()->vendor == INFO_VENDOR_AMD;
    unsigned count;
    const struct vm_msr_entry *entries = msr_policy(amd, &count);

    for (unsigned i = 0; i < count; i++)
        if (entries[i].index == index)
            return &entries[i];
    return NULL;
}

bool msr_read(struct vcpu_thread *t, uint32_t index, uint64_t *value)
{
    const struct vcpu_page *page = t->page;
    const struct vm_msr_entry *entry;
    uint32_t word;

    if (is_clock(index))
        return kvmclock_msr_read(t->monitor->clock, &t->tx, t->index, index, value);
    for (unsigned i = 0; i < sizeof(by_name) / sizeof(by_name[0]); i++)
        if (by_name[i].index == index) {
            *value = page->msr[by_name[i].name];
            return true;
        }
    if (index == MSR_EFER || index == MSR_FS_BASE || index == MSR_GS_BASE) {
        *value = index == MSR_EFER ? page->efer : page->segment[index == MSR_FS_BASE ? SEG_FS : SEG_GS].base;
        return true;
    }
    if (index >= MSR_X2APIC_FIRST && index <= MSR_X2APIC_LAST && index != X2APIC_ICR) {
        if (cl_vcpu_apic_read(t->slot, (index - MSR_X2APIC_FIRST) << 4, &word) != CL_OK)
            return false;
        *value = word;
        return true;
    }
    entry = policy_entry(index);
    if (entry == NULL || entry->action == VM_MSR_REFUSED)
        return false;
    *value = entry->value;
    return true;
}

static bool write_efer(struct vcpu_page *page, uint64_t value)
{
    if (value & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE) || ((value ^ page->efer) & EFER_LME && page->cr0 & CR0_PG))
        return false;
    page->efer = (value & ~EFER_LMA) | (page->efer & EFER_LMA);
    page->dirty |= VCPU_GROUP_CONTROL;
    return true;
}

bool msr_write(struct vcpu_thread *t, uint32_t index, uint64_t value)
{
    struct vcpu_page *page = t->page;
    const struct vm_msr_entry *entry;

    if (is_clock(index))
        return kvmclock_msr_write(t->monitor->clock, &t->tx, t->index, index, value, page->msr[VCPU_MSR_TSC]);
    for (unsigned i = 0; i < sizeof(by_name) / sizeof(by_name[0]); i++)
        if (by_name[i].index == index) {
            if (by_name[i].address && !canonical(value))
                return false;
            page->msr[VCPU_MSR_TSC] = VCPU_TSC_UNCHANGED;
            page->msr[by_name[i].name] = value;
            page->dirty |= VCPU_GROUP_MSRS;
            return true;
        }
    if (index == MSR_EFER)
        return write_efer(page, value);
    if (index == MSR_FS_BASE || index == MSR_GS_BASE) {
        if (!canonical(value))
            return false;
        page->segment[index == MSR_FS_BASE ? SEG_FS : SEG_GS].base = value;
        page->dirty |= VCPU_GROUP_SEGMENTS;
        return true;
    }
    if (index >= MSR_X2APIC_FIRST && index <= MSR_X2APIC_LAST && index != X2APIC_ICR)
        return value >> 32 == 0 &&
               cl_vcpu_apic_write(t->slot, (index - MSR_X2APIC_FIRST) << 4, (uint32_t)value) == CL_OK;
    entry = policy_entry(index);
    return entry != NULL && entry->action == VM_MSR_WRITE_IGNORED;
}

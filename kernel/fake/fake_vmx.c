/* SPDX-License-Identifier: Apache-2.0 */
/* fake_vmx.c: processors with VT-x for the unit tests of vmx/: see vmx.h. */
#define _GNU_SOURCE
#define sched_yield libc_sched_yield /* the C library has one, too */
#include <unistd.h>
#undef sched_yield
#include "kernel/fake/vmx.h"

#include <asm/prctl.h>
#include <string.h>
#include <sys/syscall.h>

#include "abi/vcpu.h"
#include "kernel/assert.h"
#include "kernel/cpu.h"
#include "kernel/fake/fake.h"
#include "kernel/guest_cpu.h"
#include "kernel/pool.h"
#include "kernel/x86.h"
#include "vmx/instructions.h"

#define FIELDS 1024u
#define REGIONS 64u
#define GARBAGE UINT64_C(0x5A5A5A5A5A5A5A5A)

struct region {
    uint64_t pa;
    int holder;
    bool cleared; /* ever */
    bool launched;
    uint64_t memory[FIELDS], cached[FIELDS];
};

struct msr {
    uint32_t index;
    uint64_t value;
};

struct cpu cpus[MAX_CPUS];
struct fake_vmx_cpu fake_vmx_cpus[MAX_CPUS];
void (*fake_vmx_guest)(void);
uint64_t tsc_hz = 1000000000;

static struct region regions[REGIONS];
static unsigned region_count;
static struct region *current[MAX_CPUS];
static struct msr msrs[MAX_CPUS][FAKE_MSRS];

static unsigned self;

void fake_vmx_become(unsigned index)
{
    long failed = syscall(SYS_arch_prctl, ARCH_SET_GS, &cpus[index]);

    ASSERT(failed == 0);
    self = index;
}

void fake_vmx_start(void)
{
    memset(fake_vmx_cpus, 0, sizeof fake_vmx_cpus);
    memset(msrs, 0, sizeof msrs);
    memset(current, 0, sizeof current);
    region_count = 0;
    fake_vmx_guest = NULL;
    for (unsigned i = 0; i < MAX_CPUS; i++)
        cpus[i] = (struct cpu){ .self = &cpus[i], .index = i };
    fake_vmx_become(0);
}

/* ------------------------------------------------------------------------------------------------ the VMCS */

static struct region *find(uint64_t pa)
{
    for (unsigned i = 0; i < region_count; i++)
        if (regions[i].pa == pa)
            return &regions[i];
    ASSERT(region_count < REGIONS);
    regions[region_count] = (struct region){ .pa = pa, .holder = -1 };
    for (unsigned i = 0; i < FIELDS; i++)
        regions[region_count].memory[i] = GARBAGE;
    return &regions[region_count++];
}

/* Width and type, then the index: SDM Vol. 3C table 25-20. */
static unsigned slot(unsigned field)
{
    ASSERT((field & 1) == 0 && (field >> 1 & 0x1FF) < 64);
    return (field >> 13 & 3) << 8 | (field >> 10 & 3) << 6 | (field >> 1 & 63);
}

static uint64_t truncated(unsigned field, uint64_t value)
{
    static const uint64_t widths[] = { 0xFFFF, UINT64_MAX, UINT32_MAX, UINT64_MAX };

    return value & widths[field >> 13 & 3];
}

static struct region *mine(void)
{
    ASSERT(fake_vmx_cpus[self].on);
    if (current[self] == NULL)
        panic("VMREAD or VMWRITE on CPU %u without a current VMCS", self);
    return current[self];
}

bool vmx_vmxon(uint64_t pa)
{
    ASSERT(*(const uint32_t *)pool_virtual(hpa(pa)) == FAKE_VMX_REVISION);
    ASSERT(fake_vmx_cpus[self].cr[4] & CR4_VMXE);
    fake_vmx_cpus[self].on = true;
    return true;
}

void vmx_vmclear(uint64_t pa)
{
    struct region *region = find(pa);

    ASSERT(fake_vmx_cpus[self].on);
    if (region->holder >= 0 && region->holder != (int)self)
        panic("VMCLEAR on CPU %u of a VMCS that CPU %d holds", self, region->holder);
    if (region->holder >= 0)
        memcpy(region->memory, region->cached, sizeof region->memory);
    region->holder = -1;
    region->cleared = true;
    region->launched = false;
    if (current[self] == region)
        current[self] = NULL;
}

void vmx_vmptrld(uint64_t pa)
{
    struct region *region = find(pa);

    ASSERT(fake_vmx_cpus[self].on);
    ASSERT(*(const uint32_t *)pool_virtual(hpa(pa)) == FAKE_VMX_REVISION);
    if (region->holder >= 0 && region->holder != (int)self)
        panic("VMPTRLD on CPU %u of a VMCS that CPU %d holds", self, region->holder);
    if (!region->cleared)
        panic("VMPTRLD of a VMCS that was never cleared");
    if (region->holder < 0)
        memcpy(region->cached, region->memory, sizeof region->cached);
    region->holder = (int)self;
    current[self] = region;
}

uint64_t vmx_read(unsigned field)
{
    return truncated(field, mine()->cached[slot(field)]);
}

void vmx_write(unsigned field, uint64_t value)
{
    mine()->cached[slot(field)] = truncated(field, value);
}

uint64_t fake_vmcs_read(uint64_t pa, unsigned field)
{
    const struct region *region = find(pa);

    return truncated(field, (region->holder >= 0 ? region->cached : region->memory)[slot(field)]);
}

void fake_vmcs_write(uint64_t pa, unsigned field, uint64_t value)
{
    struct region *region = find(pa);

    (region->holder >= 0 ? region->cached : region->memory)[slot(field)] = truncated(field, value);
}

int fake_vmcs_holder(uint64_t pa)
{
    return find(pa)->holder;
}

/* ------------------------------------------------------------------------------------------------ entry and exit */

/* enter.asm's place: RDI stays, as there. */
__asm__(".text\n"
        ".globl vmx_enter, vmx_exited\n"
        "vmx_enter:\n\t"
        "push %rdi\n\t"
        "push %rbp\n\t"
        "mov %rsp, %rbp\n\t"
        "and $-16, %rsp\n\t"
        "call fake_vmx_enter\n\t"
        "mov %rbp, %rsp\n\t"
        "pop %rbp\n\t"
        "pop %rdi\n\t"
        "ret\n"
        "vmx_exited:\n\t"
        "ud2\n");

uint64_t fake_vmx_enter(struct vcpu_page *page, uint64_t launched, uint64_t *host_rsp);

uint64_t fake_vmx_enter(struct vcpu_page *page, uint64_t launched, uint64_t *host_rsp)
{
    struct region *region = mine();

    *host_rsp = (uint64_t)&region;
    if (region->launched != (launched != 0)) {
        vmx_write(VMCS_INSTRUCTION_ERROR, launched != 0 ? 5 : 4);
        return 1;
    }
    vmx_write(VMCS_GUEST_RIP, page->rip);
    vmx_write(VMCS_GUEST_RSP, page->gpr[GPR_RSP]);
    vmx_write(VMCS_VECTORING, 0);
    if (fake_vmx_guest != NULL)
        fake_vmx_guest();
    if (!(vmx_read(VMCS_EXIT_REASON) & EXIT_ENTRY_FAILED))
        region->launched = true;
    vmx_write(VMCS_ENTRY_EVENT, vmx_read(VMCS_ENTRY_EVENT) & ~EVENT_VALID);
    fake_vmx_cpus[self].limits_stale = true;
    page->rip = vmx_read(VMCS_GUEST_RIP);
    page->gpr[GPR_RSP] = vmx_read(VMCS_GUEST_RSP);
    return 0;
}

void vmx_invept_all(void)
{
    fake_vmx_cpus[self].invepts++;
}

void vmx_invvpid_all(void)
{
    fake_vmx_cpus[self].invvpids++;
}

void vmx_take_nmi(void)
{
    fake_vmx_cpus[self].nmis++;
}

void vmx_load_gdtr(const void *base, uint16_t limit)
{
    ASSERT(base == cpus[self].gdt && limit == sizeof cpus[self].gdt - 1);
}

void vmx_load_tr(uint16_t selector)
{
    ASSERT(!(cpus[self].gdt[selector / 8] >> 41 & 1)); /* a busy TSS is #GP */
    fake_vmx_cpus[self].limits_stale = false;
}

uint64_t vmx_idt_base(void)
{
    return UINT64_C(0xFFFFFFFF80100000);
}

/* ------------------------------------------------------------------------------------------------ the virtual APIC */

enum { PAGE_TPR = 0x80, PAGE_PPR = 0xA0, PAGE_ISR = 0x100, PAGE_IRR = 0x200 };

static uint32_t *apic_word(unsigned offset)
{
    ASSERT(vmx_read(VMCS_PRIMARY_CONTROLS) & PRIMARY_TPR_SHADOW);
    ASSERT((vmx_read(VMCS_SECONDARY_CONTROLS) & SECONDARY_ASSIST) == SECONDARY_ASSIST);
    return (uint32_t *)((char *)pool_virtual(hpa(vmx_read(VMCS_VIRTUAL_APIC))) + offset);
}

static uint32_t *apic_bit(unsigned array, unsigned vector, uint32_t *bit)
{
    *bit = 1u << vector % 32;
    return apic_word(array + vector / 32 * 16);
}

static unsigned apic_highest(unsigned array)
{
    for (unsigned vector = 255; vector > 0; vector--) {
        uint32_t bit, *word = apic_bit(array, vector, &bit);

        if (*word & bit)
            return vector;
    }
    return 0;
}

static void apic_priority(void)
{
    uint32_t tpr = *apic_word(PAGE_TPR), svi = (uint32_t)vmx_read(VMCS_INTERRUPT_STATUS) >> 8 & 0xF0;

    *apic_word(PAGE_PPR) = (tpr & 0xF0) >= svi ? tpr : svi;
}

int fake_vmx_take_interrupt(void)
{
    unsigned rvi = vmx_read(VMCS_INTERRUPT_STATUS) & 0xFF;
    uint32_t bit, *word;

    apic_priority();
    if (rvi >> 4 <= *apic_word(PAGE_PPR) >> 4)
        return -1;
    word = apic_bit(PAGE_ISR, rvi, &bit);
    *word |= bit;
    *apic_word(PAGE_PPR) = rvi & 0xF0;
    word = apic_bit(PAGE_IRR, rvi, &bit);
    *word &= ~bit;
    vmx_write(VMCS_INTERRUPT_STATUS, rvi << 8 | apic_highest(PAGE_IRR));
    return (int)rvi;
}

bool fake_vmx_write_eoi(uint8_t *vector)
{
    uint64_t status = vmx_read(VMCS_INTERRUPT_STATUS);
    uint32_t bit, *word = apic_bit(PAGE_ISR, *vector = (uint8_t)(status >> 8), &bit);

    *word &= ~bit;
    vmx_write(VMCS_INTERRUPT_STATUS, (status & 0xFF) | apic_highest(PAGE_ISR) << 8);
    apic_priority();
    return vmx_read(VMCS_OF(VMCS_EOI_EXITS, *vector / 64)) >> *vector % 64 & 1;
}

void fake_vmx_self_ipi(uint8_t vector)
{
    uint64_t status = vmx_read(VMCS_INTERRUPT_STATUS);
    uint32_t bit, *word = apic_bit(PAGE_IRR, vector, &bit);

    *word |= bit;
    *apic_word(0x3F0) = vector;
    if (vector > (status & 0xFF))
        vmx_write(VMCS_INTERRUPT_STATUS, (status & 0xFF00) | vector);
}

void fake_vmx_write_tpr(uint32_t value)
{
    *apic_word(PAGE_TPR) = value;
    apic_priority();
}

/* ------------------------------------------------------------------------------------------------ other registers */

uint64_t *fake_vmx_msr(uint32_t index)
{
    struct msr *msr = msrs[self];

    while (msr->index != index && msr->index != 0)
        msr++;
    msr->index = index;
    return &msr->value;
}

uint64_t x86_rdmsr(uint32_t index)
{
    return *fake_vmx_msr(index);
}

void x86_wrmsr(uint32_t index, uint64_t value)
{
    *fake_vmx_msr(index) = value;
    fake_vmx_cpus[self].msr_writes++;
}

uint64_t x86_rdtsc(void)
{
    return 1000;
}

#define CONTROL_REGISTER(n)                                                                                            \
    uint64_t x86_read_cr##n(void)                                                                                      \
    {                                                                                                                  \
        return fake_vmx_cpus[self].cr[n];                                                                              \
    }                                                                                                                  \
    void x86_write_cr##n(uint64_t value)                                                                               \
    {                                                                                                                  \
        fake_vmx_cpus[self].cr[n] = value;                                                                             \
    }
CONTROL_REGISTER(0)
CONTROL_REGISTER(2)
CONTROL_REGISTER(3)
CONTROL_REGISTER(4)

#define DEBUG_REGISTER(n)                                                                                              \
    uint64_t x86_read_dr##n(void)                                                                                      \
    {                                                                                                                  \
        return fake_vmx_cpus[self].dr[n];                                                                              \
    }                                                                                                                  \
    void x86_write_dr##n(uint64_t value)                                                                               \
    {                                                                                                                  \
        fake_vmx_cpus[self].dr[n] = value;                                                                             \
    }
DEBUG_REGISTER(0)
DEBUG_REGISTER(1)
DEBUG_REGISTER(2)
DEBUG_REGISTER(3)
DEBUG_REGISTER(6)

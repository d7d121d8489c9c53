/* SPDX-License-Identifier: Apache-2.0 */
/* boot_state.c: reset, SIPI and flat protected mode as register values. */
#include <string.h>

#include "vmm/boot_state.h"

#define ATTR_CODE16 0x009Bu
#define ATTR_DATA16 0x0093u
#define ATTR_CODE32 0xC09Bu
#define ATTR_DATA32 0xC093u
#define ATTR_LDT 0x0082u
#define ATTR_TSS_BUSY 0x008Bu
#define CR0_RESET UINT64_C(0x60000010) /* caches off, as the manual has it; a loader's guest gets CR0_FLAT */
#define CR0_FLAT UINT64_C(0x11)
#define PAT_RESET UINT64_C(0x0007040600070406)
#define EDX_RESET 0x600u

static void set_segment(struct vcpu_page *p, unsigned name, uint16_t selector, uint64_t base, uint32_t limit,
                        uint32_t attributes)
{
    p->segment[name] =
        (struct vcpu_segment){ .selector = selector, .limit = limit, .attributes = attributes, .base = base };
}

static void real_mode_segments(struct vcpu_page *p)
{
    for (unsigned i = 0; i < SEG_COUNT; i++)
        set_segment(p, i, 0, 0, 0xFFFF, ATTR_DATA16);
    set_segment(p, SEG_LDTR, 0, 0, 0xFFFF, ATTR_LDT);
    set_segment(p, SEG_TR, 0, 0, 0xFFFF, ATTR_TSS_BUSY);
}

/* What INIT leaves (table 10-1): everything but FPU, caches and most MSRs. */
static void init_state(struct vcpu_page *p)
{
    memset(p->gpr, 0, sizeof(p->gpr));
    p->gpr[GPR_RDX] = EDX_RESET;
    p->rflags = 2;
    p->cr0 = CR0_RESET;
    p->cr2 = p->cr3 = p->cr4 = p->cr8 = p->efer = 0;
    memset(p->pdpte, 0, sizeof(p->pdpte));
    p->gdtr = p->idtr = (struct vcpu_table){ .limit = 0xFFFF };
    memset(p->dr, 0, sizeof(p->dr));
    p->dr[6] = 0xFFFF0FF0;
    p->dr[7] = 0x400;
    memset(&p->event, 0, sizeof(p->event));
    real_mode_segments(p);
    p->dirty |= VCPU_GROUP_RIP | VCPU_GROUP_SEGMENTS | VCPU_GROUP_CONTROL | VCPU_GROUP_DEBUG | VCPU_GROUP_EVENTS;
}

void boot_state_reset(struct vcpu_page *p)
{
    init_state(p);
    set_segment(p, SEG_CS, 0xF000, 0xFFFF0000, 0xFFFF, ATTR_CODE16);
    p->rip = 0xFFF0;
    p->xcr0 = 1;
    memset(p->msr, 0, sizeof(p->msr));
    p->msr[VCPU_MSR_PAT] = PAT_RESET;
    p->msr[VCPU_MSR_TSC] = VCPU_TSC_UNCHANGED; /* the same for all vCPUs, which begin one after the other */
    p->dirty |= VCPU_GROUP_MSRS;
}

void boot_state_sipi(struct vcpu_page *p, uint8_t vector)
{
    init_state(p);
    set_segment(p, SEG_CS, (uint16_t)(vector << 8), (uint64_t)vector << 12, 0xFFFF, ATTR_CODE16);
    p->rip = 0;
}

void boot_state_flat32(struct vcpu_page *p, uint32_t entry, uint16_t code, uint16_t data)
{
    boot_state_reset(p);
    set_segment(p, SEG_CS, code, 0, UINT32_MAX, ATTR_CODE32);
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        if (i != SEG_CS)
            set_segment(p, i, data, 0, UINT32_MAX, ATTR_DATA32);
    p->cr0 = CR0_FLAT;
    p->gpr[GPR_RDX] = 0;
    p->rip = entry;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* cpu.c: one CPU's descriptor tables, control registers and MSRs. */
#include "kernel/cpu.h"

#include <assert.h>

#include "kernel/assert.h"
#include "kernel/boot.h"
#include "kernel/thread.h"
#include "kernel/x86.h"

static_assert(offsetof(struct cpu, user_rsp) == 8, "CPU_USER_RSP in entry.asm");
static_assert(offsetof(struct cpu, kernel_stack) == 16, "CPU_KERNEL_STACK in entry.asm");
static_assert(offsetof(struct cpu, registers_end) == 24, "CPU_REGISTERS_END in entry.asm");
static_assert(offsetof(struct registers, vector) == 120, "REGISTERS_VECTOR in entry.asm");
static_assert(offsetof(struct registers, cs) == 144, "REGISTERS_CS in entry.asm");
static_assert(sizeof(struct registers) == 176, "ist_common in entry.asm");
static_assert(offsetof(struct thread, registers) % 16 == 0, "the CPU aligns RSP0 to 16 bytes");

extern char syscall_entry[], interrupt_stubs[];

struct cpu cpus[MAX_CPUS];
uint32_t cpu_count;

#define STUB_BYTES 16
#define IDT_ENTRIES 256

static struct gate idt[IDT_ENTRIES];

void idt_build(void)
{
    for (unsigned i = 0; i < IDT_ENTRIES; i++) {
        uint64_t stub = (uint64_t)interrupt_stubs + i * STUB_BYTES;
        uint8_t ist = i == VECTOR_NMI ? 1 : i == VECTOR_DF ? 2 : i == VECTOR_MC ? 3 : 0;
        bool for_users = i == VECTOR_BP || i == VECTOR_OF;
        idt[i] = (struct gate){ .offset_low = (uint16_t)stub,
                                .selector = SELECTOR_KERNEL_CODE,
                                .ist = ist,
                                .type = (uint8_t)(GATE_INTERRUPT | (for_users ? GATE_DPL3 : 0)),
                                .offset_middle = (uint16_t)(stub >> 16),
                                .offset_high = (uint32_t)(stub >> 32) };
    }
}

static void load_descriptors(struct cpu *cpu)
{
    uint64_t base = (uint64_t)&cpu->tss;
    uint64_t limit = sizeof(cpu->tss) - 1;

    cpu->gdt[SELECTOR_KERNEL_CODE / 8] = UINT64_C(0x00af9b000000ffff);
    cpu->gdt[SELECTOR_KERNEL_DATA / 8] = UINT64_C(0x00cf93000000ffff);
    cpu->gdt[SELECTOR_USER_DATA / 8] = UINT64_C(0x00cff3000000ffff);
    cpu->gdt[SELECTOR_USER_CODE / 8] = UINT64_C(0x00affb000000ffff);
    cpu->gdt[SELECTOR_TSS / 8] = (limit & 0xffff) | (base & 0xffffff) << 16 | UINT64_C(0x89) << 40 |
                                 (limit >> 16 & 0xf) << 48 | (base >> 24 & 0xff) << 56;
    cpu->gdt[SELECTOR_TSS / 8 + 1] = base >> 32;
    cpu->tss.iomap_base = sizeof(cpu->tss); /* beyond the limit: no port for ring 3 */
    cpu->tss.iomap[sizeof(cpu->tss.iomap) - 1] = 0xff;

    struct table_pointer gdtr = { sizeof(cpu->gdt) - 1, (uint64_t)cpu->gdt };
    struct table_pointer idtr = { sizeof(idt) - 1, (uint64_t)idt };
    __asm__ volatile("lgdt %0\n\t"
                     "lidt %1\n\t"
                     "pushq %2\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1:\n\t"
                     "mov %3, %%ss\n\t"
                     "mov %4, %%ds\n\t"
                     "mov %4, %%es\n\t"
                     "mov %4, %%fs\n\t"
                     "mov %4, %%gs\n\t"
                     "lldt %w4\n\t"
                     "ltr %w5"
                     :
                     : "m"(gdtr), "m"(idtr), "i"(SELECTOR_KERNEL_CODE), "r"(SELECTOR_KERNEL_DATA), "r"(0),
                       "r"(SELECTOR_TSS)
                     : "rax", "memory");
}

static void set_control_registers(void)
{
    struct x86_cpuid features = x86_cpuid(7, 0);
    uint64_t cr4 = CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_DE | CR4_MCE | CR4_OSXSAVE;

    if ((features.ebx & (1u << 7)) != 0)
        cr4 |= CR4_SMEP;
    if ((features.ebx & (1u << 20)) != 0)
        cr4 |= CR4_SMAP;
    if ((features.ecx & (1u << 2)) != 0)
        cr4 |= CR4_UMIP;
    x86_write_cr4(cr4);
    x86_write_cr0(CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG);
}

void cpu_setup(struct cpu *cpu)
{
    cpu->self = cpu;
    load_descriptors(cpu);
    x86_wrmsr(MSR_GS_BASE, (uint64_t)cpu);
    x86_wrmsr(MSR_KERNEL_GS_BASE, 0);
    x86_wrmsr(MSR_FS_BASE, 0);
    set_control_registers();
    x86_wrmsr(MSR_EFER, x86_rdmsr(MSR_EFER) | EFER_SCE | EFER_NXE);
    /* SYSRET takes CS from STAR 63:48 + 16 and SS from + 8, RPL 3 forced */
    x86_wrmsr(MSR_STAR, (uint64_t)(SELECTOR_USER_DATA - 8) << 48 | (uint64_t)SELECTOR_KERNEL_CODE << 32);
    x86_wrmsr(MSR_LSTAR, (uint64_t)syscall_entry);
    x86_wrmsr(MSR_CSTAR, 0);
    x86_wrmsr(MSR_SFMASK, RFLAGS_IF | RFLAGS_DF | RFLAGS_TF | RFLAGS_AC | RFLAGS_NT | RFLAGS_IOPL | RFLAGS_RF);
    /* PA0 WB, PA1 WC, PA2 UC-, PA3 UC; the upper half the same (SDM Vol. 3A 12.12.2) */
    x86_wrmsr(MSR_PAT, UINT64_C(0x0007010600070106));
    x86_write_dr7(0x400);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* traps.c: the IDT, and who gets an exception or interrupt: handler, TRY(), or the end of the guest. */
#include "trap.h"
#include "apic.h"
#include "pc.h"

#define IDT_INTERRUPT_GATE 0x8Eu
#define IDT_PRESENT 0x80u
#define IDT_USER 0x60u
#define USER_RETURN_VECTOR 0x80u
#define WAIT_TICKS 3000000000ull

struct idt_gate {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_mid;
    uint32_t offset_high, reserved;
};

extern const uint64_t micro_vector_table[256];
void micro_traps_install(void);
void micro_trap_dispatch(struct micro_frame *frame);

static struct idt_gate idt[256] __attribute__((aligned(16)));
static micro_handler *handlers[256];
volatile struct micro_trap micro_trap;
volatile uint64_t micro_resume;
volatile uint64_t micro_resume_rsp; /* for an exception at CPL 3 */
volatile struct irq_log irq_log;

void micro_traps_install(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) pointer = { sizeof(idt) - 1, (uint64_t)idt };

    for (unsigned i = 0; i < 256; i++) {
        uint64_t address = micro_vector_table[i];
        idt[i] = (struct idt_gate){
            .offset_low = (uint16_t)address,
            .offset_mid = (uint16_t)(address >> 16),
            .offset_high = (uint32_t)(address >> 32),
            .selector = 0x08,
            .type = IDT_INTERRUPT_GATE,
        };
    }
    idt[VECTOR_DF].ist = 1; /* or a double fault for want of a stack would be a triple fault */
    idt[USER_RETURN_VECTOR].type |= IDT_USER;
    asm volatile("lidt %0" : : "m"(pointer));
}

static _Noreturn void unexpected(const struct micro_frame *f)
{
    micro_printf("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", f->rax, f->rbx, f->rcx, f->rdx);
    micro_printf("rsi %016lx rdi %016lx rbp %016lx rsp %016lx\n", f->rsi, f->rdi, f->rbp, f->rsp);
    micro_printf("cr0 %016lx cr2 %016lx cr3 %016lx cr4 %016lx\n", read_cr0(), read_cr2(), read_cr3(), read_cr4());
    if (f->vector < 32)
        micro_error("unexpected %s at %#lx, error code %#lx, flags %#lx", trap_name((int32_t)f->vector), f->rip,
                    f->error, f->rflags);
    micro_error("unexpected interrupt %#lx at %#lx", f->vector, f->rip);
}

static void record(const struct micro_frame *frame)
{
    micro_trap.vector = (int32_t)frame->vector;
    micro_trap.error = (uint32_t)frame->error;
    micro_trap.rip = frame->rip;
    micro_trap.rflags = frame->rflags;
    micro_trap.cr2 = frame->vector == VECTOR_PF ? read_cr2() : 0;
}

void micro_trap_dispatch(struct micro_frame *frame)
{
    bool user_return = frame->vector == USER_RETURN_VECTOR && (frame->cs & 3) != 0;

    if (handlers[frame->vector] != NULL) {
        handlers[frame->vector](frame);
        return;
    }
    if (micro_resume == 0 || (frame->vector >= 32 && !user_return))
        unexpected(frame);
    if (!user_return)
        record(frame);
    if (frame->cs & 3) {
        frame->cs = 0x08;
        frame->ss = 0x10;
        frame->rsp = micro_resume_rsp;
        frame->rflags = 2;
    }
    frame->rip = micro_resume;
    micro_resume = 0;
}

const char *trap_name(int32_t vector)
{
    static const char *const names[] = { "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "9",   "#TS",
                                         "#NP", "#SS", "#GP", "#PF", "15",  "#MF", "#AC", "#MC", "#XM", "#VE", "#CP" };

    if (vector == VECTOR_NONE)
        return "no exception";
    return (size_t)vector < ARRAY_LENGTH(names) ? names[vector] : "reserved exception";
}

void check_trap(int32_t vector, const char *what)
{
    micro_check(micro_trap.vector == vector, "%s: %s, expected %s", what, trap_name(micro_trap.vector),
                trap_name(vector));
}

void check_trap_error(int32_t vector, uint32_t error, const char *what)
{
    micro_check(micro_trap.vector == vector && (vector == VECTOR_NONE || micro_trap.error == error),
                "%s: %s with error code %#x, expected %s with %#x", what, trap_name(micro_trap.vector),
                micro_trap.error, trap_name(vector), error);
}

bool rdmsr_try(uint32_t msr, uint64_t *value)
{
    uint32_t low = 0, high = 0;

    TRY("rdmsr", : "+a"(low), "+d"(high) : "c"(msr) : "memory");
    *value = (uint64_t)high << 32 | low;
    return micro_trap.vector == VECTOR_NONE;
}

bool wrmsr_try(uint32_t msr, uint64_t value)
{
    TRY("wrmsr", : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
    return micro_trap.vector == VECTOR_NONE;
}

void micro_handle(uint8_t vector, micro_handler *handler)
{
    handlers[vector] = handler;
}

void micro_set_ist(uint8_t vector, uint8_t ist)
{
    idt[vector].ist = ist;
}

void micro_gate_present(uint8_t vector, bool present)
{
    idt[vector].type = (uint8_t)(present ? idt[vector].type | IDT_PRESENT : idt[vector].type & ~IDT_PRESENT);
}

void irq_log_clear(void)
{
    irq_log.count = 0;
}

void irq_log_only(struct micro_frame *frame)
{
    if (irq_log.count < IRQ_LOG_LENGTH)
        irq_log.vectors[irq_log.count] = (uint8_t)frame->vector;
    irq_log.count = irq_log.count + 1;
    irq_log.rip = frame->rip;
}

void irq_log_apic(struct micro_frame *frame)
{
    irq_log_only(frame);
    apic_eoi();
}

void irq_log_pic(struct micro_frame *frame)
{
    irq_log_only(frame);
    pic_eoi((uint8_t)frame->vector);
}

bool irq_wait(uint32_t count)
{
    uint64_t start = rdtsc();

    interrupts_on();
    while (irq_log.count < count && rdtsc() - start < WAIT_TICKS)
        cpu_pause();
    interrupts_off();
    return irq_log.count >= count;
}

void irq_window(void)
{
    asm volatile("sti; nop; nop; cli" : : : "memory");
}

void spin_ticks(uint64_t ticks)
{
    uint64_t start = rdtsc();

    while (rdtsc() - start < ticks)
        cpu_pause();
}

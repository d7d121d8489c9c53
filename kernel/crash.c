/* SPDX-License-Identifier: Apache-2.0 */
/* crash.c: stop everything and say what happened. */
#include "kernel/crash.h"

#include <stdarg.h>

#include "kernel/assert.h"
#include "kernel/cpu.h"
#include "kernel/domain.h"
#include "kernel/lapic.h"
#include "kernel/layout_table.h"
#include "kernel/log.h"
#include "kernel/print.h"
#include "kernel/thread.h"
#include "kernel/trap.h"
#include "kernel/x86.h"

#define BACKTRACE_MAX 24

static uint32_t stopping; /* [a] */

extern const char kernel_start[], kernel_text_end[], symbol_names[];
/* Made at build time (tools/symbols), sorted; the first one begins with the image, the last one is beyond it. */
extern const struct {
    uint32_t offset, name; /* of the function in the image, of its name in symbol_names */
} symbol_table[];

void crash_park(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}

void crash_nmi(void)
{
    if (__atomic_load_n(&stopping, __ATOMIC_ACQUIRE) != 0)
        crash_park();
}

static bool is_text(uint64_t address)
{
    return address >= (uint64_t)kernel_start && address <= (uint64_t)kernel_text_end;
}

/* There is room for a frame at `address`. */
static bool is_stack(uint64_t address)
{
    return address >= LAYOUT_STACKS && address < LAYOUT_STACKS + (uint64_t)MAX_CPUS * STACKS_PER_CPU * STACK_STRIDE &&
           address % 8 == 0 && address % STACK_STRIDE >= STACK_STRIDE - STACK_BYTES &&
           address % STACK_STRIDE <= STACK_STRIDE - 16;
}

/* A return address may be the first of the next function, when the call was the last instruction: the name is that of
 * the call itself. */
static void print_return(uint64_t address)
{
    uint64_t offset = address - (uint64_t)kernel_start;
    uint32_t i = 0;

    while (symbol_table[i + 1].offset < offset)
        i++;
    log_line("  %016lx %s+0x%lx", address, symbol_names + symbol_table[i].name, offset - symbol_table[i].offset);
}

/* Frame pointers lead from frame to frame as long as they stay on kernel stacks and go up. */
static void backtrace(uint64_t rbp)
{
    uint64_t last = 0;

    for (unsigned i = 0; i < BACKTRACE_MAX && is_stack(rbp) && rbp > last; i++) {
        const uint64_t *frame = (const uint64_t *)rbp;
        if (!is_text(frame[1]))
            break;
        print_return(frame[1]);
        last = rbp;
        rbp = frame[0];
    }
}

static void print_registers(const struct registers *r)
{
    log_line("rax %016lx rbx %016lx rcx %016lx rdx %016lx", r->rax, r->rbx, r->rcx, r->rdx);
    log_line("rsi %016lx rdi %016lx rbp %016lx rsp %016lx", r->rsi, r->rdi, r->rbp, r->rsp);
    log_line("r8  %016lx r9  %016lx r10 %016lx r11 %016lx", r->r8, r->r9, r->r10, r->r11);
    log_line("r12 %016lx r13 %016lx r14 %016lx r15 %016lx", r->r12, r->r13, r->r14, r->r15);
    log_line("rip %016lx rflags %016lx cs %lx ss %lx error %lx", r->rip, r->rflags, r->cs, r->ss, r->error);
}

void crash_stop_others(void)
{
    if (__atomic_exchange_n(&stopping, 1, __ATOMIC_SEQ_CST) != 0)
        crash_park();
    log_panic_mode();
    for (uint32_t i = 0; i < cpu_count; i++) {
        if (cpus[i].online && &cpus[i] != this_cpu())
            lapic_ipi(cpus[i].apic_id, ICR_DELIVERY(VLAPIC_NMI));
    }
}

/* The end of every report; `registers` NULL: they say nothing. */
static __attribute__((noreturn)) void finish(const struct registers *registers, uint64_t rbp)
{
    if (cpu_count > 0) {
        const struct thread *thread = this_cpu()->current;
        log_line("cpu %u, domain %s", cpu_index(), thread != NULL ? thread->domain->name : "(none: idle)");
        log_line("cr2 %016lx cr3 %016lx cr4 %016lx", x86_read_cr2(), x86_read_cr3(), x86_read_cr4());
    }
    if (registers != NULL)
        print_registers(registers);
    log_line("backtrace:");
    if (registers != NULL && is_text(registers->rip))
        print_return(registers->rip + 1);
    backtrace(rbp);
    log_line("halted: please report the lines above");
    crash_park();
}

void crash_kernel(const struct registers *registers, const char *what)
{
    crash_stop_others();
    log_line("panic: %s in the kernel at %016lx", what, registers->rip);
    finish(registers, registers->rbp);
}

void panic(const char *format, ...)
{
    char text[LOG_LINE_MAX];
    va_list arguments;

    va_start(arguments, format);
    print_format(text, sizeof(text), format, arguments);
    va_end(arguments);
    crash_stop_others();
    log_line("panic: %s", text);
    finish(NULL, (uint64_t)__builtin_frame_address(0));
}

void crash_report_user(const struct thread *thread, uint64_t address)
{
    const struct registers *r = &thread->registers;

    log_line("domain %s stopped: %s at %lx, address %lx", thread->domain->name, exception_names[r->vector], r->rip,
             address);
    print_registers(r);
}

/* gcc's stack protector */
uint64_t __stack_chk_guard = UINT64_C(0x595e9fbd94fda766);
void __stack_chk_fail(void) __attribute__((noreturn));
void __stack_chk_fail(void)
{
    panic("a stack buffer was overrun");
}

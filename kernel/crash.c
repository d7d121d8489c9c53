/* SPDX-License-Identifier: Apache-2.0 */
/* crash.c: stop everything and say what happened. */
#include "kernel/crash.h"

#include <stdarg.h>

#include "kernel/assert.h"
#include "kernel/cpu.h"
#include "kernel/domain.h"
#include "kernel/lapic.h"
#include "kernel/layout.h"
#include "kernel/log.h"
#include "kernel/print.h"
#include "kernel/thread.h"
#include "kernel/trap.h"
#include "kernel/x86.h"

#define BACKTRACE_MAX 24

static uint32_t stopping; /* [a] */

extern const char kernel_start[], kernel_text_end[];

bool crash_is_stopping(void)
{
    return __atomic_load_n(&stopping, __ATOMIC_ACQUIRE) != 0;
}

void crash_begin_stop(void)
{
    __atomic_store_n(&stopping, 1, __ATOMIC_SEQ_CST);
}

void crash_park(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}

static bool is_stack(uint64_t address)
{
    return address >= LAYOUT_STACKS && address < LAYOUT_STACKS + (uint64_t)MAX_CPUS * STACKS_PER_CPU * STACK_STRIDE &&
           address % 8 == 0;
}

/* A return address may be the first of the next function, when the call was the last instruction: the name is that of
 * the call itself. */
static void print_return(uint64_t address)
{
    uint64_t offset;
    const char *name = symbol_name(address - 1, &offset);

    log_line("  %016lx %s+0x%lx", address, name, offset + 1);
}

/* Frame pointers lead from frame to frame as long as they stay on kernel stacks and go up. */
static void backtrace(uint64_t rip, uint64_t rbp)
{
    log_line("backtrace:");
    if (rip >= (uint64_t)kernel_start && rip < (uint64_t)kernel_text_end)
        print_return(rip + 1);
    for (unsigned i = 0; i < BACKTRACE_MAX && is_stack(rbp) && (rbp & (STACK_STRIDE - 1)) <= STACK_STRIDE - 16; i++) {
        const uint64_t *frame = (const uint64_t *)rbp;
        if (frame[1] == 0)
            break;
        print_return(frame[1]);
        if (frame[0] <= rbp)
            break;
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

static void stop_others(void)
{
    uint32_t before = __atomic_exchange_n(&stopping, 1, __ATOMIC_SEQ_CST);

    if (before != 0)
        crash_park();
    log_panic_mode();
    for (uint32_t i = 0; i < cpu_count; i++) {
        if (cpus[i].online && &cpus[i] != this_cpu())
            lapic_nmi(cpus[i].apic_id);
    }
}

static void print_place(void)
{
    const struct cpu *cpu = this_cpu();
    const struct thread *thread = cpu->current;

    log_line("cpu %u, domain %s", cpu->index, thread != NULL ? thread->domain->name : "(none: idle)");
    log_line("cr2 %016lx cr3 %016lx cr4 %016lx", x86_read_cr2(), x86_read_cr3(), x86_read_cr4());
}

void crash_kernel(const struct registers *registers, const char *what)
{
    stop_others();
    log_line("panic: %s in the kernel at %016lx", what, registers->rip);
    print_place();
    print_registers(registers);
    backtrace(registers->rip, registers->rbp);
    log_line("halted: please report the lines above");
    crash_park();
}

void panic(const char *format, ...)
{
    char text[LOG_LINE_MAX];
    va_list arguments;

    va_start(arguments, format);
    print_format(text, sizeof(text), format, arguments);
    va_end(arguments);
    stop_others();
    log_line("panic: %s", text);
    if (cpu_count > 0)
        print_place();
    backtrace(0, (uint64_t)__builtin_frame_address(0));
    log_line("halted: please report the lines above");
    crash_park();
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

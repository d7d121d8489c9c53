/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: what CPL 3 may do: nothing privileged, SYSCALL and back, #AC.
 *
 * SDM Vol. 3A 5.9 (privileged instructions), 6.15 "#AC", Vol. 2B "SYSCALL", "SYSRET"; Vol. 1 19.5.2 (I/O permission).
 * Exits must not let a program past these checks: they come before the intercept (SDM Vol. 3C 26.1.1, APM Vol. 2 15.7).
 */
#include "paging.h"
#include "pc.h"
#include "trap.h"

void syscall_entry(void);
extern volatile uint64_t syscall_seen;

asm(".pushsection .text\n"
    "syscall_entry: incq syscall_seen(%rip); sysretq\n"
    ".popsection\n"
    ".pushsection .bss\n"
    "syscall_seen: .quad 0\n"
    ".popsection");

static void check_privileged(void)
{
    TRY_USER(2, "hlt", : : : "memory");
    check_trap_error(VECTOR_GP, 0, "HLT");
    TRY_USER(2, "cli", : : : "memory");
    check_trap_error(VECTOR_GP, 0, "CLI");
    TRY_USER(2, "rdmsr", : : "c"(MSR_EFER) : "rax", "rdx", "memory");
    check_trap_error(VECTOR_GP, 0, "RDMSR");
    TRY_USER(2, "wrmsr", : : "c"(MSR_FS_BASE), "a"(0), "d"(0) : "memory");
    check_trap_error(VECTOR_GP, 0, "WRMSR");
    TRY_USER(2, "mov %%cr0, %%rax", : : : "rax", "memory");
    check_trap_error(VECTOR_GP, 0, "MOV from CR0");
    TRY_USER(2, "mov %%dr7, %%rax", : : : "rax", "memory");
    check_trap_error(VECTOR_GP, 0, "MOV from DR7");
    TRY_USER(2, "invd", : : : "memory");
    check_trap_error(VECTOR_GP, 0, "INVD");
    TRY_USER(2, "wbinvd", : : : "memory");
    check_trap_error(VECTOR_GP, 0, "WBINVD");
    TRY_USER(2, "lgdt (%0)", : : "r"(micro_main) : "memory");
    check_trap_error(VECTOR_GP, 0, "LGDT");
    TRY_USER(2, "cpuid", : : "a"(0), "c"(0) : "rbx", "rdx", "memory");
    check_trap(VECTOR_NONE, "CPUID");
    TRY_USER(2, "rdtsc", : : : "rax", "rdx", "memory");
    check_trap(VECTOR_NONE, "RDTSC");
    write_cr4(read_cr4() | CR4_TSD);
    TRY_USER(2, "rdtsc", : : : "rax", "rdx", "memory");
    check_trap_error(VECTOR_GP, 0, "RDTSC with CR4.TSD");
    write_cr4(read_cr4() & ~CR4_TSD);
}

static void check_ports(void)
{
    uint8_t value = 0;

    outb(COM1_SCRATCH, 0x77);
    TRY_USER(2, "in %%dx, %%al", : "+a"(value) : "d"((uint16_t)COM1_SCRATCH) : "memory");
    check_trap_error(VECTOR_GP, 0, "IN with IOPL 0");
    TRY_USER(2, "out %%al, %%dx", : : "a"(0), "d"((uint16_t)COM1_SCRATCH) : "memory");
    check_trap_error(VECTOR_GP, 0, "OUT with IOPL 0");
    CHECK_EQUAL(inb(COM1_SCRATCH), 0x77, "the scratch register behind a refused OUT");
    TRY_USER(0x3002, "in %%dx, %%al", : "+a"(value) : "d"((uint16_t)COM1_SCRATCH) : "memory");
    check_trap(VECTOR_NONE, "IN with IOPL 3");
    CHECK_EQUAL(value, 0x77, "IN with IOPL 3");
}

static void check_memory(void)
{
    static uint64_t word __attribute__((aligned(16)));
    uint64_t supervisor = 0x00800000;

    TRY_USER(2, "mov (%0), %%al", : : "r"(supervisor) : "rax", "memory");
    check_trap_error(VECTOR_PF, PF_PRESENT | PF_USER, "read of a supervisor page");
    CHECK_EQUAL(micro_trap.cr2, supervisor, "CR2");
    TRY_USER(2, "movl $0, 1(%0)", : : "r"(&word) : "memory");
    check_trap(VECTOR_NONE, "an unaligned write without CR0.AM");
    write_cr0(read_cr0() | CR0_AM);
    TRY_USER(0x40002, "movl $0, 1(%0)", : : "r"(&word) : "memory");
    CHECK_DEPARTURE("alignment-check", micro_trap.vector == VECTOR_AC && micro_trap.error == 0,
                    "an unaligned write with CR0.AM and AC: %s", trap_name(micro_trap.vector));
    TRY("movl $0, 1(%0)", : : "r"(&word) : "memory");
    check_trap(VECTOR_NONE, "an unaligned write at CPL 0");
    write_cr0(read_cr0() & ~CR0_AM);
}

static void check_syscall(void)
{
    uint64_t rcx = 0, r11 = 0;

    TRY_USER(2, "syscall", : : : "rcx", "r11", "memory");
    check_trap(VECTOR_UD, "SYSCALL with EFER.SCE clear");
    /* SYSRET: CS = STAR[63:48] + 16, SS = STAR[63:48] + 8: 40h and 38h of the runtime's GDT */
    wrmsr(MSR_STAR, 0x30ull << 48 | 0x08ull << 32);
    wrmsr(MSR_LSTAR, (uint64_t)syscall_entry);
    wrmsr(MSR_SFMASK, RFLAGS_IF | RFLAGS_TF | RFLAGS_DF);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
    TRY_USER(2, "lea 1f(%%rip), %%rbx; syscall; 1: mov %%rcx, %0; sub %%rbx, %0; mov %%r11, %1",
             : "=r"(rcx), "=r"(r11)
             :
             : "rbx", "rcx", "r11", "memory");
    check_trap(VECTOR_NONE, "SYSCALL and SYSRET");
    CHECK_EQUAL(syscall_seen, 1, "number of system calls");
    CHECK_EQUAL(rcx, 0, "RCX of SYSCALL minus the address behind it");
    CHECK_EQUAL(r11 & ~RFLAGS_RF & ~0xD4ull, 2, "R11 of SYSCALL");
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~EFER_SCE);
}

void micro_main(void)
{
    paging_allow_user();
    check_privileged();
    check_ports();
    check_memory();
    check_syscall();
}

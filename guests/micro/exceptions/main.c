/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: every exception that a program can cause, with its error code, return address and CR2.
 *
 * SDM Vol. 3A 6.15; APM Vol. 2 8.2. #DB has a guest of its own (debug), #AC needs CPL 3.
 */
#include "paging.h"
#include "trap.h"

#define SELECTOR_ABSENT_CODE 0x58
#define SELECTOR_ABSENT_DATA 0x60
#define SELECTOR_BEYOND 0x200
#define SELECTOR_TSS 0x48
#define TSS_IST7 84u /* its offset in the TSS */
#define ERROR_EXTERNAL 1u
#define ERROR_IDT 2u
#define NON_CANONICAL 0x8000000000000000ull
#define UNMAPPED 0x0000123456789000ull

/* TRY() for two cases that need RBP or leave words on the stack. */
void exceptions_far_return(void);
void exceptions_stack_read(uint64_t address);

asm(".pushsection .text\n"
    "exceptions_far_return:\n"
    "    push %rbp; mov %rsp, %rbp\n"
    "    movl $-1, micro_trap(%rip); movq $1f, micro_resume(%rip)\n"
    "    pushq $0x58; pushq $1f; lretq\n"
    "1:  movq $0, micro_resume(%rip); mov %rbp, %rsp; pop %rbp; ret\n"
    "exceptions_stack_read:\n"
    "    push %rbp; mov %rdi, %rbp\n"
    "    movl $-1, micro_trap(%rip); movq $1f, micro_resume(%rip)\n"
    "    mov (%rbp), %eax\n"
    "1:  movq $0, micro_resume(%rip); pop %rbp; ret\n"
    ".popsection");

extern uint64_t micro_gdt[13];

static uint64_t split[512] __attribute__((aligned(4096)));
static uint8_t page[PAGE_SIZE] __attribute__((aligned(4096)));

static void check_simple(void)
{
    uint64_t fault_rip = 0, after = 0;

    TRY("lea 1f(%%rip), %0; xor %%ecx, %%ecx; 1: div %%ecx", : "=&r"(fault_rip) : "a"(1), "d"(0) : "rcx", "memory");
    check_trap(VECTOR_DE, "DIV by zero");
    CHECK_EQUAL(micro_trap.rip, fault_rip, "return address of a fault");
    TRY("idivl %0", : : "r"(-1), "a"(0x80000000u), "d"(0xFFFFFFFFu) : "memory");
    check_trap(VECTOR_DE, "IDIV of -2^31 by -1");

    TRY("lea 1f(%%rip), %0; int3; 1:", : "=&r"(after) : : "memory");
    check_trap(VECTOR_BP, "INT3");
    CHECK_EQUAL(micro_trap.rip, after, "return address of a trap");
    TRY("lea 1f(%%rip), %0; int $4; 1:", : "=&r"(after) : : "memory");
    check_trap(VECTOR_OF, "INT 4");
    CHECK_EQUAL(micro_trap.rip, after, "return address of INT 4");
    TRY(".byte 0xF1", : : : "memory");
    CHECK_DEPARTURE("int1", micro_trap.vector == VECTOR_DB, "INT1: %s", trap_name(micro_trap.vector));

    TRY("lea 1f(%%rip), %0; 1: ud2", : "=&r"(fault_rip) : : "memory");
    check_trap(VECTOR_UD, "UD2");
    CHECK_EQUAL(micro_trap.rip, fault_rip, "return address of #UD");
    TRY(".byte 0x06", : : : "memory");
    check_trap(VECTOR_UD, "PUSH ES in 64-bit mode");
    TRY(".byte 0xF0, 0x90", : : : "memory");
    check_trap(VECTOR_UD, "LOCK NOP");
    TRY(".byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90",
        :
        :
        : "memory");
    CHECK_DEPARTURE("instruction-length", micro_trap.vector == VECTOR_GP, "an instruction of 16 bytes: %s",
                    trap_name(micro_trap.vector));
}

static void check_float(void)
{
    uint64_t cr0 = read_cr0(), cr4 = read_cr4();
    uint32_t mxcsr = 0x1F80u & ~0x200u, mxcsr_default = 0x1F80u; /* division by zero unmasked */
    uint16_t control = 0x037Bu;                                  /* the same for the x87 */

    write_cr0(cr0 | CR0_TS);
    TRY("fnop", : : : "memory");
    check_trap(VECTOR_NM, "x87 with CR0.TS");
    asm volatile("clts");
    write_cr0(cr0 | CR0_EM);
    TRY("fnop", : : : "memory");
    check_trap(VECTOR_NM, "x87 with CR0.EM");
    write_cr0((cr0 | CR0_MP | CR0_NE) & ~(CR0_EM | CR0_TS));

    TRY("fninit; fldcw %0; fldz; fld1; fdivp; fwait", : : "m"(control) : "memory");
    asm volatile("fninit");
    check_trap(VECTOR_MF, "x87 division by zero");

    TRY("xorps %%xmm0, %%xmm0", : : : "memory");
    check_trap(VECTOR_UD, "SSE with CR4.OSFXSR clear");
    write_cr4(cr4 | CR4_OSFXSR | CR4_OSXMMEXCPT);
    TRY("ldmxcsr %0; xorps %%xmm0, %%xmm0; pcmpeqd %%xmm1, %%xmm1; psrld $25, %%xmm1; cvtdq2ps %%xmm1, %%xmm1; divps %%xmm0, %%xmm1",
        :
        : "m"(mxcsr)
        : "memory");
    asm volatile("ldmxcsr %0" : : "m"(mxcsr_default));
    CHECK_DEPARTURE("simd-exception", micro_trap.vector == VECTOR_XM, "SSE division by zero: %s",
                    trap_name(micro_trap.vector));
    write_cr4(cr4);
    write_cr0(cr0);
}

static void check_selectors(void)
{
    TRY("mov %w0, %%ds", : : "r"(SELECTOR_ABSENT_DATA) : "memory");
    check_trap_error(VECTOR_NP, SELECTOR_ABSENT_DATA, "DS from an absent descriptor");
    TRY("mov %w0, %%ss", : : "r"(SELECTOR_ABSENT_DATA) : "memory");
    check_trap_error(VECTOR_SS, SELECTOR_ABSENT_DATA, "SS from an absent descriptor");
    TRY("mov %w0, %%ds", : : "r"(SELECTOR_BEYOND) : "memory");
    check_trap_error(VECTOR_GP, SELECTOR_BEYOND, "DS beyond the GDT");
    TRY("ltr %w0", : : "r"(0x48) : "memory");
    check_trap_error(VECTOR_GP, 0x48, "LTR of a busy TSS");
    exceptions_far_return();
    check_trap_error(VECTOR_NP, SELECTOR_ABSENT_CODE, "far return to an absent descriptor");
}

static void load_tss(uint16_t limit)
{
    uint64_t *descriptor = &micro_gdt[SELECTOR_TSS / 8];

    *descriptor = (*descriptor & ~(0xFFFFull | 1ull << 41)) | limit; /* and not busy */
    asm volatile("ltr %w0" : : "r"(SELECTOR_TSS) : "memory");
}

/* A gate whose stack the TSS does not have: the only #TS of 64-bit mode, whose task switches are gone. */
static void check_task_state(void)
{
    uint16_t limit = (uint16_t)micro_gdt[SELECTOR_TSS / 8];

    load_tss(TSS_IST7 - 1);
    micro_set_ist(VECTOR_BP, 7);
    TRY("int3", : : : "memory");
    micro_set_ist(VECTOR_BP, 0);
    load_tss(limit);
    check_trap_error(VECTOR_TS, SELECTOR_TSS, "a stack beyond the TSS");
}

static void check_addresses(void)
{
    TRY("mov (%0), %%eax", : : "r"(NON_CANONICAL) : "rax", "memory");
    check_trap_error(VECTOR_GP, 0, "read at an address that is not canonical");
    exceptions_stack_read(NON_CANONICAL);
    CHECK_DEPARTURE("non-canonical-stack", micro_trap.vector == VECTOR_SS && micro_trap.error == 0,
                    "read with RBP at an address that is not canonical: %s", trap_name(micro_trap.vector));
    TRY("movb $0, (%0)", : : "r"(UNMAPPED) : "memory");
    check_trap_error(VECTOR_PF, PF_WRITE, "write to an unmapped address");
    CHECK_EQUAL(micro_trap.cr2, UNMAPPED, "CR2");
    TRY("mov 8(%0), %%al", : : "r"(UNMAPPED) : "rax", "memory");
    check_trap_error(VECTOR_PF, 0, "read of an unmapped address");
    CHECK_EQUAL(micro_trap.cr2, UNMAPPED + 8, "CR2");
    TRY("jmp *%0", : : "r"(UNMAPPED) : "memory");
    check_trap_error(VECTOR_PF, PF_FETCH, "jump to an unmapped address");
    CHECK_EQUAL(micro_trap.cr2, UNMAPPED, "CR2");
    CHECK_EQUAL(micro_trap.rip, UNMAPPED, "return address");
}

static void check_page_rights(void)
{
    uint64_t index = (uint64_t)page >> 12 & 511, good;

    paging_split((uint64_t)page, split);
    good = split[index];
    split[index] = good & ~PTE_W;
    invlpg(page);
    TRY("movb $0, (%0)", : : "r"(page + 5) : "memory");
    check_trap_error(VECTOR_PF, PF_PRESENT | PF_WRITE, "write to a read-only page");
    CHECK_EQUAL(micro_trap.cr2, (uint64_t)page + 5, "CR2");
    split[index] = good | PTE_NX;
    invlpg(page);
    TRY("jmp *%0", : : "r"(page) : "memory");
    check_trap_error(VECTOR_PF, PF_PRESENT | PF_FETCH, "jump to a page with NX");
    split[index] = good | 1ull << 51;
    invlpg(page);
    TRY("movb $0, (%0)", : : "r"(page) : "memory");
    check_trap_error(VECTOR_PF, (micro_trap.error & PF_PRESENT) | PF_WRITE | PF_RESERVED,
                     "write through an entry with a reserved bit");
    CHECK_DEPARTURE("reserved-bit-present", micro_trap.error & PF_PRESENT,
                    "the page fault of a reserved bit has error code %#x: P is clear", micro_trap.error);
    split[index] = good;
    invlpg(page);
}

static void check_gate_error(uint32_t error, const char *what)
{
    check_trap(VECTOR_NP, what);
    CHECK_DEPARTURE("idt-error-code", micro_trap.error == error, "%s: error code %#x, expected %#x", what,
                    micro_trap.error, error);
}

/* An exception whose gate is absent raises #NP; a page fault whose gate is absent raises #DF. */
static void check_delivery(void)
{
    micro_gate_present(VECTOR_UD, false);
    TRY("ud2", : : : "memory");
    micro_gate_present(VECTOR_UD, true);
    check_gate_error(VECTOR_UD << 3 | ERROR_IDT | ERROR_EXTERNAL, "#UD without a gate");
    micro_gate_present(VECTOR_BP, false);
    TRY("int3", : : : "memory");
    micro_gate_present(VECTOR_BP, true);
    check_gate_error(VECTOR_BP << 3 | ERROR_IDT, "INT3 without a gate");
    micro_gate_present(VECTOR_PF, false);
    TRY("movb $0, (%0)", : : "r"(UNMAPPED) : "memory");
    micro_gate_present(VECTOR_PF, true);
    check_trap_error(VECTOR_DF, 0, "#PF without a gate");
    CHECK_EQUAL(read_cr2(), UNMAPPED, "CR2 in #DF");
}

static volatile uint32_t arrived;
static volatile uint64_t arrived_rip;

static void on_vector(struct micro_frame *frame)
{
    arrived = (uint32_t)frame->vector;
    arrived_rip = frame->rip;
}

/* INT n reaches gate n for every n, as a software interrupt: vector 2 is no NMI, 18 no machine check, and no error code
 * is pushed. The runtime's stubs expect one for some vectors: those are left out.
 */
static void check_every_vector(void)
{
    static uint8_t code[3] = { 0xCD, 0, 0xC3 };
    static const uint8_t with_code[] = { 8, 10, 11, 12, 13, 14, 17, 21, 29, 30 };

    for (unsigned n = 0, left_out = 0; n < 256; n++) {
        if (left_out < sizeof(with_code) && with_code[left_out] == n) {
            left_out++;
            continue;
        }
        micro_handle((uint8_t)n, on_vector);
        code[1] = (uint8_t)n;
        arrived = ~0u;
        asm volatile("call *%0" : : "r"(code) : "memory", "cc");
        CHECK(arrived == n && arrived_rip == (uint64_t)code + 2, "INT %u: vector %u, return address %#lx", n, arrived,
              arrived_rip);
        micro_handle((uint8_t)n, NULL);
    }
}

void micro_main(void)
{
    check_simple();
    check_every_vector();
    check_float();
    check_selectors();
    check_task_state();
    check_addresses();
    check_page_rights();
    check_delivery();
}

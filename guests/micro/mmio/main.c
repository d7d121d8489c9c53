/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: instructions that access memory-mapped devices: every width and form that compilers and kernels use.
 *
 * SDM Vol. 2 (each instruction), 82093AA (IOAPIC registers), SDM Vol. 3A 11.4.1 (the APIC page wants aligned 32-bit
 * accesses). IOREGSEL of the IOAPIC keeps eight bits: a register to read, change and write. Where no device answers,
 * reads give all ones and writes vanish, in every width.
 */
#include "apic.h"
#include "paging.h"
#include "pc.h"
#include "trap.h"

#define ABSENT 0xFEB00000ull

static uint32_t select_read(void)
{
    return *(volatile uint32_t *)IOAPIC_PAGE;
}

/* Run `code` on IOREGSEL (address in RDI) that holds `before`; RAX is in and out. */
#define CHECK_ON_SELECT(code, before, rax_in, rax_out, after)                                                          \
    do {                                                                                                               \
        uint64_t rax = (rax_in);                                                                                       \
        *(volatile uint32_t *)IOAPIC_PAGE = (before);                                                                  \
        asm volatile(code : "+a"(rax) : "D"(IOAPIC_PAGE) : "rcx", "rdx", "memory", "cc");                              \
        CHECK(rax == (uint64_t)(rax_out), "%s: RAX is %#lx, expected %#lx", code, rax, (uint64_t)(rax_out));           \
        CHECK(select_read() == (after), "%s: the register is %#x, expected %#x", code, select_read(),                  \
              (uint32_t)(after));                                                                                      \
    } while (0)

static void check_moves(void)
{
    CHECK_ON_SELECT("movl (%%rdi), %%eax", 0x11, 0xFFFFFFFF00000000ull, 0x11, 0x11);
    CHECK_ON_SELECT("movl %%eax, (%%rdi)", 0x11, 0x22, 0x22, 0x22);
    CHECK_ON_SELECT("movl $0x33, (%%rdi)", 0x11, 0, 0, 0x33);
    CHECK_ON_SELECT("movslq (%%rdi), %%rax", 0x44, ~0ull, 0x44, 0x44);
    CHECK_ON_SELECT("mov $4, %%ecx; movl -16(%%rdi, %%rcx, 4), %%eax", 0x12, ~0ull, 0x12, 0x12);
    CHECK_ON_SELECT("push %%r15; mov %%rax, %%r15; movl %%r15d, (%%rdi); pop %%r15", 0, 0x35, 0x35, 0x35);
    CHECK_ON_SELECT("push %%r12; movl (%%rdi), %%r12d; mov %%r12, %%rax; pop %%r12", 0x36, ~0ull, 0x36, 0x36);
    CHECK_ON_SELECT("push %%rbp; mov %%rdi, %%rbp; movl (%%rbp), %%eax; pop %%rbp", 0x37, ~0ull, 0x37, 0x37);
    CHECK_ON_SELECT("mov %%rdi, %%rcx; addr32 movl (%%ecx), %%eax", 0x38, ~0ull, 0x38, 0x38);
    CHECK_ON_SELECT("movabs 0xFEC00000, %%eax", 0x39, ~0ull, 0x39, 0x39);
    CHECK_ON_SELECT("movabs %%eax, 0xFEC00000", 0x39, 0x3A, 0x3A, 0x3A);
}

static void check_arithmetic(void)
{
    CHECK_ON_SELECT("andl $0x3C, (%%rdi)", 0x1F, 0, 0, 0x1C);
    CHECK_ON_SELECT("andl %%eax, (%%rdi)", 0x1F, 0x11, 0x11, 0x11);
    CHECK_ON_SELECT("andl (%%rdi), %%eax", 0x0F, 0x3C, 0x0C, 0x0F);
    CHECK_ON_SELECT("orl $0x20, (%%rdi)", 0x01, 0, 0, 0x21);
    CHECK_ON_SELECT("lock orl $0x20, (%%rdi)", 0x01, 0, 0, 0x21);
    CHECK_ON_SELECT("orl (%%rdi), %%eax", 0x01, 0x100, 0x101, 0x01);
    CHECK_ON_SELECT("xorl $0x21, (%%rdi)", 0x01, 0, 0, 0x20);
    CHECK_ON_SELECT("addl $5, (%%rdi)", 0x03, 0, 0, 0x08);
    CHECK_ON_SELECT("addl (%%rdi), %%eax", 0x03, 4, 7, 0x03);
    CHECK_ON_SELECT("subl $1, (%%rdi)", 0x03, 0, 0, 0x02);
    CHECK_ON_SELECT("xchgl %%eax, (%%rdi)", 0x15, 0x16, 0x15, 0x16);
}

/* Instructions that read, change and write, with their flags, and what LOCK stands before in a kernel. */
static void check_changes(void)
{
    CHECK_ON_SELECT("incl (%%rdi)", 0x1F, 0, 0, 0x20);
    CHECK_ON_SELECT("decl (%%rdi); setz %%al", 0x01, 0, 1, 0x00);
    CHECK_ON_SELECT("notl (%%rdi); andl $0xFF, (%%rdi)", 0x0F, 0, 0, 0xF0);
    CHECK_ON_SELECT("negl (%%rdi); setc %%al; andl $0xFF, (%%rdi)", 0x01, 0, 1, 0xFF);
    CHECK_ON_SELECT("stc; adcl $5, (%%rdi)", 0x03, 0, 0, 0x09);
    CHECK_ON_SELECT("stc; sbbl $1, (%%rdi)", 0x03, 0, 0, 0x01);
    CHECK_ON_SELECT("shll $2, (%%rdi)", 0x03, 0, 0, 0x0C);
    CHECK_ON_SELECT("shrl $1, (%%rdi); setc %%al", 0x03, 0, 1, 0x01);
    CHECK_ON_SELECT("sarl $1, (%%rdi)", 0x40, 0, 0, 0x20);
    CHECK_ON_SELECT("mov $3, %%ecx; shll %%cl, (%%rdi)", 0x03, 0, 0, 0x18);
    CHECK_ON_SELECT("xaddl %%eax, (%%rdi)", 0x03, 0x10, 0x03, 0x13);
    CHECK_ON_SELECT("lock xaddl %%eax, (%%rdi)", 0x03, 0x10, 0x03, 0x13);
    CHECK_ON_SELECT("mov $0x25, %%ecx; lock cmpxchgl %%ecx, (%%rdi)", 0x24, 0x24, 0x24, 0x25);
    CHECK_ON_SELECT("mov $0x25, %%ecx; lock cmpxchgl %%ecx, (%%rdi)", 0x23, 0x24, 0x23, 0x23);
    CHECK_ON_SELECT("btsl $4, (%%rdi); setc %%al", 0x01, 0, 0, 0x11);
    CHECK_ON_SELECT("lock btsl $0, (%%rdi); setc %%al", 0x01, 0, 1, 0x01);
    CHECK_ON_SELECT("lock btrl $0, (%%rdi); setc %%al", 0x01, 0, 1, 0x00);
    CHECK_ON_SELECT("btcl $7, (%%rdi); setc %%al", 0x01, 0, 0, 0x81);
    CHECK_ON_SELECT("mov $37, %%ecx; btl %%ecx, -4(%%rdi); setc %%al", 0x20, 0, 1, 0x20);
    CHECK_ON_SELECT("lock andl $-2, (%%rdi)", 0x0F, 0, 0, 0x0E);
    CHECK_ON_SELECT("lock incl (%%rdi)", 0x0F, 0, 0, 0x10);
    CHECK_ON_SELECT("movnti %%eax, (%%rdi)", 0, 0x5A, 0x5A, 0x5A);
    CHECK_ON_SELECT("testl $-1, (%%rdi); sets %%al", 0x80, 0, 0, 0x80);
}

/* Where an operand can lie: segments with a base, RIP, index registers without a base, far displacements. */
static void check_addresses(void)
{
    uint64_t gs = rdmsr(MSR_GS_BASE);

    wrmsr(MSR_FS_BASE, IOAPIC_PAGE - 0x1000);
    wrmsr(MSR_GS_BASE, 0xFFFFFFFFFEC00000ull);
    CHECK_ON_SELECT("movl %%fs:0x1000, %%eax", 0x21, ~0ull, 0x21, 0x21);
    CHECK_ON_SELECT("mov $0x800, %%ecx; movl %%eax, %%fs:(, %%rcx, 2)", 0x21, 0x22, 0x22, 0x22);
    CHECK_ON_SELECT("mov $1, %%ecx; shl $32, %%rcx; movl %%gs:(%%rcx), %%eax", 0x23, ~0ull, 0x23, 0x23);
    wrmsr(MSR_FS_BASE, 0);
    wrmsr(MSR_GS_BASE, gs);
    CHECK_ON_SELECT("mov $0x7F600000, %%ecx; movl (, %%rcx, 2), %%eax", 0x24, ~0ull, 0x24, 0x24);
    micro_pd[1][0] = IOAPIC_PAGE | PTE_P | PTE_W | PTE_PS | PTE_PCD | PTE_PWT; /* as far as RIP's displacement goes */
    tlb_flush();
    CHECK_ON_SELECT("movl micro_window(%%rip), %%eax", 0x25, ~0ull, 0x25, 0x25);
    CHECK_ON_SELECT("orl $0x40, micro_window(%%rip)", 0x25, 0, 0, 0x65);
    CHECK_ON_SELECT("lea 0x40(%%rdi), %%rcx; mov $-8, %%rdx; movl (%%rcx, %%rdx, 8), %%eax", 0x26, ~0ull, 0x26, 0x26);
    CHECK_ON_SELECT("push %%r13; lea -0x12345(%%rdi), %%r13; movl 0x12345(%%r13), %%eax; pop %%r13", 0x27, ~0ull, 0x27,
                    0x27);
    CHECK_ON_SELECT(
        "pushq %%rbx; mov %%rsp, %%rbx; mov %%rdi, %%rsp; movl (%%rsp), %%eax; mov %%rbx, %%rsp; popq %%rbx", 0x28,
        ~0ull, 0x28, 0x28);
}

/* Results that are flags: SETcc into AL. */
static void check_comparisons(void)
{
    CHECK_ON_SELECT("testl $0x10, (%%rdi); setnz %%al", 0x10, 0, 1, 0x10);
    CHECK_ON_SELECT("testl $0x20, (%%rdi); setnz %%al", 0x10, 0, 0, 0x10);
    CHECK_ON_SELECT("testl %%eax, (%%rdi); setnz %%al; movzbl %%al, %%eax", 0x10, 0xEF, 0, 0x10);
    CHECK_ON_SELECT("cmpl $0x10, (%%rdi); sete %%al", 0x10, 0, 1, 0x10);
    CHECK_ON_SELECT("cmpl %%eax, (%%rdi); setb %%al; movzbl %%al, %%eax", 0x10, 0x11, 1, 0x10);
    CHECK_ON_SELECT("cmpl (%%rdi), %%eax; setb %%al; movzbl %%al, %%eax", 0x10, 0x11, 0, 0x10);
    CHECK_ON_SELECT("btl $4, (%%rdi); setc %%al", 0x10, 0, 1, 0x10);
}

/* REP MOVSD from the device and to it, REP STOSD. */
static void check_strings(void)
{
    static uint32_t words[4];
    uint64_t from = IOAPIC_PAGE, to = (uint64_t)&words[1], count = 1;

    *(volatile uint32_t *)IOAPIC_PAGE = 0x2A;
    asm volatile("rep movsl" : "+S"(from), "+D"(to), "+c"(count) : : "memory");
    CHECK(words[1] == 0x2A && words[0] == 0 && words[2] == 0 && from == IOAPIC_PAGE + 4 && count == 0,
          "REP MOVSD from the IOAPIC gives %#x", words[1]);
    words[2] = 0x2B;
    from = (uint64_t)&words[2];
    to = IOAPIC_PAGE;
    asm volatile("movsl" : "+S"(from), "+D"(to) : : "memory");
    CHECK_EQUAL(select_read(), 0x2B, "IOREGSEL behind MOVSD");
    CHECK(to == IOAPIC_PAGE + 4 && from == (uint64_t)&words[3], "MOVSD moves its pointers wrongly");
    to = IOAPIC_PAGE;
    count = 1;
    asm volatile("rep stosl" : "+D"(to), "+c"(count) : "a"(0x2C) : "memory");
    CHECK_EQUAL(select_read(), 0x2C, "IOREGSEL behind REP STOSD");
    to = IOAPIC_PAGE;
    asm volatile("std; stosl; cld" : "+D"(to) : "a"(0x2D) : "memory");
    CHECK(select_read() == 0x2D && to == IOAPIC_PAGE - 4, "STOSD with DF");
    from = IOAPIC_PAGE;
    asm volatile("lodsl" : "=a"(count), "+S"(from) : : "memory");
    CHECK_EQUAL(count, 0x2D, "LODSD");
    words[3] = 0x2D;
    from = (uint64_t)&words[3];
    to = IOAPIC_PAGE;
    count = 1;
    asm volatile("repe cmpsl; setz %b2" : "+S"(from), "+D"(to), "+c"(count) : : "memory", "cc");
    CHECK(count == 1 && from == (uint64_t)&words[4], "CMPSD with IOREGSEL");
    to = IOAPIC_PAGE;
    count = 1;
    asm volatile("repne scasl" : "+D"(to), "+c"(count) : "a"(0x2D) : "memory", "cc");
    CHECK(count == 0 && to == IOAPIC_PAGE + 4, "SCASD on IOREGSEL");
}

static void check_registers(void)
{
    CHECK_EQUAL(ioapic_read(1) >> 16 & 0xFF, 23, "highest pin of the IOAPIC");
    ioapic_write(0x10 + 2 * 20, IOAPIC_MASKED | 0x55);
    ioapic_write(0x11 + 2 * 20, 0xAB000000u);
    CHECK_EQUAL(ioapic_read(0x10 + 2 * 20), IOAPIC_MASKED | 0x55, "low half of a redirection entry");
    CHECK_EQUAL(ioapic_read(0x11 + 2 * 20) >> 24, 0xAB, "destination of a redirection entry");
    *(volatile uint32_t *)IOAPIC_PAGE = 0x10 + 2 * 20;
    asm volatile("andl %1, %0" : "+m"(*(volatile uint32_t *)IOAPIC_DATA) : "r"(0xFFFFFF00u | 0x50));
    CHECK_EQUAL(ioapic_read(0x10 + 2 * 20), IOAPIC_MASKED | 0x50, "a redirection entry behind AND");
    /* the delivery status and remote IRR are read-only */
    ioapic_write(0x10 + 2 * 20, IOAPIC_MASKED | IOAPIC_REMOTE | 1u << 12 | 0x55);
    CHECK_EQUAL(ioapic_read(0x10 + 2 * 20), IOAPIC_MASKED | 0x55, "read-only bits of a redirection entry");
    ioapic_write(0x10 + 2 * 20, IOAPIC_MASKED);
    ioapic_write(0, 0x05000000u);
    CHECK_EQUAL(ioapic_read(0) >> 24 & 15, 5, "ID of the IOAPIC");
    ioapic_write(0, 0);
}

static void check_apic_page(void)
{
    volatile uint32_t *tpr = (volatile uint32_t *)(APIC_PAGE + APIC_TPR);
    uint32_t value = 0x33;

    apic_enable_xapic();
    *tpr = 0x20;
    CHECK_EQUAL(*tpr, 0x20, "TPR");
    asm volatile("orl $0x10, %0" : "+m"(*tpr));
    CHECK_EQUAL(*tpr, 0x30, "TPR behind OR");
    asm volatile("xchgl %0, %1" : "+r"(value), "+m"(*tpr));
    CHECK(value == 0x30 && *tpr == 0x33, "XCHG with TPR gives %#x and leaves %#x", value, *tpr);
    asm volatile("movl $0, %0" : "=m"(*tpr));
    CHECK_EQUAL(*tpr, 0, "TPR");
}

/* Run `code` on an absent address in RDI. */
#define CHECK_ABSENT(code, rax_in, rax_out)                                                                            \
    do {                                                                                                               \
        uint64_t rax = (rax_in);                                                                                       \
        asm volatile(code : "+a"(rax) : "D"(ABSENT + 0x10) : "rcx", "rdx", "memory", "cc");                            \
        CHECK_DEPARTURE("absent-mmio", rax == (uint64_t)(rax_out), "%s: RAX is %#lx, expected %#lx", code, rax,        \
                        (uint64_t)(rax_out));                                                                          \
    } while (0)

static void check_absent(void)
{
    CHECK_ABSENT("movb (%%rdi), %%al", 0x1122334455667700ull, 0x11223344556677FFull);
    CHECK_ABSENT("movb (%%rdi), %%ah", 0x1122334455660077ull, 0x112233445566FF77ull);
    CHECK_ABSENT("movw (%%rdi), %%ax", 0x1122334455660000ull, 0x112233445566FFFFull);
    CHECK_ABSENT("movl (%%rdi), %%eax", 0, 0xFFFFFFFFull);
    CHECK_ABSENT("movq (%%rdi), %%rax", 0, ~0ull);
    CHECK_ABSENT("movzbl (%%rdi), %%eax", 0, 0xFF);
    CHECK_ABSENT("movzwl (%%rdi), %%eax", 0, 0xFFFF);
    CHECK_ABSENT("movzbq (%%rdi), %%rax", 0, 0xFF);
    CHECK_ABSENT("movzbw (%%rdi), %%ax", 0xABCD0000, 0xABCD00FF);
    CHECK_ABSENT("movsbl (%%rdi), %%eax", 0, 0xFFFFFFFFull);
    CHECK_ABSENT("movsbq (%%rdi), %%rax", 0, ~0ull);
    CHECK_ABSENT("movswl (%%rdi), %%eax", 0, 0xFFFFFFFFull);
    CHECK_ABSENT("movslq (%%rdi), %%rax", 0, ~0ull);
    CHECK_ABSENT("movb %%al, (%%rdi); movb (%%rdi), %%al", 0, 0xFF);
    CHECK_ABSENT("movw %%ax, (%%rdi); movw (%%rdi), %%ax", 0, 0xFFFF);
    CHECK_ABSENT("movq %%rax, (%%rdi); movq (%%rdi), %%rax", 0, ~0ull);
    CHECK_ABSENT("andb $0x0F, (%%rdi); movb (%%rdi), %%al", 0, 0xFF);
    CHECK_ABSENT("xchgb %%al, (%%rdi)", 0, 0xFF);
    CHECK_ABSENT("xchgq %%rax, (%%rdi)", 0, ~0ull);
    CHECK_ABSENT("testb $0x80, (%%rdi); setnz %%al", 0, 1);
    CHECK_ABSENT("cmpw $-1, (%%rdi); sete %%al", 0, 1);
    CHECK_ABSENT("cmpq $-1, (%%rdi); sete %%al", 0, 1);
    CHECK_ABSENT("movswq (%%rdi), %%rax", 0, ~0ull);
    CHECK_ABSENT("movsbw (%%rdi), %%ax", 0xABCD0000, 0xABCDFFFF);
    CHECK_ABSENT("movzwq (%%rdi), %%rax", ~0ull, 0xFFFF);
    CHECK_ABSENT("push %%r14; movb (%%rdi), %%r14b; movzbl %%r14b, %%eax; pop %%r14", 0, 0xFF);
    CHECK_ABSENT("xor %%ecx, %%ecx; movb (%%rdi), %%ch; mov %%ecx, %%eax", 0, 0xFF00);
    CHECK_ABSENT("incb (%%rdi); setz %%al", 0, 1);
    CHECK_ABSENT("orw $1, (%%rdi); sets %%al", 0, 1);
    CHECK_ABSENT("xaddw %%ax, (%%rdi)", 1, 0xFFFF);
    CHECK_ABSENT("lock cmpxchgq %%rcx, (%%rdi)", 0, ~0ull);
    CHECK_ABSENT("pushq (%%rdi); popq %%rax", 0, ~0ull);
    CHECK_ABSENT("pushq %%rax; popq (%%rdi); movl (%%rdi), %%eax", 0, 0xFFFFFFFFull);
    CHECK_ABSENT("movw -1(%%rdi), %%ax", 0, 0xFFFF);
    CHECK_ABSENT("movl 0xFED(%%rdi), %%eax", 0, 0xFFFFFFFFull); /* across a page */
}

/* A copy out of nothing that crosses a page, and one byte by byte. */
static void check_absent_copy(void)
{
    static uint8_t bytes[64];
    uint64_t from = ABSENT + PAGE_SIZE - 16, to = (uint64_t)bytes, count = 32;
    bool ones = true;

    asm volatile("rep movsb" : "+S"(from), "+D"(to), "+c"(count) : : "memory");
    for (unsigned i = 0; i < 32; i++)
        ones &= bytes[i] == 0xFF;
    CHECK_DEPARTURE("absent-mmio", ones, "REP MOVSB out of absent memory does not give all ones");
    CHECK(bytes[32] == 0 && count == 0, "REP MOVSB out of absent memory copies more than its count");
    to = ABSENT + PAGE_SIZE - 8;
    count = 4;
    asm volatile("rep stosq" : "+D"(to), "+c"(count) : "a"(0) : "memory");
    CHECK(count == 0 && to == ABSENT + PAGE_SIZE + 24, "REP STOSQ to absent memory stops early");
}

void micro_main(void)
{
    ioapic_mask_all();
    check_moves();
    check_arithmetic();
    check_changes();
    check_addresses();
    check_comparisons();
    check_strings();
    check_registers();
    check_apic_page();
    check_absent();
    check_absent_copy();
}

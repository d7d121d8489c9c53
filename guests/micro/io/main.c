/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: port I/O in all its forms: widths, string instructions, prefixes, absent ports.
 *
 * SDM Vol. 1 chapter 19, Vol. 2A "IN", "INS/INSB/INSW/INSD", Vol. 2B "OUT", "OUTS/OUTSB/OUTSW/OUTSD". A port where
 * nothing answers reads all ones. The scratch register of COM1 is the port that keeps what is written.
 */
#include "paging.h"
#include "pc.h"
#include "trap.h"

static uint8_t buffer[2 * PAGE_SIZE] __attribute__((aligned(4096)));
static uint64_t split[512] __attribute__((aligned(4096)));

static void check_absent(void)
{
    uint64_t rax = 0x1122334455667788ull;

    CHECK_EQUAL(inb(PORT_ABSENT), 0xFF, "a byte of an absent port");
    CHECK_EQUAL(inw(PORT_ABSENT), 0xFFFF, "a word of an absent port");
    CHECK_EQUAL(inl(PORT_ABSENT), 0xFFFFFFFF, "a doubleword of an absent port");
    outb(PORT_ABSENT, 0);
    outw(PORT_ABSENT, 0);
    outl(PORT_ABSENT, 0);
    asm volatile("inb %w1, %b0" : "+a"(rax) : "d"(PORT_ABSENT));
    CHECK_EQUAL(rax, 0x11223344556677FFull, "RAX behind IN AL");
    rax = 0x1122334455667788ull;
    asm volatile("inw %w1, %w0" : "+a"(rax) : "d"(PORT_ABSENT));
    CHECK_EQUAL(rax, 0x112233445566FFFFull, "RAX behind IN AX");
    rax = 0x1122334455667788ull;
    asm volatile("inl %w1, %k0" : "+a"(rax) : "d"(PORT_ABSENT));
    CHECK_EQUAL(rax, 0xFFFFFFFFull, "RAX behind IN EAX");
    asm volatile("inb $0xED, %%al; outb %%al, $0xED" : : : "rax"); /* the short forms, on a port for delays */
}

static void check_scratch(void)
{
    for (unsigned i = 0; i < 256; i++) {
        outb(COM1_SCRATCH, (uint8_t)i);
        CHECK_EQUAL(inb(COM1_SCRATCH), i, "the scratch register of COM1");
    }
}

/* Run a string instruction and report where it left its registers. */
#define STRING(instruction, address, length)                                                                           \
    uint64_t rdi = (uint64_t)(address), rsi = (uint64_t)(address), rcx = (length);                                     \
    TRY(instruction, : "+D"(rdi), "+S"(rsi), "+c"(rcx) : "d"((uint16_t)port), "a"(0) : "memory")

static void check_outs(void)
{
    uint16_t port = COM1_SCRATCH;

    for (size_t i = 0; i < 64; i++)
        buffer[i] = (uint8_t)(i * 3);
    {
        STRING("rep outsb", buffer, 64);
        CHECK(rcx == 0 && rsi == (uint64_t)buffer + 64 && rdi == (uint64_t)buffer,
              "REP OUTSB leaves RCX %#lx, RSI + %#lx", rcx, rsi - (uint64_t)buffer);
        CHECK_EQUAL(inb(port), 63 * 3, "the last byte of REP OUTSB");
    }
    {
        STRING("std; rep outsb; cld", buffer + 63, 64);
        CHECK(rcx == 0 && rsi == (uint64_t)buffer - 1, "REP OUTSB with DF leaves RCX %#lx", rcx);
        CHECK_EQUAL(inb(port), 0, "the last byte of REP OUTSB with DF");
    }
    {
        STRING("outsb", buffer + 7, 5);
        CHECK(rcx == 5 && rsi == (uint64_t)buffer + 8, "OUTSB without REP leaves RCX %#lx", rcx);
        CHECK_EQUAL(inb(port), 21, "the byte of OUTSB");
    }
    {
        STRING("rep outsb", 0xFFFF800000000000ull, 0);
        CHECK(rcx == 0 && rsi == 0xFFFF800000000000ull, "REP OUTSB with RCX = 0 moves RSI to %#lx", rsi);
        CHECK_EQUAL(inb(port), 21, "the scratch register behind an empty REP OUTSB");
    }
    {
        STRING("addr32 rep outsb", (uint64_t)buffer | 0xABCD00000000ull, 0x1200000003ull);
        CHECK_EQUAL(rsi, (uint64_t)buffer + 3, "RSI behind REP OUTSB with 32-bit addresses");
        CHECK_EQUAL(rcx, 0, "RCX behind REP OUTSB with 32-bit addresses");
        CHECK_EQUAL(inb(port), 6, "the last byte of REP OUTSB with 32-bit addresses");
    }
    wrmsr(MSR_FS_BASE, (uint64_t)buffer);
    {
        STRING("fs rep outsb", 20, 2);
        CHECK(rcx == 0 && rsi == 22, "FS REP OUTSB leaves RCX %#lx, RSI %#lx", rcx, rsi);
        CHECK_EQUAL(inb(port), 63, "the last byte of FS REP OUTSB");
    }
    wrmsr(MSR_FS_BASE, 0);
    port = PORT_ABSENT;
    {
        STRING("rep outsw", buffer + PAGE_SIZE - 3, 40); /* one word lies on two pages */
        CHECK(rcx == 0 && rsi == (uint64_t)buffer + PAGE_SIZE + 77, "REP OUTSW leaves RCX %#lx", rcx);
    }
    {
        STRING("std; rep outsl; cld", buffer + PAGE_SIZE + 6, 5);
        CHECK(rcx == 0 && rsi == (uint64_t)buffer + PAGE_SIZE - 14, "REP OUTSD with DF leaves RCX %#lx", rcx);
    }
    {
        STRING("outsl", buffer, 9);
        CHECK(rcx == 9 && rsi == (uint64_t)buffer + 4, "OUTSD without REP leaves RCX %#lx", rcx);
    }
}

static void check_ins(void)
{
    uint16_t port = COM1_SCRATCH;
    uint8_t *cross = buffer + PAGE_SIZE - 5;

    outb(port, 0x5A);
    memset(buffer, 0, sizeof(buffer));
    {
        STRING("rep insb", cross, 11);
        CHECK(rcx == 0 && rdi == (uint64_t)cross + 11, "REP INSB leaves RCX %#lx", rcx);
        for (size_t i = 0; i < 11; i++)
            CHECK_EQUAL(cross[i], 0x5A, "a byte of REP INSB");
        CHECK(cross[-1] == 0 && cross[11] == 0, "REP INSB writes beside its buffer");
    }
    port = PORT_ABSENT;
    {
        STRING("rep insw", buffer + 1, 3);
        CHECK(rcx == 0 && rdi == (uint64_t)buffer + 7, "REP INSW leaves RCX %#lx", rcx);
        CHECK(buffer[0] == 0 && buffer[1] == 0xFF && buffer[6] == 0xFF && buffer[7] == 0, "REP INSW on all ones");
    }
    {
        STRING("std; rep insl; cld", buffer + 100, 3);
        CHECK(rcx == 0 && rdi == (uint64_t)buffer + 88, "REP INSD with DF leaves RCX %#lx", rcx);
        CHECK(buffer[91] == 0 && buffer[92] == 0xFF && buffer[103] == 0xFF && buffer[104] == 0, "REP INSD with DF");
    }
    {
        STRING("rep insl", buffer + PAGE_SIZE - 6, 300); /* more than anybody does at once, and across a page */
        CHECK(rcx == 0 && rdi == (uint64_t)buffer + PAGE_SIZE + 1194, "REP INSD leaves RCX %#lx", rcx);
        CHECK(buffer[PAGE_SIZE - 7] == 0 && buffer[PAGE_SIZE - 6] == 0xFF && buffer[PAGE_SIZE + 1193] == 0xFF &&
                  buffer[PAGE_SIZE + 1194] == 0,
              "REP INSD writes beside its buffer");
    }
    {
        STRING("addr32 insb", (uint64_t)buffer | 0xABCD00000000ull, 3);
        CHECK(rcx == 3 && rdi == (uint64_t)buffer + 1, "INSB with 32-bit addresses leaves RDI %#lx", rdi);
    }
}

/* A string that runs into a page that may not be written stops there, restartable. */
static void check_fault_inside(void)
{
    uint16_t port = COM1_SCRATCH;
    uint64_t second = (uint64_t)buffer + PAGE_SIZE;

    paging_split((uint64_t)buffer, split);
    split[second >> 12 & 511] &= ~PTE_W;
    invlpg((void *)second);
    outb(port, 0xC3);
    memset(buffer, 0, PAGE_SIZE);
    {
        STRING("rep insb", second - 3, 8);
        check_trap_error(VECTOR_PF, PF_PRESENT | PF_WRITE, "REP INSB into a read-only page");
        CHECK_DEPARTURE("string-cr2", micro_trap.cr2 == second, "CR2 is %#lx, expected %#lx", micro_trap.cr2, second);
        CHECK(rcx == 5 && rdi == second, "REP INSB stopped with RCX %lu, RDI + %ld", rcx, (int64_t)(rdi - second));
        CHECK_EQUAL(buffer[PAGE_SIZE - 1], 0xC3, "the last byte before the fault");
    }
    split[second >> 12 & 511] |= PTE_W;
    invlpg((void *)second);
}

void micro_main(void)
{
    check_absent();
    check_scratch();
    check_outs();
    check_ins();
    check_fault_inside();
}

/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: single steps and hardware breakpoints, also over instructions that leave the guest.
 *
 * SDM Vol. 3B 18.2 and 18.3; APM Vol. 2 13.1. A step over an instruction that a hypervisor emulates has to trap behind
 * that instruction, with DR6.BS set, like any other.
 */
#include "paging.h"
#include "pc.h"
#include "trap.h"

#define DR6_BS (1u << 14)
#define DR6_BD (1u << 13)
#define DR6_ALWAYS_SET 0xFFFF0FF0u
#define DR7_ALWAYS_SET 0x400u
#define DR7_GD (1u << 13)
#define DR7_LOCAL(n) (1u << ((n)*2))
#define DR7_EXECUTE(n) 0u
#define DR7_WRITE(n, length_code) ((1u | (length_code) << 2) << (16 + (n)*4))
#define DR7_IO(n) (2u << (16 + (n)*4))
#define DR7_ACCESS(n, length_code) ((3u | (length_code) << 2) << (16 + (n)*4))

static volatile struct {
    uint32_t count;
    uint64_t rip[8], dr6[8];
} hits;

typedef uint32_t __attribute__((may_alias)) aliasing_word;

static volatile uint64_t watched[2] __attribute__((aligned(16)));
static volatile aliasing_word *const watched_words = (volatile aliasing_word *)watched;

static void debug_handler(struct micro_frame *frame)
{
    uint32_t i = hits.count;

    if (i < ARRAY_LENGTH(hits.rip)) {
        hits.rip[i] = frame->rip;
        hits.dr6[i] = read_dr6();
    }
    hits.count = i + 1;
    write_dr6(DR6_ALWAYS_SET);
    frame->rflags |= RFLAGS_RF; /* an execution breakpoint would come again */
}

static void arm(uint32_t dr7)
{
    hits.count = 0;
    write_dr6(DR6_ALWAYS_SET);
    write_dr7(DR7_ALWAYS_SET | dr7);
    CHECK_EQUAL(read_dr7(), DR7_ALWAYS_SET | dr7, "DR7 behind a write");
}

/* Hits of an armed breakpoint. Every check of the like has the same departure: where one does not hit, none does. */
#define CHECK_HIT(cause, what)                                                                                         \
    CHECK_DEPARTURE("hardware-breakpoint", hits.count == 1 && (hits.dr6[0] & (DR6_BS | 15)) == (cause),                \
                    "%s: %u hits, DR6 %#lx", what, hits.count, hits.count != 0 ? hits.dr6[0] : read_dr6())

/* Step over `instruction`: after POPF has set TF, the first trap comes behind it, at label 2. */
#define CHECK_STEP(name, setup, instruction)                                                                           \
    do {                                                                                                               \
        uint64_t behind;                                                                                               \
        hits.count = 0;                                                                                                \
        asm volatile("lea 2f(%%rip), %0\n\t" setup "\n\t"                                                              \
                     "pushfq; orq $0x100, (%%rsp); popfq\n\t" instruction "\n"                                         \
                     "2:\tpushfq; andq $~0x100, (%%rsp); popfq"                                                        \
                     : "=&r"(behind)                                                                                   \
                     :                                                                                                 \
                     : "rax", "rbx", "rcx", "rdx", "memory", "cc");                                                    \
        check_step(behind, name);                                                                                      \
    } while (0)

static void check_step(uint64_t behind, const char *name)
{
    if (!CHECK(hits.count >= 1, "no single-step trap over %s", name))
        return;
    CHECK(hits.rip[0] == behind, "the step over %s trapped at %#lx, expected %#lx", name, hits.rip[0], behind);
    CHECK((hits.dr6[0] & (DR6_BS | 15)) == DR6_BS, "DR6 is %#lx behind a step over %s", hits.dr6[0], name);
    CHECK(hits.count == 4, "%u traps around %s, expected 4", hits.count, name); /* and PUSHF, AND, POPF */
}

static void check_steps(void)
{
    CHECK_STEP("NOP", "", "nop");
    CHECK_STEP("RDTSC", "", "rdtsc");
    CHECK_STEP("CPUID", "xor %%eax, %%eax; xor %%ecx, %%ecx", "cpuid");
    CHECK_STEP("IN", "mov $0x71, %%edx", "inb %%dx, %%al");
    CHECK_STEP("OUT", "mov $0x3FF, %%edx", "outb %%al, %%dx");
    CHECK_STEP("a read of the IOAPIC", "mov $0xFEC00000, %%edx", "movl (%%rdx), %%eax");
    CHECK_STEP("a write to the IOAPIC", "mov $0xFEC00000, %%edx", "movl $1, (%%rdx)");
    CHECK_STEP("RDMSR", "mov $0x1B, %%ecx", "rdmsr");
}

/* MOV SS holds the trap back for one instruction, so that SS and RSP change together. */
static void check_step_blocked(void)
{
    uint64_t behind;

    hits.count = 0;
    asm volatile("lea 2f(%%rip), %0; pushfq; orq $0x100, (%%rsp); popfq; mov %1, %%ss; nop\n"
                 "2: pushfq; andq $~0x100, (%%rsp); popfq"
                 : "=&r"(behind)
                 : "r"(0x10)
                 : "memory", "cc");
    CHECK_DEPARTURE("step-mov-ss", hits.count == 4 && hits.rip[0] == behind,
                    "the step over MOV SS: %u traps, the first at %#lx, expected %#lx", hits.count, hits.rip[0],
                    behind);
}

static void check_execute(void)
{
    uint64_t at;

    asm volatile("lea 1f(%%rip), %0; jmp 2f; 1: nop; ret; 2:" : "=r"(at));
    write_dr0(at);
    arm(DR7_LOCAL(0) | DR7_EXECUTE(0));
    asm volatile("call *%0" : : "r"(at) : "memory");
    CHECK_HIT(1, "an execution breakpoint");
    if (hits.count != 0)
        CHECK_EQUAL(hits.rip[0], at, "return address of an execution breakpoint");
    arm(0);
    asm volatile("call *%0" : : "r"(at) : "memory");
    CHECK_EQUAL(hits.count, 0, "number of hits of a disabled breakpoint");
}

static void check_data(void)
{
    write_dr1((uint64_t)&watched[0]);
    write_dr2((uint64_t)&watched[1] + 4);
    write_dr3((uint64_t)&watched[1]);
    arm(DR7_LOCAL(1) | DR7_WRITE(1, 2));
    watched[0] = 1;
    CHECK_HIT(2, "write of 8 bytes");
    hits.count = 0;
    (void)watched[0];
    CHECK_EQUAL(hits.count, 0, "number of hits behind a read");
    watched[1] = 1;
    CHECK_EQUAL(hits.count, 0, "number of hits behind a write beside");
    arm(DR7_LOCAL(2) | DR7_ACCESS(2, 3));
    (void)watched_words[3];
    CHECK_HIT(4, "read of 4 bytes");
    hits.count = 0;
    (void)watched_words[2];
    CHECK_EQUAL(hits.count, 0, "number of hits behind a read beside");
    arm(DR7_LOCAL(3) | DR7_ACCESS(3, 0));
    (void)((volatile uint8_t *)watched)[9];
    CHECK_EQUAL(hits.count, 0, "number of hits beside a 1-byte breakpoint");
    (void)((volatile uint8_t *)watched)[8];
    CHECK_HIT(8, "read of 1 byte");
    arm(0);
}

static void check_io(void)
{
    write_cr4(read_cr4() | CR4_DE);
    write_dr0(COM1_SCRATCH);
    arm(DR7_LOCAL(0) | DR7_IO(0));
    (void)inb(COM1_SCRATCH);
    CHECK_DEPARTURE("io-breakpoint", hits.count == 1 && (hits.dr6[0] & 15) == 1, "an I/O breakpoint hit %u times",
                    hits.count);
    (void)inb(RTC_DATA);
    CHECK(hits.count <= 1, "an I/O breakpoint hit on another port");
    arm(0);
}

static void check_general_detect(void)
{
    micro_handle(VECTOR_DB, NULL);
    write_dr7(DR7_ALWAYS_SET | DR7_GD);
    TRY("mov %%dr0, %%rax", : : : "rax", "memory");
    /* the trap clears DR7.GD, or its handler could do nothing */
    CHECK_DEPARTURE(
        "general-detect", micro_trap.vector == VECTOR_DB && (read_dr6() & DR6_BD) != 0 && (read_dr7() & DR7_GD) == 0,
        "MOV from DR0 with DR7.GD: %s, DR6 %#lx, DR7 %#lx", trap_name(micro_trap.vector), read_dr6(), read_dr7());
    write_dr7(DR7_ALWAYS_SET);
    write_dr6(DR6_ALWAYS_SET);
    TRY("mov %0, %%dr7", : : "r"(1ull << 32) : "memory");
    CHECK_DEPARTURE("dr7-high", micro_trap.vector == VECTOR_GP, "DR7 takes bit 32: %s", trap_name(micro_trap.vector));
    write_dr7(DR7_ALWAYS_SET);
    TRY("mov %0, %%dr6", : : "r"(1ull << 32) : "memory");
    CHECK_DEPARTURE("dr6-high", micro_trap.vector == VECTOR_GP, "DR6 takes bit 32: %s", trap_name(micro_trap.vector));
    write_cr4(read_cr4() | CR4_DE);
    TRY("mov %%db4, %%rax", : : : "rax", "memory");
    check_trap(VECTOR_UD, "MOV from DR4 with CR4.DE");
    write_cr4(read_cr4() & ~CR4_DE);
}

/* Values survive exits. */
static void check_kept(void)
{
    write_dr0(0x1111);
    write_dr1(0x2222);
    write_dr2(0x3333);
    write_dr3(0x4444);
    write_dr6(DR6_ALWAYS_SET | DR6_BS);
    (void)cpuid(0, 0);
    (void)inb(RTC_DATA);
    CHECK(read_dr0() == 0x1111 && read_dr1() == 0x2222 && read_dr2() == 0x3333 && read_dr3() == 0x4444,
          "DR0 to DR3 do not survive exits");
    CHECK_EQUAL(read_dr6(), DR6_ALWAYS_SET | DR6_BS, "DR6 behind exits");
    CHECK_EQUAL(read_dr7(), DR7_ALWAYS_SET, "DR7 behind exits");
    write_dr6(DR6_ALWAYS_SET);
}

void micro_main(void)
{
    check_kept();
    micro_handle(VECTOR_DB, debug_handler);
    check_steps();
    check_step_blocked();
    check_execute();
    check_data();
    check_io();
    check_general_detect();
}

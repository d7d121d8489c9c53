/* SPDX-License-Identifier: Apache-2.0 */
/* start.c: from the first instruction to main(), and from its return to the end of the program. */
#include <assert.h>
#include <elf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cpuid.h>

#include "lib/log.h"
#include "lib/pages.h"
#include "lib/runtime.h"
#include "lib/slots.h"
#include "lib/syscall.h"

int main(int argc, char **argv);
int __libc_start_main(int (*main_function)(int, char **, char **), int argc, char **argv, void (*init)(void),
                      void (*fini)(void), void (*ldso)(void));

extern const Elf64_Ehdr __ehdr_start;

static struct start_block init_block;
static const struct start_block *start;

const struct start_block *cl_start(void)
{
    return start;
}

/* What __libc_start_main() takes for a process's initial stack, without gaps: argv, NULL, an empty environment's NULL,
 * and pairs of the auxiliary vector. */
static uint64_t initial[24];
static unsigned initial_count;

/* 64 bits that differ from boot to boot: RDRAND where there is one, and the TSC's low bits in any case. */
static uint64_t random_word(bool has_rdrand)
{
    uint64_t word = 0, mixed = cl_tsc() * UINT64_C(0x9e3779b97f4a7c15);

    if (has_rdrand)
        __asm__ volatile("rdrand %0" : "+r"(word) : : "cc");
    return word ^ (mixed ^ mixed >> 29);
}

/* Nobody filled in a block for init: it is the first program. */
static const struct start_block *make_init_block(void)
{
    uint64_t words[4];
    uint32_t eax, ebx, ecx = 0, edx;
    bool has_rdrand = __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_RDRND) != 0;

    for (unsigned i = 0; i < 4; i++)
        words[i] = random_word(has_rdrand);
    if (start_block_init(&init_block, "init", (const uint8_t *)words) != CL_OK)
        return NULL;
    init_block.domain_slot = INIT_SLOT_DOMAIN;
    init_block.account_slot = INIT_SLOT_ACCOUNT;
    init_block.first_free_slot = INIT_SLOT_FIRST_FREE;
    init_block.free_slot_count = INIT_SLOT_COUNT - INIT_SLOT_FIRST_FREE;
    init_block.thread_page_address = INIT_THREAD_PAGE_ADDRESS;
    return &init_block;
}

/* The canary as the C library will compute it again out of the same bytes: its second byte is 0. */
static uint64_t canary(void)
{
    uint64_t word;

    memcpy(&word, start->entropy, sizeof(word));
    return word & ~UINT64_C(0xff00);
}

static void add_word(uint64_t word)
{
    assert(initial_count < sizeof(initial) / sizeof(initial[0]));
    initial[initial_count++] = word;
}

static void add_auxiliary(uint64_t type, uint64_t value)
{
    add_word(type);
    add_word(value);
}

/* Fill in the initial stack; argc. */
static int prepare_arguments(void)
{
    int argc = 1;

    add_word((uint64_t)start->name);
    if (start->argument_address != 0) {
        add_word(start->argument_address);
        argc++;
    }
    add_auxiliary(0, 0); /* the ends of argv and environment */
    add_auxiliary(AT_PHDR, (uint64_t)&__ehdr_start + __ehdr_start.e_phoff);
    add_auxiliary(AT_PHENT, __ehdr_start.e_phentsize);
    add_auxiliary(AT_PHNUM, __ehdr_start.e_phnum);
    add_auxiliary(AT_PAGESZ, PAGE_BYTES);
    add_auxiliary(AT_RANDOM, (uint64_t)start->entropy);
    add_auxiliary(AT_SYSINFO, (uint64_t)cl_thread_self()); /* what cl_thread_self() reads, from then on too */
    add_auxiliary(AT_NULL, 0);
    return argc;
}

static int call_main(int argc, char **argv, char **environment)
{
    (void)environment;
    return main(argc, argv);
}

/* Called by _start. No canary is there yet when it is entered, so it has none: it never returns. */
_Noreturn __attribute__((no_stack_protector)) void cl_start_c(const struct start_block *given);
void cl_start_c(const struct start_block *given)
{
    enum cl_status status;

    start = given != NULL ? given : make_init_block();
    /* without a block there is no thread page, so no line can be logged: the fault is the message */
    if (start == NULL || start_block_check(start) != CL_OK ||
        cl_thread_begin(start->thread_page_address, canary()) != CL_OK)
        __builtin_trap();

    cl_slots_begin(start->first_free_slot, start->free_slot_count);
    status = pages_begin(start->heap_address, start->heap_size_bytes);
    if (status == CL_OK)
        status = cl_thread_begin_others(pages_for_threads());
    if (status != CL_OK)
        cl_program_crash("the runtime could not start: heap addresses, slots or kernel memory are missing");

    int argc = prepare_arguments();
    __libc_start_main(call_main, argc, (char **)initial, NULL, NULL, NULL);
    __builtin_trap();
}

uint32_t cl_require_slot(const char *name)
{
    uint32_t slot;

    if (start_block_slot(start, name, &slot) != CL_OK) {
        cl_log("cannot run without a capability named '%s'", name);
        exit(EXIT_FAILURE);
    }
    return slot;
}

void *cl_require_region(const char *name, uint64_t *size_bytes)
{
    uint64_t address;

    if (start_block_region(start, name, &address, size_bytes) != CL_OK) {
        cl_log("cannot run without a memory region named '%s'", name);
        exit(EXIT_FAILURE);
    }
    return (void *)address;
}

void cl_program_exit(int code)
{
    uint32_t slot;

    if (code != 0)
        cl_log("ended with code %d", code);
    if (start_block_slot(start, START_SLOT_EXIT, &slot) == CL_OK)
        (void)!cl_notify(slot, 1);
    (void)!cl_domain_stop(start->domain_slot);
    (void)!cl_syscall6(SYS_THREAD_EXIT, 0, 0, 0, 0, 0, 0).status;
    __builtin_trap();
}

void cl_program_crash(const char *why)
{
    (void)!cl_log_write(why, strlen(why));
    __builtin_trap();
}

/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: code that changes itself runs as changed (SDM Vol. 3A 8.1.3, 11.6), also across pages and by another alias; and so
 * does code whose page changes its size under it, with a flush or without (4.10.2.4). */
#include "paging.h"
#include "trap.h"

#define ALIAS 0x40000000ull

static uint8_t code[2 * PAGE_SIZE] __attribute__((aligned(4096)));
static volatile uint64_t small_pages[512] __attribute__((aligned(4096)));

/* mov eax, value; ret */
static void write_function(volatile uint8_t *at, uint32_t value)
{
    at[0] = 0xB8;
    for (unsigned i = 0; i < 4; i++)
        at[1 + i] = (uint8_t)(value >> (8 * i));
    at[5] = 0xC3;
}

static uint32_t call(uint64_t address)
{
    uint32_t result;

    asm volatile("call *%1" : "=a"(result) : "r"(address) : "memory");
    return result;
}

/* Processors with the iTLB multihit erratum end in a machine check here, if their nested page is a large one. */
static void resize_the_page(void)
{
    volatile uint64_t *entry = &micro_pd[0][(uint64_t)code / PAGE_2M];
    uint64_t large = *entry, small = (uint64_t)small_pages | PTE_P | PTE_W;

    for (uint64_t i = 0; i < 512; i++)
        small_pages[i] = (large & ~(uint64_t)PTE_PS) + i * PAGE_SIZE;
    for (uint32_t i = 0; i < 500; i++) {
        write_function(code, i);
        *entry = i & 1 ? large : small;
        if (i & 2)
            tlb_flush();
        CHECK_EQUAL(call((uint64_t)code), i, "a function whose page has changed its size");
    }
}

void micro_main(void)
{
    uint8_t *crossing = code + PAGE_SIZE - 3;
    uint64_t alias = ALIAS + ((uint64_t)crossing & (PAGE_2M - 1));

    for (uint32_t i = 0; i < 2000; i++) {
        write_function(code, i);
        CHECK_EQUAL(call((uint64_t)code), i, "a changed function");
    }
    for (uint32_t i = 0; i < 500; i++) {
        write_function(crossing, i);
        (void)cpuid(0, 0);
        CHECK_EQUAL(call((uint64_t)crossing), i, "a changed function across two pages");
    }
    micro_pd[1][0] = ((uint64_t)crossing & ~(PAGE_2M - 1)) | PTE_P | PTE_W | PTE_PS;
    tlb_flush();
    for (uint32_t i = 0; i < 500; i++) {
        write_function((uint8_t *)alias, i ^ 0x5555);
        (void)cpuid(0, 0); /* serialises: the other alias may have been prefetched */
        CHECK_EQUAL(call((uint64_t)crossing), i ^ 0x5555, "a function changed by another alias");
    }
    resize_the_page();
    /* an instruction that overwrites the one behind it */
    {
        uint32_t result;
        asm volatile("movl $0x22, 1f+1(%%rip); cpuid\n1: mov $0x11, %%eax"
                     : "=a"(result)
                     : "a"(0)
                     : "rbx", "rcx", "rdx", "memory");
        CHECK_EQUAL(result, 0x22, "the overwritten instruction");
    }
}

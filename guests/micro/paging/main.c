/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: the guest's own page tables: sizes, accessed and dirty bits, write protection, NX, INVLPG, global pages.
 *
 * SDM Vol. 3A 4.5 (4-level paging), 4.6 (rights), 4.8 (accessed and dirty), 4.10 (TLB).
 */
#include "paging.h"
#include "trap.h"

#define WINDOW 0x40000000ull /* the second GiB of addresses: not RAM, so its tables are free for mappings of our own */

static volatile uint64_t table[512] __attribute__((aligned(4096)));
static volatile uint64_t pages[2][512] __attribute__((aligned(4096)));
static volatile uint64_t *const window = (volatile uint64_t *)WINDOW;

static void map_4k(uint64_t flags, unsigned page)
{
    table[0] = (uint64_t)pages[page] | flags;
    invlpg((void *)WINDOW);
}

static void check_accessed_dirty(void)
{
    map_4k(PTE_P | PTE_W, 0);
    CHECK_EQUAL(table[0] & (PTE_A | PTE_D), 0, "A and D of an unused page");
    (void)window[0];
    CHECK_EQUAL(table[0] & (PTE_A | PTE_D), PTE_A, "A and D behind a read");
    window[0] = 1;
    CHECK_EQUAL(table[0] & (PTE_A | PTE_D), PTE_A | PTE_D, "A and D behind a write");
    CHECK(micro_pd[1][0] & PTE_A, "A of the page directory's entry is clear behind an access");
    micro_pd[1][0] &= ~PTE_A;
    table[0] &= ~(PTE_A | PTE_D);
    tlb_flush();
    window[0] = 2;
    CHECK(micro_pd[1][0] & PTE_A, "A of the page directory's entry stays clear behind an access");
    CHECK_EQUAL(table[0] & (PTE_A | PTE_D), PTE_A | PTE_D, "A and D behind a write");
}

static void check_remap(void)
{
    pages[0][0] = 0x1111;
    pages[1][0] = 0x2222;
    map_4k(PTE_P | PTE_W, 0);
    CHECK_EQUAL(window[0], 0x1111, "the first page");
    map_4k(PTE_P | PTE_W, 1);
    CHECK_EQUAL(window[0], 0x2222, "the second page behind INVLPG");
    table[0] = (uint64_t)pages[0] | PTE_P | PTE_W;
    write_cr3(read_cr3());
    CHECK_EQUAL(window[0], 0x1111, "the first page behind a write to CR3");
    window[1] = 0x3333;
    CHECK_EQUAL(pages[0][1], 0x3333, "what was written through the window");
    table[0] = 0;
    invlpg((void *)WINDOW);
    TRY("mov (%0), %%rax", : : "r"(WINDOW) : "rax", "memory");
    check_trap_error(VECTOR_PF, 0, "read of an unmapped window");
    /* no flush is owed where an entry becomes present */
    table[0] = (uint64_t)pages[1] | PTE_P | PTE_W;
    CHECK_EQUAL(window[0], 0x2222, "a page that became present");
}

static void check_rights(void)
{
    uint64_t cr0 = read_cr0();

    map_4k(PTE_P, 0);
    TRY("movq $5, (%0)", : : "r"(WINDOW) : "memory");
    check_trap_error(VECTOR_PF, PF_PRESENT | PF_WRITE, "write to a read-only page with CR0.WP");
    write_cr0(cr0 & ~CR0_WP);
    TRY("movq $5, (%0)", : : "r"(WINDOW) : "memory");
    check_trap(VECTOR_NONE, "write to a read-only page without CR0.WP");
    CHECK_EQUAL(pages[0][0], 5, "what was written without CR0.WP");
    write_cr0(cr0);
    TRY("movq $6, (%0)", : : "r"(WINDOW) : "memory");
    check_trap_error(VECTOR_PF, PF_PRESENT | PF_WRITE, "write to a read-only page with CR0.WP again");

    pages[0][0] = 0xC3; /* RET */
    map_4k(PTE_P | PTE_W, 0);
    TRY("call *%0", : : "r"(WINDOW) : "memory");
    check_trap(VECTOR_NONE, "call of a page without NX");
    map_4k(PTE_P | PTE_W | PTE_NX, 0);
    TRY("mov %%rsp, %%rbx; jmp *%0", : : "r"(WINDOW) : "rbx", "memory");
    check_trap_error(VECTOR_PF, PF_PRESENT | PF_FETCH, "jump to a page with NX");
    /* a directory entry's rights hold for all below it */
    map_4k(PTE_P | PTE_W, 0);
    micro_pd[1][0] &= ~PTE_W;
    tlb_flush();
    TRY("movq $5, (%0)", : : "r"(WINDOW) : "memory");
    check_trap_error(VECTOR_PF, PF_PRESENT | PF_WRITE, "write below a read-only directory entry");
    micro_pd[1][0] |= PTE_W;
    tlb_flush();
}

static void check_supervisor_modes(void)
{
    struct cpuid_result seven = cpuid_checked(7, 0);
    uint64_t cr4 = read_cr4();

    pages[0][0] = 0xC3;
    map_4k(PTE_P | PTE_W | PTE_U, 0);
    micro_pml4[0] |= PTE_U;
    micro_pdpt[1] |= PTE_U;
    micro_pd[1][0] |= PTE_U;
    tlb_flush();
    if (seven.ebx & CPUID_7_EBX_SMEP) {
        write_cr4(cr4 | CR4_SMEP);
        TRY("jmp *%0", : : "r"(WINDOW) : "memory");
        check_trap_error(VECTOR_PF, PF_PRESENT | PF_FETCH, "jump to a user page with SMEP");
        write_cr4(cr4);
    }
    if (seven.ebx & CPUID_7_EBX_SMAP) {
        write_cr4(cr4 | CR4_SMAP);
        TRY("mov (%0), %%rax", : : "r"(WINDOW) : "rax", "memory");
        check_trap_error(VECTOR_PF, PF_PRESENT, "read of a user page with SMAP");
        TRY("stac; mov (%0), %%rax; clac", : : "r"(WINDOW) : "rax", "memory");
        check_trap(VECTOR_NONE, "read of a user page with SMAP and STAC");
        write_cr4(cr4);
    }
}

static void check_sizes(void)
{
    uint64_t directory = micro_pd[1][0];

    pages[0][3] = 0x4444;
    micro_pd[1][1] = ((uint64_t)pages & ~(PAGE_2M - 1)) | PTE_P | PTE_W | PTE_PS;
    tlb_flush();
    CHECK_EQUAL(*(volatile uint64_t *)(WINDOW + PAGE_2M + ((uint64_t)&pages[0][3] & (PAGE_2M - 1))), 0x4444,
                "a word through a 2 MiB page");
    CHECK_EQUAL(micro_pd[1][1] & (PTE_A | PTE_D), PTE_A, "A and D of a 2 MiB page behind a read");
    if (cpuid(0x80000001u, 0).edx & CPUID_81_EDX_1G) {
        micro_pdpt[4] = PTE_P | PTE_W | PTE_PS;
        tlb_flush();
        CHECK_EQUAL(*(volatile uint64_t *)(4 * PAGE_1G + (uint64_t)&pages[0][3]), 0x4444,
                    "a word through a 1 GiB page");
        *(volatile uint64_t *)(4 * PAGE_1G + (uint64_t)&pages[0][3]) = 0x5555;
        CHECK_EQUAL(pages[0][3], 0x5555, "a word written through a 1 GiB page");
        CHECK_EQUAL(micro_pdpt[4] & (PTE_A | PTE_D), PTE_A | PTE_D, "A and D of a 1 GiB page behind a write");
        micro_pdpt[4] = 0;
        tlb_flush();
    }
    micro_pd[1][0] = directory;
}

/* CR4.PGE: INVLPG and a change of PGE drop a global entry; what a write to CR3 leaves of it is the CPU's choice. */
static void check_global(void)
{
    write_cr4(read_cr4() | CR4_PGE);
    pages[0][0] = 0x6666;
    pages[1][0] = 0x7777;
    map_4k(PTE_P | PTE_W | PTE_G, 0);
    CHECK_EQUAL(window[0], 0x6666, "a global page");
    map_4k(PTE_P | PTE_W | PTE_G, 1);
    CHECK_EQUAL(window[0], 0x7777, "a global page behind INVLPG");
    table[0] = (uint64_t)pages[0] | PTE_P | PTE_W | PTE_G;
    tlb_flush();
    CHECK_EQUAL(window[0], 0x6666, "a global page behind a change of CR4.PGE");
}

/* Another root: the same memory under other tables, many times. */
static void check_roots(void)
{
    static volatile uint64_t root[512] __attribute__((aligned(4096)));
    uint64_t first = read_cr3();

    for (unsigned i = 0; i < 512; i++)
        root[i] = micro_pml4[i];
    for (unsigned i = 0; i < 1000; i++) {
        write_cr3((uint64_t)root);
        CHECK_EQUAL(read_cr3(), (uint64_t)root, "CR3");
        write_cr3(first);
    }
    CHECK_EQUAL(read_cr3(), first, "CR3");
}

void micro_main(void)
{
    micro_pd[1][0] = (uint64_t)table | PTE_P | PTE_W;
    tlb_flush();
    check_accessed_dirty();
    check_remap();
    check_rights();
    check_supervisor_modes();
    check_sizes();
    check_global();
    check_roots();
}

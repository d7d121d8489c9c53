/* SPDX-License-Identifier: Apache-2.0 */
/* paging.c: changes to the tables that entry.asm made. */
#include "paging.h"

void paging_split(uint64_t address, volatile uint64_t table[512])
{
    volatile uint64_t *entry = &micro_pd[address >> 30][address >> 21 & 511];
    uint64_t flags = *entry & (PTE_P | PTE_W | PTE_U | PTE_PWT | PTE_PCD);

    for (uint64_t i = 0; i < 512; i++)
        table[i] = (address & ~(PAGE_2M - 1)) + i * PAGE_SIZE + flags;
    *entry = (uint64_t)table | PTE_P | PTE_W | PTE_U;
    tlb_flush();
}

void paging_allow_user(void)
{
    micro_pml4[0] |= PTE_U;
    micro_pdpt[0] |= PTE_U;
    micro_pd[0][0] |= PTE_U;
    tlb_flush();
}

void tlb_flush(void)
{
    uint64_t cr4 = read_cr4();

    write_cr3(read_cr3());
    if (cr4 & CR4_PGE) {
        write_cr4(cr4 & ~CR4_PGE);
        write_cr4(cr4);
    }
}

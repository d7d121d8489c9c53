/* SPDX-License-Identifier: Apache-2.0 */
/* paging.h: the tables that the runtime starts with, open to tests that change them (SDM Vol. 3A 4.5). */
#ifndef MICRO_PAGING_H
#define MICRO_PAGING_H

#include "cpu.h"

#define PAGE_SIZE 4096ull
#define PAGE_2M (2ull << 20)
#define PAGE_1G (1ull << 30)

#define PTE_P (1ull << 0)
#define PTE_W (1ull << 1)
#define PTE_U (1ull << 2)
#define PTE_PWT (1ull << 3)
#define PTE_PCD (1ull << 4)
#define PTE_A (1ull << 5)
#define PTE_D (1ull << 6)
#define PTE_PS (1ull << 7)
#define PTE_G (1ull << 8)
#define PTE_NX (1ull << 63)

#define PF_PRESENT (1u << 0)
#define PF_WRITE (1u << 1)
#define PF_USER (1u << 2)
#define PF_RESERVED (1u << 3)
#define PF_FETCH (1u << 4)

/* The first 4 GiB one to one in 2 MiB pages, writable, supervisor; the fourth GiB uncacheable. */
extern volatile uint64_t micro_pml4[512];
extern volatile uint64_t micro_pdpt[512];
extern volatile uint64_t micro_pd[4][512];

/* Split one 2 MiB page below 4 GiB into `table` (512 entries, page-aligned), so that 4 KiB pages can be changed. */
void paging_split(uint64_t address, volatile uint64_t table[512]);

/* Let CPL 3 use the first 2 MiB, where the micro-guest lies. */
void paging_allow_user(void);

/* Forget everything that the TLB holds, global entries too. */
void tlb_flush(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: 32-bit protected mode: segments, exceptions, string I/O, 32-bit and PAE paging, with exits under each.
 *
 * SDM Vol. 3A 5.3 (limits), 4.3 (32-bit paging), 4.4 (PAE; 4.4.1: when the four PDPTEs are loaded), 4.7 (page faults).
 * routines.asm says what is expected where; this file lays out descriptors and tables.
 */
#include "apic.h"
#include "legacy.h"
#include "paging.h"
#include "pc.h"
#include "trap.h"

#define VECTOR_TIMER 0x48

void protected_segments(void);

uint32_t protected_try_la57;
uint64_t protected_gdt[24] __attribute__((aligned(16)));
uint32_t protected_directory[1024] __attribute__((aligned(4096)));
uint32_t protected_low[1024] __attribute__((aligned(4096)));    /* the first 4 MiB, one to one */
uint32_t protected_window[1024] __attribute__((aligned(4096))); /* 40000000h */
uint64_t protected_pointers[8] __attribute__((aligned(64)));
uint64_t protected_pae_window[512] __attribute__((aligned(4096)));
uint64_t protected_pae_other[512] __attribute__((aligned(4096)));
uint32_t protected_pages[3][1024] __attribute__((aligned(4096)));

extern uint64_t micro_gdt[13];

static uint64_t descriptor(uint32_t base, uint32_t limit, uint32_t attributes)
{
    return (limit & 0xFFFF) | (uint64_t)(base & 0xFFFFFF) << 16 | (uint64_t)(attributes & 0xFF) << 40 |
           (uint64_t)(limit >> 16 & 15) << 48 | (uint64_t)(attributes >> 8 & 0xFF) << 48 | (uint64_t)(base >> 24) << 56;
}

static void lay_out(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) pointer = { sizeof(protected_gdt) - 1, (uint64_t)protected_gdt };

    for (unsigned i = 0; i < 13; i++)
        protected_gdt[i] = micro_gdt[i];
    protected_gdt[13] = descriptor((uint32_t)(uint64_t)protected_pages[0], 0xFFF, 0x4093); /* 68h: one page */
    protected_gdt[14] = descriptor((uint32_t)(uint64_t)protected_pages[0], 0xFFF, 0x4097); /* 70h: expand-down */
    protected_gdt[15] = descriptor((uint32_t)(uint64_t)protected_pages[0], 0xFFF, 0x4091); /* 78h: read-only */
    protected_gdt[16] = descriptor((uint32_t)IOAPIC_PAGE, 0xFFF, 0x4093);                  /* 80h: a device */
    protected_gdt[17] = descriptor((uint32_t)IOAPIC_PAGE - 0x1000, 0xFFF, 0x4097);         /* 88h: and from below */
    protected_gdt[18] = descriptor(0, 0xFFFF, 0x009B);                                     /* 90h: 16-bit code */
    asm volatile("lgdt %0" : : "m"(pointer) : "memory");

    for (uint32_t i = 0; i < 1024; i++) {
        protected_directory[i] = i << 22 | 0x83; /* 4 MiB pages, where there is no table */
        protected_low[i] = i << 12 | 3;
    }
    protected_directory[0] = (uint32_t)(uint64_t)protected_low | 3;
    protected_directory[0x40000000 >> 22] = (uint32_t)(uint64_t)protected_window | 3;
    protected_directory[0x50000000 >> 22] = 0;
    for (unsigned i = 0; i < 4; i++)
        protected_pointers[i] = (uint64_t)micro_pd[i] | PTE_P;
    protected_pointers[1] = 0;
    protected_pages[0][0] = 0x11111111;
    protected_pages[1][8] = 0x22222222;
    protected_pages[2][0] = 0x33333333;
    for (unsigned i = 0; i < 512; i++) { /* the window at 40000000h under PAE: two directories, one after the other */
        protected_pae_window[i] = (uint64_t)i << 21 | 0x83;
        protected_pae_other[i] = (uint64_t)i << 21 | 0x83 | PTE_PWT;
    }
}

void micro_main(void)
{
    apic_enable_xapic();
    lay_out();
    apic_write(APIC_TIMER_DIVIDE, APIC_TIMER_DIVIDE_BY_1);
    apic_write(APIC_LVT_TIMER, VECTOR_TIMER);
    protected_try_la57 = micro_on_cloison(); /* QEMU 7.2 is lost in a write to CR4 that it refuses; max takes it */
    legacy_run(protected_segments);
    TRY("ud2", : : : "memory");
    check_trap(VECTOR_UD, "UD2 behind the visit");
}

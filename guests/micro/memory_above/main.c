/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: hostile: touches addresses that no RAM of this machine has.
 *
 * Writes must vanish, reads must give all ones, and nothing of the host or of another guest may show. Says how many
 * addresses answered with something else.
 */
#include "paging.h"
#include "trap.h"

#define STEP (2ull << 20)
#define GUARD 0xA5A5A5A55A5A5A5Aull

/* Places where every PC has devices: APICs, IOAPIC, HPET, PCI windows, firmware. */
static bool is_device(uint64_t address)
{
    return address >= 0xB0000000ull && address < 1ull << 32;
}

static uint64_t touch(uint64_t address)
{
    volatile uint64_t *word = (volatile uint64_t *)address;

    *word = GUARD;
    return *word;
}

void micro_main(void)
{
    uint64_t top = micro_memory.top_below_4gib, reads = 0, kept = 0, odd = 0, first = 0;
    /* some firmware keeps a little RAM for itself above what it reports */
    uint64_t start = (top + (16ull << 20)) & ~(STEP - 1);

    if (top == 0)
        micro_error("the boot loader gives no memory map");
    for (uint64_t at = start; at < 1ull << 32; at += STEP) {
        uint64_t value;
        if (is_device(at))
            continue;
        value = touch(at);
        reads++;
        kept += value == GUARD;
        if (value != ~0ull && odd++ == 0)
            first = at;
    }
    /* beyond 4 GiB, through 1 GiB pages where there are */
    if (cpuid(0x80000001u, 0).edx & CPUID_81_EDX_1G) {
        for (uint64_t gib = 4; gib < 512; gib++) {
            uint64_t value;
            micro_pdpt[4] = gib << 30 | PTE_P | PTE_W | PTE_PS;
            tlb_flush();
            value = touch(4 * PAGE_1G);
            reads++;
            kept += value == GUARD;
            if (value != ~0ull && odd++ == 0)
                first = gib << 30;
        }
    }
    micro_printf("micro: memory_above tried %lu addresses from %#lx\n", reads, start);
    CHECK(kept == 0, "%lu addresses above the RAM keep what is written", kept);
    CHECK_DEPARTURE("absent-mmio", odd == 0, "%lu addresses do not read all ones, the first at %#lx", odd, first);
}

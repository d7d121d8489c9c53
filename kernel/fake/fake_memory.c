/* SPDX-License-Identifier: Apache-2.0 */
/* fake_memory.c: RAM that remembers what is in it, and TLBs that forget nothing until exactly the right flush. */
#include <string.h>

#include "kernel/assert.h"
#include "kernel/fake/machine.h"
#include "kernel/pool.h"
#include "kernel/hostmap.h"
#include "kernel/x86.h"

#define TLB_ENTRIES 4096

/* A large page is held as the 4 KiB part that was touched, as a CPU may do. */
struct tlb_entry {
    const struct vm *vm; /* NULL: the host's */
    uint64_t page;
    uint64_t frame;
};

static struct tlb {
    struct tlb_entry entry[TLB_ENTRIES];
    unsigned count;
} tlbs[MAX_CPUS];

static uint64_t content[FAKE_RAM_FRAMES];
static unsigned scrubs[FAKE_RAM_FRAMES];

uint64_t fake_scrub_count;
uint64_t fake_stale_frames;

void fake_memory_reset(void)
{
    memset(tlbs, 0, sizeof(tlbs));
    memset(scrubs, 0, sizeof(scrubs));
    for (unsigned i = 0; i < FAKE_RAM_FRAMES; i++)
        content[i] = FAKE_SECRET;
    fake_scrub_count = fake_stale_frames = 0;
}

static uint64_t index_of(struct hpa frame)
{
    uint64_t index = (frame.value - FAKE_RAM_BASE) >> PAGE_SHIFT;

    ASSERT(frame.value >= FAKE_RAM_BASE && index < FAKE_RAM_FRAMES);
    return index;
}

uint64_t fake_frame_content(struct hpa frame)
{
    return content[index_of(frame)];
}

void fake_frame_write(struct hpa frame, uint64_t value)
{
    content[index_of(frame)] = value;
}

unsigned fake_frame_scrubs(struct hpa frame)
{
    return scrubs[index_of(frame)];
}

bool fake_is_reachable(struct hpa frame)
{
    for (uint32_t cpu = 0; cpu < cpu_count; cpu++) {
        for (unsigned i = 0; i < tlbs[cpu].count; i++) {
            if (tlbs[cpu].entry[i].frame == frame.value)
                return true;
        }
    }
    return false;
}

void window_zero(struct hpa frame)
{
    if (fake_is_reachable(frame))
        fake_stale_frames++;
    fake_scrub_count++;
    if (frame.value >= FAKE_HUGE_BASE)
        return;
    scrubs[index_of(frame)]++;
    content[index_of(frame)] = 0;
}

static void drop(uint32_t cpu, bool guests, bool one, uint64_t page)
{
    struct tlb *tlb = &tlbs[cpu];
    unsigned kept = 0;

    for (unsigned i = 0; i < tlb->count; i++) {
        struct tlb_entry *entry = &tlb->entry[i];
        if ((entry->vm != NULL) != guests || (one && entry->page != page))
            tlb->entry[kept++] = *entry;
    }
    tlb->count = kept;
}

/* No process-context identifiers: a write of CR3 drops all that is not global, and nothing of a guest's (SDM Vol. 3A
 * 4.10.4.1, APM Vol. 2 15.16.1). The tests touch no global page. */
void fake_tlb_write_cr3(uint32_t cpu)
{
    drop(cpu, false, false, 0);
}

void fake_tlb_invlpg(uint32_t cpu, uint64_t address)
{
    drop(cpu, false, true, align_down(address, PAGE_SIZE));
}

void fake_tlb_flush_guests(uint32_t cpu)
{
    drop(cpu, true, false, 0);
}

static bool touch(const struct vm *vm, const struct pt *pt, uint64_t address, struct hpa *frame)
{
    struct tlb *tlb = &tlbs[cpu_index()];
    uint64_t page = align_down(address, PAGE_SIZE);
    struct pt_leaf leaf;

    for (unsigned i = 0; i < tlb->count; i++) {
        if (tlb->entry[i].vm == vm && tlb->entry[i].page == page) {
            *frame = hpa(tlb->entry[i].frame);
            return true;
        }
    }
    if (!pt_get(pt, address, &leaf))
        return false;
    *frame = hpa_add(leaf.frame, page & ((UINT64_C(1) << leaf.page_shift) - 1));
    ASSERT(tlb->count < TLB_ENTRIES);
    tlb->entry[tlb->count++] = (struct tlb_entry){ vm, page, frame->value };
    return true;
}

bool fake_touch(uint64_t address, struct hpa *frame)
{
    struct pt pt = { .format = &pt_format_host, .root = pool_virtual(hpa(fake_cr3(cpu_index()))) };

    return touch(NULL, &pt, address, frame);
}

bool fake_guest_touch(struct vm *vm, uint64_t address, struct hpa *frame)
{
    return touch(vm, &vm->space.pt, address, frame);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* hostmap.c: the kernel half, entered once at boot and never changed but for the windows. */
#include "kernel/hostmap.h"

#include <assert.h>

#include "kernel/assert.h"
#include "kernel/cpu.h"
#include "kernel/layout_table.h"
#include "kernel/pool.h"
#include "kernel/string.h"
#include "kernel/x86.h"

extern const char kernel_start[], kernel_text_end[], kernel_rodata_end[], kernel_end[];

#define KERNEL_ROOT_FIRST 256

static struct pt kernel_map;
static uint64_t next_device = LAYOUT_DEVICES;
static uint64_t *windows; /* the page table of LAYOUT_WINDOWS */

static_assert(2 * MAX_CPUS <= 512 && LAYOUT_WINDOWS % (UINT64_C(1) << 39) == 0, "one page table for all windows");

static void enter(uint64_t address, struct hpa frame, uint64_t size_bytes, unsigned rights, enum pt_type type)
{
    while (size_bytes > 0) {
        bool large = is_aligned(address | frame.value, LARGE_SIZE) && size_bytes >= LARGE_SIZE;
        struct pt_leaf leaf = {
            .frame = frame, .page_shift = large ? LARGE_SHIFT : PAGE_SHIFT, .rights = rights, .type = type
        };
        uint64_t step = large ? LARGE_SIZE : PAGE_SIZE;
        enum cl_status status = pt_set(&kernel_map, address, leaf);
        ASSERT(status == CL_OK);
        address += step;
        frame = hpa_add(frame, step);
        size_bytes -= step;
    }
}

/* All windows stand in one page table, whose entries window_zero() writes. */
static void build_windows(void)
{
    windows = &kernel_map.root[LAYOUT_WINDOWS >> 39 & 511];
    for (unsigned level = 0; level < 3; level++) {
        uint64_t *table = pool_take(NULL, PAGE_SIZE);
        ASSERT(table != NULL);
        *windows = pool_physical(table).value | 0x23; /* present, writable, accessed */
        windows = table;
    }
}

void hostmap_build(const struct boot_info *boot)
{
    struct hpa image = hpa(boot->kernel_base);
    uint64_t text = (uint64_t)(kernel_text_end - kernel_start);
    uint64_t rodata = (uint64_t)(kernel_rodata_end - kernel_text_end);
    uint64_t data = (uint64_t)(kernel_end - kernel_rodata_end);

    enum cl_status status = pt_create(&kernel_map, &pt_format_host, NULL);
    ASSERT(status == CL_OK);
    enter((uint64_t)kernel_start, image, text, PT_READ | PT_EXECUTE | PT_GLOBAL, PT_WRITE_BACK);
    enter((uint64_t)kernel_text_end, hpa_add(image, text), rodata, PT_READ | PT_GLOBAL, PT_WRITE_BACK);
    enter((uint64_t)kernel_rodata_end, hpa_add(image, text + rodata), data, PT_READ | PT_WRITE | PT_GLOBAL,
          PT_WRITE_BACK);
    build_windows();
    enter(boot->pool_virtual, hpa(boot->pool_base), boot->pool_size_bytes, PT_READ | PT_WRITE | PT_GLOBAL,
          PT_WRITE_BACK);
}

struct hpa hostmap_root(void)
{
    return pt_root(&kernel_map);
}

void hostmap_load(void)
{
    x86_write_cr3(hostmap_root().value);
}

void hostmap_share(uint64_t *root)
{
    memcpy(root + KERNEL_ROOT_FIRST, kernel_map.root + KERNEL_ROOT_FIRST, PAGE_SIZE / 2);
}

void *hostmap_device(struct hpa base)
{
    uint64_t offset = base.value % PAGE_SIZE, address = next_device;

    enter(address, hpa(base.value - offset), PAGE_SIZE, PT_READ | PT_WRITE | PT_GLOBAL, PT_UNCACHEABLE);
    next_device += 2 * PAGE_SIZE;
    return (void *)(address + offset);
}

void hostmap_cpu(struct cpu *cpu)
{
    for (unsigned i = 0; i < STACKS_PER_CPU; i++) {
        uint64_t top = LAYOUT_STACKS + (uint64_t)(cpu->index * STACKS_PER_CPU + i + 1) * STACK_STRIDE;
        void *pages = pool_take(NULL, STACK_BYTES);
        ASSERT(pages != NULL);
        enter(top - STACK_BYTES, pool_physical(pages), STACK_BYTES, PT_READ | PT_WRITE | PT_GLOBAL, PT_WRITE_BACK);
        if (i == 0) {
            cpu->kernel_stack = top;
        } else {
            /* the word above the frame tells ist_common whose stack this is */
            cpu->tss.ist[i - 1] = top - 16;
            *(struct cpu **)((char *)pages + STACK_BYTES - 16) = cpu;
        }
    }
}

void window_zero(struct hpa frame)
{
    uint32_t index = 2 * cpu_index(); /* a page that is never mapped between each two */
    void *page = (void *)(LAYOUT_WINDOWS + index * PAGE_SIZE);

    /* present, writable, accessed, dirty, no execute: SDM Vol. 3A table 4-20 */
    WRITE_ONCE(windows[index], frame.value | UINT64_C(0x8000000000000063));
    x86_zero_quads(page, PAGE_SIZE / sizeof(uint64_t));
    WRITE_ONCE(windows[index], 0);
    x86_invlpg(page);
}

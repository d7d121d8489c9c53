/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: the story of the boot, from the loader's hand-over to init's first instruction. */
#include "abi/boot_info.h"
#include "kernel/account_object.h"
#include "kernel/assert.h"
#include "kernel/boot_init.h"
#include "kernel/cpu_init.h"
#include "kernel/frames.h"
#include "kernel/hostmap.h"
#include "kernel/info.h"
#include "kernel/irq.h"
#include "kernel/lapic.h"
#include "kernel/log.h"
#include "kernel/pool.h"
#include "kernel/power.h"
#include "kernel/string.h"
#include "kernel/system.h"
#include "kernel/time.h"
#include "kernel/virt.h"
#include "kernel/x86.h"
#include "kernel/xstate.h"

#define POOL_SHARE 24 /* one part in so many of all RAM */
#define POOL_MIN (UINT64_C(12) << 20)
#define POOL_MAX (UINT64_C(256) << 20)
#define MIB (UINT64_C(1) << 20)
#define FOUR_GIB (UINT64_C(1) << 32)
#define SLICE_NS 3000000
#define RESERVE_BYTES (UINT64_C(1) << 20) /* of the pool: not for sale, for what the kernel itself still needs */

void kernel_main(const struct boot_info *boot) __attribute__((noreturn));
void kernel_switch_stack(uint64_t stack_top, void (*function)(void)) __attribute__((noreturn));
extern uint64_t __stack_chk_guard;
extern const char kernel_start[];

const struct virt_ops *virt;

static struct boot_info boot_copy;
static struct hpa pool_place;        /* physical */
static uint64_t loader_entries[256]; /* the loader's one-to-one map, lent to our tables until init is built */

/* Early tables that map the pool for the loader's root: the pool's own do not exist before it is mapped. */
static uint64_t early_tables[2][512] __attribute__((aligned(4096)));

static struct hpa kernel_physical(const void *pointer)
{
    return hpa(boot_copy.kernel_base + (uint64_t)((const char *)pointer - kernel_start));
}

static uint64_t usable_bytes(void)
{
    uint64_t total = 0;

    for (uint32_t i = 0; i < boot_copy.memory_count; i++) {
        if (boot_copy.memory[i].type == BOOT_MEMORY_USABLE)
            total += boot_copy.memory[i].size_bytes;
    }
    return total;
}

/* The end of the largest free range below 4 GiB becomes the pool. */
static struct hpa take_pool(uint64_t *size)
{
    struct boot_memory *best = NULL;
    uint64_t want = align_up(usable_bytes() / POOL_SHARE, LARGE_SIZE);

    for (uint32_t i = 0; i < boot_copy.memory_count; i++) {
        struct boot_memory *range = &boot_copy.memory[i];
        bool low = range->base + range->size_bytes <= FOUR_GIB;
        if (range->type == BOOT_MEMORY_USABLE && low && (best == NULL || range->size_bytes > best->size_bytes))
            best = range;
    }
    want = want < POOL_MIN ? POOL_MIN : want > POOL_MAX ? POOL_MAX : want;
    if (best == NULL || best->size_bytes < 2 * want)
        panic("no free range of %lu MiB below 4 GiB: Cloison needs at least 128 MiB of RAM", 2 * want / MIB);
    uint64_t base = align_down(best->base + best->size_bytes - want, LARGE_SIZE);
    best->size_bytes = base - best->base;
    *size = want;
    return hpa(base);
}

/* 2 MiB entries in the loader's root: present, writable, large, no execute. */
static void map_pool_early(uint64_t virtual_base, struct hpa base, uint64_t size)
{
    uint64_t *root = (uint64_t *)(x86_read_cr3() & ~UINT64_C(0xfff));

    root[(virtual_base >> 39) & 511] = kernel_physical(early_tables[0]).value | 3;
    early_tables[0][(virtual_base >> 30) & 511] = kernel_physical(early_tables[1]).value | 3;
    for (uint64_t offset = 0; offset < size; offset += LARGE_SIZE)
        early_tables[1][offset >> LARGE_SHIFT] = (base.value + offset) | UINT64_C(0x8000000000000083);
    x86_write_cr3(x86_read_cr3());
}

/* A 1 GiB step of the pool's region, from the loader's entropy; and a stack canary that nobody knows. */
static uint64_t choose_pool_address(void)
{
    uint64_t random[2];

    memcpy(random, boot_copy.entropy, sizeof(random));
    __stack_chk_guard = random[1] & ~UINT64_C(0xff); /* a zero byte stops string overruns */
    return LAYOUT_POOL + (random[0] % LAYOUT_POOL_STEPS) * HUGE_SIZE;
}

static void build_memory(void)
{
    uint64_t pool_bytes;
    uint64_t pool_base = choose_pool_address();
    struct hpa pool = take_pool(&pool_bytes);
    uint64_t highest = 0;
    uint64_t *loader_root = (uint64_t *)(x86_read_cr3() & ~UINT64_C(0xfff));

    pool_place = pool;
    map_pool_early(pool_base, pool, pool_bytes);
    pool_init((void *)pool_base, pool, pool_bytes);
    for (uint32_t i = 0; i < boot_copy.memory_count; i++) {
        const struct boot_memory *range = &boot_copy.memory[i];
        if (range->type == BOOT_MEMORY_USABLE || range->type == BOOT_MEMORY_LOADER)
            highest = range->base + range->size_bytes;
    }
    frames_init(hpa(highest));
    for (uint32_t i = 0; i < boot_copy.memory_count; i++) {
        if (boot_copy.memory[i].type == BOOT_MEMORY_USABLE && boot_copy.memory[i].size_bytes > 0)
            frames_add(hpa(boot_copy.memory[i].base), boot_copy.memory[i].size_bytes);
    }
    hostmap_build(&boot_copy, pool_base, pool, pool_bytes);
    memcpy(loader_entries, loader_root, sizeof(loader_entries));
    memcpy(pool_virtual(hostmap_root()), loader_entries, sizeof(loader_entries));
    hostmap_load();
}

static void drop_loader(void)
{
    memset(pool_virtual(hostmap_root()), 0, sizeof(loader_entries));
    hostmap_load();
}

/* What the loader used is free memory once nobody starts on its trampoline any more. */
static void free_loader_memory(void)
{
    for (uint32_t i = 0; i < boot_copy.memory_count; i++) {
        if (boot_copy.memory[i].type == BOOT_MEMORY_LOADER)
            frames_add(hpa(boot_copy.memory[i].base), boot_copy.memory[i].size_bytes);
    }
}

static void find_cpus(void)
{
    uint32_t wanted = boot_copy.cpu_count < MAX_CPUS ? boot_copy.cpu_count : MAX_CPUS;

    cpu_count = 1;
    for (uint32_t i = 0; i < wanted; i++) {
        uint32_t index = boot_copy.cpus[i].bootstrap != 0 ? 0 : cpu_count++;
        cpus[index].index = index;
        cpus[index].apic_id = boot_copy.cpus[i].apic_id;
    }
    for (uint32_t i = 0; i < cpu_count; i++) {
        hostmap_cpu(&cpus[i]);
        cpus[i].trace = pool_take(NULL, PAGE_SIZE);
        ASSERT(cpus[i].trace != NULL);
    }
}

/* Which backend, if any. A machine without one still boots to ring 3 and says why it runs no VMs. */
static void find_virt(void)
{
    static const struct virt_ops *const backends[] = { &svm_ops, &vmx_ops };
    uint32_t extended = x86_cpuid(0x80000000, 0).eax;
    bool pages_1gib = extended >= 0x80000001 && (x86_cpuid(0x80000001, 0).edx & (1u << 26)) != 0;

    pt_limit_shift(&pt_format_host, pages_1gib ? HUGE_SHIFT : LARGE_SHIFT);
    for (unsigned i = 0; i < ARRAY_SIZE(backends); i++) {
        if (backends[i]->probe() == CL_OK) {
            virt = backends[i];
            info_page->features |= INFO_FEATURE_VIRTUAL_MACHINES;
            log_line("virtualisation: %s with nested paging", virt->name);
            return;
        }
    }
    log_line("virtualisation: none that this build can use: no VM will be started");
}

static void boot_on_own_stack(void)
{
    struct cpu *cpu = &cpus[0];

    xstate_probe();
    cpu->xcr0 = xstate_mask;
    lapic_probe(boot_copy.lapic_base);
    irq_probe(&boot_copy);
    lapic_enable();
    cpu->apic_id = lapic_id();
    time_calibrate((uint16_t)boot_copy.pm_timer_port);
    lapic_calibrate();
    cpu->timer_programmed = UINT64_MAX;
    info_build(&boot_copy);
    log_line("CPU: %s, %u found, TSC %lu MHz, %s, %s",
             info_page->cpu_name[0] != '\0' ? info_page->cpu_name : "(unnamed)", cpu_count, tsc_hz / 1000000,
             lapic_has_x2apic() ? "x2APIC" : "xAPIC (no x2APIC)",
             lapic_has_tsc_deadline() ? "TSC deadline timer" : "APIC one-shot timer (no TSC deadline)");
    find_virt();
    if (virt != NULL && virt->cpu_enable() != CL_OK)
        panic("the boot CPU cannot be put into its virtualisation mode");

    sched_init(cpu_count, time_from_ns(SLICE_NS));
    sched_cpu_init(0, &cpu->sched, x86_rdtsc());
    cpu->online = true;
    uint32_t started = smp_start(&boot_copy);
    power_prepare(&boot_copy);

    info_page->memory_bytes = frames_total() * PAGE_SIZE + pool_size();
    info_page->pool_bytes = pool_size();
    struct account *root = account_create_root(pool_free_bytes() - RESERVE_BYTES, frames_free() * PAGE_SIZE);
    boot_init(&boot_copy, root);
    drop_loader();
    free_loader_memory();
    log_line("memory: %lu MiB, of which %lu MiB at %lx are the kernel's pool; %u of %u CPUs run",
             info_page->memory_bytes / MIB, pool_size() / MIB, pool_place.value, started, cpu_count);
    kernel_exit();
}

void kernel_main(const struct boot_info *boot)
{
    if (boot->magic != BOOT_INFO_MAGIC || boot->version != BOOT_INFO_VERSION || boot->size_bytes != sizeof(*boot))
        for (;;) /* no console is known yet: the loader is of another version, which the image's manifest rules out */
            __asm__ volatile("cli; hlt");
    memcpy(&boot_copy, boot, sizeof(boot_copy));
    log_serial((uint16_t)boot_copy.serial_port);
    log_line("Cloison kernel at %lx, system image of %lu KiB", boot_copy.kernel_base,
             boot_copy.image_size_bytes / 1024);
    build_memory();
    find_cpus();
    idt_build();
    cpu_setup(&cpus[0]);
    kernel_switch_stack(cpus[0].kernel_stack, boot_on_own_stack);
}

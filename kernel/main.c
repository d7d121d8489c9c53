/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: the story of the boot, from the loader's hand-over to init's first instruction. */
#include <assert.h>

#include "abi/boot_info.h"
#include "kernel/account.h"
#include "kernel/assert.h"
#include "kernel/boot.h"
#include "kernel/frames.h"
#include "kernel/guest_cpu.h"
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
#include "kernel/trace.h"
#include "kernel/virt.h"
#include "kernel/vlapic.h"
#include "kernel/x86.h"
#include "kernel/xstate.h"

#define MIB (UINT64_C(1) << 20)
#define SLICE_NS 3000000
#define RESERVE_BYTES (UINT64_C(1) << 20) /* of the pool: not for sale, for what the kernel itself still needs */

void kernel_main(const struct boot_info *boot) __attribute__((noreturn));
extern uint64_t __stack_chk_guard;

static_assert(BOOT_CPUS_MAX <= MAX_CPUS, "every CPU that the loader starts has a struct cpu");

const struct virt_ops *virt;
struct info_page *info_page;
static struct boot_info boot_copy;

static void add_frames(enum boot_memory_type type)
{
    for (uint32_t i = 0; i < boot_copy.memory_count; i++) {
        if (boot_copy.memory[i].type == type)
            frames_add(hpa(boot_copy.memory[i].base), boot_copy.memory[i].size_bytes);
    }
}

static void build_memory(void)
{
    pool_init((void *)boot_copy.pool_virtual, hpa(boot_copy.pool_base), boot_copy.pool_size_bytes);
    frames_init(hpa(boot_copy.memory_end));
    add_frames(BOOT_MEMORY_USABLE);
    hostmap_build(&boot_copy);
    info_page = pool_take(NULL, PAGE_SIZE);
    ASSERT(info_page != NULL);
    *info_page = boot_copy.info;
    tsc_hz = info_page->tsc_hz;
}

/* The other CPUs leave the loader's memory for kernel_enter(). */
static void take_cpus(void)
{
    for (uint32_t i = 0; i < boot_copy.cpu_count; i++) {
        cpus[i].index = i;
        cpus[i].apic_id = boot_copy.cpus[i].apic_id;
        cpus[i].trace = pool_take(NULL, PAGE_SIZE);
        ASSERT(cpus[i].trace != NULL);
        cpus[i].trace->cpu = i;
        hostmap_cpu(&cpus[i]);
    }
    cpu_count = boot_copy.cpu_count;
    power_prepare(&boot_copy); /* the kernel half is complete but for devices, which the end does not need */
    for (uint32_t i = 1; i < cpu_count; i++) {
        struct boot_start *start = (struct boot_start *)boot_copy.cpus[i].start;
        start->argument[0] = (uint64_t)&cpus[i];
        start->argument[1] = hostmap_root().value;
        __atomic_store_n(&start->entry, (uint64_t)kernel_enter, __ATOMIC_RELEASE);
    }
}

/* Which backend, if any. A machine without one still boots to ring 3 and says why it runs no VMs. */
static void find_virt(void)
{
    static const struct virt_ops *const backends[] = { &svm_ops, &vmx_ops };

    info_page->guest_cpus = UINT64_MAX >> (64 - cpu_count);
    guest_cpu_probe();
    for (unsigned i = 0; i < ARRAY_SIZE(backends); i++) {
        if (backends[i]->probe(&info_page->guest_cpus) == CL_OK) {
            virt = backends[i];
            info_page->features |= INFO_FEATURE_VIRTUAL_MACHINES;
            info_page->features |= vlapic_hardware ? INFO_FEATURE_LOCAL_APIC : 0;
            info_page->features |= vlapic_hardware_auto ? INFO_FEATURE_LOCAL_APIC_AUTO : 0;
            log_line("virtualisation: %s with nested paging", virt->name);
            return;
        }
    }
    log_line("virtualisation: none that this build can use: no VM will be started");
}

/* What the boot CPU does once for all. */
static void find_devices(void)
{
    xstate_probe();
    info_page->xcr0 = xstate_mask;
    lapic_probe(&boot_copy);
    irq_probe(&boot_copy);
    log_line("CPU: %s, %u found, TSC %lu MHz, %s, %s",
             info_page->cpu_name[0] != '\0' ? info_page->cpu_name : "(unnamed)", cpu_count + boot_copy.cpus_absent,
             tsc_hz / 1000000, (info_page->features & INFO_FEATURE_X2APIC) != 0 ? "x2APIC" : "xAPIC (no x2APIC)",
             (info_page->features & INFO_FEATURE_TSC_DEADLINE) != 0 ? "TSC deadline timer"
                                                                    : "APIC one-shot timer (no TSC deadline)");
    for (uint32_t i = 1; i < cpu_count; i++)
        if (boot_copy.cpus[i].tsc_ahead != 0)
            log_line("CPU %u: its TSC was %ld ticks ahead of CPU 0's and has been set", i, boot_copy.cpus[i].tsc_ahead);
    if (boot_copy.cpus_apart != 0)
        log_line("CPUs: %u stay off: their TSCs differ from CPU 0's and cannot be set", boot_copy.cpus_apart);
    if ((info_page->features & INFO_FEATURE_PAGES_1GIB) != 0)
        pt_largest_shift = HUGE_SHIFT;
    find_virt();
    sched_init(cpu_count, time_from_ns(SLICE_NS));
}

/* The boot CPU, when all others have come: nobody is in the loader's memory any more. */
static void start_init(void)
{
    while (!__atomic_load_n(&cpus[cpu_count - 1].online, __ATOMIC_ACQUIRE))
        __builtin_ia32_pause();
    boot_init(&boot_copy, account_create_root(pool_free_bytes() - RESERVE_BYTES, frames_free() * PAGE_SIZE));
    add_frames(BOOT_MEMORY_LOADER);
    log_line("memory: %lu MiB, of which %lu MiB at %lx are the kernel's pool; %u of %u CPUs run",
             info_page->memory_bytes / MIB, pool_size() / MIB, boot_copy.pool_base, cpu_count,
             cpu_count + boot_copy.cpus_absent);
}

/* One after the other, the boot CPU first. */
void cpu_main(struct cpu *cpu)
{
    cpu_setup(cpu);
    if (cpu->index == 0)
        find_devices();
    else
        while (!__atomic_load_n(&cpus[cpu->index - 1].online, __ATOMIC_ACQUIRE))
            __builtin_ia32_pause();
    xstate_enable();
    cpu->xcr0 = xstate_mask;
    lapic_enable();
    cpu->timer_programmed = TIMER_NEVER;
    if (virt != NULL && virt->cpu_enable() != CL_OK)
        panic("CPU %u cannot be put into its virtualisation mode", cpu->index);
    sched_cpu_init(cpu->index, &cpu->sched, x86_rdtsc());
    __atomic_store_n(&cpu->online, true, __ATOMIC_RELEASE);
    if (cpu->index == 0)
        start_init();
    kernel_exit();
}

/* From the loader, on its stack and tables. */
void kernel_main(const struct boot_info *boot)
{
    if (boot->magic != BOOT_INFO_MAGIC || boot->version != BOOT_INFO_VERSION || boot->size_bytes != sizeof(*boot))
        for (;;) /* no console is known yet: the loader is of another version, which the image's manifest rules out */
            __asm__ volatile("cli; hlt");
    __stack_chk_guard = boot->canary;
    memcpy(&boot_copy, boot, sizeof(boot_copy));
    log_serial((uint16_t)boot_copy.serial_port);
    log_line("Cloison kernel at %lx, system image of %lu KiB", boot_copy.kernel_base,
             boot_copy.image_size_bytes / 1024);
    build_memory();
    idt_build();
    take_cpus();
    kernel_enter(&cpus[0], hostmap_root().value);
}

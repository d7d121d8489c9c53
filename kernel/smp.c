/* SPDX-License-Identifier: Apache-2.0 */
/* smp.c: starting the other CPUs, one after the other (SDM Vol. 3A 9.4.4). */
#include "kernel/assert.h"
#include "kernel/cpu_init.h"
#include "kernel/hostmap.h"
#include "kernel/lapic.h"
#include "kernel/sched.h"
#include "kernel/string.h"
#include "kernel/system.h"
#include "kernel/time.h"
#include "kernel/virt.h"
#include "kernel/x86.h"
#include "kernel/xstate.h"

extern char trampoline_start[], trampoline_end[], trampoline_cr3[], trampoline_stack[], trampoline_entry[],
    trampoline_argument[];

#define START_TIMEOUT_MS 500

static void wait_us(uint64_t us)
{
    uint64_t end = x86_rdtsc() + us * tsc_hz / 1000000;

    while (x86_rdtsc() < end)
        __builtin_ia32_pause();
}

void cpu_main(struct cpu *cpu)
{
    hostmap_load();
    cpu_setup(cpu);
    xstate_enable();
    cpu->xcr0 = xstate_mask;
    lapic_enable();
    cpu->timer_programmed = TIMER_NEVER;
    if (virt != NULL && virt->cpu_enable() != CL_OK)
        panic("CPU %u cannot run guests although CPU 0 can", cpu->index);
    sched_cpu_init(cpu->index, &cpu->sched, x86_rdtsc());
    __atomic_store_n(&cpu->online, true, __ATOMIC_RELEASE);
    kernel_exit();
}

static void put_word(void *page, const char *symbol, uint64_t value)
{
    memcpy((char *)page + (symbol - trampoline_start), &value, sizeof(value));
}

static bool start_one(struct cpu *cpu, uint64_t trampoline)
{
    lapic_init_ipi(cpu->apic_id);
    wait_us(10000);
    for (unsigned i = 0; i < 2; i++) {
        lapic_startup_ipi(cpu->apic_id, (uint8_t)(trampoline >> PAGE_SHIFT));
        wait_us(200);
    }
    for (unsigned ms = 0; ms < START_TIMEOUT_MS; ms++) {
        if (__atomic_load_n(&cpu->online, __ATOMIC_ACQUIRE))
            return true;
        wait_us(1000);
    }
    return false;
}

uint32_t smp_start(const struct boot_info *boot)
{
    struct hpa page = hpa(boot->trampoline);
    struct hpa root = hostmap_trampoline(page);
    void *copy = (void *)page.value; /* the loader's one-to-one map is still there */
    uint32_t started = 1;

    ASSERT(root.value < UINT64_C(0x100000000)); /* the trampoline loads CR3 in 32-bit code */
    for (uint32_t i = 1; i < cpu_count; i++) {
        memcpy(copy, trampoline_start, (size_t)(trampoline_end - trampoline_start));
        put_word(copy, trampoline_cr3, root.value);
        put_word(copy, trampoline_stack, cpus[i].kernel_stack);
        put_word(copy, trampoline_entry, (uint64_t)cpu_main);
        put_word(copy, trampoline_argument, (uint64_t)&cpus[i]);
        if (start_one(&cpus[i], page.value))
            started++;
        else
            log_line("CPU %u (APIC ID %u) did not start: going on without it", i, cpus[i].apic_id);
    }
    return started;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* cpus.c: start a CPU (SDM Vol. 3A 9.4.4.1) and hand it work. An IPI wakes it from HLT. */
#include "cpus.h"
#include "apic.h"

#define TRAMPOLINE 0x8000u
#define STACK_BYTES 8192u /* start.asm */
#define WAKE_VECTOR 0x41
#define DELIVERY_INIT (5u << 8)
#define DELIVERY_SIPI (6u << 8)
#define DELAY_TICKS 1000000u
#define WAIT_TICKS 30000000000ull

struct pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

extern const char cpus_trampoline[], cpus_trampoline_end[];
extern const struct pointer micro_gdt_pointer;

struct pointer cpus_idt;
char cpus_stacks[CPUS_MAX][STACK_BYTES] __attribute__((aligned(16)));
volatile struct cpu_found cpus_found[CPUS_MAX];
static cpu_work *volatile work_of[CPUS_MAX];

_Noreturn void cpus_entered(unsigned cpu);

static void woken(struct micro_frame *frame)
{
    (void)frame;
    apic_eoi();
}

void cpus_prepare(void)
{
    size_t size = (size_t)(cpus_trampoline_end - cpus_trampoline);

    asm volatile("sidt %0" : "=m"(cpus_idt));
    memcpy((void *)(uint64_t)TRAMPOLINE, cpus_trampoline, size);
    /* the pointer at its end: limit, and 32 bits of base */
    memcpy((void *)(TRAMPOLINE + size - 6), &micro_gdt_pointer, 6);
    micro_handle(WAKE_VECTOR, woken);
}

/* The registers are read in the mode that the CPU is in, which need not be that of the others. */
static uint32_t own_register(enum apic_register offset)
{
    if (rdmsr(MSR_APIC_BASE) & APIC_BASE_X2APIC)
        return (uint32_t)rdmsr(MSR_X2APIC_FIRST + ((uint32_t)offset >> 4));
    return *(volatile uint32_t *)(APIC_PAGE + offset);
}

_Noreturn void cpus_entered(unsigned cpu)
{
    volatile struct cpu_found *found = &cpus_found[cpu];

    work_of[cpu] = NULL;
    found->svr = own_register(APIC_SVR);
    found->lvt_timer = own_register(APIC_LVT_TIMER);
    found->apic_base = rdmsr(MSR_APIC_BASE);
    if (apic_in_x2apic())
        (void)apic_enable_x2apic();
    else
        apic_write(APIC_SVR, APIC_SVR_ENABLE | APIC_SPURIOUS_VECTOR);
    found->ldr = apic_read(APIC_LDR);
    found->times = found->times + 1;
    for (;;) {
        while (work_of[cpu] == NULL)
            sti_hlt_cli();
        work_of[cpu](cpu);
        work_of[cpu] = NULL;
    }
}

bool cpus_start(unsigned cpu)
{
    uint32_t before = cpus_found[cpu].times;

    apic_send(cpu, DELIVERY_INIT | APIC_ICR_ASSERT);
    spin_ticks(DELAY_TICKS);
    for (unsigned i = 0; i < 2; i++) {
        apic_send(cpu, DELIVERY_SIPI | APIC_ICR_ASSERT | TRAMPOLINE >> 12);
        spin_ticks(DELAY_TICKS / 10);
    }
    return cpus_wait_for(&cpus_found[cpu].times, before + 1);
}

void cpus_give(unsigned cpu, cpu_work *work)
{
    if (cpu == 0) {
        work(0);
        return;
    }
    work_of[cpu] = work;
    apic_send(cpu, APIC_ICR_ASSERT | WAKE_VECTOR);
}

bool cpus_wait(unsigned cpu)
{
    uint64_t start = rdtsc();

    interrupts_on();
    while (work_of[cpu] != NULL && rdtsc() - start < WAIT_TICKS)
        cpu_pause();
    interrupts_off();
    return work_of[cpu] == NULL;
}

bool cpus_wait_for(const volatile uint32_t *counter, uint32_t value)
{
    uint64_t start = rdtsc();

    interrupts_on();
    while (*counter != value && rdtsc() - start < WAIT_TICKS)
        cpu_pause();
    interrupts_off();
    return *counter == value;
}

unsigned cpus_of(const struct micro_frame *frame)
{
    uint64_t offset = (uint64_t)frame - (uint64_t)cpus_stacks;

    return offset < sizeof(cpus_stacks) ? (unsigned)(offset / STACK_BYTES) : 0;
}

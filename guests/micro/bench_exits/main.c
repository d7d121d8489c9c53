/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: what one round trip out of the guest costs, in TSC ticks.
 *
 * Prints `bench: NAME N`, the least of 64 tries after a warm-up, less what the measurement itself costs. Under
 * -icount shift=0 with one CPU a tick is an instruction and N is exact. The instruction itself counts in N.
 * Arguments: `doorbell=PORT` measures an OUT to that port; `only=NAME` measures that one alone, `tries=N` changes the
 * number of tries, and `cycle` goes on through all operations for ever after the last, for counting from outside what
 * else happens.
 */
#include "apic.h"
#include "abi/hypercall.h"
#include "pc.h"
#include "trap.h"

#define WARM_UP 8
#define TRIES 64
#define VECTOR_SELF 0x45
#define ROUNDS_UNTIL_LOOK 5000

typedef uint64_t operation(uint64_t a, uint64_t b);

operation measure_nothing, measure_cpuid, measure_vmcall, measure_vmmcall, measure_in, measure_out, measure_mmio_read,
    measure_mmio_write, measure_rdmsr, measure_wrmsr, measure_ipi;
extern volatile uint64_t measure_ipi_handler_seen;

static uint64_t overhead, tries;
static uint32_t worst_leaf, worst_subleaf;

static uint64_t least(operation *measure, uint64_t a, uint64_t b)
{
    uint64_t best = ~0ull;

    for (uint64_t i = 0; i < WARM_UP + tries; i++) {
        uint64_t ticks = measure(a, b);
        if (i >= WARM_UP && ticks < best)
            best = ticks;
    }
    return best > overhead ? best - overhead : 0;
}

static bool wanted(const char *name)
{
    const char *only = micro_argument("only");

    return only == NULL || (memcmp(only, name, strlen(name)) == 0 && (only[strlen(name)] & ~0x20) == 0);
}

static void bench(const char *name, operation *measure, uint64_t a, uint64_t b)
{
    if (wanted(name))
        micro_printf("bench: %s %lu\n", name, least(measure, a, b));
}

/* The dearest leaf of all that CPUID announces, because a bar holds for each of them. */
static void bench_cpuid(void)
{
    static const uint32_t bases[] = { 0, CL_CPUID_KVM, CL_CPUID_BASE, 0x80000000u };
    uint64_t worst = 0;

    if (!wanted("cpuid"))
        return;
    for (size_t i = 0; i < ARRAY_LENGTH(bases); i++) {
        uint32_t highest = cpuid(bases[i], 0).eax;
        if (highest < bases[i] || highest - bases[i] > 0x40)
            continue;
        for (uint32_t leaf = bases[i]; leaf <= highest; leaf++) {
            for (uint32_t subleaf = 0; subleaf < 3; subleaf++) {
                uint64_t ticks = least(measure_cpuid, leaf, subleaf);
                if (ticks > worst) {
                    worst = ticks;
                    worst_leaf = leaf;
                    worst_subleaf = subleaf;
                }
            }
        }
    }
    micro_printf("bench: cpuid %lu\n", worst);
    micro_printf("bench-note: the worst leaf of CPUID is %#x\n", worst_leaf);
}

static void self_handler(struct micro_frame *frame)
{
    (void)frame;
    measure_ipi_handler_seen = 1;
    apic_eoi();
}

static void bench_apic(void)
{
    apic_enable_xapic();
    micro_handle(VECTOR_SELF, self_handler);
    bench("mmio_apic_tpr", measure_mmio_read, APIC_PAGE + APIC_TPR, 0);
    interrupts_on();
    bench("self_ipi_xapic", measure_ipi, APIC_PAGE + APIC_ICR, APIC_ICR_SELF | APIC_ICR_ASSERT | VECTOR_SELF);
    interrupts_off();
    if (!apic_enable_x2apic())
        return;
    /* WRMSR takes its number from the second argument, both halves of its value from the first */
    bench("x2apic_tpr", measure_wrmsr, 0, MSR_X2APIC_FIRST + (APIC_TPR >> 4));
    bench("x2apic_eoi", measure_wrmsr, 0, MSR_X2APIC_FIRST + (APIC_EOI >> 4));
    interrupts_on();
    bench("self_ipi_x2apic", measure_ipi, 0, VECTOR_SELF);
    interrupts_off();
}

/* Once each and again, so that a short look at the running machine finds every operation. Bochs' debugger looks for itself
 * when it meets XCHG BX,BX, which is nothing elsewhere: late enough for all that was printed to be out. */
static _Noreturn void cycle(uint64_t doorbell)
{
    bool x2apic = apic_enable_x2apic(), amd = micro_on_amd();

    interrupts_on();
    micro_printf("bench: cycling\n");
    for (uint64_t round = 0;; round++) {
        if (round == ROUNDS_UNTIL_LOOK)
            __asm__ volatile("xchg %bx, %bx");
        measure_cpuid(worst_leaf, worst_subleaf);
        if (amd)
            measure_vmmcall(CL_HYPERCALL_NOP, 0);
        else
            measure_vmcall(CL_HYPERCALL_NOP, 0);
        measure_in(RTC_DATA, 0);
        measure_mmio_read(IOAPIC_DATA, 0);
        measure_rdmsr(0, MSR_APIC_BASE);
        if (x2apic)
            measure_ipi(0, VECTOR_SELF);
        if (doorbell != 0)
            measure_out(doorbell, 0);
    }
}

void micro_main(void)
{
    uint64_t doorbell = micro_argument_number("doorbell", 0);

    tries = micro_argument_number("tries", TRIES);
    overhead = least(measure_nothing, 0, 0);
    bench_cpuid();
    if (micro_on_cloison())
        bench("hypercall", micro_on_amd() ? measure_vmmcall : measure_vmcall, CL_HYPERCALL_NOP, 0);
    outb(RTC_INDEX, 0x0B);
    bench("port_io_vmm", measure_in, RTC_DATA, 0);
    bench("port_absent", measure_in, PORT_ABSENT, 0);
    (void)ioapic_read(1);
    bench("mmio_vmm", measure_mmio_read, IOAPIC_DATA, 0);
    bench("mmio_vmm_write", measure_mmio_write, IOAPIC_PAGE, 1);
    bench("rdmsr_apic_base", measure_rdmsr, 0, MSR_APIC_BASE);
    if (doorbell != 0)
        bench("doorbell", measure_out, doorbell, 0);
    bench_apic();
    if (micro_argument_flag("cycle"))
        cycle(doorbell);
}

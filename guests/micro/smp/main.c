/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: several CPUs: INIT and SIPI, IPIs between any two of them, in both modes of the local APIC; one TSC for all;
 * translations shot down by IPI, by all CPUs at once; a timer of each CPU's own; a device that all use at once.
 *
 * SDM Vol. 3A 9.4 (start), 11.4.7.3 (INIT), 11.6 (IPIs), 11.12 (x2APIC), 18.17 (TSC), 4.10.5 (shoot-down).
 * The word `cpus=N` of the command line says how many there must be, 2 to 64. With more than 8, the first and the last
 * of them send for all.
 */
#include "apic.h"
#include "cpus.h"
#include "paging.h"
#include "pc.h"

#define VECTOR_IPI 0x51
#define VECTOR_TOKEN 0x52
#define VECTOR_FLUSH 0x53
#define VECTOR_TIMER 0x54
#define VECTOR_STORM 0x55
#define SETTLE_TICKS 200000
#define FLAT_CPUS_MAX 8u /* logical IDs of xAPIC mode's flat model */
/* Of all CPUs together. */
#define TOKEN_HOPS 800u
#define CROWD_ROUNDS 20000u
#define FLUSH_ROUNDS 800u
#define STORM_ROUNDS 400u
#define STORM_TIMER_TICKS 300000
#define SHARED_ADDRESS 0x30000000ull /* beyond any memory: for each CPU, a page of two frames in turn */

static unsigned cpus;
static volatile uint32_t received[CPUS_MAX], nmis[CPUS_MAX], timers[CPUS_MAX];
static uint32_t send_destination, send_low;

/* ------------------------------------------------------------------------------------------------------ handlers */

static void on_ipi(struct micro_frame *frame)
{
    unsigned cpu = cpus_of(frame);

    received[cpu] = received[cpu] + 1;
    apic_eoi();
}

static void on_nmi(struct micro_frame *frame)
{
    unsigned cpu = cpus_of(frame);

    nmis[cpu] = nmis[cpu] + 1;
}

static void on_timer(struct micro_frame *frame)
{
    unsigned cpu = cpus_of(frame);

    timers[cpu] = timers[cpu] + 1;
    apic_eoi();
}

/* ---------------------------------------------------------------------------------------------------------- IPIs */

static void send_it(unsigned cpu)
{
    (void)cpu;
    apic_send(send_destination, send_low | APIC_ICR_ASSERT);
}

/* CPU `from` sends; exactly the CPUs in `targets` get it, once. */
static void check_ipi(unsigned from, uint64_t targets, uint32_t destination, uint32_t low, const char *what)
{
    volatile uint32_t *counter = (low & 0x700) == APIC_DELIVERY_NMI ? nmis : received;
    bool came = true;

    for (unsigned i = 0; i < cpus; i++)
        counter[i] = 0;
    send_destination = destination;
    send_low = low;
    cpus_give(from, send_it);
    came = cpus_wait(from);
    for (unsigned i = 0; i < cpus; i++)
        if (targets >> i & 1)
            came = cpus_wait_for(&counter[i], 1) && came;
    spin_ticks(SETTLE_TICKS);
    irq_window();
    for (unsigned i = 0; i < cpus; i++)
        came = counter[i] == (targets >> i & 1) && came;
    CHECK(came, "%s: %s from CPU %u to %#x reached CPUs 0 to 3 %u, %u, %u, %u times, expected set %#lx",
          apic_in_x2apic() ? "x2APIC" : "xAPIC", what, from, destination, counter[0], counter[1], counter[2],
          counter[3], targets);
}

static uint32_t logical_id(unsigned cpu)
{
    return apic_in_x2apic() ? (cpu >> 4) << 16 | 1u << (cpu & 15) : 1u << cpu;
}

static void set_logical(unsigned cpu)
{
    apic_write(APIC_DFR, 0xFFFFFFFFu);
    apic_write(APIC_LDR, logical_id(cpu) << 24);
}

static bool logical_ids_are_known(void)
{
    bool known = true;

    if (!apic_in_x2apic() && cpus > FLAT_CPUS_MAX)
        return false;
    if (!apic_in_x2apic()) {
        for (unsigned i = 0; i < cpus; i++) {
            cpus_give(i, set_logical);
            known = cpus_wait(i) && known;
        }
        return known;
    }
    for (unsigned i = 1; i < cpus; i++)
        known = known && cpus_found[i].ldr == logical_id(i);
    return CHECK_DEPARTURE("x2apic-ldr", known, "LDR of CPU 1 is %#x in x2APIC mode", cpus_found[1].ldr);
}

static void check_lowest_priority(unsigned from, uint32_t all)
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < cpus; i++)
        received[i] = 0;
    send_destination = all;
    send_low = APIC_ICR_LOGICAL | APIC_DELIVERY_LOWEST | VECTOR_IPI;
    cpus_give(from, send_it);
    (void)cpus_wait(from);
    for (uint64_t start = rdtsc(); sum == 0 && rdtsc() - start < 1000000000;) {
        irq_window();
        for (unsigned i = 0; i < cpus; i++)
            sum += received[i];
    }
    spin_ticks(SETTLE_TICKS);
    sum = 0;
    for (unsigned i = 0; i < cpus; i++)
        sum += received[i];
    CHECK_EQUAL(sum, 1, "number of CPUs that a lowest-priority IPI reached");
}

static void check_ipis(void)
{
    uint64_t all = cpus == 64 ? ~0ull : (1ull << cpus) - 1;
    uint32_t broadcast = apic_in_x2apic() ? 0xFFFFFFFFu : 0xFFu;
    bool logical = logical_ids_are_known();
    unsigned step = cpus > FLAT_CPUS_MAX ? cpus - 1 : 1;

    for (unsigned from = 0; from < cpus; from += step) {
        uint64_t self = 1ull << from;

        for (unsigned to = 0; to < cpus; to++) {
            check_ipi(from, 1ull << to, to, VECTOR_IPI, "an IPI");
            check_ipi(from, 1ull << to, to, APIC_DELIVERY_NMI, "an NMI");
            if (logical)
                check_ipi(from, 1ull << to, logical_id(to), APIC_ICR_LOGICAL | VECTOR_IPI, "a logical IPI");
        }
        if (logical)
            check_ipi(from, 3, logical_id(0) | logical_id(1), APIC_ICR_LOGICAL | VECTOR_IPI, "an IPI for two");
        check_ipi(from, all, broadcast, VECTOR_IPI, "a broadcast");
        check_ipi(from, self, 0, APIC_ICR_SELF | VECTOR_IPI, "the shorthand \"self\"");
        check_ipi(from, all, 0, APIC_ICR_ALL | VECTOR_IPI, "the shorthand \"all\"");
        check_ipi(from, all & ~self, 0, APIC_ICR_OTHERS | VECTOR_IPI, "the shorthand \"others\"");
        check_ipi(from, all & ~self, 0, APIC_ICR_OTHERS | APIC_DELIVERY_NMI, "an NMI to the others");
    }
    if (logical && !apic_in_x2apic())
        check_lowest_priority(cpus - 1, (uint32_t)all);
}

/* --------------------------------------------------------------------------------------------------- TSC, wake-ups */

static volatile uint64_t token_tsc;
static volatile uint32_t token_hops, token_backwards;

/* Each CPU passes the token on to the next: a wake-up that is lost stops it. */
static void on_token(struct micro_frame *frame)
{
    unsigned cpu = cpus_of(frame);
    uint64_t now = rdtsc();

    if (now < token_tsc)
        token_backwards = token_backwards + 1;
    token_tsc = now;
    token_hops = token_hops + 1; /* before the next CPU looks at it */
    apic_eoi();
    if (token_hops < TOKEN_HOPS)
        apic_send((cpu + 1) % cpus, APIC_ICR_ASSERT | VECTOR_TOKEN);
}

static void check_token(void)
{
    uint64_t start = rdtsc();

    token_hops = token_backwards = 0;
    token_tsc = start;
    apic_send(1, APIC_ICR_ASSERT | VECTOR_TOKEN);
    CHECK(cpus_wait_for(&token_hops, TOKEN_HOPS), "the token is lost after %u hops", token_hops);
    CHECK_EQUAL(token_backwards, 0, "number of times that the TSC of the next CPU is earlier");
}

static volatile uint64_t latest_tsc;
static volatile uint32_t crowd_count, crowd_backwards, crowd_strange;

/* All at once: a counter, the latest TSC that anybody has seen, a device, interrupts from everybody. */
static void be_in_the_crowd(unsigned cpu)
{
    for (unsigned i = 0; i < CROWD_ROUNDS / cpus; i++) {
        uint64_t before = __atomic_load_n(&latest_tsc, __ATOMIC_SEQ_CST), now = rdtsc();

        if (now < before)
            __atomic_fetch_add(&crowd_backwards, 1, __ATOMIC_RELAXED);
        while (before < now &&
               !__atomic_compare_exchange_n(&latest_tsc, &before, now, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            ;
        __atomic_fetch_add(&crowd_count, 1, __ATOMIC_RELAXED);
        if (i % 64 == 0) {
            outb(COM1_SCRATCH, (uint8_t)(0xA0 + cpu));
            if (inb(COM1_SCRATCH) - 0xA0u >= cpus)
                __atomic_fetch_add(&crowd_strange, 1, __ATOMIC_RELAXED);
        }
        if (i % 256 == 0) {
            apic_send(0, APIC_ICR_OTHERS | APIC_ICR_ASSERT | VECTOR_IPI);
            irq_window();
        }
    }
}

static void check_crowd(void)
{
    crowd_count = crowd_backwards = crowd_strange = 0;
    latest_tsc = 0;
    for (unsigned i = 0; i < cpus; i++)
        received[i] = 0;
    for (unsigned i = cpus; i-- > 0;)
        cpus_give(i, be_in_the_crowd);
    for (unsigned i = 1; i < cpus; i++)
        CHECK(cpus_wait(i), "CPU %u does not come out of the crowd", i);
    CHECK_EQUAL(crowd_count, CROWD_ROUNDS / cpus * cpus, "a counter that all CPUs count up");
    CHECK_EQUAL(crowd_backwards, 0, "number of TSC values below one that was seen before");
    CHECK_EQUAL(crowd_strange, 0, "number of values in a device register that nobody wrote");
    for (unsigned i = 0; i < cpus; i++)
        CHECK(received[i] != 0, "CPU %u got no IPI in the crowd", i);
}

/* ------------------------------------------------------------------------------------------------------ shoot-down */

static volatile uint64_t shared_table[512] __attribute__((aligned(4096)));
static uint64_t frames[2][512] __attribute__((aligned(4096)));
static volatile uint32_t flush_acks, flush_stale;
static volatile uint32_t flush_expected[CPUS_MAX]; /* what each CPU's page holds, once others are told of it */

/* Behind INVLPG, page `number` has what the CPU that changes it has put there. */
static void look_again(unsigned number)
{
    const volatile uint64_t *page = (const volatile uint64_t *)(SHARED_ADDRESS + number * 4096);

    (void)*page; /* what the TLB has may be either */
    invlpg(page);
    if (*page != flush_expected[number])
        __atomic_fetch_add(&flush_stale, 1, __ATOMIC_RELAXED);
}

static void remap(unsigned number, uint32_t round)
{
    flush_expected[number] = round & 1;
    shared_table[number] = (uint64_t)frames[round & 1] | PTE_P | PTE_W;
    look_again(number);
}

static void on_flush(struct micro_frame *frame)
{
    (void)frame;
    look_again(0);
    apic_eoi();
    __atomic_fetch_add(&flush_acks, 1, __ATOMIC_SEQ_CST);
}

static void check_shootdown(void)
{
    flush_stale = 0;
    for (uint32_t round = 0; round < FLUSH_ROUNDS / cpus; round++) {
        flush_acks = 0;
        remap(0, round);
        apic_send(0, APIC_ICR_OTHERS | APIC_ICR_ASSERT | VECTOR_FLUSH);
        if (!CHECK(cpus_wait_for(&flush_acks, cpus - 1), "round %u: %u CPUs have shot their translations down", round,
                   flush_acks))
            return;
    }
    CHECK_EQUAL(flush_stale, 0, "number of stale translations");
}

static volatile bool storm_asked[CPUS_MAX][CPUS_MAX]; /* by whom, of whom */
static volatile uint32_t storm_acks[CPUS_MAX], storm_lost;

/* One interrupt may stand for several that have asked. */
static void on_storm(struct micro_frame *frame)
{
    unsigned cpu = cpus_of(frame);

    apic_eoi(); /* who asks from here on asks by another one */
    for (unsigned i = 0; i < cpus; i++) {
        if (!__atomic_exchange_n(&storm_asked[i][cpu], false, __ATOMIC_SEQ_CST))
            continue;
        look_again(i);
        __atomic_fetch_add(&storm_acks[i], 1, __ATOMIC_SEQ_CST);
    }
}

/* Each CPU changes a page of its own and waits for all others, whose timers tick. Where they share one CPU, a round is a
 * time slice of each. */
static void be_in_the_storm(unsigned cpu)
{
    uint32_t ticks = timers[cpu], rounds = cpus > FLAT_CPUS_MAX ? 2 : STORM_ROUNDS / cpus;

    apic_write(APIC_TIMER_DIVIDE, APIC_TIMER_DIVIDE_BY_1);
    apic_write(APIC_LVT_TIMER, APIC_LVT_PERIODIC | VECTOR_TIMER);
    apic_write(APIC_TIMER_INITIAL, STORM_TIMER_TICKS);
    for (uint32_t round = 0; round < rounds; round++) {
        storm_acks[cpu] = 0;
        remap(cpu, round + cpu);
        for (unsigned i = 0; i < cpus; i++)
            storm_asked[cpu][i] = i != cpu;
        apic_send(0, APIC_ICR_OTHERS | APIC_ICR_ASSERT | VECTOR_STORM);
        if (!cpus_wait_for(&storm_acks[cpu], cpus - 1)) {
            __atomic_fetch_add(&storm_lost, 1, __ATOMIC_RELAXED);
            break;
        }
    }
    while (timers[cpu] - ticks < 2)
        sti_hlt_cli();
    apic_write(APIC_LVT_TIMER, APIC_LVT_MASKED);
}

static void check_storm(void)
{
    flush_stale = storm_lost = 0;
    for (unsigned i = cpus; i-- > 0;)
        cpus_give(i, be_in_the_storm);
    for (unsigned i = 1; i < cpus; i++)
        CHECK(cpus_wait(i), "CPU %u does not come out of the storm", i);
    CHECK_EQUAL(storm_lost, 0, "number of CPUs that were not answered by all others");
    CHECK_EQUAL(flush_stale, 0, "number of stale translations in the storm");
}

/* -------------------------------------------------------------------------------------------------------- the rest */

static void await_timer(unsigned cpu)
{
    uint32_t before = timers[cpu];

    apic_write(APIC_TIMER_DIVIDE, APIC_TIMER_DIVIDE_BY_1);
    apic_write(APIC_LVT_TIMER, VECTOR_TIMER);
    apic_write(APIC_TIMER_INITIAL, 100000 * (cpu + 1));
    while (timers[cpu] == before)
        sti_hlt_cli();
    apic_write(APIC_LVT_TIMER, APIC_LVT_MASKED);
}

static void check_timers(void)
{
    for (unsigned i = cpus; i-- > 0;)
        cpus_give(i, await_timer);
    for (unsigned i = 1; i < cpus; i++)
        CHECK(cpus_wait(i) && timers[i] != 0, "the timer of CPU %u does not wake it", i);
}

static volatile uint32_t dead;

/* What an operating system does with a CPU that it takes out. */
static void die(unsigned cpu)
{
    (void)cpu;
    apic_write(APIC_LVT_TIMER, VECTOR_TIMER);
    dead = 1;
    for (;;)
        asm volatile("cli; hlt");
}

static void check_restart(void)
{
    for (unsigned i = 1; i < cpus; i++) {
        uint32_t times = cpus_found[i].times;

        dead = 0;
        cpus_give(i, die);
        CHECK(cpus_wait_for(&dead, 1), "CPU %u does not stop", i);
        CHECK(cpus_start(i), "CPU %u does not start again", i);
        CHECK_EQUAL(cpus_found[i].times, times + 1, "number of starts");
        CHECK_DEPARTURE("init-apic", cpus_found[i].svr == 0xFF && cpus_found[i].lvt_timer == APIC_LVT_MASKED,
                        "behind INIT, SVR is %#x and the timer's LVT %#x", cpus_found[i].svr, cpus_found[i].lvt_timer);
        CHECK_DEPARTURE("init-mode", !(cpus_found[i].apic_base & APIC_BASE_X2APIC) == !apic_in_x2apic(),
                        "behind INIT, APIC_BASE is %#lx", cpus_found[i].apic_base);
    }
}

static void check_all(void)
{
    micro_step("%s: IPIs", apic_in_x2apic() ? "x2APIC" : "xAPIC");
    check_ipis();
    micro_step("token");
    check_token();
    micro_step("crowd");
    check_crowd();
    micro_step("shoot-down");
    check_shootdown();
    micro_step("storm");
    check_storm();
    micro_step("timers");
    check_timers();
    micro_step("restart");
    check_restart();
}

static volatile uint32_t ids[CPUS_MAX];

static void note_id(unsigned cpu)
{
    struct cpuid_result topology = cpuid_checked(0xB, 0);

    ids[cpu] = apic_id();
    if (topology.ecx >> 8 != 0 && topology.edx != ids[cpu])
        ids[cpu] = ~topology.edx;
}

static void check_identities(void)
{
    for (unsigned i = 0; i < cpus; i++) {
        cpus_give(i, note_id);
        CHECK(cpus_wait(i), "CPU %u does not say who it is", i);
        CHECK_EQUAL(ids[i], i, "the APIC ID");
    }
    for (unsigned i = 1; i < cpus; i++)
        CHECK(!(cpus_found[i].apic_base & APIC_BASE_BSP), "CPU %u calls itself the bootstrap processor", i);
}

static volatile uint32_t ready, go;

static void to_x2apic(unsigned cpu)
{
    __atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
    while (!go)
        cpu_pause();
    (void)apic_enable_x2apic();
    cpus_found[cpu].ldr = apic_read(APIC_LDR);
}

/* All at once: there is one way of sending for all of them. */
static bool all_to_x2apic(void)
{
    if (!(cpuid(1, 0).ecx & CPUID_1_ECX_X2APIC))
        return false;
    for (unsigned i = 1; i < cpus; i++)
        cpus_give(i, to_x2apic);
    if (!cpus_wait_for(&ready, cpus - 1))
        micro_fail("%u CPUs are ready for x2APIC mode, expected %u", ready, cpus - 1);
    go = 1;
    (void)apic_enable_x2apic();
    for (unsigned i = 1; i < cpus; i++)
        CHECK(cpus_wait(i), "CPU %u does not come to x2APIC mode", i);
    return true;
}

void micro_main(void)
{
    bool in_order;
    unsigned listed = madt_cpus(&in_order);

    cpus = (unsigned)micro_argument_number("cpus", 0);
    if (cpus < 2 || cpus > CPUS_MAX)
        micro_error("cpus= is %u, not 2 to %u", cpus, CPUS_MAX);
    CHECK(listed == 0 || (listed == cpus && in_order), "the MADT lists %u CPUs%s, expected 0 to %u", listed,
          in_order ? "" : ", out of order", cpus - 1);
    frames[1][0] = 1;
    paging_split(SHARED_ADDRESS, shared_table);
    micro_handle(VECTOR_IPI, on_ipi);
    micro_handle(VECTOR_TOKEN, on_token);
    micro_handle(VECTOR_FLUSH, on_flush);
    micro_handle(VECTOR_STORM, on_storm);
    micro_handle(VECTOR_TIMER, on_timer);
    micro_handle(VECTOR_NMI, on_nmi);
    apic_enable_xapic();
    cpus_prepare();
    for (unsigned i = 1; i < cpus; i++)
        if (!cpus_start(i))
            micro_fail("CPU %u does not start", i);
    for (unsigned i = 1; i < cpus; i++)
        CHECK_EQUAL(cpus_found[i].times, 1, "number of starts by INIT, SIPI and SIPI");
    check_identities();
    check_all();
    if (all_to_x2apic())
        check_all();
    else
        micro_printf("micro: smp has no x2APIC to try\n");
}

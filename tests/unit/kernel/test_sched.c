/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: kernel/sched.c kernel/heap.c kernel/fake/fake_assert.c kernel/fake/fake_random.c */
/* test_sched.c: the scheduler against simulated CPUs: shares, budgets, order, affinity, and its queues' invariants. */
#define sched_yield libc_sched_yield /* the C library has one, too */
#include <pthread.h>
#undef sched_yield
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/fake/fake.h"
#include "kernel/sched.h"

#define SLICE 3000000u
#define MS 1000000u
#define CPUS 4
#define ACCOUNTS 8
#define THREADS 24

static struct sched_cpu cpus[CPUS];
static struct sched_account root, accounts[ACCOUNTS];
static struct sched_group *groups[ACCOUNTS + 1];
static struct sched_thread threads[THREADS];
static unsigned cpu_count, account_count, thread_count;
static uint64_t now;
static uint64_t event[CPUS];

static void account_add(struct sched_account *account, struct sched_account *parent, struct sched_authority authority)
{
    unsigned index = account == &root ? ACCOUNTS : (unsigned)(account - accounts);

    assert_int_equal(sched_admit(parent, &authority), CL_OK);
    groups[index] = calloc(1, sched_group_bytes());
    sched_account_init(account, parent, &authority, groups[index]);
}

static void machine(unsigned count)
{
    memset(cpus, 0, sizeof cpus);
    memset(threads, 0, sizeof threads);
    now = 123456789;
    cpu_count = count;
    account_count = thread_count = 0;
    sched_init(count, SLICE);
    for (unsigned cpu = 0; cpu < count; cpu++) {
        sched_cpu_init(cpu, &cpus[cpu], now);
        event[cpu] = SCHED_NEVER;
    }
    account_add(&root, NULL,
                (struct sched_authority){ .affinity = AFFINITY_ALL,
                                          .weight = WEIGHT_DEFAULT,
                                          .priority_max = 31,
                                          .budget_tsc = 9 * MS,
                                          .period_tsc = 10 * MS });
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i <= ACCOUNTS; i++) {
        free(groups[i]);
        groups[i] = NULL;
    }
    return 0;
}

static struct sched_account *fair(uint32_t weight)
{
    struct sched_account *account = &accounts[account_count++];

    account_add(account, &root, (struct sched_authority){ .affinity = AFFINITY_ALL, .weight = weight });
    return account;
}

static struct sched_account *realtime(uint64_t budget, uint64_t period, uint64_t affinity)
{
    struct sched_account *account = &accounts[account_count++];

    account_add(account, &root,
                (struct sched_authority){ .affinity = affinity,
                                          .class = CLASS_REALTIME,
                                          .priority_max = 31,
                                          .budget_tsc = budget,
                                          .period_tsc = period });
    return account;
}

static struct sched_thread *thread_on(struct sched_account *account, uint32_t priority, uint32_t cpu, uint64_t affinity)
{
    struct sched_thread *thread = &threads[thread_count++];

    assert_int_equal(sched_thread_init(thread, account, priority, cpu, affinity), CL_OK);
    return thread;
}

static struct sched_thread *thread_of(struct sched_account *account, uint32_t priority)
{
    return thread_on(account, priority, SCHED_ANY_CPU, AFFINITY_ALL);
}

static struct sched_thread *pick(unsigned cpu)
{
    struct sched_thread *picked = sched_pick(cpu, now);

    sched_switched(&cpus[cpu]);
    event[cpu] = cpus[cpu].event_tsc;
    return picked;
}

/* A wake whose CPU, if any has to look, looks at once. */
static void wake(struct sched_thread *thread)
{
    int cpu = sched_wake(thread, now);

    if (cpu != SCHED_NO_CPU)
        pick((unsigned)cpu);
}

static void block(struct sched_thread *thread)
{
    int cpu = sched_block(thread, now);

    if (cpu != SCHED_NO_CPU)
        pick((unsigned)cpu);
}

/* Let time pass: every CPU picks at its events, and at the end. */
static void run(uint64_t ticks)
{
    uint64_t end = now + ticks;

    for (;;) {
        unsigned first = 0;

        for (unsigned cpu = 1; cpu < cpu_count; cpu++)
            if (event[cpu] < event[first])
                first = cpu;
        if (event[first] > end)
            break;
        now = event[first] > now ? event[first] : now;
        pick(first);
    }
    now = end;
    for (unsigned cpu = 0; cpu < cpu_count; cpu++)
        pick(cpu); /* accounts the time up to now */
}

static unsigned nodes_below(const struct heap_node *node)
{
    return node == NULL ? 0 : 1 + nodes_below(node->left) + nodes_below(node->right);
}

static bool is_in(const struct heap *heap, const struct heap_node *node)
{
    if (!heap_contains(node))
        return false;
    while (node->parent != NULL)
        node = node->parent;
    return heap->root == node;
}

/* Each runnable thread is in exactly one queue or runs; each group with threads is in exactly the right one. */
static void check_invariants(void)
{
    unsigned queued = 0, running = 0, in_groups = 0, runnable[CPUS] = { 0 };

    for (unsigned i = 0; i < thread_count; i++) {
        struct sched_thread *thread = &threads[i];
        struct sched_group *group = &thread->account->group[thread->cpu];
        struct sched_cpu *cpu = &cpus[thread->cpu];

        assert_int_equal(thread->state == SCHED_QUEUED, heap_contains(&thread->node));
        assert_int_equal(thread->state == SCHED_RUNNING, cpu->current == thread);
        if (thread->state == SCHED_QUEUED) {
            assert_true(is_in(&group->threads, &thread->node));
            assert_int_equal(thread->node.key, thread->position);
        }
        queued += thread->state == SCHED_QUEUED;
        running += thread->state == SCHED_RUNNING;
        runnable[thread->cpu] += thread->state != SCHED_BLOCKED;
        if (thread->state != SCHED_BLOCKED)
            assert_true(thread->account->authority.affinity >> thread->cpu & 1);
    }
    for (unsigned index = 0; index < cpu_count; index++) {
        struct sched_cpu *cpu = &cpus[index];
        unsigned expected = 0;

        assert_int_equal(cpu->runnable, runnable[index]);
        assert_ptr_equal(cpu->running, cpu->current == NULL ? NULL : &cpu->current->account->group[index]);
        running -= cpu->current != NULL;
        for (unsigned i = 0; i < account_count; i++) {
            struct sched_group *group = &accounts[i].group[index];
            bool is_running = cpu->current != NULL && &cpu->current->account->group[index] == group;

            in_groups += nodes_below(group->threads.root);
            assert_int_equal(heap_contains(&group->node), group->threads.root != NULL && !is_running);
            if (!heap_contains(&group->node))
                continue;
            expected++;
            if (accounts[i].authority.class == CLASS_FAIR)
                assert_true(is_in(&cpu->ready, &group->node) && group->node.key == group->turn_end);
            else if (group->left > 0)
                assert_true(is_in(&cpu->ready, &group->node) && group->node.key == group->threads.root->key);
            else
                assert_true(is_in(&cpu->throttled, &group->node));
        }
        assert_int_equal(nodes_below(cpu->ready.root) + nodes_below(cpu->throttled.root), expected);
    }
    assert_int_equal(in_groups, queued);
    assert_int_equal(running, 0);
}

/* ------------------------------------------------------------------------------------------------------- fair */

static void accounts_share_a_cpu_by_weight(void **state)
{
    static const uint32_t weight[] = { 1024, 512, 3072, 100 };
    uint64_t total = 0, sum = 0;

    (void)state;
    machine(1);
    for (unsigned i = 0; i < 4; i++) {
        struct sched_account *account = fair(weight[i]);

        total += weight[i];
        for (unsigned k = 0; k <= i; k++) /* more threads do not mean more time */
            wake(thread_of(account, 0));
    }
    pick(0);
    for (unsigned lap = 1; lap <= 50; lap++) {
        run(40 * MS);
        check_invariants();
        for (unsigned i = 0; i < 4; i++) {
            int64_t due = (int64_t)(lap * 40ull * MS * weight[i] / total);
            int64_t lag = due - (int64_t)accounts[i].group[0].run_tsc;

            assert_in_range((uint64_t)(lag + 2 * SLICE), 0, 4 * SLICE); /* never off by more than two slices */
        }
    }
    for (unsigned i = 0; i < 4; i++)
        sum += accounts[i].group[0].run_tsc;
    assert_int_equal(sum, 2000ull * MS);
    assert_int_equal(cpus[0].idle_tsc, 0);
}

static void threads_of_an_account_share_its_time(void **state)
{
    struct sched_account *one, *other;

    (void)state;
    machine(1);
    one = fair(1024);
    other = fair(1024);
    for (unsigned i = 0; i < 4; i++)
        wake(thread_of(one, 0));
    wake(thread_of(other, 0));
    run(800ull * MS);
    for (unsigned i = 0; i < 4; i++)
        assert_in_range(threads[i].run_tsc, 100 * MS - 2 * SLICE, 100 * MS + 2 * SLICE);
    assert_in_range(threads[4].run_tsc, 400 * MS - SLICE, 400 * MS + SLICE);
}

static void a_sleeper_is_served_at_once_and_saves_nothing_up(void **state)
{
    struct sched_thread *worker, *sleeper;
    uint64_t before;

    (void)state;
    machine(1);
    worker = thread_of(fair(1024), 0);
    sleeper = thread_of(fair(1024), 0);
    wake(worker);
    run(5000ull * MS); /* long asleep */
    before = now;
    assert_int_equal(sched_wake(sleeper, now), 0);
    assert_ptr_equal(pick(0), sleeper);
    run(100ull * MS);
    assert_in_range(sleeper->run_tsc, 50 * MS - SLICE, 50 * MS + 2 * SLICE);
    assert_int_equal(now - before, 100 * MS);
    (void)worker;
}

static void a_sleeper_does_not_wait_for_the_turn_of_its_own_account_to_end(void **state)
{
    struct sched_thread *guest, *device;
    struct sched_account *vm;

    (void)state;
    machine(1);
    vm = fair(1024);
    guest = thread_of(vm, 0);
    device = thread_of(vm, 0);
    wake(thread_of(fair(1024), 0));
    wake(guest);
    for (unsigned i = 0; i < 100; i++) {
        run(50ull * MS);
        while (guest->state != SCHED_RUNNING)
            run(MS / 10);
        assert_int_equal(sched_wake(device, now), 0);
        assert_ptr_equal(pick(0), device);
        run(MS / 100);
        block(device);
    }
    assert_in_range(vm->group[0].run_tsc, 2500 * MS - SLICE, 2700 * MS);
}

static void sleeping_often_gives_no_more_than_the_share(void **state)
{
    struct sched_thread *worker, *blinker;
    uint64_t start;

    (void)state;
    machine(1);
    worker = thread_of(fair(1024), 0);
    blinker = thread_of(fair(1024), 0);
    wake(worker);
    wake(blinker);
    start = now;
    fake_random_seed(7);
    while (now - start < 2000ull * MS) {
        if (blinker->state == SCHED_RUNNING) {
            run(fake_random(SLICE));
            block(blinker);
        }
        run(fake_random(20000));
        wake(blinker);
        if (blinker->state != SCHED_RUNNING)
            run(100000);
    }
    assert_true(blinker->run_tsc <= (now - start) / 2 + 4 * SLICE);
    assert_true(worker->run_tsc >= (now - start) / 2 - 4 * SLICE);
}

static void a_lone_thread_is_never_interrupted(void **state)
{
    struct sched_thread *thread;

    (void)state;
    machine(1);
    thread = thread_of(fair(1), 0);
    wake(thread);
    assert_int_equal(event[0], SCHED_NEVER);
    now += 1000ull * MS;
    assert_ptr_equal(pick(0), thread);
    assert_int_equal(event[0], SCHED_NEVER);
    assert_int_equal(sched_wake(thread_of(&accounts[0], 0), now), 0); /* the turn has an end now */
    assert_non_null(pick(0));
    assert_true(event[0] < SCHED_NEVER);
}

static void yield_lets_the_others_run(void **state)
{
    struct sched_thread *a, *b, *c;

    (void)state;
    machine(1);
    a = thread_of(fair(1024), 0);
    b = thread_of(&accounts[0], 0);
    c = thread_of(fair(1024), 0);
    wake(a);
    wake(b);
    wake(c);
    for (unsigned i = 0; i < 100; i++) {
        struct sched_thread *first = cpus[0].current, *second, *third;

        now += 1000;
        sched_yield(0, now);
        second = pick(0);
        assert_ptr_not_equal(second, first);
        now += 1000;
        sched_yield(0, now);
        third = pick(0);
        assert_ptr_not_equal(third, second);
        check_invariants();
    }
    assert_true(a->run_tsc > 30000 && b->run_tsc > 30000 && c->run_tsc > 30000);
}

/* -------------------------------------------------------------------------------------------------- real-time */

static void a_realtime_thread_preempts_a_fair_one(void **state)
{
    struct sched_thread *calm, *urgent;

    (void)state;
    machine(1);
    calm = thread_of(fair(65536), 0);
    urgent = thread_of(realtime(2 * MS, 10 * MS, 1), 3);
    wake(calm);
    assert_ptr_equal(cpus[0].current, calm);
    now += 1000;
    assert_int_equal(sched_wake(urgent, now), 0);
    assert_ptr_equal(pick(0), urgent);
    now += 1000;
    block(urgent);
    assert_ptr_equal(cpus[0].current, calm);
}

static void equal_priorities_run_in_the_order_they_became_ready(void **state)
{
    struct sched_thread *order[6];
    struct sched_account *one, *other;

    (void)state;
    machine(1);
    one = realtime(4 * MS, 10 * MS, 1);
    other = realtime(4 * MS, 10 * MS, 1);
    for (unsigned i = 0; i < 6; i++) {
        order[i] = thread_of(i & 1 ? other : one, 5);
        wake(order[i]);
    }
    for (unsigned i = 0; i < 6; i++) {
        assert_ptr_equal(cpus[0].current, order[i]);
        now += 1000;
        assert_ptr_equal(pick(0), order[i]); /* nobody of the same priority interrupts */
        check_invariants();
        block(order[i]);
    }
    assert_null(cpus[0].current);
}

static void a_preempted_realtime_thread_keeps_its_place_and_a_yielding_one_loses_it(void **state)
{
    struct sched_thread *a, *b, *high;

    (void)state;
    machine(1);
    a = thread_of(realtime(8 * MS, 10 * MS, 1), 5);
    b = thread_of(&accounts[0], 5);
    high = thread_of(&accounts[0], 6);
    wake(a);
    wake(b);
    wake(high);
    assert_ptr_equal(cpus[0].current, high);
    block(high);
    assert_ptr_equal(cpus[0].current, a);
    sched_yield(0, now);
    assert_ptr_equal(pick(0), b);
    sched_yield(0, now);
    assert_ptr_equal(pick(0), a);
}

static void a_budget_holds_in_every_period_whatever_the_thread_does(void **state)
{
    struct sched_thread *greedy, *calm;
    uint64_t used = 0, period;

    (void)state;
    machine(1);
    greedy = thread_of(realtime(2 * MS, 10 * MS, 1), 31);
    calm = thread_of(fair(1), 0);
    now = now / (10 * MS) * 10 * MS;
    cpus[0].charged_tsc = now;
    wake(calm);
    wake(greedy);
    fake_random_seed(3);
    for (period = 0; period < 200; period++) {
        uint64_t end = now + 10 * MS;

        while (now < end) {
            uint64_t step = fake_random(3 * MS);

            run(step < end - now ? step : end - now);
            if (greedy->state == SCHED_RUNNING && fake_random(2)) {
                block(greedy);
                run(fake_random(1000) % (end - now + 1));
            }
            wake(greedy);
            check_invariants();
        }
        assert_true(greedy->run_tsc - used <= 2 * MS);
        used = greedy->run_tsc;
    }
    assert_true(used >= 200 * MS); /* and it is a budget that one gets */
    assert_true(calm->run_tsc >= 1590 * MS);
}

static void an_overrun_is_paid_back(void **state)
{
    struct sched_thread *greedy;

    (void)state;
    machine(1);
    greedy = thread_of(realtime(2 * MS, 10 * MS, 1), 31);
    now = 1000ull * MS;
    pick(0);
    wake(greedy);
    now += 7 * MS; /* the timer came late: 5 ms too much */
    assert_null(pick(0));
    assert_int_equal(event[0], 1010ull * MS);
    run(33 * MS);
    assert_in_range(greedy->run_tsc, 7 * MS, 8 * MS + 1); /* 4 periods and a bit: 10 ms in all, no more */
    run(20 * MS);
    assert_in_range(greedy->run_tsc, 10 * MS, 12 * MS);
}

static void realtime_leaves_fair_its_time(void **state)
{
    struct sched_thread *calm;

    (void)state;
    machine(1);
    for (unsigned i = 0; i < 3; i++)
        wake(thread_of(realtime(3 * MS, 10 * MS, 1), 10 + i));
    calm = thread_of(fair(1), 0);
    wake(calm);
    run(1000ull * MS);
    assert_in_range(calm->run_tsc, 95 * MS, 115 * MS); /* root may give 90 % away */
}

static void admission_refuses_what_cannot_be_kept(void **state)
{
    struct sched_authority wish = {
        .affinity = 1, .class = CLASS_REALTIME, .priority_max = 5, .budget_tsc = 5 * MS, .period_tsc = 10 * MS
    };
    struct sched_authority bad;

    (void)state;
    machine(2);
    account_add(&accounts[account_count++], &root, wish);
    assert_int_equal(sched_admit(&root, &wish), CL_NO_AUTHORITY); /* 50 % of the 90 % is gone, on CPU 0 */
    wish.affinity = 2;
    assert_int_equal(sched_admit(&root, &wish), CL_OK);
    wish.affinity = AFFINITY_ALL;
    assert_int_equal(sched_admit(&root, &wish), CL_NO_AUTHORITY);
    wish.budget_tsc = 4 * MS - 20;
    assert_int_equal(sched_admit(&root, &wish), CL_OK);

    bad = wish, bad.budget_tsc = 11 * MS;
    assert_int_equal(sched_admit(&root, &bad), CL_BAD_ARGUMENT);
    bad = wish, bad.budget_tsc = SCHED_BUDGET_MIN_TSC - 1;
    assert_int_equal(sched_admit(&root, &bad), CL_BAD_ARGUMENT);
    bad = wish, bad.budget_tsc = 0;
    assert_int_equal(sched_admit(&root, &bad), CL_BAD_ARGUMENT);
    bad = wish, bad.period_tsc = UINT64_MAX;
    assert_int_equal(sched_admit(&root, &bad), CL_BAD_ARGUMENT);
    bad = wish, bad.period_tsc = 0;
    assert_int_equal(sched_admit(&root, &bad), CL_BAD_ARGUMENT);
    bad = wish, bad.affinity = 4;
    assert_int_equal(sched_admit(&root, &bad), CL_BAD_ARGUMENT);
    bad = wish, bad.priority_max = 6;
    assert_int_equal(sched_admit(&accounts[0], &bad), CL_NO_AUTHORITY);
    bad = wish, bad.affinity = 2, bad.priority_max = 5;
    assert_int_equal(sched_admit(&accounts[0], &bad), CL_NO_AUTHORITY);
    bad = wish, bad.class = 2;
    assert_int_equal(sched_admit(&root, &bad), CL_BAD_ARGUMENT);
    bad = wish, bad.class = CLASS_FAIR, bad.weight = 0;
    assert_int_equal(sched_admit(&root, &bad), CL_BAD_ARGUMENT);
    bad = wish, bad.class = CLASS_FAIR, bad.weight = 1, bad.cap_permille = 500;
    assert_int_equal(sched_admit(&root, &bad), CL_UNSUPPORTED);

    sched_account_retire(&accounts[0], &root);
    wish.affinity = 1;
    wish.budget_tsc = 9 * MS;
    assert_int_equal(sched_admit(&root, &wish), CL_OK); /* what was given came back */
}

static void what_an_account_gives_away_it_no_longer_has(void **state)
{
    struct sched_account *parent;
    struct sched_thread *own;

    (void)state;
    machine(1);
    parent = realtime(6 * MS, 10 * MS, 1);
    account_add(
        &accounts[account_count++], parent,
        (struct sched_authority){
            .affinity = 1, .class = CLASS_REALTIME, .priority_max = 1, .budget_tsc = 4 * MS, .period_tsc = 10 * MS });
    own = thread_of(parent, 2);
    wake(own);
    run(1000ull * MS);
    assert_in_range(own->run_tsc, 195 * MS, 205 * MS);
}

static void a_thread_cannot_exceed_its_account(void **state)
{
    struct sched_thread thread;

    (void)state;
    machine(2);
    assert_int_equal(sched_thread_init(&thread, fair(1), 1, 0, AFFINITY_ALL), CL_NO_AUTHORITY);
    assert_int_equal(sched_thread_init(&thread, &accounts[0], 0, 0, 4), CL_BAD_ARGUMENT);
    assert_int_equal(sched_thread_init(&thread, realtime(MS, 10 * MS, 2), 32, 0, AFFINITY_ALL), CL_NO_AUTHORITY);
    assert_int_equal(sched_thread_init(&thread, &accounts[1], 31, 0, 1), CL_BAD_ARGUMENT);
    assert_int_equal(sched_thread_init(&thread, &accounts[1], 31, 0, 3), CL_OK);
    assert_int_equal(thread.cpu, 1);
}

/* ------------------------------------------------------------------------------------------------- which CPU */

static void a_woken_thread_goes_to_its_last_cpu_or_an_idle_one(void **state)
{
    struct sched_thread *a, *b;

    (void)state;
    machine(3);
    a = thread_on(fair(1024), 0, 2, AFFINITY_ALL);
    b = thread_on(fair(1024), 0, 2, AFFINITY_ALL);
    wake(a);
    assert_int_equal(a->cpu, 2);
    wake(b); /* CPU 2 is taken */
    assert_int_equal(b->cpu, 0);
    block(a);
    wake(a);
    assert_int_equal(a->cpu, 2); /* idle again: its caches are there */
}

static void two_wakes_do_not_choose_the_same_idle_cpu(void **state)
{
    struct sched_account *account;

    (void)state;
    machine(4);
    account = fair(1024);
    wake(thread_on(account, 0, 0, AFFINITY_ALL));
    for (unsigned i = 0; i < 3; i++)
        assert_int_not_equal(sched_wake(thread_on(account, 0, 0, AFFINITY_ALL), now), SCHED_NO_CPU);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(cpus[i].runnable, 1);
}

static void a_thread_whose_registers_are_in_a_cpu_is_not_woken_elsewhere(void **state)
{
    struct sched_thread *a, *b;

    (void)state;
    machine(2);
    a = thread_on(fair(1024), 0, 0, AFFINITY_ALL);
    b = thread_on(fair(1024), 0, 0, 1);
    wake(a);
    wake(b);
    assert_int_equal(sched_block(a, now), 0);
    assert_ptr_equal(sched_pick(0, now), b); /* not switched yet */
    sched_wake(a, now);
    assert_int_equal(a->cpu, 0);
    sched_block(a, now);
    sched_switched(&cpus[0]);
    wake(a);
    assert_int_equal(a->cpu, 1);
}

static void affinity_is_honoured(void **state)
{
    (void)state;
    machine(4);
    fair(1024);
    realtime(2 * MS, 10 * MS, 6);
    for (unsigned i = 0; i < THREADS; i++)
        thread_on(&accounts[i & 1], i & 1 ? i % 32 : 0, SCHED_ANY_CPU, i & 1 ? 6u : 1u << i / 2 % 4 | 8u);
    fake_random_seed(11);
    for (unsigned round = 0; round < 20000; round++) {
        struct sched_thread *thread = &threads[fake_random(THREADS)];

        if (thread->state == SCHED_BLOCKED)
            wake(thread);
        else
            block(thread);
        assert_true(thread->state == SCHED_BLOCKED ||
                    (thread->affinity & thread->account->authority.affinity) >> thread->cpu & 1);
        run(fake_random(20000));
    }
    assert_int_equal(sched_set_affinity(&threads[1], 1), CL_BAD_ARGUMENT);
    block(&threads[0]);
    assert_int_equal(sched_set_affinity(&threads[0], 4), CL_OK);
    wake(&threads[0]);
    assert_int_equal(threads[0].cpu, 2);
}

/* -------------------------------------------------------------------------------------------------- everything */

static void random_work_keeps_every_thread_in_exactly_one_place(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        machine(1 + seed % 4);
        fake_random_seed(seed);
        for (unsigned i = 0; i < ACCOUNTS; i++) {
            if (i < 5)
                fair((uint32_t)(1 + fake_random(65536)));
            else
                realtime(1 * MS + fake_random(2 * MS), 10 * MS, AFFINITY_ALL);
        }
        for (unsigned i = 0; i < THREADS; i++) {
            struct sched_account *account = &accounts[fake_random(ACCOUNTS)];

            thread_of(account, account->authority.class == CLASS_REALTIME ? (uint32_t)fake_random(32) : 0);
        }
        for (unsigned round = 0; round < 3000; round++) {
            struct sched_thread *thread = &threads[fake_random(THREADS)];
            unsigned cpu = (unsigned)fake_random(cpu_count);

            switch (fake_random(8)) {
            case 0 ... 2:
                wake(thread);
                break;
            case 3:
                block(thread);
                break;
            case 4:
                sched_yield(cpu, now);
                pick(cpu);
                break;
            case 5:
                sched_yield(cpu, now - fake_random(1000)); /* another CPU's clock is a little behind */
                pick(cpu);
                break;
            case 6:
                pick(cpu);
                break;
            default:
                run(fake_random(fake_random(2) ? 1000 : 2 * SLICE));
            }
            check_invariants();
            for (unsigned i = 0; i < cpu_count; i++)
                assert_false(cpus[i].current == NULL && cpus[i].ready.root != NULL);
        }
        teardown(NULL);
    }
}

static void nobody_starves(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 10; seed++) {
        uint64_t before[THREADS];

        machine(1);
        fake_random_seed(seed);
        for (unsigned i = 0; i < 6; i++)
            fair((uint32_t)(64 + fake_random(4096)));
        realtime(5 * MS, 10 * MS, 1);
        for (unsigned i = 0; i < THREADS; i++)
            wake(thread_of(&accounts[i % 7], 0));
        run(500ull * MS);
        for (unsigned i = 0; i < THREADS; i++)
            before[i] = threads[i].run_tsc;
        for (unsigned round = 0; round < 3000; round++) { /* half of them come and go all the time */
            unsigned i = (unsigned)fake_random(THREADS / 2) * 2;

            if (threads[i].state == SCHED_BLOCKED)
                wake(&threads[i]);
            else
                block(&threads[i]);
            run(fake_random(2 * MS));
        }
        for (unsigned i = 1; i < THREADS; i += 2)
            assert_true(i % 7 == 6 || threads[i].run_tsc > before[i]);
        teardown(NULL);
    }
}

/* Two CPUs and a waker as host threads. A thread of the scheduler blocks under its own lock, as a kernel thread does
 * under that of its wait, and must never be in two CPUs at once, nor be lost. */
#define RACERS 6
#define TURNS 3000

static struct spinlock wait_lock[RACERS];
static uint32_t in_cpu[RACERS]; /* how many CPUs have its registers */
static uint32_t turns[2], racing;

static void *race_cpu(void *argument)
{
    unsigned cpu = *(const unsigned *)argument;
    struct sched_thread *loaded = NULL;

    while (__atomic_load_n(&racing, __ATOMIC_ACQUIRE)) {
        uint64_t time = __builtin_ia32_rdtsc();
        struct sched_thread *picked = sched_pick(cpu, time);

        if (picked != loaded) {
            if (loaded != NULL)
                assert_int_equal(__atomic_sub_fetch(&in_cpu[loaded - threads], 1, __ATOMIC_SEQ_CST), 0);
            sched_switched(&cpus[cpu]);
            if (picked != NULL)
                assert_int_equal(__atomic_add_fetch(&in_cpu[picked - threads], 1, __ATOMIC_SEQ_CST), 1);
            loaded = picked;
        }
        if (picked == NULL)
            continue;
        __atomic_fetch_add(&turns[cpu], 1, __ATOMIC_RELAXED);
        if (turns[cpu] % 4 == 0)
            sched_yield(cpu, time);
        if (turns[cpu] % 4 == 1) {
            lock_acquire(&wait_lock[picked - threads]);
            (void)sched_block(picked, time);
            lock_release(&wait_lock[picked - threads]);
        }
    }
    return NULL;
}

static void no_thread_is_in_two_cpus_or_lost_when_all_race(void **state)
{
    static unsigned index[2] = { 0, 1 };
    pthread_t cpu[2];

    (void)state;
    machine(2);
    memset(turns, 0, sizeof turns);
    for (unsigned i = 0; i < RACERS; i++)
        thread_of(i % 2 ? fair(1024) : realtime(MS, 10 * MS, AFFINITY_ALL), 0);
    racing = 1;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&cpu[i], NULL, race_cpu, &index[i]), 0);
    while (__atomic_load_n(&turns[0], __ATOMIC_RELAXED) + __atomic_load_n(&turns[1], __ATOMIC_RELAXED) < TURNS) {
        for (unsigned i = 0; i < RACERS; i++) {
            lock_acquire(&wait_lock[i]);
            if (i == 3 && turns[0] % 64 == 0) /* somebody stops it from outside, wherever it is */
                (void)sched_block(&threads[i], __builtin_ia32_rdtsc());
            else
                (void)sched_wake(&threads[i], __builtin_ia32_rdtsc());
            lock_release(&wait_lock[i]);
            usleep(20); /* lets go of the processor: ticket locks do not like more threads than processors */
        }
    }
    __atomic_store_n(&racing, 0, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(cpu[i], NULL);
    check_invariants();
    for (unsigned i = 0; i < RACERS; i++)
        assert_true(threads[i].run_tsc > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(accounts_share_a_cpu_by_weight, teardown),
        cmocka_unit_test_teardown(threads_of_an_account_share_its_time, teardown),
        cmocka_unit_test_teardown(a_sleeper_is_served_at_once_and_saves_nothing_up, teardown),
        cmocka_unit_test_teardown(a_sleeper_does_not_wait_for_the_turn_of_its_own_account_to_end, teardown),
        cmocka_unit_test_teardown(sleeping_often_gives_no_more_than_the_share, teardown),
        cmocka_unit_test_teardown(a_lone_thread_is_never_interrupted, teardown),
        cmocka_unit_test_teardown(yield_lets_the_others_run, teardown),
        cmocka_unit_test_teardown(a_realtime_thread_preempts_a_fair_one, teardown),
        cmocka_unit_test_teardown(equal_priorities_run_in_the_order_they_became_ready, teardown),
        cmocka_unit_test_teardown(a_preempted_realtime_thread_keeps_its_place_and_a_yielding_one_loses_it, teardown),
        cmocka_unit_test_teardown(a_budget_holds_in_every_period_whatever_the_thread_does, teardown),
        cmocka_unit_test_teardown(an_overrun_is_paid_back, teardown),
        cmocka_unit_test_teardown(realtime_leaves_fair_its_time, teardown),
        cmocka_unit_test_teardown(admission_refuses_what_cannot_be_kept, teardown),
        cmocka_unit_test_teardown(what_an_account_gives_away_it_no_longer_has, teardown),
        cmocka_unit_test_teardown(a_thread_cannot_exceed_its_account, teardown),
        cmocka_unit_test_teardown(a_woken_thread_goes_to_its_last_cpu_or_an_idle_one, teardown),
        cmocka_unit_test_teardown(two_wakes_do_not_choose_the_same_idle_cpu, teardown),
        cmocka_unit_test_teardown(a_thread_whose_registers_are_in_a_cpu_is_not_woken_elsewhere, teardown),
        cmocka_unit_test_teardown(affinity_is_honoured, teardown),
        cmocka_unit_test_teardown(random_work_keeps_every_thread_in_exactly_one_place, teardown),
        cmocka_unit_test_teardown(nobody_starves, teardown),
        cmocka_unit_test_teardown(no_thread_is_in_two_cpus_or_lost_when_all_race, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

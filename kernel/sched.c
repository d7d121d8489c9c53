/* SPDX-License-Identifier: Apache-2.0 */
/* sched.c: the queues of one CPU, and the choice of a CPU. */
#include "kernel/sched.h"

#include "kernel/assert.h"

#define SEQUENCE_BITS 56           /* a real-time place: (31 - priority) above, a sequence number below */
#define UTILISATION_SHIFT 20       /* of a CPU: 1 << 20 is all of it */
#define RELEASES_PER_PICK 8        /* throttled groups that one pick looks at; the rest follows at once */
#define MISSED_PERIODS_MAX 0x10000 /* beyond these any overrun is paid */

static unsigned cpu_count;
static uint64_t existing_cpus;
static uint64_t slice_tsc;
static struct sched_cpu *table[MAX_CPUS];
static uint64_t online_mask; /* [a] */
static uint64_t idle_mask;   /* [a]  a hint: a waker that wants such a CPU takes its bit */

static uint64_t at_least(uint64_t value, uint64_t floor)
{
    return value > floor ? value : floor;
}

static uint64_t less(uint64_t value, uint64_t amount)
{
    return value > amount ? value - amount : 0;
}

static bool is_realtime(const struct sched_group *group)
{
    return group->account->class == CLASS_REALTIME;
}

static struct sched_group *group_of(const struct sched_thread *thread)
{
    return &thread->account->group[thread->cpu];
}

void sched_init(unsigned count, uint64_t slice)
{
    ASSERT(count > 0 && count <= MAX_CPUS && slice >= 16);
    cpu_count = count;
    existing_cpus = UINT64_MAX >> (64 - count);
    slice_tsc = slice;
    online_mask = 0;
    idle_mask = 0;
}

void sched_cpu_init(unsigned index, struct sched_cpu *cpu, uint64_t now)
{
    ASSERT(index < cpu_count);
    cpu->charged_tsc = now;
    cpu->event_tsc = SCHED_NEVER;
    cpu->slice_end = SCHED_NEVER;
    table[index] = cpu;
    __atomic_fetch_or(&idle_mask, UINT64_C(1) << index, __ATOMIC_SEQ_CST);
    __atomic_fetch_or(&online_mask, UINT64_C(1) << index, __ATOMIC_SEQ_CST);
}

/* ----------------------------------------------------------------------------------------------------- accounts */

static uint64_t affinity_of_child(const struct sched_account *parent, uint64_t affinity)
{
    return affinity == AFFINITY_ALL && parent != NULL ? parent->affinity : affinity & existing_cpus;
}

/* Rounded up: what is given away is never less than what is used. */
static uint32_t utilisation(uint64_t budget, uint64_t period)
{
    return budget == 0 ? 0 : (uint32_t)(((budget << UTILISATION_SHIFT) + period - 1) / period);
}

static unsigned ppm(uint32_t share)
{
    return (unsigned)(share * UINT64_C(1000000) >> UTILISATION_SHIFT);
}

size_t sched_group_bytes(void)
{
    return cpu_count * sizeof(struct sched_group);
}

enum cl_status sched_admit(const struct sched_account *parent, const struct sched_authority *child)
{
    uint64_t affinity = affinity_of_child(parent, child->affinity);
    uint32_t share;

    if (child->class > CLASS_REALTIME)
        return refuse(CL_BAD_ARGUMENT, "there is no scheduling class %u", child->class);
    if (child->cap_permille != 0)
        return refuse(CL_UNSUPPORTED, "this scheduler has no caps: cap_permille must be 0");
    if (child->class == CLASS_FAIR && (child->weight == 0 || child->weight > SCHED_WEIGHT_MAX))
        return refuse(CL_BAD_ARGUMENT, "weight %u is not in 1 to %u", child->weight, SCHED_WEIGHT_MAX);
    if (affinity == 0)
        return refuse(CL_BAD_ARGUMENT, "affinity %lx names no CPU of this machine", child->affinity);
    if (parent != NULL && (affinity & ~parent->affinity))
        return refuse(CL_NO_AUTHORITY, "affinity %lx goes beyond the parent's %lx", affinity, parent->affinity);
    if (child->budget_tsc == 0)
        return child->class == CLASS_FAIR ? CL_OK : refuse(CL_BAD_ARGUMENT, "a real-time account needs a budget");

    if (child->budget_tsc < SCHED_BUDGET_MIN_TSC || child->budget_tsc > child->period_tsc ||
        child->period_tsc > SCHED_PERIOD_MAX_TSC)
        return refuse(CL_BAD_ARGUMENT, "a budget of %lu TSC ticks in each %lu: wanted %u <= budget <= period <= %lu",
                      child->budget_tsc, child->period_tsc, SCHED_BUDGET_MIN_TSC, SCHED_PERIOD_MAX_TSC);
    if (child->priority_max >= PRIORITY_COUNT || (parent != NULL && child->priority_max > parent->priority_max))
        return refuse(CL_NO_AUTHORITY, "priority %u is above what the parent may give", child->priority_max);
    share = utilisation(child->budget_tsc, child->period_tsc);
    for (unsigned cpu = 0; parent != NULL && cpu < cpu_count; cpu++)
        if ((affinity >> cpu & 1) && share > parent->utilisation - parent->group[cpu].given)
            return refuse(CL_NO_AUTHORITY, "CPU %u: %u ppm of real-time budget wanted, the parent has %u left", cpu,
                          ppm(share), ppm(parent->utilisation - parent->group[cpu].given));
    return CL_OK;
}

void sched_account_init(struct sched_account *account, struct sched_account *parent,
                        const struct sched_authority *authority, struct sched_group *groups)
{
    *account = (struct sched_account){
        .group = groups,
        .affinity = affinity_of_child(parent, authority->affinity),
        .budget_tsc = authority->budget_tsc,
        .period_tsc = authority->period_tsc,
        .slice = authority->class == CLASS_FAIR ? at_least(slice_tsc / authority->weight, 1) : 0,
        .class = authority->class,
        .weight = authority->weight,
        .priority_max = authority->budget_tsc == 0 ? 0 : authority->priority_max,
        .utilisation = utilisation(authority->budget_tsc, authority->period_tsc),
    };
    for (unsigned cpu = 0; cpu < cpu_count; cpu++) {
        groups[cpu].account = account;
        if (parent != NULL && (account->affinity >> cpu & 1))
            WRITE_ONCE(parent->group[cpu].given, parent->group[cpu].given + account->utilisation);
    }
}

void sched_account_retire(struct sched_account *account, struct sched_account *parent)
{
    for (unsigned cpu = 0; cpu < cpu_count; cpu++) {
        ASSERT(account->group[cpu].given == 0 && account->group[cpu].threads.root == NULL);
        if (account->affinity >> cpu & 1)
            WRITE_ONCE(parent->group[cpu].given, parent->group[cpu].given - account->utilisation);
    }
}

/* ------------------------------------------------------------------------------------------------------- queues */

static struct heap *queue_of(struct sched_cpu *cpu, const struct sched_group *group)
{
    if (!is_realtime(group))
        return &cpu->fair;
    return group->realtime.budget_left > 0 ? &cpu->realtime : &cpu->throttled;
}

/* The group goes where it belongs, unless it is there, or runs, or has no threads. */
static void enqueue(struct sched_cpu *cpu, struct sched_group *group)
{
    struct heap *queue = queue_of(cpu, group);
    uint64_t key = group->fair.virtual_deadline;

    if (heap_contains(&group->node) || group == cpu->running || heap_min(&group->threads) == NULL)
        return;
    if (is_realtime(group))
        key = queue == &cpu->throttled ? group->realtime.period_end : heap_min(&group->threads)->key;
    heap_insert(queue, &group->node, key);
}

static void dequeue(struct sched_cpu *cpu, struct sched_group *group)
{
    if (heap_contains(&group->node))
        heap_remove(queue_of(cpu, group), &group->node);
}

/* The budgets of all periods that began since; an overrun is paid back out of them. The group is in no queue: which one
 * depends on its budget. Periods of all accounts begin at multiples of their length. */
static void replenish(struct sched_group *group, uint64_t now)
{
    uint64_t periods, period = group->account->period_tsc;
    uint64_t given_tsc = READ_ONCE(group->given) * period >> UTILISATION_SHIFT; /* to the account's children */
    int64_t budget = (int64_t)less(group->account->budget_tsc, given_tsc);

    if (now < group->realtime.period_end)
        return;
    periods = (now - group->realtime.period_end) / period + 1;
    group->realtime.period_end += periods * period;
    if (periods < MISSED_PERIODS_MAX && group->realtime.budget_left + (int64_t)periods * budget < budget)
        group->realtime.budget_left += (int64_t)periods * budget;
    else
        group->realtime.budget_left = budget;
}

static void renew_slice(struct sched_group *group)
{
    if (group->fair.virtual_time >= group->fair.virtual_deadline)
        group->fair.virtual_deadline = group->fair.virtual_time + group->account->slice;
}

/* Account the time since the last call to whoever had it. */
static void charge(struct sched_cpu *cpu, uint64_t now)
{
    struct sched_thread *thread = cpu->current;
    uint64_t ticks = less(now, cpu->charged_tsc), used;
    struct sched_group *group = cpu->running;

    cpu->charged_tsc += ticks;
    if (thread == NULL || ticks == 0) {
        cpu->idle_tsc += ticks;
        return;
    }
    thread->run_tsc += ticks;
    group->run_tsc += ticks;
    if (is_realtime(group)) {
        group->realtime.budget_left -= (int64_t)ticks;
        replenish(group, now);
        return;
    }
    used = group->fair.remainder + ticks;
    group->fair.virtual_time += used / group->account->weight;
    group->fair.remainder = used % group->account->weight;
    renew_slice(group);
    cpu->virtual_time = at_least(cpu->virtual_time, group->fair.virtual_time);
    thread->position += ticks;
    group->fair.thread_time = at_least(group->fair.thread_time, thread->position);
}

static uint64_t realtime_place(struct sched_cpu *cpu, const struct sched_thread *thread)
{
    return (uint64_t)(PRIORITY_COUNT - 1 - thread->priority) << SEQUENCE_BITS | cpu->sequence++;
}

/* ------------------------------------------------------------------------------------------------------ threads */

enum cl_status sched_set_affinity(struct sched_thread *thread, uint64_t affinity)
{
    if (!(affinity & thread->account->affinity))
        return refuse(CL_BAD_ARGUMENT, "affinity %lx meets no CPU of the account (%lx)", affinity,
                      thread->account->affinity);
    WRITE_ONCE(thread->affinity, affinity);
    return CL_OK;
}

enum cl_status sched_thread_init(struct sched_thread *thread, struct sched_account *account, uint32_t priority,
                                 uint32_t cpu, uint64_t affinity)
{
    uint64_t allowed = affinity & account->affinity;

    *thread = (struct sched_thread){ .account = account, .priority = (uint8_t)priority };
    if (priority > account->priority_max)
        return refuse(CL_NO_AUTHORITY, "priority %u is above the account's %u", priority, account->priority_max);
    TRY(sched_set_affinity(thread, affinity));
    thread->cpu = cpu < cpu_count && (allowed >> cpu & 1) ? cpu : (uint32_t)__builtin_ctzll(allowed);
    return CL_OK;
}

/* The thread's last CPU while its registers are there, or when it is idle; else an idle one; else the least loaded. */
static uint32_t choose_cpu(const struct sched_thread *thread)
{
    uint64_t online = __atomic_load_n(&online_mask, __ATOMIC_RELAXED);
    uint64_t allowed = READ_ONCE(thread->affinity) & thread->account->affinity & online;
    uint64_t idle = __atomic_load_n(&idle_mask, __ATOMIC_RELAXED) & allowed;
    struct sched_cpu *last = table[thread->cpu];
    uint32_t best = thread->cpu;

    if (__atomic_load_n(&last->loaded, __ATOMIC_ACQUIRE) == thread || READ_ONCE(last->picked) == thread ||
        allowed == 0 || (idle >> best & 1))
        return best;
    if (idle != 0) {
        best = (uint32_t)__builtin_ctzll(idle);
        __atomic_fetch_and(&idle_mask, ~(UINT64_C(1) << best), __ATOMIC_RELAXED);
        return best;
    }
    if (!(allowed >> best & 1))
        best = (uint32_t)__builtin_ctzll(allowed);
    for (; allowed != 0; allowed &= allowed - 1) {
        uint32_t cpu = (uint32_t)__builtin_ctzll(allowed);
        if (READ_ONCE(table[cpu]->runnable) < READ_ONCE(table[best]->runnable))
            best = cpu;
    }
    return best;
}

/* A thread joins its group: where do both stand now? */
static void place(struct sched_cpu *cpu, struct sched_group *group, struct sched_thread *thread, uint64_t now)
{
    bool running = group == cpu->running;
    bool alone = heap_min(&group->threads) == NULL && !running;

    if (is_realtime(group)) {
        thread->position = realtime_place(cpu, thread);
        dequeue(cpu, group); /* it may have to stand further ahead now */
        if (!running)
            replenish(group, now);
    } else {
        thread->position = at_least(thread->position, less(group->fair.thread_time, slice_tsc));
        if (alone && group->fair.virtual_time < less(cpu->virtual_time, group->account->slice)) {
            group->fair.virtual_time = less(cpu->virtual_time, group->account->slice);
            group->fair.virtual_deadline = 0;
        }
        renew_slice(group);
    }
    heap_insert(&group->threads, &thread->node, thread->position);
    enqueue(cpu, group);
}

/* Whether the CPU has to choose again because `thread` has become runnable. */
static bool has_to_pick(const struct sched_cpu *cpu, const struct sched_thread *thread)
{
    const struct sched_group *group = group_of(thread), *running = cpu->running;

    if (running == NULL)
        return true;
    if (heap_min(&cpu->throttled) != NULL && heap_min(&cpu->throttled)->key < cpu->event_tsc)
        return true;
    if (is_realtime(group))
        return group->realtime.budget_left > 0 && (!is_realtime(running) || thread->position < cpu->current->position);
    if (is_realtime(running))
        return false;
    return cpu->slice_end == SCHED_NEVER || group->fair.virtual_deadline < running->fair.virtual_deadline;
}

int sched_wake(struct sched_thread *thread, uint64_t now)
{
    struct sched_cpu *cpu;
    uint32_t target;
    bool pick;

    if (READ_ONCE(thread->state) != SCHED_BLOCKED)
        return SCHED_NO_CPU;
    target = choose_cpu(thread);
    cpu = table[target];
    lock_acquire(&cpu->lock);
    if (thread->cpu != target) {
        thread->cpu = target;
        thread->position = 0; /* its time elsewhere says nothing here */
    }
    charge(cpu, now);
    thread->state = SCHED_QUEUED;
    WRITE_ONCE(cpu->runnable, cpu->runnable + 1);
    place(cpu, group_of(thread), thread, now);
    pick = has_to_pick(cpu, thread);
    lock_release(&cpu->lock);
    return pick ? (int)target : SCHED_NO_CPU;
}

int sched_block(struct sched_thread *thread, uint64_t now)
{
    uint32_t index = READ_ONCE(thread->cpu);
    struct sched_cpu *cpu = table[index];
    struct sched_group *group = &thread->account->group[index];
    int pick = SCHED_NO_CPU;

    lock_acquire(&cpu->lock);
    charge(cpu, now);
    if (thread->state == SCHED_RUNNING) {
        pick = (int)index;
        cpu->current = NULL;
        cpu->running = NULL;
    } else if (thread->state == SCHED_QUEUED) {
        heap_remove(&group->threads, &thread->node);
        dequeue(cpu, group); /* its place may have been this thread's */
    }
    if (thread->state != SCHED_BLOCKED)
        WRITE_ONCE(cpu->runnable, cpu->runnable - 1);
    enqueue(cpu, group);
    WRITE_ONCE(thread->state, SCHED_BLOCKED);
    lock_release(&cpu->lock);
    return pick;
}

/* -------------------------------------------------------------------------------------------- on the CPU itself */

/* Groups whose next period has begun come back, a few at a time. */
static void release_throttled(struct sched_cpu *cpu, uint64_t now)
{
    for (unsigned i = 0; i < RELEASES_PER_PICK; i++) {
        struct heap_node *node = heap_min(&cpu->throttled);

        if (node == NULL || node->key > now)
            return;
        heap_remove(&cpu->throttled, node);
        replenish(container_of(node, struct sched_group, node), now);
        enqueue(cpu, container_of(node, struct sched_group, node));
    }
}

/* Whether nobody in the queues comes before the running thread. */
static bool stays(const struct sched_cpu *cpu)
{
    const struct sched_group *group = cpu->running;
    const struct heap_node *sibling, *rival = heap_min(&cpu->realtime);

    if (group == NULL)
        return false;
    sibling = heap_min(&group->threads);
    if (is_realtime(group))
        return group->realtime.budget_left > 0 && (rival == NULL || cpu->current->position < rival->key) &&
               (sibling == NULL || cpu->current->position < sibling->key);
    if (rival != NULL || (sibling != NULL && cpu->current->position > sibling->key + slice_tsc / 4))
        return false;
    return heap_min(&cpu->fair) == NULL || group->fair.virtual_deadline <= heap_min(&cpu->fair)->key;
}

static void put_back(struct sched_cpu *cpu)
{
    struct sched_thread *thread = cpu->current;
    struct sched_group *group = cpu->running;

    cpu->current = NULL;
    cpu->running = NULL;
    if (thread == NULL)
        return;
    thread->state = SCHED_QUEUED;
    heap_insert(&group->threads, &thread->node, thread->position);
    enqueue(cpu, group);
}

static void take_first(struct sched_cpu *cpu)
{
    struct heap_node *node = heap_pop(heap_min(&cpu->realtime) != NULL ? &cpu->realtime : &cpu->fair);

    if (node == NULL)
        return;
    cpu->running = container_of(node, struct sched_group, node);
    cpu->current = container_of(heap_pop(&cpu->running->threads), struct sched_thread, node);
    cpu->current->state = SCHED_RUNNING;
}

/* The choice holds until the budget is used up; or, if there is anybody to share with, the slice. */
static uint64_t end_of_turn(const struct sched_cpu *cpu, uint64_t now)
{
    const struct sched_group *group = cpu->running;
    uint64_t left;

    if (group == NULL)
        return SCHED_NEVER;
    if (is_realtime(group))
        return now + (uint64_t)group->realtime.budget_left;
    if (heap_min(&cpu->fair) == NULL && heap_min(&group->threads) == NULL)
        return SCHED_NEVER;
    left = (group->fair.virtual_deadline - group->fair.virtual_time) * group->account->weight - group->fair.remainder;
    return now + at_least(left, slice_tsc / 16);
}

struct sched_thread *sched_pick(unsigned index, uint64_t now, uint64_t *event_tsc)
{
    struct sched_cpu *cpu = table[index];
    struct sched_thread *picked;
    const struct heap_node *throttled;

    lock_acquire(&cpu->lock);
    charge(cpu, now);
    now = cpu->charged_tsc;
    release_throttled(cpu, now);
    if (!stays(cpu)) {
        put_back(cpu);
        take_first(cpu);
    }
    picked = cpu->current;
    WRITE_ONCE(cpu->picked, picked);
    cpu->slice_end = end_of_turn(cpu, now);
    throttled = heap_min(&cpu->throttled);
    cpu->event_tsc = throttled != NULL && throttled->key < cpu->slice_end ? throttled->key : cpu->slice_end;
    *event_tsc = cpu->event_tsc;
    if ((READ_ONCE(idle_mask) >> index & 1) != (picked == NULL))
        __atomic_fetch_xor(&idle_mask, UINT64_C(1) << index, __ATOMIC_RELAXED);
    lock_release(&cpu->lock);
    return picked;
}

void sched_switched(unsigned index)
{
    __atomic_store_n(&table[index]->loaded, table[index]->picked, __ATOMIC_RELEASE);
}

void sched_yield(unsigned index, uint64_t now)
{
    struct sched_cpu *cpu = table[index];
    struct sched_group *group;
    const struct heap_node *sibling, *rival;

    lock_acquire(&cpu->lock);
    charge(cpu, now);
    group = cpu->running;
    if (group != NULL && is_realtime(group)) {
        cpu->current->position = realtime_place(cpu, cpu->current);
    } else if (group != NULL) { /* just far enough back for the next one to come first */
        sibling = heap_min(&group->threads);
        rival = heap_min(&cpu->fair);
        if (sibling != NULL)
            cpu->current->position = at_least(cpu->current->position, sibling->key + slice_tsc / 4 + 1);
        if (rival != NULL)
            group->fair.virtual_deadline = at_least(group->fair.virtual_deadline, rival->key + 1);
    }
    lock_release(&cpu->lock);
}

uint64_t sched_next_event(unsigned index)
{
    return READ_ONCE(table[index]->event_tsc);
}

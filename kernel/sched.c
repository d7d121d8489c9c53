/* SPDX-License-Identifier: Apache-2.0 */
/* sched.c: the queues of one CPU, and the choice of a CPU. */
#include "kernel/sched.h"

#include "kernel/assert.h"

#define SEQUENCE_BITS 56                  /* a real-time place: (31 - priority) above, a sequence number below */
#define PPM UINT64_C(1000000)             /* of a CPU: all of it */
#define RELEASES_PER_PICK 8               /* throttled groups that one pick looks at; the rest follows at once */
#define MISSED_TURNS_MAX 0x10000          /* beyond these any overrun is paid */
#define VIRTUAL_BEGIN (UINT64_C(1) << 63) /* virtual time comes after every real-time place: one queue holds both */
#define VIRTUAL_SHIFT 4                   /* so that a slice at the greatest weight is still many units long */

static unsigned cpu_count;
static uint64_t existing_cpus;
static uint64_t slice_tsc;
static struct sched_cpu *table[MAX_CPUS];
static uint64_t online_mask; /* [a] */

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
    return group->account->authority.class == CLASS_REALTIME;
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
}

void sched_cpu_init(unsigned index, struct sched_cpu *cpu, uint64_t now)
{
    ASSERT(index < cpu_count);
    cpu->charged_tsc = now;
    cpu->event_tsc = SCHED_NEVER;
    cpu->virtual_time = VIRTUAL_BEGIN;
    table[index] = cpu;
    __atomic_fetch_or(&online_mask, UINT64_C(1) << index, __ATOMIC_SEQ_CST);
}

/* ----------------------------------------------------------------------------------------------------- accounts */

static uint64_t affinity_of_child(const struct sched_account *parent, uint64_t affinity)
{
    return affinity == AFFINITY_ALL && parent != NULL ? parent->authority.affinity : affinity & existing_cpus;
}

/* Rounded up: what is given away is never less than what is used. */
static uint32_t utilisation(const struct sched_authority *a)
{
    return a->budget_tsc == 0 ? 0 : (uint32_t)((a->budget_tsc * PPM + a->period_tsc - 1) / a->period_tsc);
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
    if (parent != NULL && (affinity & ~parent->authority.affinity))
        return refuse(CL_NO_AUTHORITY, "affinity %lx goes beyond the parent's %lx", affinity,
                      parent->authority.affinity);
    if (child->budget_tsc == 0)
        return child->class == CLASS_FAIR ? CL_OK : refuse(CL_BAD_ARGUMENT, "a real-time account needs a budget");

    if (child->budget_tsc < SCHED_BUDGET_MIN_TSC || child->budget_tsc > child->period_tsc ||
        child->period_tsc > SCHED_PERIOD_MAX_TSC)
        return refuse(CL_BAD_ARGUMENT, "a budget of %lu TSC ticks in each %lu: wanted %u <= budget <= period <= %lu",
                      child->budget_tsc, child->period_tsc, SCHED_BUDGET_MIN_TSC, SCHED_PERIOD_MAX_TSC);
    if (child->priority_max >= PRIORITY_COUNT ||
        (parent != NULL && child->priority_max > parent->authority.priority_max))
        return refuse(CL_NO_AUTHORITY, "priority %u is above what the parent may give", child->priority_max);
    share = utilisation(child);
    for (unsigned cpu = 0; parent != NULL && cpu < cpu_count; cpu++)
        if ((affinity >> cpu & 1) && share > parent->utilisation - parent->group[cpu].given)
            return refuse(CL_NO_AUTHORITY, "CPU %u: %u ppm of real-time budget wanted, the parent has %u left", cpu,
                          share, parent->utilisation - parent->group[cpu].given);
    return CL_OK;
}

void sched_account_init(struct sched_account *account, struct sched_account *parent,
                        const struct sched_authority *authority, struct sched_group *groups)
{
    *account = (struct sched_account){
        .group = groups,
        .authority = *authority,
        .slice = authority->class == CLASS_FAIR ? (slice_tsc << VIRTUAL_SHIFT) / authority->weight : 0,
        .utilisation = utilisation(authority),
    };
    account->authority.affinity = affinity_of_child(parent, authority->affinity);
    if (authority->budget_tsc == 0)
        account->authority.priority_max = 0;
    for (unsigned cpu = 0; cpu < cpu_count; cpu++) {
        groups[cpu].account = account;
        if (parent != NULL && (account->authority.affinity >> cpu & 1))
            WRITE_ONCE(parent->group[cpu].given, parent->group[cpu].given + account->utilisation);
    }
}

void sched_account_retire(struct sched_account *account, struct sched_account *parent)
{
    for (unsigned cpu = 0; cpu < cpu_count; cpu++) {
        ASSERT(account->group[cpu].given == 0 && account->group[cpu].threads.root == NULL);
        if (account->authority.affinity >> cpu & 1)
            WRITE_ONCE(parent->group[cpu].given, parent->group[cpu].given - account->utilisation);
    }
}

/* ------------------------------------------------------------------------------------------------------- queues */

static bool is_throttled(const struct sched_group *group)
{
    return is_realtime(group) && group->left <= 0;
}

/* What a group is queued by when `first` is the place of its first thread. */
static uint64_t key_of(const struct sched_group *group, uint64_t first)
{
    return is_realtime(group) ? first : group->turn_end;
}

/* The group goes where it belongs now: nowhere when it runs or has no threads. */
static void requeue(struct sched_cpu *cpu, struct sched_group *group)
{
    const struct heap_node *first = heap_min(&group->threads);

    if (group->queue != NULL)
        heap_remove(group->queue, &group->node);
    group->queue = NULL;
    if (group == cpu->running || first == NULL)
        return;
    group->queue = is_throttled(group) ? &cpu->throttled : &cpu->ready;
    heap_insert(group->queue, &group->node, is_throttled(group) ? group->turn_end : key_of(group, first->key));
}

/* Begin the turns that are due: a fair group's when its slice is used up, a real-time group's when its period is over.
 * An overrun is paid back out of them; what was left of a budget is lost. Periods of all accounts begin at multiples of
 * their length. */
static void begin_turns(struct sched_group *group, uint64_t now)
{
    const struct sched_account *account = group->account;
    uint64_t turns, length = account->slice, budget = slice_tsc;

    if (is_realtime(group)) {
        if (now < group->turn_end)
            return;
        length = account->authority.period_tsc;
        budget = less(account->authority.budget_tsc, READ_ONCE(group->given) * length / PPM);
        turns = (now - group->turn_end) / length + 1;
    } else {
        turns = (uint64_t)-group->left / budget + 1;
    }
    group->turn_end += turns * length;
    if (turns < MISSED_TURNS_MAX && group->left + (int64_t)(turns * budget) < (int64_t)budget)
        group->left += (int64_t)(turns * budget);
    else
        group->left = (int64_t)budget;
}

/* How far a fair group has come. */
static uint64_t virtual_time(const struct sched_group *group)
{
    return group->turn_end - ((uint64_t)group->left << VIRTUAL_SHIFT) / group->account->authority.weight;
}

/* Account the time since the last call to whoever had it. */
static void charge(struct sched_cpu *cpu, uint64_t now)
{
    struct sched_thread *thread = cpu->current;
    struct sched_group *group = cpu->running;
    uint64_t ticks = less(now, cpu->charged_tsc);

    cpu->charged_tsc += ticks;
    if (thread == NULL) {
        cpu->idle_tsc += ticks;
        return;
    }
    thread->run_tsc += ticks;
    group->run_tsc += ticks;
    group->left -= (int64_t)ticks;
    if (is_realtime(group)) {
        begin_turns(group, now);
        return;
    }
    thread->position += ticks;
    group->thread_time = at_least(group->thread_time, thread->position);
    if (group->left <= 0)
        begin_turns(group, now);
}

/* Take note of how far the running group has come: groups that sleep must not fall behind it by more than a slice. */
static void note_progress(struct sched_cpu *cpu)
{
    if (cpu->running != NULL && !is_realtime(cpu->running))
        cpu->virtual_time = at_least(cpu->virtual_time, virtual_time(cpu->running));
}

static uint64_t realtime_place(struct sched_cpu *cpu, const struct sched_thread *thread)
{
    return (uint64_t)(PRIORITY_COUNT - 1 - thread->priority) << SEQUENCE_BITS | cpu->sequence++;
}

/* ------------------------------------------------------------------------------------------------------ threads */

enum cl_status sched_set_affinity(struct sched_thread *thread, uint64_t affinity)
{
    if (!(affinity & thread->account->authority.affinity))
        return refuse(CL_BAD_ARGUMENT, "affinity %lx meets no CPU of the account (%lx)", affinity,
                      thread->account->authority.affinity);
    WRITE_ONCE(thread->affinity, affinity);
    return CL_OK;
}

enum cl_status sched_thread_init(struct sched_thread *thread, struct sched_account *account, uint32_t priority,
                                 uint32_t cpu, uint64_t affinity)
{
    uint64_t allowed = affinity & account->authority.affinity;

    *thread = (struct sched_thread){ .account = account, .priority = (uint8_t)priority };
    if (priority > account->authority.priority_max)
        return refuse(CL_NO_AUTHORITY, "priority %u is above the account's %u", priority,
                      account->authority.priority_max);
    TRY(sched_set_affinity(thread, affinity));
    thread->cpu = cpu < cpu_count && (allowed >> cpu & 1) ? cpu : (uint32_t)__builtin_ctzll(allowed);
    return CL_OK;
}

/* The thread's last CPU while its registers are there; else the one with the least to do, the last one among equals. */
static uint32_t choose_cpu(const struct sched_thread *thread)
{
    uint64_t allowed = READ_ONCE(thread->affinity) & thread->account->authority.affinity &
                       __atomic_load_n(&online_mask, __ATOMIC_RELAXED);
    struct sched_cpu *last = table[thread->cpu];
    uint32_t best = thread->cpu;

    if (__atomic_load_n(&last->loaded, __ATOMIC_ACQUIRE) == thread || READ_ONCE(last->picked) == thread || allowed == 0)
        return best;
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
static void place(struct sched_cpu *cpu, struct sched_group *group, struct sched_thread *thread)
{
    if (is_realtime(group)) {
        thread->position = realtime_place(cpu, thread);
        if (group != cpu->running)
            begin_turns(group, cpu->charged_tsc);
    } else {
        thread->position = at_least(thread->position, less(group->thread_time, slice_tsc));
        if (group->queue == NULL && group != cpu->running) {
            note_progress(cpu);
            if (virtual_time(group) < cpu->virtual_time - group->account->slice) {
                group->turn_end = cpu->virtual_time;
                group->left = (int64_t)slice_tsc;
            }
        }
    }
    heap_insert(&group->threads, &thread->node, thread->position);
    requeue(cpu, group);
}

/* Whether another thread of the running group comes before the running one. */
static bool sibling_comes_first(const struct sched_cpu *cpu)
{
    const struct heap_node *sibling = heap_min(&cpu->running->threads);
    uint64_t advantage = is_realtime(cpu->running) ? 0 : slice_tsc / 4; /* not every tick is worth a switch */

    return sibling != NULL && cpu->current->position > sibling->key + advantage;
}

/* Whether the running group has to let another one in, or has no right to run on. */
static bool rival_comes_first(const struct sched_cpu *cpu)
{
    const struct heap_node *rival = heap_min(&cpu->ready);

    return is_throttled(cpu->running) || (rival != NULL && rival->key < key_of(cpu->running, cpu->current->position));
}

/* When the choice has to be made anew: the budget is used up; the slice, if there is anybody to share with; or a throttled
 * group comes back. */
static uint64_t next_event(const struct sched_cpu *cpu)
{
    const struct sched_group *group = cpu->running;
    const struct heap_node *throttled = heap_min(&cpu->throttled);
    uint64_t event = throttled != NULL ? throttled->key : SCHED_NEVER, end;

    if (group == NULL || (!is_realtime(group) && heap_min(&cpu->ready) == NULL && heap_min(&group->threads) == NULL))
        return event;
    end = cpu->charged_tsc + at_least((uint64_t)group->left, is_realtime(group) ? 0 : slice_tsc / 16);
    return end < event ? end : event;
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
    place(cpu, &thread->account->group[target], thread);
    pick =
        cpu->running == NULL || sibling_comes_first(cpu) || rival_comes_first(cpu) || next_event(cpu) < cpu->event_tsc;
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
        note_progress(cpu);
        cpu->current = NULL;
        cpu->running = NULL;
    } else if (thread->state == SCHED_QUEUED) {
        heap_remove(&group->threads, &thread->node);
    }
    if (thread->state != SCHED_BLOCKED)
        WRITE_ONCE(cpu->runnable, cpu->runnable - 1);
    requeue(cpu, group); /* its place may have been this thread's */
    WRITE_ONCE(thread->state, SCHED_BLOCKED);
    lock_release(&cpu->lock);
    return pick;
}

/* -------------------------------------------------------------------------------------------- on the CPU itself */

/* Groups whose next period has begun come back, a few at a time. */
static void release_throttled(struct sched_cpu *cpu)
{
    for (unsigned i = 0; i < RELEASES_PER_PICK; i++) {
        struct heap_node *node = heap_min(&cpu->throttled);

        if (node == NULL || node->key > cpu->charged_tsc)
            return;
        begin_turns(container_of(node, struct sched_group, node), cpu->charged_tsc);
        requeue(cpu, container_of(node, struct sched_group, node));
    }
}

/* The first thread of `group` runs, the one that ran goes back to its group; NULL: only that. */
static void run_instead(struct sched_cpu *cpu, struct sched_group *group)
{
    struct sched_thread *before = cpu->current;
    struct heap_node *first = group != NULL ? heap_pop(&group->threads) : NULL;

    cpu->running = group;
    cpu->current = first != NULL ? container_of(first, struct sched_thread, node) : NULL;
    if (first != NULL)
        cpu->current->state = SCHED_RUNNING;
    if (before != NULL) {
        before->state = SCHED_QUEUED;
        heap_insert(&group_of(before)->threads, &before->node, before->position);
    }
}

static void choose(struct sched_cpu *cpu)
{
    struct sched_group *group = cpu->running;

    if (group != NULL && sibling_comes_first(cpu))
        run_instead(cpu, group);
    if (group != NULL && rival_comes_first(cpu)) {
        run_instead(cpu, NULL);
        requeue(cpu, group);
    }
    if (cpu->running == NULL && heap_min(&cpu->ready) != NULL) {
        group = container_of(heap_min(&cpu->ready), struct sched_group, node);
        run_instead(cpu, group);
        requeue(cpu, group);
    }
}

struct sched_thread *sched_pick(unsigned index, uint64_t now)
{
    struct sched_cpu *cpu = table[index];

    lock_acquire(&cpu->lock);
    charge(cpu, now);
    release_throttled(cpu);
    choose(cpu);
    WRITE_ONCE(cpu->picked, cpu->current);
    cpu->event_tsc = next_event(cpu);
    lock_release(&cpu->lock);
    return cpu->picked;
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
        rival = heap_min(&cpu->ready);
        if (sibling != NULL)
            cpu->current->position = at_least(cpu->current->position, sibling->key + slice_tsc / 4 + 1);
        if (rival != NULL)
            group->turn_end = at_least(group->turn_end, rival->key + 1);
    }
    lock_release(&cpu->lock);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* sched.h: who runs next on a CPU: accounts first, threads second.
 *
 * Each account has a *group* on each CPU: its runnable threads there and what they have used. A CPU chooses a group,
 * the group a thread. Two classes:
 *
 *   real-time  the group stands for its highest thread; FIFO at equal priority, across accounts too; a preempted
 *              thread keeps its place. A group may use its account's budget in each of its periods, on each CPU of its
 *              affinity, and then waits, throttled, for the next period. Always before fair.
 *   fair       the group with the earliest virtual deadline: time used, divided by weight, plus one slice. A group
 *              that slept is placed at most one slice behind the others: it is served soon and can save up nothing.
 *              Within the group, the thread that has run least.
 *
 * Tickless: sched_pick says until when its choice holds; nothing happens before, unless somebody wakes. A thread that
 * runs is in no queue, and neither is its group: both return to their queues when another one is picked.
 *
 * Every operation is O(log n) in the threads and accounts of one CPU. No hardware is touched: time is the host TSC and
 * always an argument; a `now` older than one seen before counts as that one. Interrupts are off.
 *
 * Locks: one per CPU, the "run queue" lock of lock.h's order, taken inside; never two at a time. A caller that makes a
 * thread wait does so while it holds the lock under which a waker finds the thread (notification > run queue), so that
 * block and wake of one thread never race. Only one waker at a time may hold a thread.
 *
 * The context of a thread: sched_pick hands out a new thread while the registers of the last one are still in the CPU.
 * Until sched_switched() says that they are saved, the last one stays on this CPU even if it is woken elsewhere.
 */
#ifndef CL_KERNEL_SCHED_H
#define CL_KERNEL_SCHED_H

#include "abi/syscall.h"
#include "kernel/heap.h"
#include "kernel/lock.h"
#include "kernel/types.h"

#define SCHED_NEVER UINT64_MAX /* no event: nothing ends by itself */
#define SCHED_NO_CPU (-1)
#define SCHED_ANY_CPU UINT32_MAX
#define SCHED_WEIGHT_MAX 65536u
#define SCHED_BUDGET_MIN_TSC 10000u /* smallest real-time budget: less is only switching */
#define SCHED_PERIOD_MAX_TSC (UINT64_C(1) << 40)

/* What an account may do with CPUs: the part of struct account_arguments that is the scheduler's, times in TSC ticks.
 */
struct sched_authority {
    uint64_t affinity;     /* bit n: CPU n. AFFINITY_ALL: every CPU that the parent has */
    uint32_t class;        /* enum scheduling_class of its threads */
    uint32_t weight;       /* fair: 1 to SCHED_WEIGHT_MAX */
    uint32_t priority_max; /* real-time: highest priority of its threads */
    uint64_t budget_tsc;   /* real-time, its own and its children's: in each period, on each CPU; 0: none */
    uint64_t period_tsc;
    uint64_t cap_permille; /* fair: must be 0 (no caps yet) */
};

struct sched_account;

/* An account on one CPU. */
struct sched_group {
    struct heap_node node;         /* [q]  in one of the CPU's heaps; in none while it is empty or its thread runs */
    struct heap threads;           /* [q]  runnable threads, without the running one */
    struct sched_account *account; /* [i] */
    struct heap *queue;            /* [q]  which one */
    int64_t left;                  /* [q]  ticks of its slice or, real-time, of its budget; an overrun is owed */
    uint64_t turn_end;             /* [q]  fair: virtual time at the end of the slice; real-time: end of the period */
    uint64_t thread_time;          /* [q]  fair: how far the thread that ran most has come */
    uint64_t run_tsc;              /* [q]  all that it ever used here */
    uint32_t given;                /* [s]  utilisation handed to children, in ppm of this CPU */
};

/* Embedded in struct account. */
struct sched_account {
    struct sched_group *group;        /* [i]  one for each CPU, sched_group_bytes() in all; the caller's memory */
    struct sched_authority authority; /* [i]  its affinity: existing CPUs only */
    uint64_t slice;                   /* [i]  fair: a slice in virtual time: the longer the smaller the weight */
    uint32_t utilisation;             /* [i]  budget / period in ppm */
};

enum sched_state { SCHED_BLOCKED = 0, SCHED_QUEUED, SCHED_RUNNING };

/* Embedded in struct thread. */
struct sched_thread {
    struct heap_node node;         /* [q]  in its group's heap while SCHED_QUEUED */
    struct sched_account *account; /* [i] */
    uint64_t position; /* [q]  real-time: key of its place in the FIFO; fair: its own virtual time in the group */
    uint64_t run_tsc;  /* [q]  all that it ever used */
    uint64_t affinity; /* [w]  its own wish; counts where it meets the account's */
    uint32_t cpu;      /* [w]  where it is queued, runs or ran last */
    uint8_t priority;  /* [i]  real-time */
    uint8_t state;     /* [q]  enum sched_state */
};

struct sched_cpu {
    _Alignas(64) struct spinlock lock;
    uint32_t runnable;            /* [q]  queued and running threads; read without the lock as a hint of load */
    struct heap ready;            /* [q]  real-time groups by their first thread's place, then fair ones by deadline */
    struct heap throttled;        /* [q]  real-time groups with threads but no budget, by period end */
    struct sched_thread *current; /* [q]  NULL: idle, or just blocked */
    struct sched_group *running;  /* [q]  its group */
    struct sched_thread *picked;  /* [c]  what the last pick returned */
    struct sched_thread *loaded;  /* [c]  whose registers are in this CPU; `picked` from sched_switched on */
    uint64_t charged_tsc;         /* [q]  time is accounted up to here */
    uint64_t event_tsc;           /* [q]  when sched_pick has to be called again; SCHED_NEVER: when somebody wakes */
    uint64_t virtual_time;        /* [q]  how far the fair group that came furthest has come */
    uint64_t sequence;            /* [q]  FIFO order */
    uint64_t idle_tsc;            /* [q] */
}; /* [q] = lock of the CPU (for a blocked thread: of its last CPU); [c] = written by the CPU itself, read by anyone;
      [s] = the caller's structure lock; [i] = set at init; [w] = by the one waker of a blocked thread */

/* Once, before anything else: how many CPUs there are (0 to cpu_count - 1), and the fair slice in TSC ticks (3 ms is
 * a good one). */
void sched_init(unsigned cpu_count, uint64_t slice_tsc);

/* CPU `index` is up, and idle at `now`: threads may be woken onto it. `cpu` is its zeroed part of struct cpu. Each
 * CPU for itself. */
void sched_cpu_init(unsigned index, struct sched_cpu *cpu, uint64_t now);

/* ----------------------------------------------------------------------------------------------------- accounts */

/* Bytes of one account's groups, with the CPUs there are: zeroed memory for sched_account_init. */
size_t sched_group_bytes(void);

/* Whether `parent` can give `child` this authority; NULL: the root account, which may have all. Refuses with
 * CL_BAD_ARGUMENT, CL_NO_AUTHORITY or CL_UNSUPPORTED, and changes nothing. Structure lock. */
enum cl_status sched_admit(const struct sched_account *parent, const struct sched_authority *child) CL_MUST_CHECK;

/* Set an account up with an authority that was admitted just before, under the same structure lock. What it gets of
 * real-time budget its parent no longer has for its own threads. */
void sched_account_init(struct sched_account *account, struct sched_account *parent,
                        const struct sched_authority *authority, struct sched_group *groups);

/* The account goes, with no thread and no child left: its authority returns to `parent`. Structure lock. */
void sched_account_retire(struct sched_account *account, struct sched_account *parent);

/* ------------------------------------------------------------------------------------------------------ threads */

/* A new thread, blocked. `cpu` is where it would like to run, SCHED_ANY_CPU if it does not care. Refuses with
 * CL_NO_AUTHORITY a priority above the account's, with CL_BAD_ARGUMENT an affinity that meets no CPU of the account. */
enum cl_status sched_thread_init(struct sched_thread *thread, struct sched_account *account, uint32_t priority,
                                 uint32_t cpu, uint64_t affinity) CL_MUST_CHECK;

/* Change the CPUs that a thread may run on; effective when it next wakes. Refuses with CL_BAD_ARGUMENT an affinity that
 * meets no CPU of the account. */
enum cl_status sched_set_affinity(struct sched_thread *thread, uint64_t affinity) CL_MUST_CHECK;

/* A blocked thread becomes runnable, on the CPU with the least to do; on its last one if that has no more. Returns the CPU that has to call sched_pick soon (an IPI, or a flag if it is the own one), or
 * SCHED_NO_CPU. A thread that is not blocked: nothing happens. Any CPU. */
int sched_wake(struct sched_thread *thread, uint64_t now);

/* The thread is no longer runnable, whatever it was. Returns the CPU on which it was running, which has to call
 * sched_pick, or SCHED_NO_CPU. Any CPU; for the calling CPU's own thread see "Locks" above. */
int sched_block(struct sched_thread *thread, uint64_t now);

/* -------------------------------------------------------------------------------------------- on the CPU itself */

/* Choose what runs on `cpu` now; NULL: nothing, it is idle. From then on the CPU's event_tsc (host TSC or SCHED_NEVER) says
 * when it has to be called again: end of slice or budget, or a throttled group comes back. Called by the CPU itself. */
struct sched_thread *sched_pick(unsigned cpu, uint64_t now);

/* The registers of the thread that ran before the last sched_pick are saved: it may now run elsewhere, and what was
 * picked is here. Needed after each pick that returned something else than what ran before; harmless otherwise. */
static inline void sched_switched(struct sched_cpu *cpu)
{
    __atomic_store_n(&cpu->loaded, cpu->picked, __ATOMIC_RELEASE);
}

/* The running thread goes behind the others of its priority (real-time), or lets the next one in before it (fair).
 * sched_pick has to follow. (Under another name to the linker: the C library that host tests link with has a
 * sched_yield, too, and calls it.) */
void sched_yield(unsigned cpu, uint64_t now) __asm__("kernel_sched_yield");

#endif

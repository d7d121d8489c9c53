/* SPDX-License-Identifier: Apache-2.0 */
/* capsule.h: all device state of one VM, in one pointer-free block that survives its VMM.
 *
 * The block holds a table of named, versioned sections (one for each device, with its lock), and one undo log for each
 * thread. A device operation changes its section only through capsule_set(), which first appends (offset, old value)
 * to the thread's log. One store ends the operation: it empties the log and publishes {exit sequence, step} together
 * with the value that the guest reads. Whoever attaches the block after a crash calls capsule_recover(): open logs are
 * rolled back, locks cleared; what was published is answered from the log, what was not is run again.
 *
 * An exit can take several device accesses (REP INS, a read-modify-write instruction); each is a step. At the end of
 * an emulated instruction its register changes are published too (capsule_outcome), so that copying them into the
 * vCPU page can be repeated.
 *
 * The stores of one thread become visible in program order (x86 keeps stores in order; the compiler is held by
 * CAPSULE_ORDER), and the kernel stops all threads before another VMM attaches, so no fences are needed.
 */
#ifndef CL_VMM_CAPSULE_H
#define CL_VMM_CAPSULE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "abi/status.h"

#define CAPSULE_MAGIC UINT64_C(0x656c757370614343) /* "CCapsule" */
#define CAPSULE_VERSION 1
#define CAPSULE_SECTIONS_MAX 64
#define CAPSULE_NAME_MAX 16
#define CAPSULE_LOGS_MAX 66     /* 64 vCPUs, the machine thread, one spare */
#define CAPSULE_LOG_ENTRIES 240 /* more stores than this in one operation is a defect of the device */
#define CAPSULE_STEPS_MAX 63    /* device accesses of one exit */

struct capsule_section {
    char name[CAPSULE_NAME_MAX];
    uint32_t version;
    uint32_t offset; /* from the start of the block, a multiple of 64 */
    uint32_t size;   /* in bytes */
    uint32_t lock;   /* 0 = free; held by the thread that runs an operation of this device */
};

struct capsule_undo {
    uint32_t offset;
    uint32_t size; /* 1, 2, 4, 8 */
    uint64_t old;
};

/* What an emulated instruction leaves behind. */
struct capsule_outcome {
    uint64_t gpr[16];
    uint64_t rflags;
    uint64_t next_rip;
    uint64_t completion; /* enum vcpu_completion */
    uint64_t event;      /* vector | has_error_code << 8 */
    uint64_t error_code;
    uint64_t payload;
};

/* state: sequence << 17 | final << 16 | step << 10 | entries in use. */
#define CAPSULE_COUNT_MASK UINT64_C(0x3FF)
#define CAPSULE_STEP_SHIFT 10
#define CAPSULE_STEP_MASK UINT64_C(0x3F)
#define CAPSULE_FINAL (UINT64_C(1) << 16)
#define CAPSULE_SEQUENCE_SHIFT 17

struct capsule_log {
    uint64_t state;
    uint64_t result[CAPSULE_STEPS_MAX + 1];
    struct capsule_outcome outcome;
    struct capsule_undo entry[CAPSULE_LOG_ENTRIES];
};

struct capsule {
    uint64_t magic;
    uint32_t version;
    uint32_t logs;     /* undo logs in use */
    uint64_t size;     /* of the whole block, in bytes */
    uint32_t sections; /* in use */
    uint32_t used;     /* bytes given out so far */
    struct capsule_section section[CAPSULE_SECTIONS_MAX];
    struct capsule_log log[];
};

/* A thread's way into the capsule. Lives in the thread's own memory. */
struct capsule_tx {
    struct capsule *capsule;
    struct capsule_log *log;
    uint64_t published; /* log->state without the count */
    uint64_t sequence;  /* of the exit at work, 0 outside of exits */
    uint32_t count;     /* entries of the open operation */
    uint32_t step;      /* next device access of this exit */
    uint32_t replay;    /* accesses of this exit that were published before the crash */
};

/* Unit tests stop the program after any chosen store. */
#ifdef CL_HOST_TEST
extern void (*capsule_store_hook)(void);
#define CAPSULE_STORED()                                                                                               \
    do {                                                                                                               \
        if (capsule_store_hook != NULL)                                                                                \
            capsule_store_hook();                                                                                      \
    } while (0)
#else
#define CAPSULE_STORED() ((void)0)
#endif

#define CAPSULE_ORDER() __asm__ volatile("" : : : "memory")

/* Bytes that a capsule with `logs` undo logs needs before its first section. */
size_t capsule_overhead(unsigned logs);

/* Make an empty capsule in `size` bytes at `base` (page-aligned). CL_BAD_ARGUMENT: too small, or too many logs. */
enum cl_status capsule_create(void *base, size_t size, unsigned logs, struct capsule **capsule) CL_MUST_CHECK;

/* Take over a capsule that another VMM left in `size` bytes at `base`: check it, do not change it. CL_NOT_FOUND: the
 * block was never used; CL_CORRUPT: its header contradicts itself; CL_UNSUPPORTED: another version. */
enum cl_status capsule_attach(void *base, size_t size, struct capsule **capsule) CL_MUST_CHECK;

/* Roll back every open log and clear every lock. No thread of an earlier VMM may run any more. Can be repeated. */
void capsule_recover(struct capsule *capsule);

/* Find section `name`, or make it, zeroed, if it is not there; `created` says which. CL_CORRUPT: it is there with
 * another version or size; CL_NO_MEMORY: the capsule is full. Only while no other thread uses the capsule. */
enum cl_status capsule_section(struct capsule *capsule, const char *name, uint32_t version, uint32_t size,
                               struct capsule_section **section, bool *created) CL_MUST_CHECK;

/* The bytes of a section. */
static inline void *capsule_section_state(struct capsule *capsule, const struct capsule_section *section)
{
    return (uint8_t *)capsule + section->offset;
}

/* Bind `tx` to undo log `log` (below capsule->logs). One thread for each log. */
void capsule_tx_init(struct capsule_tx *tx, struct capsule *capsule, unsigned log);

/* Begin the exit with this sequence number (never 0). If an earlier VMM published steps of it, they will be replayed. */
void capsule_exit_begin(struct capsule_tx *tx, uint64_t sequence);

/* True if the next device access of this exit was done before a crash: `value` is what it read, nothing is to be done. */
static inline bool capsule_replay(struct capsule_tx *tx, uint64_t *value)
{
    if (__builtin_expect(tx->step >= tx->replay, 1))
        return false;
    *value = tx->log->result[tx->step++];
    return true;
}

/* The operation is done. Publishes it as the exit's next step, with the value that it read. */
static inline void capsule_commit(struct capsule_tx *tx, uint64_t value)
{
    struct capsule_log *log = tx->log;

    assert(tx->step < CAPSULE_STEPS_MAX);
    log->result[tx->step] = value;
    CAPSULE_ORDER();
    CAPSULE_STORED();
    tx->step++;
    tx->published = tx->sequence << CAPSULE_SEQUENCE_SHIFT | (uint64_t)tx->step << CAPSULE_STEP_SHIFT;
    *(volatile uint64_t *)&log->state = tx->published;
    tx->count = 0;
    CAPSULE_STORED();
}

/* The same for operations that no exit waits for: timers, interrupt lines, what follows a commit. */
static inline void capsule_commit_quietly(struct capsule_tx *tx)
{
    CAPSULE_ORDER();
    *(volatile uint64_t *)&tx->log->state = tx->published;
    tx->count = 0;
    CAPSULE_STORED();
}

/* Take back what the open operation has stored. */
void capsule_abort(struct capsule_tx *tx);

/* Publish the registers of the finished exit; fill in `*capsule_outcome_buffer(tx)` first. */
static inline struct capsule_outcome *capsule_outcome_buffer(struct capsule_tx *tx)
{
    return &tx->log->outcome;
}
void capsule_outcome_publish(struct capsule_tx *tx);

/* True if the exit begun last had its registers published before a crash. */
bool capsule_outcome_known(const struct capsule_tx *tx);

/* Store the low `size` bytes of `value` at `field`, a field of a section, so that it can be undone. */
static inline __attribute__((always_inline)) void capsule_set(struct capsule_tx *tx, void *field, uint64_t value,
                                                              unsigned size)
{
    struct capsule_undo *entry;
    uint64_t old = 0;

    memcpy(&old, field, size);
    if (old == value)
        return;
    assert(tx->count < CAPSULE_LOG_ENTRIES);
    entry = &tx->log->entry[tx->count];
    entry->offset = (uint32_t)((uint8_t *)field - (uint8_t *)tx->capsule);
    entry->size = size;
    entry->old = old;
    CAPSULE_ORDER();
    CAPSULE_STORED();
    tx->count++;
    *(volatile uint64_t *)&tx->log->state = tx->published | tx->count;
    CAPSULE_ORDER();
    CAPSULE_STORED();
    memcpy(field, &value, size);
    CAPSULE_ORDER();
    CAPSULE_STORED();
}

/* CAPSULE_SET(tx, state->field, value): the usual way to write. Not for bit-fields. */
#define CAPSULE_SET(tx, lvalue, value)                                                                                 \
    capsule_set((tx), &(lvalue), (uint64_t)(__typeof__(lvalue))(value), (unsigned)sizeof(lvalue))

#endif

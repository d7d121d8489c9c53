/* SPDX-License-Identifier: Apache-2.0 */
/* capsule.c: layout, attachment and recovery of the capsule. */
#include "vmm/capsule.h"

#define SECTION_ALIGNMENT 64u

#ifdef CL_HOST_TEST
void (*capsule_store_hook)(void);
#endif

static uint32_t align_up(size_t value)
{
    return (uint32_t)((value + SECTION_ALIGNMENT - 1) & ~(size_t)(SECTION_ALIGNMENT - 1));
}

size_t capsule_overhead(unsigned logs)
{
    return align_up(sizeof(struct capsule) + (size_t)logs * sizeof(struct capsule_log));
}

enum cl_status capsule_create(void *base, size_t size, unsigned logs, struct capsule **capsule)
{
    struct capsule *c = base;

    if (logs == 0 || logs > CAPSULE_LOGS_MAX || size < capsule_overhead(logs) || size > UINT32_MAX)
        return CL_BAD_ARGUMENT;
    memset(c, 0, capsule_overhead(logs));
    c->version = CAPSULE_VERSION;
    c->logs = logs;
    c->size = size;
    c->used = (uint32_t)capsule_overhead(logs);
    CAPSULE_ORDER();
    c->magic = CAPSULE_MAGIC; /* last: a half-made capsule is an unused block */
    *capsule = c;
    return CL_OK;
}

static bool section_is_sound(const struct capsule *c, const struct capsule_section *s)
{
    return s->name[CAPSULE_NAME_MAX - 1] == '\0' && s->offset >= capsule_overhead(c->logs) && s->offset <= c->used &&
           s->offset % SECTION_ALIGNMENT == 0 && s->size <= c->used - s->offset;
}

enum cl_status capsule_attach(void *base, size_t size, struct capsule **capsule)
{
    struct capsule *c = base;

    if (size < sizeof(*c))
        return CL_BAD_ARGUMENT;
    if (c->magic == 0)
        return CL_NOT_FOUND;
    if (c->magic != CAPSULE_MAGIC)
        return CL_CORRUPT;
    if (c->version != CAPSULE_VERSION)
        return CL_UNSUPPORTED;
    if (c->size != size || c->logs == 0 || c->logs > CAPSULE_LOGS_MAX || c->sections > CAPSULE_SECTIONS_MAX ||
        c->used > size || c->used < capsule_overhead(c->logs))
        return CL_CORRUPT;
    for (unsigned i = 0; i < c->sections; i++)
        if (!section_is_sound(c, &c->section[i]))
            return CL_CORRUPT;
    for (unsigned i = 0; i < c->logs; i++)
        if ((c->log[i].state & CAPSULE_COUNT_MASK) > CAPSULE_LOG_ENTRIES)
            return CL_CORRUPT;
    *capsule = c;
    return CL_OK;
}

static void undo_entries(struct capsule *c, struct capsule_log *log, uint64_t count)
{
    while (count-- > 0) {
        const struct capsule_undo *entry = &log->entry[count];

        if (entry->size <= 8 && entry->offset >= capsule_overhead(c->logs) && entry->offset <= c->used &&
            entry->size <= c->used - entry->offset)
            memcpy((uint8_t *)c + entry->offset, &entry->old, entry->size);
    }
}

void capsule_recover(struct capsule *c)
{
    for (unsigned i = 0; i < c->logs; i++) {
        struct capsule_log *log = &c->log[i];

        /* The count is cleared last: a crash in here repeats the same stores. */
        undo_entries(c, log, log->state & CAPSULE_COUNT_MASK);
        CAPSULE_ORDER();
        log->state &= ~CAPSULE_COUNT_MASK;
    }
    for (unsigned i = 0; i < c->sections; i++)
        c->section[i].lock = 0;
}

static enum cl_status section_create(struct capsule *c, const char *name, uint32_t version, uint32_t size,
                                     struct capsule_section **section)
{
    struct capsule_section *s = &c->section[c->sections];
    uint32_t length = align_up(size);

    if (c->sections == CAPSULE_SECTIONS_MAX || length < size || length > c->size - c->used)
        return CL_NO_MEMORY;
    memset(s, 0, sizeof(*s));
    memcpy(s->name, name, strlen(name));
    s->version = version;
    s->offset = c->used;
    s->size = size;
    memset((uint8_t *)c + s->offset, 0, length);
    c->used += length;
    CAPSULE_ORDER();
    c->sections++;
    *section = s;
    return CL_OK;
}

enum cl_status capsule_section(struct capsule *c, const char *name, uint32_t version, uint32_t size,
                               struct capsule_section **section, bool *created)
{
    if (strlen(name) >= CAPSULE_NAME_MAX)
        return CL_BAD_ARGUMENT;
    for (unsigned i = 0; i < c->sections; i++) {
        struct capsule_section *s = &c->section[i];

        if (strcmp(s->name, name) != 0)
            continue;
        if (s->version != version || s->size != size)
            return CL_CORRUPT;
        *section = s;
        *created = false;
        return CL_OK;
    }
    *created = true;
    return section_create(c, name, version, size, section);
}

void capsule_tx_init(struct capsule_tx *tx, struct capsule *c, unsigned log)
{
    assert(log < c->logs);
    memset(tx, 0, sizeof(*tx));
    tx->capsule = c;
    tx->log = &c->log[log];
    tx->published = tx->log->state & ~CAPSULE_COUNT_MASK;
}

void capsule_exit_begin(struct capsule_tx *tx, uint64_t sequence)
{
    uint64_t state = tx->log->state;

    tx->sequence = sequence;
    tx->step = 0;
    tx->replay = 0;
    if (state >> CAPSULE_SEQUENCE_SHIFT == sequence)
        tx->replay = (uint32_t)(state >> CAPSULE_STEP_SHIFT & CAPSULE_STEP_MASK);
}

void capsule_abort(struct capsule_tx *tx)
{
    undo_entries(tx->capsule, tx->log, tx->count);
    capsule_commit_quietly(tx);
}

void capsule_outcome_publish(struct capsule_tx *tx)
{
    CAPSULE_ORDER();
    CAPSULE_STORED();
    tx->published = tx->sequence << CAPSULE_SEQUENCE_SHIFT | CAPSULE_FINAL | (uint64_t)tx->step << CAPSULE_STEP_SHIFT;
    *(volatile uint64_t *)&tx->log->state = tx->published;
    CAPSULE_STORED();
}

bool capsule_outcome_known(const struct capsule_tx *tx)
{
    return tx->published >> CAPSULE_SEQUENCE_SHIFT == tx->sequence && (tx->published & CAPSULE_FINAL) != 0;
}

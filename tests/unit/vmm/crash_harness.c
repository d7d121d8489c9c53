/* SPDX-License-Identifier: Apache-2.0 */
/* crash_harness.c: see the header. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/vmm/crash_harness.h"

#define START_NS UINT64_C(10000000000)
#define WALL_NS UINT64_C(1700000000000000000) /* 2023-11-14 22:13:20 UTC */

static jmp_buf crash_point;
static unsigned stores_left;
static unsigned stores_seen;

static void count_store(void)
{
    stores_seen++;
}

static void crash_on_store(void)
{
    if (stores_left-- == 0)
        longjmp(crash_point, 1);
}

static void on_msi(void *context, uint64_t address, uint32_t data)
{
    struct fake *f = context;

    assert_true(f->outside.messages < FAKE_LOG_MAX);
    f->outside.message[f->outside.messages++] = (struct fake_message){ address, data };
}

static void on_extint(void *context, bool level)
{
    ((struct fake *)context)->outside.extint = level;
}

/* Time never stands still between two looks at the clock. */
static uint64_t on_now(void *context)
{
    struct fake *f = context;

    return f->now_ns + (f->running ? f->looks++ : 0);
}

static uint64_t on_wall(void *context)
{
    return ((struct fake *)context)->wall_ns;
}

static void on_request(void *context, enum machine_request request, uint32_t value)
{
    struct fake *f = context;

    f->outside.requests++;
    f->outside.request = request;
    f->outside.request_value = value;
}

static size_t on_serial(void *context, unsigned port, uint64_t position, const uint8_t *bytes, size_t length)
{
    struct fake *f = context;

    (void)port;
    if (length > f->serial_room)
        length = f->serial_room;
    for (size_t i = 0; i < length; i++)
        f->outside.serial[(position + i) % sizeof(f->outside.serial)] = bytes[i];
    if (position + length > f->outside.serial_total)
        f->outside.serial_total = position + length;
    return length;
}

static void on_room(void *context, unsigned port)
{
    (void)context;
    (void)port;
}

static void on_deadline(void *context, uint64_t deadline)
{
    ((struct fake *)context)->outside.deadline = deadline;
}

static void on_log(void *context, const char *text)
{
    struct fake *f = context;

    f->logged++;
    (void)snprintf(f->last_log, sizeof(f->last_log), "%s", text);
}

static void on_yield(void *context)
{
    (void)context;
    fail_msg("a lock is held that nobody will release");
}

static const struct host_ops fake_host = { .msi = on_msi,
                                           .extint = on_extint,
                                           .now_ns = on_now,
                                           .wall_ns = on_wall,
                                           .request = on_request,
                                           .serial_write = on_serial,
                                           .serial_room = on_room,
                                           .deadline = on_deadline,
                                           .log = on_log,
                                           .yield = on_yield };

struct fake *fake_create(void)
{
    struct fake *f = calloc(1, sizeof(*f));
    struct capsule *capsule;
    struct guest_memory memory = { 0 };

    assert_non_null(f);
    f->capsule = aligned_alloc(4096, FAKE_CAPSULE_BYTES);
    f->ram = aligned_alloc(4096, FAKE_RAM_BYTES);
    assert_non_null(f->capsule);
    assert_non_null(f->ram);
    memset(f->capsule, 0, FAKE_CAPSULE_BYTES);
    memset(f->ram, 0, FAKE_RAM_BYTES);
    f->now_ns = START_NS;
    f->wall_ns = WALL_NS;
    f->serial_room = SIZE_MAX;
    memory.low = f->ram;
    memory.low_bytes = FAKE_RAM_BYTES;
    assert_int_equal(capsule_create(f->capsule, FAKE_CAPSULE_BYTES, 2, &capsule), CL_OK);
    machine_init(&f->machine, capsule, &memory, &fake_host, f);
    assert_int_equal(machine_add_standard(&f->machine), CL_OK);
    capsule_tx_init(&f->tx, capsule, 0);
    machine_reset(&f->machine, &f->tx);
    memset(&f->outside, 0, sizeof(f->outside));
    return f;
}

void fake_destroy(struct fake *f)
{
    free(f->capsule);
    free(f->ram);
    free(f);
}

/* Sections only: logs and results differ between runs, and are nobody's state. */
static bool sections_equal(const uint8_t *a, const uint8_t *b)
{
    const struct capsule *c = (const struct capsule *)a;

    for (unsigned i = 0; i < c->sections; i++)
        if (memcmp(a + c->section[i].offset, b + c->section[i].offset, c->section[i].size) != 0)
            return false;
    return true;
}

static bool has_message(const struct fake_outside *o, const struct fake_message *m)
{
    for (unsigned i = 0; i < o->messages; i++)
        if (o->message[i].address == m->address && o->message[i].data == m->data)
            return true;
    return false;
}

/* The same effects, where a message that was sent again counts once. */
static void assert_same_outside(const struct fake_outside *a, const struct fake_outside *b)
{
    for (unsigned i = 0; i < a->messages; i++)
        assert_true(has_message(b, &a->message[i]));
    for (unsigned i = 0; i < b->messages; i++)
        assert_true(has_message(a, &b->message[i]));
    assert_int_equal(a->extint, b->extint);
    assert_int_equal(a->requests != 0, b->requests != 0);
    assert_int_equal(a->request, b->request);
    assert_int_equal(a->request_value, b->request_value);
    assert_int_equal(a->serial_total, b->serial_total);
    assert_memory_equal(a->serial, b->serial, sizeof(a->serial));
}

/* A new VMM takes over. */
static void take_over(struct fake *f)
{
    struct capsule *capsule;

    capsule_store_hook = NULL;
    assert_int_equal(capsule_attach(f->capsule, FAKE_CAPSULE_BYTES, &capsule), CL_OK);
    capsule_recover(capsule);
    capsule_tx_init(&f->tx, capsule, 0);
}

struct states {
    uint8_t *before, *after;
    struct fake_outside outside_before, outside_after;
    uint64_t result;
    unsigned stores;
};

/* The undisturbed run. */
static void run_whole(struct fake *f, struct states *s, fake_operation *operation, void *argument, bool exit)
{
    s->before = malloc(FAKE_CAPSULE_BYTES);
    s->after = malloc(FAKE_CAPSULE_BYTES);
    assert_non_null(s->before);
    assert_non_null(s->after);
    memcpy(s->before, f->capsule, FAKE_CAPSULE_BYTES);
    s->outside_before = f->outside;
    stores_seen = 0;
    capsule_store_hook = count_store;
    if (exit)
        capsule_exit_begin(&f->tx, ++f->sequence);
    s->result = operation(f, argument);
    capsule_store_hook = NULL;
    s->stores = stores_seen;
    machine_derive(&f->machine, &f->tx);
    memcpy(s->after, f->capsule, FAKE_CAPSULE_BYTES);
    s->outside_after = f->outside;
}

/* Back to the state before, then run until the store with this number. False: there is none. */
static bool run_until(struct fake *f, const struct states *s, unsigned store, fake_operation *operation, void *argument,
                      bool exit)
{
    memcpy(f->capsule, s->before, FAKE_CAPSULE_BYTES);
    f->outside = s->outside_before;
    capsule_tx_init(&f->tx, (struct capsule *)f->capsule, 0);
    stores_left = store;
    if (setjmp(crash_point) != 0)
        return true;
    capsule_store_hook = crash_on_store;
    if (exit)
        capsule_exit_begin(&f->tx, f->sequence);
    (void)operation(f, argument);
    capsule_store_hook = NULL;
    return false;
}

static void end(struct fake *f, struct states *s)
{
    memcpy(f->capsule, s->after, FAKE_CAPSULE_BYTES);
    f->outside = s->outside_after;
    capsule_tx_init(&f->tx, (struct capsule *)f->capsule, 0);
    free(s->before);
    free(s->after);
}

uint64_t crash_exit(struct fake *f, fake_operation *operation, void *argument)
{
    static struct states s;

    run_whole(f, &s, operation, argument, true);
    for (unsigned store = 0; store < s.stores; store++) {
        assert_true(run_until(f, &s, store, operation, argument, true));
        take_over(f);
        capsule_exit_begin(&f->tx, f->sequence);
        if (f->tx.replay == 0)
            assert_true(sections_equal(f->capsule, s.before));
        machine_derive(&f->machine, &f->tx);
        assert_int_equal(operation(f, argument), s.result);
        machine_derive(&f->machine, &f->tx);
        assert_true(sections_equal(f->capsule, s.after));
        assert_same_outside(&f->outside, &s.outside_after);
    }
    end(f, &s);
    return s.result;
}

void crash_quiet(struct fake *f, fake_operation *operation, void *argument)
{
    static struct states s;

    run_whole(f, &s, operation, argument, false);
    for (unsigned store = 0; store < s.stores; store++) {
        assert_true(run_until(f, &s, store, operation, argument, false));
        take_over(f);
        machine_derive(&f->machine, &f->tx);
        if (sections_equal(f->capsule, s.before))
            continue;
        /* Of several devices' timers some have run: the new VMM's main loop runs the rest. */
        if (!sections_equal(f->capsule, s.after))
            (void)operation(f, argument);
        assert_true(sections_equal(f->capsule, s.after));
        assert_same_outside(&f->outside, &s.outside_after);
    }
    end(f, &s);
}

struct access {
    uint64_t address, value;
    unsigned size;
};

static uint64_t do_in(struct fake *f, void *argument)
{
    const struct access *a = argument;

    return bus_io_read(&f->machine.bus, &f->tx, (uint16_t)a->address, a->size);
}

static uint64_t do_out(struct fake *f, void *argument)
{
    const struct access *a = argument;

    bus_io_write(&f->machine.bus, &f->tx, (uint16_t)a->address, a->size, (uint32_t)a->value);
    return 0;
}

static uint64_t do_read(struct fake *f, void *argument)
{
    const struct access *a = argument;

    return bus_memory_read(&f->machine.bus, &f->tx, a->address, a->size);
}

static uint64_t do_write(struct fake *f, void *argument)
{
    const struct access *a = argument;

    bus_memory_write(&f->machine.bus, &f->tx, a->address, a->size, a->value);
    return 0;
}

uint32_t fake_in(struct fake *f, uint16_t port, unsigned size)
{
    return (uint32_t)crash_exit(f, do_in, &(struct access){ port, 0, size });
}

void fake_out(struct fake *f, uint16_t port, unsigned size, uint32_t value)
{
    (void)crash_exit(f, do_out, &(struct access){ port, value, size });
}

uint64_t fake_read(struct fake *f, uint64_t address, unsigned size)
{
    return crash_exit(f, do_read, &(struct access){ address, 0, size });
}

void fake_write(struct fake *f, uint64_t address, unsigned size, uint64_t value)
{
    (void)crash_exit(f, do_write, &(struct access){ address, value, size });
}

static uint64_t do_timers(struct fake *f, void *argument)
{
    (void)argument;
    machine_timers(&f->machine, &f->tx);
    return 0;
}

void fake_pass(struct fake *f, uint64_t ns)
{
    uint64_t end_ns = f->now_ns + ns, wall_at_end = f->wall_ns + ns;

    for (;;) {
        uint64_t deadline = machine_deadline(&f->machine);

        if (deadline > end_ns)
            break;
        if (deadline > f->now_ns) {
            f->wall_ns += deadline - f->now_ns;
            f->now_ns = deadline;
        }
        crash_quiet(f, do_timers, NULL);
    }
    f->now_ns = end_ns;
    f->wall_ns = wall_at_end;
    f->looks = 0;
}

void fake_storm_ports(struct fake *f, uint16_t port, unsigned count, unsigned rounds)
{
    uint32_t seed = 12345;

    for (unsigned i = 0; i < rounds; i++) {
        struct access a;

        seed = seed * 1664525 + 1013904223;
        a.address = port + (seed >> 8) % count;
        a.size = 1u << (seed >> 28) % 3;
        a.value = seed * 2654435761u;
        f->now_ns += seed >> 12;
        f->wall_ns += seed >> 12;
        capsule_exit_begin(&f->tx, ++f->sequence);
        if (seed & 0x80)
            (void)do_in(f, &a);
        else
            (void)do_out(f, &a);
        machine_timers(&f->machine, &f->tx);
        f->outside.messages = 0;
        f->outside.serial_total = 0;
        if (f->tx.count != 0)
            fail_msg("an operation was left open");
    }
}

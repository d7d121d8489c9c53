/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: vmm/capsule.c vmm/bus.c vmm/machine.c vmm/irq.c vmm/pic8259.c vmm/ioapic.c vmm/uart16550.c vmm/pit8254.c
 * vmm/rtc.c vmm/pm.c vmm/i8042.c vmm/pvpanic.c vmm/debug_exit.c vmm/delay_ports.c vmm/serial.c lib/channel.c
 * tests/unit/vmm/crash_harness.c */
/* test_serial.c: COM1 and the console service hold each other back, and nothing is lost on the way. */
#include "tests/unit/vmm/crash_harness.h"

#include <stdlib.h>

#include "lib/syscall.h"
#include "vmm/serial.h"
#include "vmm/start.h"

#define COM1 0x3F8
#define EVENTS 7u /* slots */
#define PEER 9u
#define ENTRIES 4u
#define LSR_DR 0x01u
#define LSR_THRE 0x20u

static struct serial serial;
static struct channel_end end, peer;
static void *memory;
static uint64_t woken;      /* bits of the VMM's notification */
static unsigned peer_rings; /* bells of the console service */
static unsigned logged;

struct cl_result cl_syscall6(enum syscall_number number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                             uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    assert_int_equal(number, SYS_NOTIFY);
    assert_true(a == EVENTS || a == PEER);
    if (a == EVENTS)
        woken |= b;
    else
        peer_rings++;
    return (struct cl_result){ CL_OK, 0 };
}

static size_t on_write(void *context, unsigned port, uint64_t position, const uint8_t *bytes, size_t length)
{
    (void)context;
    assert_int_equal(port, 0);
    return serial_write(&serial, position, bytes, length);
}

static void on_room(void *context, unsigned port)
{
    (void)context;
    (void)port;
    serial_room(&serial);
}

static void on_log(void *context, const char *text)
{
    (void)context;
    (void)text;
    logged++;
}

static uint8_t in(struct fake *f, uint16_t port)
{
    capsule_exit_begin(&f->tx, ++f->sequence);
    return (uint8_t)bus_io_read(&f->machine.bus, &f->tx, port, 1);
}

static void out(struct fake *f, uint16_t port, uint8_t value)
{
    capsule_exit_begin(&f->tx, ++f->sequence);
    bus_io_write(&f->machine.bus, &f->tx, port, 1, value);
}

/* A machine whose COM1 leads to `peer` through a ring of ENTRIES messages. */
static int setup(void **context)
{
    static const uint32_t pools[2] = { ENTRIES * STREAM_MESSAGE_MAX, ENTRIES * STREAM_INPUT_MESSAGE_MAX };
    static struct host_ops host;
    uint64_t size = channel_size_bytes(ENTRIES, pools);
    struct fake *f = fake_create();

    memory = aligned_alloc(4096, size);
    memset(memory, 0, size);
    assert_int_equal(channel_create(memory, size, ENTRIES, pools), CL_OK);
    assert_int_equal(channel_open(&end, memory, size, CHANNEL_SIDE_A), CL_OK);
    assert_int_equal(channel_open(&peer, memory, size, CHANNEL_SIDE_B), CL_OK);
    host = *f->machine.host;
    host.serial_write = on_write;
    host.serial_room = on_room;
    host.log = on_log;
    f->machine.host = &host;
    serial_connect(&serial, &f->machine, &end, PEER, 1, EVENTS);
    out(f, COM1 + 4, 0x0B);
    out(f, COM1 + 2, 0x01);
    woken = 0;
    peer_rings = logged = 0;
    *context = f;
    return 0;
}

static int teardown(void **context)
{
    fake_destroy(*context);
    free(memory);
    return 0;
}

static uint8_t letter(unsigned position)
{
    return (uint8_t)('a' + position % 26);
}

/* The guest sends bytes number `first` and on as long as THRE says that it may, up to `count`. Returns how many. */
static unsigned guest_sends(struct fake *f, unsigned first, unsigned count)
{
    unsigned sent = 0;

    for (; sent < count && in(f, COM1 + 5) & LSR_THRE; sent++)
        out(f, COM1, letter(first + sent));
    return sent;
}

/* The console service takes all that is there, and rings if it has to. */
static unsigned peer_takes(unsigned first)
{
    uint8_t bytes[STREAM_MESSAGE_MAX];
    struct channel_descriptor d;
    unsigned total = 0;

    while (channel_receive(&peer, &d, bytes, sizeof(bytes)) == CL_OK) {
        for (unsigned i = 0; i < d.length; i++)
            assert_int_equal(bytes[i], letter(first + total + i));
        total += d.length;
    }
    if (channel_made_room(&peer))
        woken |= UINT64_C(1) << VMM_EVENT_CONSOLE;
    return total;
}

static void a_line_is_sent_at_its_end_anything_else_a_little_later(void **context)
{
    struct fake *f = *context;
    struct channel_descriptor d;
    uint8_t text[STREAM_MESSAGE_MAX];

    for (const char *c = "line\nrest"; *c != '\0'; c++)
        out(f, COM1, (uint8_t)*c);
    assert_int_equal(peer_rings, 1);
    assert_int_equal(channel_receive(&peer, &d, text, sizeof(text)), CL_OK);
    assert_int_equal(d.length, 5);
    assert_int_equal(channel_receive(&peer, &d, text, sizeof(text)), CL_NOT_FOUND);
    assert_true(woken & UINT64_C(1) << VMM_EVENT_TIMER);
    serial_serve(&serial, &f->tx);
    assert_int_equal(channel_receive(&peer, &d, text, sizeof(text)), CL_NOT_FOUND);
    f->now_ns = serial_deadline(&serial);
    serial_serve(&serial, &f->tx);
    assert_int_equal(channel_receive(&peer, &d, text, sizeof(text)), CL_OK);
    assert_int_equal(d.length, 4);
    assert_int_equal(serial_deadline(&serial), DEADLINE_NEVER);
}

static void a_console_that_does_not_read_holds_the_guest_back(void **context)
{
    struct fake *f = *context;
    unsigned sent = guest_sends(f, 0, 100000), taken = 0;

    assert_true(sent >= (ENTRIES + 1) * STREAM_MESSAGE_MAX && sent < 100000);
    assert_false(serial_flush(&serial));
    while (sent < 100000 || taken < sent) {
        woken = 0;
        taken += peer_takes(taken);
        assert_true(taken == sent || woken & UINT64_C(1) << VMM_EVENT_CONSOLE);
        if (woken == 0)
            f->now_ns = serial_deadline(&serial);
        serial_serve(&serial, &f->tx);
        sent += guest_sends(f, sent, 100000 - sent);
        if (sent == 100000)
            (void)!serial_flush(&serial);
    }
    assert_int_equal(taken, sent);
    assert_int_equal(serial.dropped, 0);
}

static void a_console_that_reads_nothing_for_long_does_not_stop_the_guest(void **context)
{
    struct fake *f = *context;
    unsigned sent = guest_sends(f, 0, 100000), taken;

    assert_true(woken & UINT64_C(1) << VMM_EVENT_TIMER);
    assert_int_equal(serial_deadline(&serial), serial.refused_ns + STREAM_PATIENCE_NS);
    f->now_ns = serial_deadline(&serial);
    serial_serve(&serial, &f->tx);
    assert_true(in(f, COM1 + 5) & LSR_THRE);
    assert_int_equal(serial_deadline(&serial), DEADLINE_NEVER);
    assert_int_equal(guest_sends(f, sent, 5000), 5000);
    assert_int_equal(logged, 1);
    assert_true(serial_flush(&serial));
    /* when it reads again, what comes then is held back again */
    taken = peer_takes(0);
    serial_serve(&serial, &f->tx);
    taken += peer_takes(taken);
    assert_true(serial.dropped > 0 && taken + serial.dropped == sent + 5000);
    assert_true(guest_sends(f, 0, 100000) < 100000);
}

static void typed_bytes_wait_for_the_guest_and_the_operator_for_them(void **context)
{
    struct fake *f = *context;
    unsigned typed = 0, read = 0;
    uint32_t space;

    while (read < 5000) {
        uint8_t bytes[STREAM_INPUT_MESSAGE_MAX];

        for (unsigned i = 0; i < sizeof(bytes); i++)
            bytes[i] = letter(typed + i);
        while (channel_send(&peer, bytes, sizeof(bytes), STREAM_BYTES, 0) == CL_OK) {
            (void)!channel_publish(&peer);
            typed += (unsigned)sizeof(bytes);
            for (unsigned i = 0; i < sizeof(bytes); i++)
                bytes[i] = letter(typed + i);
        }
        peer_rings = 0;
        woken = 0;
        serial_serve(&serial, &f->tx);
        assert_false(serial_arm(&serial)); /* it sleeps although more lies there */
        assert_int_equal(channel_space(&peer, &space), CL_OK);
        assert_int_equal(peer_rings, space > 0 ? 1 : 0);
        assert_true(in(f, COM1 + 5) & LSR_DR);
        while (in(f, COM1 + 5) & LSR_DR)
            assert_int_equal(in(f, COM1), letter(read++));
        assert_true(woken & UINT64_C(1) << VMM_EVENT_CONSOLE);
    }
    assert_true(typed - read < (ENTRIES + 2) * STREAM_INPUT_MESSAGE_MAX);
}

static void a_console_that_breaks_the_protocol_is_not_listened_to(void **context)
{
    struct fake *f = *context;
    struct channel_header *header = memory;

    ((struct channel_ring *)((uint8_t *)memory + header->ring_offset[1]))->produced = 1000;
    serial_serve(&serial, &f->tx);
    serial_serve(&serial, &f->tx);
    assert_int_equal(logged, 1);
    assert_false(serial_arm(&serial));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_is_sent_at_its_end_anything_else_a_little_later, setup, teardown),
        cmocka_unit_test_setup_teardown(a_console_that_does_not_read_holds_the_guest_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_console_that_reads_nothing_for_long_does_not_stop_the_guest, setup, teardown),
        cmocka_unit_test_setup_teardown(typed_bytes_wait_for_the_guest_and_the_operator_for_them, setup, teardown),
        cmocka_unit_test_setup_teardown(a_console_that_breaks_the_protocol_is_not_listened_to, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: services/console/input.c services/console/line_editor.c */
/* test_input.c: what is typed at the console is used once, in order, and only when it can be used. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/runtime.h"
#include "services/console/commands.h"
#include "services/console/console.h"
#include "services/console/uart.h"
#include "services/protocol/stream.h"

#define PORT_MAX 64u
#define GUEST 3u

struct console console;

static uint8_t port[PORT_MAX];
static size_t port_count;
static char guest[256]; /* what the guest took */
static size_t guest_count, guest_room;
static uint64_t now_ns;
static unsigned left, given_up;
static char entered[256]; /* lines, '|' behind each */

uint64_t cl_monotonic_ns(void)
{
    return now_ns;
}

size_t uart_received(const uint8_t **bytes)
{
    *bytes = port;
    return port_count;
}

void uart_used(size_t count)
{
    port_count -= count;
    memmove(port, port + count, port_count);
}

bool uart_is_full(void)
{
    return port_count == PORT_MAX;
}

bool uart_overrun(void)
{
    return false;
}

size_t streams_type(const uint8_t *bytes, size_t length)
{
    size_t taken = length < guest_room ? length : guest_room;

    memcpy(guest + guest_count, bytes, taken);
    guest_count += taken;
    guest_room -= taken;
    return taken;
}

void streams_leave(void)
{
    left++;
    console.attached = CONSOLE_NOBODY;
}

void console_print(const char *format, ...)
{
    if (strstr(format, "takes no input") != NULL)
        given_up++;
}

void console_show(const struct editor_output *out)
{
    (void)out;
}

void console_prompt(void)
{
}

void commands_complete(struct editor *editor, struct editor_output *out)
{
    (void)editor;
    (void)out;
}

/* Every command is a request that is answered later. */
void commands_run(const char *line)
{
    strcat(entered, line);
    strcat(entered, "|");
    console.cookie = 1;
}

static void type(const char *text)
{
    for (; *text != '\0'; text++) {
        assert_true(port_count < PORT_MAX);
        port[port_count++] = (uint8_t)*text;
    }
    input_take();
}

static int setup(void **context)
{
    (void)context;
    memset(&console, 0, sizeof(console));
    console.attached = CONSOLE_NOBODY;
    editor_init(&console.editor, "> ");
    port_count = guest_count = guest_room = left = given_up = 0;
    memset(guest, 0, sizeof(guest));
    entered[0] = '\0';
    now_ns += UINT64_C(3600000000000);
    return 0;
}

static void lines_that_are_typed_ahead_wait_for_the_answer(void **context)
{
    (void)context;
    type("list\rnet\rinf");
    assert_string_equal(entered, "list|");
    console.cookie = 0;
    input_take();
    assert_string_equal(entered, "list|net|");
    console.cookie = 0;
    type("o\r");
    assert_string_equal(entered, "list|net|info|");
    assert_int_equal(port_count, 0);
}

static void what_a_guest_does_not_take_stays_in_the_port(void **context)
{
    (void)context;
    console.attached = GUEST;
    guest_room = 5;
    type("hello world");
    assert_string_equal(guest, "hello");
    assert_int_equal(port_count, 6);
    assert_int_equal(input_deadline(), UINT64_MAX);
    guest_room = 100;
    input_take();
    assert_string_equal(guest, "hello world");
    assert_int_equal(port_count, 0);
}

static void the_escape_comes_after_what_was_typed_before_it(void **context)
{
    (void)context;
    console.attached = GUEST;
    guest_room = 3;
    type("poweroff\r\x1dlist\r");
    assert_int_equal(left, 0);
    now_ns += STREAM_PATIENCE_NS - 1;
    guest_room = 3; /* slow, but it takes something now and then */
    input_take();
    now_ns += STREAM_PATIENCE_NS - 1;
    guest_room = 100;
    input_take();
    assert_string_equal(guest, "poweroff\r");
    assert_int_equal(left, 1);
    assert_string_equal(entered, "list|");
    assert_int_equal(given_up, 0);
}

static void who_leaves_a_guest_that_takes_nothing_does_not_wait_for_ever(void **context)
{
    (void)context;
    console.attached = GUEST;
    guest_room = 2;
    type("ls\rls\r\x1d");
    assert_int_equal(left, 0);
    assert_int_equal(input_deadline(), now_ns + STREAM_PATIENCE_NS);
    now_ns = input_deadline();
    input_take();
    assert_int_equal(left, 1);
    assert_int_equal(given_up, 1);
    assert_int_equal(input_deadline(), UINT64_MAX);
}

static void a_full_port_is_emptied_when_the_guest_takes_nothing_for_long(void **context)
{
    char text[PORT_MAX];

    (void)context;
    console.attached = GUEST;
    guest_room = 1;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    type(text);
    now_ns += 2 * STREAM_PATIENCE_NS; /* there is room for the escape: nothing is lost yet */
    input_take();
    assert_int_equal(port_count, PORT_MAX - 2);
    type("yz");
    assert_int_equal(given_up, 0); /* a busy guest may take its time */
    assert_true(input_deadline() > now_ns + 4 * STREAM_PATIENCE_NS);
    now_ns = input_deadline();
    input_take();
    assert_int_equal(given_up, 1);
    assert_int_equal(port_count, 0);
    type("\x1d");
    assert_int_equal(left, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(lines_that_are_typed_ahead_wait_for_the_answer, setup),
        cmocka_unit_test_setup(what_a_guest_does_not_take_stays_in_the_port, setup),
        cmocka_unit_test_setup(the_escape_comes_after_what_was_typed_before_it, setup),
        cmocka_unit_test_setup(who_leaves_a_guest_that_takes_nothing_does_not_wait_for_ever, setup),
        cmocka_unit_test_setup(a_full_port_is_emptied_when_the_guest_takes_nothing_for_long, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

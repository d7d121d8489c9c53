/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: services/console/trace_ring.c */
/* test_trace.c: reading a trace ring while its CPU writes it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "services/console/trace.h"

static struct trace_ring ring;
static struct trace_line lines[2 * TRACE_RECORDS];

static void write_records(uint64_t count)
{
    memset(&ring, 0, sizeof(ring));
    ring.cpu = 3;
    for (; ring.next < count; ring.next++)
        ring.record[ring.next % TRACE_RECORDS] =
            (struct trace_record){ .tsc = 1000 + ring.next, .type = TRACE_SWITCH, .a = (uint32_t)ring.next };
}

static void a_new_ring_gives_what_was_written(void **state)
{
    (void)state;
    write_records(0);
    assert_int_equal(trace_copy(&ring, lines), 0);
    write_records(5);
    assert_int_equal(trace_copy(&ring, lines), 5);
    assert_int_equal(lines[0].record.a, 0);
    assert_int_equal(lines[4].record.a, 4);
    assert_int_equal(lines[4].cpu, 3);
}

/* The oldest one stands where the CPU may be writing right now. */
static void a_full_ring_gives_all_but_the_oldest_in_order(void **state)
{
    (void)state;
    write_records(1000);
    assert_int_equal(trace_copy(&ring, lines), TRACE_RECORDS - 1);
    for (unsigned i = 0; i < TRACE_RECORDS - 1; i++)
        assert_int_equal(lines[i].record.a, 1000 - TRACE_RECORDS + 1 + i);
}

static void rings_are_merged_by_time(void **state)
{
    size_t count;

    (void)state;
    write_records(10);
    count = trace_copy(&ring, lines);
    count += trace_copy(&ring, lines + count);
    trace_sort(lines, count);
    for (size_t i = 1; i < count; i++)
        assert_true(lines[i - 1].record.tsc <= lines[i].record.tsc);
}

static void a_record_is_told_in_words(void **state)
{
    const struct trace_record thread = { .type = TRACE_SWITCH, .a = 0x34 }, idle = { .type = TRACE_SWITCH },
                              strange = { .type = 99 };
    char text[80];

    (void)state;
    trace_describe(&thread, text, sizeof(text));
    assert_string_equal(text, "thread 34");
    trace_describe(&idle, text, sizeof(text));
    assert_string_equal(text, "idle");
    trace_describe(&strange, text, sizeof(text));
    assert_string_equal(text, "event 99");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_ring_gives_what_was_written),
        cmocka_unit_test(a_full_ring_gives_all_but_the_oldest_in_order),
        cmocka_unit_test(rings_are_merged_by_time),
        cmocka_unit_test(a_record_is_told_in_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: services/console/line_editor.c services/console/command_table.c services/console/scrollback.c
 *          services/common/words.c */
/* test_line_editor.c: what is typed becomes the line that was meant; what VMs print harms no terminal. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "services/console/commands.h"
#include "services/console/line_editor.h"
#include "services/console/scrollback.h"
#include "services/protocol/operator.h"

static struct editor editor;
static struct editor_output out;

static int setup(void **state)
{
    (void)state;
    editor_init(&editor, "> ");
    out.length = 0;
    editor_begin(&editor, &out);
    return 0;
}

static enum editor_event type(const char *keys)
{
    enum editor_event event = EDITOR_NONE;

    for (; *keys != '\0'; keys++) {
        out.length = 0;
        event = editor_key(&editor, (uint8_t)*keys, &out);
    }
    return event;
}

/* Enter a line and begin the next one. */
static void enter(const char *line)
{
    type(line);
    assert_int_equal(type("\r"), EDITOR_LINE);
    assert_string_equal(editor.text, line);
    editor_begin(&editor, &out);
}

static void a_line_is_what_was_typed(void **state)
{
    (void)state;
    assert_int_equal(type("list\r"), EDITOR_LINE);
    assert_string_equal(editor.text, "list");
}

static void the_cursor_moves_and_letters_go_where_it_is(void **state)
{
    (void)state;
    type("lst\x1b[D\x1b[D"
         "i");
    assert_string_equal(editor.text, "list");
    type("\x01> \x05!");
    assert_string_equal(editor.text, "> list!");
    type("\x1b[H\x1b[3~\x1b[3~\x1b[F\x7f");
    assert_string_equal(editor.text, "list");
    type("\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\x7f\x1b[C\x0b");
    assert_string_equal(editor.text, "l");
    type(" two three\x17");
    assert_string_equal(editor.text, "l two ");
    type("\x15");
    assert_string_equal(editor.text, "");
}

static void arrows_recall_earlier_lines_and_come_back(void **state)
{
    (void)state;
    enter("one");
    enter("two");
    enter("two");
    type("thr");
    type("\x1b[A");
    assert_string_equal(editor.text, "two");
    type("\x1b[A");
    assert_string_equal(editor.text, "one");
    type("\x1b[A");
    assert_string_equal(editor.text, "one");
    type("\x1b[B\x1b[B");
    assert_string_equal(editor.text, "thr");
    type("\x1b[B");
    assert_string_equal(editor.text, "thr");
}

static void history_keeps_the_latest_lines(void **state)
{
    char line[16];

    (void)state;
    for (int i = 0; i < 40; i++) {
        snprintf(line, sizeof(line), "l%d", i);
        enter(line);
    }
    for (int i = 0; i < 50; i++)
        type("\x10");
    assert_string_equal(editor.text, "l8");
}

static void a_line_that_is_too_long_is_cut_and_nothing_breaks(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++)
        type("x");
    assert_int_equal(editor.length, EDITOR_LINE_MAX);
    assert_int_equal(type("\r"), EDITOR_LINE);
    assert_int_equal(strlen(editor.text), EDITOR_LINE_MAX);
}

static void any_bytes_leave_a_sound_line(void **state)
{
    static const char *const words[] = { "start", "stats" };

    (void)state;
    srand(7);
    for (int i = 0; i < 200000; i++) {
        out.length = 0;
        enum editor_event event =
            editor_key(&editor, (uint8_t)(rand() % 4 == 0 ? "\x1b[ABCD3~\x01\x7f"[rand() % 10] : rand()), &out);
        if (event == EDITOR_LINE)
            editor_begin(&editor, &out);
        else if (event == EDITOR_COMPLETE)
            editor_complete(&editor, words, 2, &out);
        assert_true(editor.length <= EDITOR_LINE_MAX && editor.cursor <= editor.length);
        assert_int_equal(strlen(editor.text), editor.length);
        assert_true(out.length <= EDITOR_OUTPUT_MAX);
    }
}

static void tab_completes_one_extends_several_and_lists_the_rest(void **state)
{
    static const char *const words[] = { "shutdown", "start", "stats", "suspend" };

    (void)state;
    assert_int_equal(type("sh\t"), EDITOR_COMPLETE);
    editor_complete(&editor, words, 4, &out);
    assert_string_equal(editor.text, "shutdown ");
    assert_int_equal(editor_word_number(&editor), 1);
    type("\x15st");
    editor_complete(&editor, words, 4, &out);
    assert_string_equal(editor.text, "sta");
    out.length = 0;
    editor_complete(&editor, words, 4, &out);
    assert_string_equal(editor.text, "sta");
    out.text[out.length] = '\0';
    assert_non_null(strstr(out.text, "start  stats  "));
    type("\x15zz");
    editor_complete(&editor, words, 4, &out);
    assert_string_equal(editor.text, "zz");
}

static void commands_are_checked_before_they_are_sent(void **state)
{
    static const char *const vms[] = { "alpha", "beta" };
    struct command_line parsed;

    (void)state;
    command_parse("  start   alpha ", vms, 2, &parsed);
    assert_non_null(parsed.command);
    assert_int_equal(parsed.command->verb, OPERATOR_START);
    assert_string_equal(parsed.argument, "alpha");
    command_parse("", vms, 2, &parsed);
    assert_null(parsed.command);
    assert_string_equal(parsed.error, "");
    static const char *const wrong[][2] = {
        { "lits", "did you mean 'list'" },
        { "xyzzy", "'help' lists" },
        { "start", "which VM? usage: start NAME" },
        { "start alhpa", "mean 'alpha'" },
        { "start gamma9", "'list' shows" },
        { "list alpha", "takes nothing" },
        { "log ten", "is no number" },
        { "start alpha beta", "too many" },
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        command_parse(wrong[i][0], vms, 2, &parsed);
        assert_null(parsed.command);
        assert_non_null(strstr(parsed.error, wrong[i][1]));
    }
    command_parse("stats live", vms, 2, &parsed);
    assert_non_null(parsed.command);
    command_parse("log 5", vms, 2, &parsed);
    assert_string_equal(parsed.argument, "5");
}

static void scrollback_keeps_the_latest_bytes(void **state)
{
    static struct scrollback scrollback;
    static uint8_t bytes[2 * SCROLLBACK_BYTES];
    uint64_t position = 0;

    (void)state;
    memset(&scrollback, 0, sizeof(scrollback));
    scrollback_append(&scrollback, (const uint8_t *)"one\ntwo\n", 8);
    assert_int_equal(scrollback_read(&scrollback, &position, bytes, sizeof(bytes)), 8);
    assert_memory_equal(bytes, "one\ntwo\n", 8);
    position = scrollback_recent(&scrollback, 6);
    assert_int_equal(position, 4);
    for (unsigned i = 0; i < SCROLLBACK_BYTES; i++)
        scrollback_append(&scrollback, (const uint8_t *)"x", 1);
    position = 0;
    assert_int_equal(scrollback_read(&scrollback, &position, bytes, sizeof(bytes)), SCROLLBACK_BYTES);
    assert_int_equal(bytes[0], 'x');
}

/* Feed text; the lines that come out, each followed by '|'. */
static const char *filtered(const char *text)
{
    static char result[4096];
    static struct line_filter filter;

    memset(&filter, 0, sizeof(filter));
    result[0] = '\0';
    for (; *text != '\0'; text++) {
        if (line_filter_byte(&filter, (uint8_t)*text)) {
            strcat(strcat(result, filter.line), "|");
            line_filter_next(&filter);
        }
    }
    return strcat(result, filter.line);
}

static void lines_of_guests_hold_no_terminal_commands(void **state)
{
    (void)state;
    assert_string_equal(filtered("hello\r\nworld\n"), "hello|world|");
    assert_string_equal(filtered("\x1b[1;31mred\x1b[0m\n"), "red|");
    assert_string_equal(filtered("\x1b]0;title\x07text\n"), "text|");
    assert_string_equal(filtered("\x1b]0;title\x1b\\text\n"), "text|");
    assert_string_equal(filtered("a\x1b(Bb\x9b"
                                 "2Jc\b\b\n"),
                        "ab?2Jc|");
    assert_string_equal(filtered("\x1b[12\nnext\n"), "|next|");
    assert_string_equal(filtered("\x1bPstring without end\nnext\n"), "|next|");
}

static void an_endless_line_is_cut(void **state)
{
    struct line_filter filter = { .length = 0 };
    unsigned lines = 0;

    (void)state;
    for (unsigned i = 0; i < 10 * SCROLLBACK_LINE_MAX; i++) {
        if (line_filter_byte(&filter, 'x')) {
            assert_int_equal(strlen(filter.line), SCROLLBACK_LINE_MAX);
            lines++;
            line_filter_next(&filter);
        }
    }
    assert_int_equal(lines, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_line_is_what_was_typed, setup),
        cmocka_unit_test_setup(the_cursor_moves_and_letters_go_where_it_is, setup),
        cmocka_unit_test_setup(arrows_recall_earlier_lines_and_come_back, setup),
        cmocka_unit_test_setup(history_keeps_the_latest_lines, setup),
        cmocka_unit_test_setup(a_line_that_is_too_long_is_cut_and_nothing_breaks, setup),
        cmocka_unit_test_setup(any_bytes_leave_a_sound_line, setup),
        cmocka_unit_test_setup(tab_completes_one_extends_several_and_lists_the_rest, setup),
        cmocka_unit_test(commands_are_checked_before_they_are_sent),
        cmocka_unit_test(scrollback_keeps_the_latest_bytes),
        cmocka_unit_test(lines_of_guests_hold_no_terminal_commands),
        cmocka_unit_test(an_endless_line_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

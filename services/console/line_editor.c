/* SPDX-License-Identifier: Apache-2.0 */
/* line_editor.c: the line, its cursor, its history. Terminals: VT100's few sequences that all of them know. */
#include "services/console/line_editor.h"

#include <stdio.h>
#include <string.h>

#define KEY_CTRL(letter) ((letter)&0x1f)
#define KEY_ESCAPE 0x1b
#define KEY_DELETE 0x7f
#define CLEAR_TO_END "\x1b[K"
#define CLEAR_SCREEN "\x1b[H\x1b[2J"

static void put(struct editor_output *out, const char *text, size_t length)
{
    if (length > sizeof(out->text) - out->length)
        length = sizeof(out->text) - out->length;
    memcpy(out->text + out->length, text, length);
    out->length += length;
}

static void put_text(struct editor_output *out, const char *text)
{
    put(out, text, strlen(text));
}

void editor_init(struct editor *editor, const char *prompt)
{
    memset(editor, 0, sizeof(*editor));
    snprintf(editor->prompt, sizeof(editor->prompt), "%s", prompt);
}

void editor_redraw(const struct editor *editor, struct editor_output *out)
{
    char back[32];

    put_text(out, "\r");
    put_text(out, editor->prompt);
    put(out, editor->text, editor->length);
    put_text(out, CLEAR_TO_END);
    if (editor->cursor < editor->length) {
        snprintf(back, sizeof(back), "\x1b[%zuD", editor->length - editor->cursor);
        put_text(out, back);
    }
}

void editor_begin(struct editor *editor, struct editor_output *out)
{
    editor->length = editor->cursor = 0;
    editor->text[0] = '\0';
    editor->recalled = 0;
    editor->escape = 0;
    editor_redraw(editor, out);
}

static void set_text(struct editor *editor, const char *text)
{
    snprintf(editor->text, sizeof(editor->text), "%s", text);
    editor->length = editor->cursor = strlen(editor->text);
}

static void insert(struct editor *editor, const char *text, size_t length, struct editor_output *out)
{
    if (length > EDITOR_LINE_MAX - editor->length)
        return; /* full: nothing happens */
    memmove(editor->text + editor->cursor + length, editor->text + editor->cursor, editor->length - editor->cursor + 1);
    memcpy(editor->text + editor->cursor, text, length);
    editor->length += length;
    editor->cursor += length;
    if (editor->cursor == editor->length)
        put(out, text, length);
    else
        editor_redraw(editor, out);
}

/* Remove [from, to) and leave the cursor at `from`. */
static void cut(struct editor *editor, size_t from, size_t to, struct editor_output *out)
{
    if (from >= to)
        return;
    memmove(editor->text + from, editor->text + to, editor->length - to + 1);
    editor->length -= to - from;
    editor->cursor = from;
    editor_redraw(editor, out);
}

static void move(struct editor *editor, size_t to, struct editor_output *out)
{
    if (to <= editor->length && to != editor->cursor) {
        editor->cursor = to;
        editor_redraw(editor, out);
    }
}

static size_t word_start(const struct editor *editor)
{
    size_t at = editor->cursor;

    while (at > 0 && editor->text[at - 1] == ' ')
        at--;
    while (at > 0 && editor->text[at - 1] != ' ')
        at--;
    return at;
}

static void remember(struct editor *editor)
{
    char *newest = editor->history[(editor->history_count + EDITOR_HISTORY_MAX - 1) % EDITOR_HISTORY_MAX];

    if (editor->length == 0 || (editor->history_count > 0 && strcmp(newest, editor->text) == 0))
        return;
    memcpy(editor->history[editor->history_count % EDITOR_HISTORY_MAX], editor->text, editor->length + 1);
    editor->history_count++;
}

/* Go to the line `back` lines before the one that is being typed. */
static void recall(struct editor *editor, unsigned back, struct editor_output *out)
{
    unsigned kept = editor->history_count < EDITOR_HISTORY_MAX ? editor->history_count : EDITOR_HISTORY_MAX;

    if (back > kept)
        return;
    if (editor->recalled == 0)
        memcpy(editor->typed, editor->text, editor->length + 1);
    editor->recalled = back;
    set_text(editor, back == 0 ? editor->typed : editor->history[(editor->history_count - back) % EDITOR_HISTORY_MAX]);
    editor_redraw(editor, out);
}

static void older(struct editor *editor, struct editor_output *out)
{
    recall(editor, editor->recalled + 1, out);
}

static void newer(struct editor *editor, struct editor_output *out)
{
    if (editor->recalled > 0)
        recall(editor, editor->recalled - 1, out);
}

static void escape_end(struct editor *editor, uint8_t final, struct editor_output *out)
{
    switch (final) {
    case 'A':
        older(editor, out);
        break;
    case 'B':
        newer(editor, out);
        break;
    case 'C':
        move(editor, editor->cursor + 1, out);
        break;
    case 'D':
        move(editor, editor->cursor - 1, out);
        break;
    case 'H':
        move(editor, 0, out);
        break;
    case 'F':
        move(editor, editor->length, out);
        break;
    case '~':
        if (editor->parameter == 3 && editor->cursor < editor->length)
            cut(editor, editor->cursor, editor->cursor + 1, out);
        else if (editor->parameter == 1 || editor->parameter == 7)
            move(editor, 0, out);
        else if (editor->parameter == 4 || editor->parameter == 8)
            move(editor, editor->length, out);
        break;
    default:
        break;
    }
}

/* True if the byte belonged to an escape sequence. */
static bool escape_key(struct editor *editor, uint8_t byte, struct editor_output *out)
{
    if (editor->escape == 0) {
        editor->escape = byte == KEY_ESCAPE ? 1 : 0;
        return byte == KEY_ESCAPE;
    }
    if (editor->escape == 1) {
        editor->escape = byte == '[' || byte == 'O' ? 2 : 0;
        editor->parameter = 0;
        return true;
    }
    if (byte >= '0' && byte <= '9') {
        editor->parameter = (editor->parameter * 10 + byte - '0') % 1000;
        return true;
    }
    if (byte >= 0x40 && byte <= 0x7e) {
        editor->escape = 0;
        escape_end(editor, byte, out);
    }
    return true;
}

static enum editor_event enter(struct editor *editor, struct editor_output *out)
{
    put_text(out, "\r\n");
    remember(editor);
    return EDITOR_LINE;
}

static void control_key(struct editor *editor, uint8_t byte, struct editor_output *out)
{
    switch (byte) {
    case KEY_CTRL('A'):
        move(editor, 0, out);
        break;
    case KEY_CTRL('E'):
        move(editor, editor->length, out);
        break;
    case KEY_CTRL('B'):
        move(editor, editor->cursor - 1, out);
        break;
    case KEY_CTRL('F'):
        move(editor, editor->cursor + 1, out);
        break;
    case KEY_CTRL('H'):
    case KEY_DELETE:
        if (editor->cursor > 0)
            cut(editor, editor->cursor - 1, editor->cursor, out);
        break;
    case KEY_CTRL('D'):
        if (editor->cursor < editor->length)
            cut(editor, editor->cursor, editor->cursor + 1, out);
        break;
    case KEY_CTRL('K'):
        cut(editor, editor->cursor, editor->length, out);
        break;
    case KEY_CTRL('U'):
        cut(editor, 0, editor->cursor, out);
        break;
    case KEY_CTRL('W'):
        cut(editor, word_start(editor), editor->cursor, out);
        break;
    case KEY_CTRL('P'):
        older(editor, out);
        break;
    case KEY_CTRL('N'):
        newer(editor, out);
        break;
    case KEY_CTRL('L'):
        put_text(out, CLEAR_SCREEN);
        editor_redraw(editor, out);
        break;
    case KEY_CTRL('C'):
        put_text(out, "^C\r\n");
        editor_begin(editor, out);
        break;
    default:
        break;
    }
}

enum editor_event editor_key(struct editor *editor, uint8_t byte, struct editor_output *out)
{
    char character = (char)byte;

    if (escape_key(editor, byte, out))
        return EDITOR_NONE;
    if (byte == '\r' || byte == '\n')
        return enter(editor, out);
    if (byte == '\t')
        return EDITOR_COMPLETE;
    if (byte >= ' ' && byte < KEY_DELETE)
        insert(editor, &character, 1, out);
    else
        control_key(editor, byte, out);
    return EDITOR_NONE;
}

unsigned editor_word_number(const struct editor *editor)
{
    unsigned gaps = 0;

    for (size_t i = 1; i < editor->cursor; i++) {
        if (editor->text[i] == ' ' && editor->text[i - 1] != ' ')
            gaps++;
    }
    return gaps;
}

static bool begins_with(const char *text, const char *start, size_t length)
{
    return strncmp(text, start, length) == 0;
}

static void list_candidates(const struct editor *editor, const char *const *candidates, size_t count, const char *start,
                            size_t length, struct editor_output *out)
{
    put_text(out, "\r\n");
    for (size_t i = 0; i < count; i++) {
        if (begins_with(candidates[i], start, length)) {
            put_text(out, candidates[i]);
            put_text(out, "  ");
        }
    }
    put_text(out, "\r\n");
    editor_redraw(editor, out);
}

void editor_complete(struct editor *editor, const char *const *candidates, size_t count, struct editor_output *out)
{
    size_t start = editor->cursor, length, common = 0, matches = 0;
    const char *first = NULL;

    while (start > 0 && editor->text[start - 1] != ' ')
        start--;
    length = editor->cursor - start;
    for (size_t i = 0; i < count; i++) {
        if (!begins_with(candidates[i], editor->text + start, length))
            continue;
        if (matches++ == 0) {
            first = candidates[i];
            common = strlen(first);
        }
        while (!begins_with(candidates[i], first, common))
            common--;
    }
    if (matches == 0)
        return;
    if (matches == 1) {
        insert(editor, first + length, common - length, out);
        if (editor->cursor == editor->length)
            insert(editor, " ", 1, out);
    } else if (common > length) {
        insert(editor, first + length, common - length, out);
    } else {
        list_candidates(editor, candidates, count, editor->text + start, length, out);
    }
}

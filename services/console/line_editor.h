/* SPDX-License-Identifier: Apache-2.0 */
/* line_editor.h: one line of input with cursor keys, history and completion. Pure: bytes in, bytes to print out. */
#ifndef CL_SERVICES_CONSOLE_LINE_EDITOR_H
#define CL_SERVICES_CONSOLE_LINE_EDITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EDITOR_LINE_MAX 160u
#define EDITOR_HISTORY_MAX 32u
#define EDITOR_OUTPUT_MAX 2048u
#define EDITOR_PROMPT_MAX 48u

enum editor_event {
    EDITOR_NONE,
    EDITOR_LINE,     /* a line was entered: editor->text, until editor_begin() */
    EDITOR_COMPLETE, /* Tab: call editor_complete() */
};

struct editor_output {
    size_t length;
    char text[EDITOR_OUTPUT_MAX];
};

struct editor {
    char prompt[EDITOR_PROMPT_MAX];
    char text[EDITOR_LINE_MAX + 1];
    size_t length, cursor;
    char history[EDITOR_HISTORY_MAX][EDITOR_LINE_MAX + 1]; /* a ring */
    unsigned history_count;                                /* of all lines ever remembered */
    unsigned recalled;               /* lines back from the newest; 0: the one that is being typed */
    char typed[EDITOR_LINE_MAX + 1]; /* what was there before recalling began */
    uint8_t escape;                  /* 1: after ESC, 2: after ESC [ or ESC O */
    unsigned parameter;              /* the number in an escape sequence */
};

void editor_init(struct editor *editor, const char *prompt);

/* Begin an empty line: prints the prompt. */
void editor_begin(struct editor *editor, struct editor_output *out);

/* One byte of input. Understands Backspace, Tab, Enter, Ctrl-A B C D E F H K L N P U W, arrows, Home, End, Delete. */
enum editor_event editor_key(struct editor *editor, uint8_t byte, struct editor_output *out);

/* Prompt and line again, after something else was printed. */
void editor_redraw(const struct editor *editor, struct editor_output *out);

/* Complete the word before the cursor by `count` candidates, of which those count that begin with it. One: it is put in
 * with a space behind. Several: what they have in common, or if that is nothing, a list of them. */
void editor_complete(struct editor *editor, const char *const *candidates, size_t count, struct editor_output *out);

/* Number of the word before the cursor (0: the first), for choosing candidates. */
unsigned editor_word_number(const struct editor *editor);

#endif

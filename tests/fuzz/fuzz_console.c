/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: services/console/line_editor.c services/console/command_table.c services/console/scrollback.c
 *          services/common/words.c */
/* fuzz_console.c: the input is what an operator types, and what a guest prints between the operator's lines. */
#include <string.h>

#include "services/console/commands.h"
#include "services/console/line_editor.h"
#include "services/console/scrollback.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void key(struct editor *editor, uint8_t byte)
{
    static const char *const vms[] = { "alpha", "beta", "alphabet" };
    static struct editor_output out;
    struct command_line parsed;

    out.length = 0;
    switch (editor_key(editor, byte, &out)) {
    case EDITOR_LINE:
        command_parse(editor->text, vms, 3, &parsed);
        editor_begin(editor, &out);
        break;
    case EDITOR_COMPLETE:
        editor_complete(editor, vms, 3, &out);
        break;
    default:
        editor_redraw(editor, &out);
        break;
    }
    if (editor->cursor > editor->length || editor->length > EDITOR_LINE_MAX || out.length > EDITOR_OUTPUT_MAX)
        __builtin_trap();
}

/* Nothing that could move the operator's cursor is left in a line. */
static void print(struct line_filter *filter, uint8_t byte)
{
    if (!line_filter_byte(filter, byte))
        return;
    for (const char *c = filter->line; *c != '\0'; c++)
        if ((uint8_t)*c < ' ' && *c != '\t')
            __builtin_trap();
    line_filter_next(filter);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct scrollback scrollback;
    struct line_filter filter = { .length = 0 };
    struct editor editor;
    struct editor_output out = { .length = 0 };
    uint8_t copy[64];
    uint64_t position;

    editor_init(&editor, "> ");
    editor_begin(&editor, &out);
    memset(&scrollback, 0, sizeof(scrollback));
    for (size_t i = 0; i < size; i++) {
        key(&editor, data[i]);
        print(&filter, data[i]);
    }
    scrollback_append(&scrollback, data, size);
    position = scrollback_recent(&scrollback, size / 2);
    while (scrollback_read(&scrollback, &position, copy, sizeof(copy)) != 0)
        ;
    if (position != scrollback.written)
        __builtin_trap();
    return 0;
}

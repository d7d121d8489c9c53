/* SPDX-License-Identifier: Apache-2.0 */
/* input.c: where typed bytes go: to the line editor, or to the guest whose console the operator has.
 *
 * Nothing is taken that cannot be used: what a guest's ring or a pending answer leaves stays in the serial port's buffer,
 * and when that is full, with the sender. Only a guest that takes nothing at all for a while is not waited for, because
 * nobody could leave its console then.
 */
#include <string.h>

#include "lib/runtime.h"
#include "services/console/commands.h"
#include "services/console/console.h"
#include "services/console/uart.h"
#include "services/protocol/stream.h"

/* How long the operator waits for a guest that takes nothing: to leave it; and to type on, when the port's buffer is full
 * and the way out could be behind it. A guest on a busy machine may well stand still for seconds. */
#define LEAVE_PATIENCE_NS STREAM_PATIENCE_NS
#define FULL_PATIENCE_NS (UINT64_C(60) * 1000 * 1000 * 1000)

static uint64_t taken_ns;                /* when a guest last took something */
static uint64_t give_up_ns = UINT64_MAX; /* when its patience ends who cannot type on, or wants to leave */

static void edit(uint8_t byte)
{
    struct editor_output out = { 0 };
    enum editor_event event = editor_key(&console.editor, byte, &out);

    if (event == EDITOR_COMPLETE)
        commands_complete(&console.editor, &out);
    console_show(&out);
    if (event == EDITOR_LINE) {
        char line[EDITOR_LINE_MAX + 1];
        memcpy(line, console.editor.text, sizeof(line));
        console.has_prompt = false;
        out.length = 0;
        editor_begin(&console.editor, &out); /* shown by console_prompt() when the answer is there */
        commands_run(line);
    }
}

/* Everything up to the escape goes to the guest at once: its ring counts messages, not bytes. */
static size_t type_to_guest(const uint8_t *bytes, size_t count)
{
    const uint8_t *escape = memchr(bytes, CONSOLE_ESCAPE, count);
    size_t length = escape == NULL ? count : (size_t)(escape - bytes), taken;
    uint64_t patience_ns = escape == NULL ? FULL_PATIENCE_NS : LEAVE_PATIENCE_NS;

    if (length == 0) {
        streams_leave();
        return 1;
    }
    taken = streams_type(bytes, length);
    if (taken > 0)
        taken_ns = cl_monotonic_ns();
    if (escape == NULL && !uart_is_full())
        return taken;
    if (taken == 0 && cl_monotonic_ns() >= taken_ns + patience_ns) {
        console_print("\n[%s takes no input: %zu typed bytes are lost]\n", console.vm_name[console.attached], length);
        return length;
    }
    give_up_ns = taken_ns + patience_ns;
    return taken;
}

/* Use the first of `count` typed bytes, or more; returns how many, 0 if the guest has to take some first. */
static size_t typed(const uint8_t *bytes, size_t count)
{
    if (console.headless)
        return count;
    if (console.live)
        console.live = false;
    else if (console.attached == CONSOLE_NOBODY)
        edit(bytes[0]);
    else
        return type_to_guest(bytes, count);
    return 1;
}

void input_take(void)
{
    const uint8_t *bytes;
    size_t count, used, step;

    do {
        give_up_ns = UINT64_MAX;
        count = uart_received(&bytes);
        for (used = 0; used < count; used += step) {
            if (console.cookie != 0 && console.attached == CONSOLE_NOBODY && !console.live)
                break; /* an answer comes first */
            console_prompt();
            step = typed(bytes + used, count - used);
            if (step == 0)
                break;
        }
        uart_used(used);
    } while (used > 0);
    if (uart_overrun())
        console_print("\n[cloison: the serial port was not read in time, typed bytes are lost]\n");
}

uint64_t input_deadline(void)
{
    return give_up_ns;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* streams.c: what VMs say, kept for each of them, shown for the one whose console the operator has. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "services/console/console.h"
#include "services/console/scrollback.h"
#include "services/protocol/stream.h"

#define MESSAGES_PER_TURN 16u
#define RECENT_BYTES 2048u

struct stream {
    struct link link;
    struct scrollback *scrollback; /* stays when the VM ends */
    uint64_t start;                /* position in it where the VM was started last */
    struct line_filter filter;     /* headless */
};

static struct stream streams[OPERATOR_VMS_MAX];

static void print_line(uint32_t number)
{
    console_print("%s: %s\n", console.vm_name[number], streams[number].filter.line);
    line_filter_next(&streams[number].filter);
}

static void print_lines(uint32_t number, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (line_filter_byte(&streams[number].filter, bytes[i]))
            print_line(number);
    }
}

void streams_attach(const struct operator_stream *stream)
{
    uint32_t number = stream->number;

    if (number >= OPERATOR_VMS_MAX)
        return;
    memcpy(console.vm_name[number], stream->vm, OPERATOR_NAME_MAX);
    console.vm_name[number][OPERATOR_NAME_MAX - 1] = '\0';
    if (number >= console.vm_count)
        console.vm_count = number + 1;
    if (streams[number].scrollback == NULL)
        streams[number].scrollback = calloc(1, sizeof(struct scrollback));
    if (streams[number].scrollback == NULL || link_open(&streams[number].link, &stream->wire) != CL_OK)
        console_print("%s: its console cannot be shown\n", console.vm_name[number]);
    else
        streams[number].start = streams[number].scrollback->written;
}

static void receive(uint32_t number, unsigned messages)
{
    struct stream *stream = &streams[number];
    uint8_t bytes[STREAM_MESSAGE_MAX];
    struct channel_descriptor descriptor;

    for (unsigned i = 0; i < messages && link_receive(&stream->link, &descriptor, bytes, sizeof(bytes)) == CL_OK; i++) {
        if (descriptor.kind != STREAM_BYTES)
            continue;
        if (console.headless)
            print_lines(number, bytes, descriptor.length);
        else if (console.attached == number)
            console_write_raw(bytes, descriptor.length);
        scrollback_append(stream->scrollback, bytes, descriptor.length);
    }
}

void streams_detach(uint32_t number)
{
    if (number >= OPERATOR_VMS_MAX)
        return;
    receive(number, STREAM_RING_ENTRIES); /* its last words */
    streams[number].link.open = false;
    if (console.headless && streams[number].filter.length > 0)
        print_line(number);
    if (console.attached == number)
        console_print("\n[%s has stopped; Ctrl-] leads back]\n", console.vm_name[number]);
}

void streams_serve(void)
{
    for (uint32_t i = 0; i < OPERATOR_VMS_MAX; i++)
        receive(i, MESSAGES_PER_TURN);
}

bool streams_arm(void)
{
    bool busy = false;

    for (uint32_t i = 0; i < OPERATOR_VMS_MAX; i++) {
        if (link_arm(&streams[i].link))
            busy = true;
    }
    return busy;
}

void streams_enter(uint32_t number)
{
    const struct scrollback *kept = streams[number].scrollback;
    uint8_t bytes[512];
    uint64_t position;
    size_t length;

    console.attached = number;
    console_print("Connected to %s. Escape character is ^] (Ctrl-]).\n", console.vm_name[number]);
    if (kept != NULL) {
        position = scrollback_recent(kept, RECENT_BYTES);
        if (streams[number].link.open && position < streams[number].start)
            position = streams[number].start; /* what it said in its earlier life would mislead */
        while ((length = scrollback_read(kept, &position, bytes, sizeof(bytes))) > 0)
            console_write_raw(bytes, length);
    }
    if (!streams[number].link.open)
        console_print("[%s does not run; Ctrl-] leads back]\n", console.vm_name[number]);
}

void streams_leave(void)
{
    console.attached = CONSOLE_NOBODY;
    /* whatever the guest did to the terminal: usual letters, visible cursor */
    console_write_raw("\x1b[0m\x1b[?25h", 10);
    console_print("\n");
    console_prompt();
}

size_t streams_type(const uint8_t *bytes, size_t length)
{
    struct link *link = &streams[console.attached].link;
    size_t taken = 0;

    while (taken < length) {
        size_t piece = length - taken < STREAM_INPUT_MESSAGE_MAX ? length - taken : STREAM_INPUT_MESSAGE_MAX;
        if (link_send(link, STREAM_BYTES, 0, bytes + taken, (uint32_t)piece) == CL_BUSY)
            break;
        taken += piece;
    }
    return taken;
}

void streams_go_headless(void)
{
    uint8_t bytes[512];
    size_t length;

    console.headless = true;
    console.attached = CONSOLE_NOBODY;
    for (uint32_t i = 0; i < OPERATOR_VMS_MAX; i++) {
        uint64_t position = 0;
        while (streams[i].scrollback != NULL &&
               (length = scrollback_read(streams[i].scrollback, &position, bytes, sizeof(bytes))) > 0)
            print_lines(i, bytes, length);
    }
}

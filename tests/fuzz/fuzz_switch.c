/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: services/switch/bridge.c services/switch/ports.c services/common/link.c lib/channel.c */
/* fuzz_switch.c: the input is what one port does to the memory of its channel while its neighbours send frames. Whatever
 * it is, the switch goes on, and what the neighbours send arrives. */
#include <stdlib.h>
#include <string.h>

#include "lib/syscall.h"
#include "services/protocol/frame.h"
#include "services/switch/ports.h"

#define PEERS 3u
#define RECORD_BYTES 8u
#define ROUNDS_MAX 1000u
#define FRAME_BYTES 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ports ports;
static struct link peer[PEERS];
static uint8_t *memory[PEERS];
static uint64_t memory_bytes;

struct cl_result cl_syscall6(enum syscall_number number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                             uint64_t f)
{
    (void)number, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
    return (struct cl_result){ CL_OK, 0 };
}

struct cl_thread *cl_thread_self(void)
{
    static struct cl_thread self;

    return &self;
}

__attribute__((format(printf, 1, 2))) void cl_log(const char *format, ...)
{
    (void)format;
}

static void must(enum cl_status status)
{
    if (status != CL_OK)
        __builtin_trap();
}

static void join(uint32_t number)
{
    static const uint32_t pools[2] = { FRAME_RING_ENTRIES * FRAME_BUFFER_BYTES,
                                       FRAME_RING_ENTRIES * FRAME_BUFFER_BYTES };
    struct switch_attach attach = { .port = number, .mac = { 2, 0, 0, 0, 0, (uint8_t)(number + 1) } };

    memory_bytes = channel_size_bytes(FRAME_RING_ENTRIES, pools);
    if (memory[number] == NULL)
        memory[number] = aligned_alloc(4096, memory_bytes);
    memset(memory[number], 0, memory_bytes);
    must(channel_create(memory[number], memory_bytes, FRAME_RING_ENTRIES, pools));
    attach.wire = (struct wire){ (uint64_t)memory[number], memory_bytes, 1, 1, number, CHANNEL_SIDE_B };
    must(ports_attach(&ports, &attach));
    struct wire other = { (uint64_t)memory[number], memory_bytes, 1, 1, 63, CHANNEL_SIDE_A };
    must(link_open(&peer[number], &other));
}

/* Offsets below 4 KiB reach the rings' heads, the others anything. */
static void scribble(const uint8_t *record)
{
    uint32_t offset, value;

    memcpy(&offset, record, 4);
    memcpy(&value, record + 4, 4);
    offset = (offset & 1 ? (offset >> 1) % 4096 : (uint32_t)((offset >> 1) % memory_bytes)) & ~3u;
    memcpy(memory[0] + offset, &value, 4);
}

static unsigned arrived(unsigned at)
{
    struct channel_descriptor descriptor;
    uint8_t frame[FRAME_BUFFER_BYTES];
    unsigned count = 0;

    while (link_receive(&peer[at], &descriptor, frame, sizeof(frame)) == CL_OK)
        if (memcmp(frame + 6, ((const uint8_t[]){ 2, 0, 0, 0, 0, 2 }), 6) == 0)
            count++;
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t frame[FRAME_BYTES] = { 2, 0, 0, 0, 0, 3, 2, 0, 0, 0, 0, 2 };

    memset(&ports, 0, sizeof(ports));
    bridge_init(&ports.bridge);
    for (uint32_t i = 0; i < PEERS; i++)
        join(i);
    for (size_t at = 0; at + RECORD_BYTES <= size; at += RECORD_BYTES) {
        unsigned rounds = 0;

        scribble(data + at);
        (void)arrived(2);
        must(link_send(&peer[1], FRAME_ETHERNET, 0, frame, sizeof(frame)));
        while (ports_round(&ports, at) && rounds < ROUNDS_MAX)
            rounds++;
        if (rounds == ROUNDS_MAX || arrived(2) != 1)
            __builtin_trap();
    }
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: services/switch/bridge.c services/switch/ports.c services/common/link.c lib/channel.c */
/* test_switch.c: frames reach whom they are for and nobody else, whatever their senders try. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/syscall.h"
#include "services/protocol/frame.h"
#include "services/switch/ports.h"

#define SECOND UINT64_C(1000000000)
#define PEERS 4

static struct ports ports;
static struct link peer[PEERS];
static void *memory[PEERS];
static uint64_t rung; /* bells of peers, by slot */

struct cl_result cl_syscall6(enum syscall_number number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                             uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    assert_int_equal(number, SYS_NOTIFY);
    rung |= UINT64_C(1) << a;
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

static void mac_of(unsigned number, uint8_t mac[6])
{
    memcpy(mac, ((const uint8_t[6]){ 2, 0, 0, 0, 0, (uint8_t)(number + 1) }), 6);
}

/* Port `number` of `network`, with a VMM's end in peer[number]. */
static void join(unsigned number, uint32_t network)
{
    static const uint32_t pools[2] = { FRAME_RING_ENTRIES * FRAME_BUFFER_BYTES,
                                       FRAME_RING_ENTRIES * FRAME_BUFFER_BYTES };
    uint64_t size = channel_size_bytes(FRAME_RING_ENTRIES, pools);
    struct switch_attach attach = { .port = number, .network = network };

    memory[number] = aligned_alloc(4096, size);
    memset(memory[number], 0, size);
    assert_int_equal(channel_create(memory[number], size, FRAME_RING_ENTRIES, pools), CL_OK);
    attach.wire = (struct wire){ (uint64_t)memory[number], size, 1, 1, number, CHANNEL_SIDE_B };
    mac_of(number, attach.mac);
    assert_int_equal(ports_attach(&ports, &attach), CL_OK);
    struct wire other = { (uint64_t)memory[number], size, 1, 1, 63, CHANNEL_SIDE_A };
    assert_int_equal(link_open(&peer[number], &other), CL_OK);
}

static int setup(void **state)
{
    (void)state;
    memset(&ports, 0, sizeof(ports));
    bridge_init(&ports.bridge);
    rung = 0;
    for (unsigned i = 0; i < PEERS; i++)
        join(i, i == 3 ? 1 : 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PEERS; i++)
        free(memory[i]);
    return 0;
}

static void frame_make(uint8_t frame[64], int to, unsigned from)
{
    memset(frame, 0x5a, 64);
    if (to < 0)
        memset(frame, 0xff, 6);
    else
        mac_of((unsigned)to, frame);
    mac_of(from, frame + 6);
}

static void send(unsigned from, int to)
{
    uint8_t frame[64];

    frame_make(frame, to, from);
    assert_int_equal(link_send(&peer[from], FRAME_ETHERNET, 0, frame, sizeof(frame)), CL_OK);
}

static unsigned arrived(unsigned at)
{
    struct channel_descriptor descriptor;
    uint8_t frame[FRAME_BUFFER_BYTES];
    unsigned count = 0;

    while (link_receive(&peer[at], &descriptor, frame, sizeof(frame)) == CL_OK)
        count++;
    return count;
}

static const struct switch_counters *counters(unsigned port)
{
    return &ports.bridge.port[port].counters;
}

static void a_broadcast_reaches_everyone_else_on_its_network(void **state)
{
    (void)state;
    send(0, -1);
    assert_false(ports_round(&ports, 0));
    assert_int_equal(arrived(0), 0);
    assert_int_equal(arrived(1), 1);
    assert_int_equal(arrived(2), 1);
    assert_int_equal(arrived(3), 0);
    assert_int_equal(rung & 0xf, 0x6);
}

static void an_unknown_address_is_flooded_until_it_has_spoken(void **state)
{
    (void)state;
    send(0, 1);
    (void)ports_round(&ports, 0);
    assert_int_equal(arrived(1) + arrived(2), 2);
    assert_int_equal(counters(0)->flooded, 1);
    send(1, 0);
    (void)ports_round(&ports, 0);
    assert_int_equal(arrived(0), 1);
    assert_int_equal(arrived(2), 0);
    send(0, 1);
    (void)ports_round(&ports, 0);
    assert_int_equal(arrived(1), 1);
    assert_int_equal(arrived(2), 0);
}

static void an_address_that_is_silent_for_long_is_forgotten(void **state)
{
    struct switch_counters now;

    (void)state;
    send(1, 0);
    (void)ports_round(&ports, 5 * SECOND);
    (void)arrived(0), (void)arrived(2);
    assert_int_equal(bridge_counters(&ports.bridge, 0, 300 * SECOND, &now), CL_OK);
    assert_int_equal(now.addresses, 1);
    send(0, 1);
    (void)ports_round(&ports, 304 * SECOND);
    assert_int_equal(arrived(2), 0);
    send(0, 1);
    (void)ports_round(&ports, 306 * SECOND);
    assert_int_equal(arrived(2), 1);
    assert_int_equal(bridge_counters(&ports.bridge, 0, 306 * SECOND, &now), CL_OK);
    assert_int_equal(now.addresses, 1); /* the sender itself */
}

static void a_forged_source_address_is_dropped_and_teaches_nothing(void **state)
{
    uint8_t frame[64];

    (void)state;
    frame_make(frame, -1, 1); /* port 0 pretends to be port 1 */
    assert_int_equal(link_send(&peer[0], FRAME_ETHERNET, 0, frame, sizeof(frame)), CL_OK);
    (void)ports_round(&ports, 0);
    assert_int_equal(arrived(1) + arrived(2), 0);
    assert_int_equal(counters(0)->dropped_spoofed, 1);
    assert_int_equal(counters(0)->in_frames, 0);
    send(2, 1);
    (void)ports_round(&ports, 0);
    assert_int_equal(arrived(1), 1);
}

static void frames_of_impossible_size_are_dropped(void **state)
{
    static uint8_t frame[FRAME_BUFFER_BYTES];

    (void)state;
    frame_make(frame, -1, 0);
    static const uint32_t wrong[] = { 0, 1, 13, FRAME_BYTES_MAX + 1, FRAME_BUFFER_BYTES };
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(link_send(&peer[0], FRAME_ETHERNET, 0, frame, wrong[i]), CL_OK);
    assert_int_equal(link_send(&peer[0], 77, 0, frame, 64), CL_OK);
    assert_int_equal(link_send(&peer[0], FRAME_ETHERNET, 0, frame, FRAME_BYTES_MAX), CL_OK);
    assert_int_equal(link_send(&peer[0], FRAME_ETHERNET, 0, frame, FRAME_BYTES_MIN), CL_OK);
    (void)ports_round(&ports, 0);
    assert_int_equal(counters(0)->dropped_size, 6);
    assert_int_equal(arrived(1), 2);
    assert_int_equal(counters(1)->out_bytes, FRAME_BYTES_MAX + FRAME_BYTES_MIN);
}

static void a_flooding_port_does_not_keep_others_waiting(void **state)
{
    (void)state;
    send(1, 0), send(2, 0);
    (void)ports_round(&ports, 0);
    (void)arrived(0), (void)arrived(1), (void)arrived(2);
    for (unsigned i = 0; i < FRAME_RING_ENTRIES; i++)
        send(0, 1);
    send(2, 1);
    assert_true(ports_round(&ports, 0)); /* port 0 has more, but port 2's frame went in the same round */
    assert_int_equal(counters(0)->in_frames, PORTS_FRAMES_PER_TURN);
    assert_int_equal(counters(2)->in_frames, 2);
}

static void a_full_ring_drops_only_what_is_meant_for_it(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 8; round++) {
        for (unsigned i = 0; i < PORTS_FRAMES_PER_TURN; i++)
            send(0, -1);
        (void)ports_round(&ports, 0);
        assert_int_equal(arrived(2), PORTS_FRAMES_PER_TURN); /* port 1 never reads */
    }
    assert_int_equal(counters(1)->dropped_full, 8 * PORTS_FRAMES_PER_TURN - FRAME_RING_ENTRIES);
    assert_int_equal(counters(2)->dropped_full, 0);
}

static void a_peer_that_breaks_its_channel_harms_only_itself(void **state)
{
    struct channel_header *header = memory[0];
    struct channel_ring *ring = (struct channel_ring *)((uint8_t *)memory[0] + header->ring_offset[0]);

    (void)state;
    __atomic_store_n(&ring->produced, 0x7fffffff, __ATOMIC_SEQ_CST);
    send(1, 2);
    assert_false(ports_round(&ports, 0));
    assert_false(ports.link[0].open);
    assert_int_equal(arrived(2), 1);
    send(1, -1);
    (void)ports_round(&ports, 0);
    assert_int_equal(arrived(2), 1);
    assert_false(ports_arm(&ports));
}

static void hostile_descriptors_never_reach_beyond_the_pool(void **state)
{
    struct channel_header *header = memory[0];
    struct channel_ring *ring = (struct channel_ring *)((uint8_t *)memory[0] + header->ring_offset[0]);
    uint32_t seed = 12345;

    (void)state;
    for (unsigned round = 0; round < 2000; round++) {
        uint32_t *word = (uint32_t *)&ring->descriptor[round % FRAME_RING_ENTRIES];
        for (unsigned i = 0; i < 4; i++)
            word[i] = seed = seed * 1664525 + 1013904223;
        word[2] = FRAME_ETHERNET;
        if (round % 2 == 0)
            word[1] %= 4096;
        __atomic_store_n(&ring->produced, round + 1, __ATOMIC_SEQ_CST);
        (void)ports_round(&ports, 0);
        if (!ports.link[0].open) { /* the sanitizers are the judges; go on with a new channel */
            ports_detach(&ports, 0);
            free(memory[0]);
            join(0, 0);
            header = memory[0];
            ring = (struct channel_ring *)((uint8_t *)memory[0] + header->ring_offset[0]);
            __atomic_store_n(&ring->produced, 0, __ATOMIC_SEQ_CST);
            break;
        }
    }
    send(1, 2);
    (void)ports_round(&ports, 0);
    assert_int_equal(arrived(2), 1);
}

static void a_port_that_left_hears_nothing_and_its_number_can_be_used_again(void **state)
{
    (void)state;
    send(1, 0);
    (void)ports_round(&ports, 0);
    (void)arrived(0), (void)arrived(2);
    ports_detach(&ports, 1);
    send(0, 1);
    (void)ports_round(&ports, 0);
    assert_int_equal(arrived(1), 0);
    assert_int_equal(arrived(2), 1); /* no longer known: flooded */
    free(memory[1]);
    join(1, 0);
    send(0, -1);
    (void)ports_round(&ports, 0);
    assert_int_equal(arrived(1), 1);
}

static void impossible_ports_are_refused(void **state)
{
    uint8_t mac[6] = { 2, 0, 0, 0, 0, 9 }, group[6] = { 1 }, twin[6];

    (void)state;
    mac_of(0, twin);
    assert_int_equal(bridge_attach(&ports.bridge, SWITCH_PORTS_MAX, 0, mac), CL_LIMIT);
    assert_int_equal(bridge_attach(&ports.bridge, 0, 0, mac), CL_OCCUPIED);
    assert_int_equal(bridge_attach(&ports.bridge, 10, 0, group), CL_BAD_ARGUMENT);
    assert_int_equal(bridge_attach(&ports.bridge, 10, 0, twin), CL_BAD_ARGUMENT);
    assert_int_equal(bridge_attach(&ports.bridge, 10, 1, twin), CL_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_broadcast_reaches_everyone_else_on_its_network, setup, teardown),
        cmocka_unit_test_setup_teardown(an_unknown_address_is_flooded_until_it_has_spoken, setup, teardown),
        cmocka_unit_test_setup_teardown(an_address_that_is_silent_for_long_is_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(a_forged_source_address_is_dropped_and_teaches_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(frames_of_impossible_size_are_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(a_flooding_port_does_not_keep_others_waiting, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_ring_drops_only_what_is_meant_for_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_peer_that_breaks_its_channel_harms_only_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_descriptors_never_reach_beyond_the_pool, setup, teardown),
        cmocka_unit_test_setup_teardown(a_port_that_left_hears_nothing_and_its_number_can_be_used_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(impossible_ports_are_refused, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

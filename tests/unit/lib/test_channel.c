/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: lib/channel.c */
/* test_channel.c: both ends of a channel, with a fair peer, a fast one, and one that writes whatever it likes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/channel.h"

struct pair {
    uint8_t *memory;
    uint64_t size_bytes;
    struct channel_end a, b;
};

static struct pair make_pair(uint32_t entries, uint32_t pool_a, uint32_t pool_b)
{
    struct pair pair;
    const uint32_t pools[2] = { pool_a, pool_b };

    pair.size_bytes = channel_size_bytes(entries, pools);
    assert_true(pair.size_bytes > 0 && pair.size_bytes % 4096 == 0);
    pair.memory = aligned_alloc(4096, pair.size_bytes);
    assert_non_null(pair.memory);
    memset(pair.memory, 0, pair.size_bytes);
    assert_int_equal(channel_create(pair.memory, pair.size_bytes, entries, pools), CL_OK);
    assert_int_equal(channel_open(&pair.a, pair.memory, pair.size_bytes, CHANNEL_SIDE_A), CL_OK);
    assert_int_equal(channel_open(&pair.b, pair.memory, pair.size_bytes, CHANNEL_SIDE_B), CL_OK);
    return pair;
}

static void messages_arrive_in_order_in_both_directions(void **state)
{
    struct pair pair = make_pair(8, 8 * 32, 8 * 64);
    struct channel_descriptor descriptor;
    char text[64];

    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(channel_send(&pair.a, &i, sizeof(i), 7, i), CL_OK);
        assert_int_equal(channel_send(&pair.b, "answer", 7, 8, i + 1), CL_OK);
        (void)!channel_publish(&pair.a);
        (void)!channel_publish(&pair.b);
        assert_int_equal(channel_receive(&pair.b, &descriptor, text, sizeof(text)), CL_OK);
        assert_int_equal(descriptor.kind, 7);
        assert_int_equal(descriptor.cookie, i);
        assert_memory_equal(text, &i, sizeof(i));
        assert_int_equal(channel_receive(&pair.a, &descriptor, text, sizeof(text)), CL_OK);
        assert_int_equal(descriptor.length, 7);
        assert_string_equal(text, "answer");
    }
    assert_int_equal(channel_receive(&pair.a, &descriptor, text, sizeof(text)), CL_NOT_FOUND);
    free(pair.memory);
}

static void what_is_not_published_is_not_seen(void **state)
{
    struct pair pair = make_pair(4, 4 * 16, 0);
    struct channel_descriptor descriptor;

    (void)state;
    assert_int_equal(channel_send(&pair.a, "x", 1, 0, 0), CL_OK);
    assert_int_equal(channel_take(&pair.b, &descriptor), CL_NOT_FOUND);
    assert_true(channel_publish(&pair.a));
    assert_int_equal(channel_take(&pair.b, &descriptor), CL_OK);
    free(pair.memory);
}

static void a_full_ring_is_busy_until_the_peer_releases(void **state)
{
    struct pair pair = make_pair(4, 4 * 16, 0);
    struct channel_descriptor descriptor;
    uint32_t space;

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(channel_send(&pair.a, "x", 1, 0, i), CL_OK);
    assert_int_equal(channel_send(&pair.a, "x", 1, 0, 4), CL_BUSY);
    (void)!channel_publish(&pair.a);
    assert_int_equal(channel_take(&pair.b, &descriptor), CL_OK);
    assert_int_equal(channel_send(&pair.a, "x", 1, 0, 4), CL_BUSY);
    channel_release(&pair.b);
    assert_int_equal(channel_space(&pair.a, &space), CL_OK);
    assert_int_equal(space, 1);
    assert_int_equal(channel_send(&pair.a, "x", 1, 0, 4), CL_OK);
    free(pair.memory);
}

static void a_producer_is_rung_when_its_full_ring_has_room_again(void **state)
{
    struct pair pair = make_pair(4, 4 * 16, 0);
    struct channel_descriptor descriptor;

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(channel_send(&pair.a, "x", 1, 0, i), CL_OK);
    (void)!channel_publish(&pair.a);
    assert_false(channel_made_room(&pair.b)); /* nothing was taken */
    assert_int_equal(channel_take(&pair.b, &descriptor), CL_OK);
    assert_false(channel_made_room(&pair.b)); /* nor released */
    channel_release(&pair.b);
    assert_false(channel_made_room(&pair.b)); /* it was never full */
    for (unsigned i = 3; i < 5; i++)
        assert_int_equal(channel_send(&pair.a, "x", 1, 0, i), CL_OK);
    (void)!channel_publish(&pair.a);
    for (unsigned i = 1; i < 5; i++)
        assert_int_equal(channel_take(&pair.b, &descriptor), CL_OK);
    channel_release(&pair.b);
    assert_true(channel_made_room(&pair.b));
    assert_false(channel_made_room(&pair.b)); /* once */
    free(pair.memory);
}

static void a_busy_consumer_is_not_notified(void **state)
{
    struct pair pair = make_pair(16, 16 * 16, 0);
    struct channel_descriptor descriptor;

    (void)state;
    assert_int_equal(channel_send(&pair.a, "x", 1, 0, 0), CL_OK);
    assert_true(channel_publish(&pair.a)); /* armed by channel_create() */
    assert_int_equal(channel_send(&pair.a, "x", 1, 0, 1), CL_OK);
    assert_false(channel_publish(&pair.a)); /* it was told already */
    assert_int_equal(channel_take(&pair.b, &descriptor), CL_OK);
    assert_true(channel_arm(&pair.b)); /* one is left: no sleep */
    assert_int_equal(channel_take(&pair.b, &descriptor), CL_OK);
    assert_false(channel_arm(&pair.b));
    assert_false(channel_publish(&pair.a)); /* nothing new */
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(channel_send(&pair.a, "x", 1, 0, i), CL_OK);
    assert_true(channel_publish(&pair.a)); /* a batch that passes notify_at is announced once */
    free(pair.memory);
}

static void an_index_may_wrap(void **state)
{
    struct pair pair = make_pair(4, 4 * 16, 0);
    struct channel_header *header = (struct channel_header *)pair.memory;
    struct channel_ring *ring = (struct channel_ring *)(pair.memory + header->ring_offset[0]);
    struct channel_descriptor descriptor;

    (void)state;
    ring->produced = ring->consumed = UINT32_MAX - 5;
    assert_int_equal(channel_open(&pair.a, pair.memory, pair.size_bytes, CHANNEL_SIDE_A), CL_OK);
    assert_int_equal(channel_open(&pair.b, pair.memory, pair.size_bytes, CHANNEL_SIDE_B), CL_OK);
    for (uint32_t i = 0; i < 20; i++) {
        assert_false(channel_arm(&pair.b));
        assert_int_equal(channel_send(&pair.a, &i, sizeof(i), 0, i), CL_OK);
        assert_true(channel_publish(&pair.a));
        assert_int_equal(channel_take(&pair.b, &descriptor), CL_OK);
        assert_int_equal(descriptor.cookie, i);
        channel_release(&pair.b);
    }
    free(pair.memory);
}

static void a_restarted_end_goes_on_where_the_ring_stands(void **state)
{
    struct pair pair = make_pair(8, 8 * 16, 8 * 16);
    struct channel_descriptor descriptor;

    (void)state;
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(channel_send(&pair.a, "x", 1, 0, i), CL_OK);
    (void)!channel_publish(&pair.a);
    assert_int_equal(channel_take(&pair.b, &descriptor), CL_OK);
    assert_int_equal(channel_take(&pair.b, &descriptor), CL_OK);
    channel_release(&pair.b);
    assert_int_equal(channel_take(&pair.b, &descriptor), CL_OK); /* not released: comes again */
    assert_int_equal(channel_open(&pair.b, pair.memory, pair.size_bytes, CHANNEL_SIDE_B), CL_OK);
    assert_int_equal(channel_take(&pair.b, &descriptor), CL_OK);
    assert_int_equal(descriptor.cookie, 2);
    free(pair.memory);
}

static void impossible_shapes_are_refused(void **state)
{
    const uint32_t pools[2] = { 64, 64 }, huge[2] = { UINT32_MAX, UINT32_MAX };
    static _Alignas(4096) uint8_t memory[4096];

    (void)state;
    assert_int_equal(channel_size_bytes(0, pools), 0);
    assert_int_equal(channel_size_bytes(3, pools), 0);
    assert_int_equal(channel_size_bytes(CHANNEL_ENTRIES_MAX * 2, pools), 0);
    assert_int_equal(channel_size_bytes(16, huge), 0);
    assert_int_equal(channel_create(memory, sizeof(memory), 16, pools), CL_BAD_ARGUMENT);
}

static void a_damaged_header_is_refused(void **state)
{
    struct pair pair = make_pair(16, 4096, 4096);
    uint32_t *words = (uint32_t *)pair.memory;
    struct channel_end end;

    (void)state;
    for (unsigned word = 0; word < 9; word++) {
        const uint32_t values[] = { 0, 1, 3, 63, 64, 65, 4095, (uint32_t)pair.size_bytes, 0x7fffffff, UINT32_MAX };
        for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
            uint32_t good = words[word];
            words[word] = values[i];
            /* some values make another valid channel; what is opened must lie in the memory, without overlaps */
            if (channel_open(&end, pair.memory, pair.size_bytes, CHANNEL_SIDE_A) == CL_OK) {
                assert_true(end.send_pool >= pair.memory);
                assert_true(end.send_pool + end.send_pool_size <= pair.memory + pair.size_bytes);
                assert_true(end.receive_pool + end.receive_pool_size <= pair.memory + pair.size_bytes);
                assert_true((uint8_t *)&end.send_ring->descriptor[end.entries] <= pair.memory + pair.size_bytes);
                assert_true((uint8_t *)&end.receive_ring->descriptor[end.entries] <= pair.memory + pair.size_bytes);
            }
            words[word] = good;
        }
    }
    words[0] ^= 1;
    assert_int_equal(channel_open(&end, pair.memory, pair.size_bytes, CHANNEL_SIDE_A), CL_CORRUPT);
    words[0] ^= 1;
    assert_int_equal(channel_open(&end, pair.memory, 63, CHANNEL_SIDE_A), CL_CORRUPT);
    assert_int_equal(channel_open(&end, pair.memory, pair.size_bytes - 4096, CHANNEL_SIDE_A), CL_CORRUPT);
    free(pair.memory);
}

static void an_index_that_cannot_be_is_corrupt(void **state)
{
    struct pair pair = make_pair(8, 8 * 16, 8 * 16);
    struct channel_descriptor descriptor;
    uint32_t space;

    (void)state;
    pair.b.send_ring->produced = 9;
    assert_int_equal(channel_take(&pair.a, &descriptor), CL_CORRUPT);
    pair.b.send_ring->produced = UINT32_MAX;
    assert_int_equal(channel_take(&pair.a, &descriptor), CL_CORRUPT);
    pair.a.send_ring->consumed = 1;
    assert_int_equal(channel_space(&pair.a, &space), CL_CORRUPT);
    assert_int_equal(channel_send(&pair.a, "x", 1, 0, 0), CL_CORRUPT);
    free(pair.memory);
}

static void a_descriptor_outside_the_pool_is_corrupt(void **state)
{
    const struct channel_descriptor bad[] = { { .offset = 129, .length = 0 },
                                              { .offset = 128, .length = 1 },
                                              { .offset = 0, .length = 129 },
                                              { .offset = UINT32_MAX, .length = 2 },
                                              { .offset = 2, .length = UINT32_MAX } };

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct pair pair = make_pair(8, 8 * 16, 8 * 16);
        struct channel_descriptor descriptor;
        pair.b.send_ring->descriptor[0] = bad[i];
        pair.b.send_ring->produced = 1;
        assert_int_equal(channel_take(&pair.a, &descriptor), CL_CORRUPT);
        free(pair.memory);
    }
}

/* Bytes before the pools: header and rings, where a peer's word can do most. */
static uint64_t pools_of(const struct pair *pair)
{
    return (uint64_t)(pair->a.send_pool - pair->memory);
}

/* A peer that writes random words anywhere, all the time: whatever happens, nothing outside the memory is touched (the
 * address sanitizer watches) and what is taken lies in the pool. */
static void a_hostile_peer_cannot_lead_us_out_of_the_memory(void **state)
{
    uint32_t seed = 12345;

    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        struct pair pair = make_pair(16, 16 * 64, 1000);
        for (unsigned step = 0; step < 300; step++) {
            struct channel_descriptor descriptor;
            uint8_t message[64];
            seed = seed * 1664525 + 1013904223;
            uint32_t at = (seed >> 8) % (uint32_t)(pools_of(&pair) / 4);
            uint32_t value = seed % 3 == 0 ? seed % 40 : seed % 3 == 1 ? seed : 0u - seed % 20;
            ((uint32_t *)pair.memory)[at] = value;
            if (channel_take(&pair.a, &descriptor) == CL_OK) {
                assert_true(descriptor.offset <= 1000 && descriptor.length <= 1000 - descriptor.offset);
                const volatile uint8_t *data = channel_data(&pair.a, &descriptor);
                if (descriptor.length > 0)
                    (void)(data[0] + data[descriptor.length - 1]);
                channel_release(&pair.a);
            }
            enum cl_status received = channel_receive(&pair.a, &descriptor, message, sizeof(message));
            assert_true(received == CL_OK || received == CL_NOT_FOUND || received == CL_LIMIT ||
                        received == CL_CORRUPT);
            enum cl_status sent = channel_send(&pair.a, message, 64, seed, seed);
            assert_true(sent == CL_OK || sent == CL_BUSY || sent == CL_CORRUPT);
            (void)!channel_publish(&pair.a);
            (void)!channel_arm(&pair.a);
        }
        free(pair.memory);
    }
}

enum { STRESS_MESSAGES = 200000 };

/* A doorbell as the kernel's notifications are: a word of bits that a waiter collects. */
struct doorbell {
    pthread_mutex_t mutex;
    pthread_cond_t rung;
    bool pending;
    unsigned rings;
};

static void ring(struct doorbell *bell)
{
    pthread_mutex_lock(&bell->mutex);
    bell->pending = true;
    bell->rings++;
    pthread_cond_signal(&bell->rung);
    pthread_mutex_unlock(&bell->mutex);
}

static void wait_for(struct doorbell *bell)
{
    pthread_mutex_lock(&bell->mutex);
    while (!bell->pending)
        pthread_cond_wait(&bell->rung, &bell->mutex);
    bell->pending = false;
    pthread_mutex_unlock(&bell->mutex);
}

static struct doorbell bell = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0 };
static struct doorbell room = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0 };

/* The producer sleeps whenever it finds the ring full. */
static void *produce(void *argument)
{
    struct pair *pair = argument;
    bool shown = false;

    for (uint32_t i = 0; i < STRESS_MESSAGES;) {
        enum cl_status status = channel_send(&pair->a, &i, sizeof(i), i % 5, i);
        if (status == CL_OK)
            i++;
        else if (status != CL_BUSY)
            return (void *)1;
        else if (shown)
            wait_for(&room);
        shown = status == CL_BUSY;
        if (status == CL_BUSY || i % 3 == 0 || i == STRESS_MESSAGES) {
            if (channel_publish(&pair->a))
                ring(&bell);
        }
    }
    return NULL;
}

/* The consumer sleeps whenever it finds nothing: a lost notification would make it sleep for ever. */
static void two_threads_lose_no_message_and_no_wakeup(void **state)
{
    struct pair pair = make_pair(64, 64 * 16, 0);
    struct channel_descriptor descriptor;
    pthread_t producer;
    void *result;

    (void)state;
    pthread_create(&producer, NULL, produce, &pair);
    for (uint32_t expected = 0; expected < STRESS_MESSAGES;) {
        uint32_t word = 0;
        enum cl_status status = channel_receive(&pair.b, &descriptor, &word, sizeof(word));
        if (status == CL_OK) {
            assert_int_equal(word, expected);
            assert_int_equal(descriptor.cookie, expected);
            expected++;
            if (expected % 7 == 0 && channel_made_room(&pair.b))
                ring(&room);
        } else {
            assert_int_equal(status, CL_NOT_FOUND);
            if (channel_made_room(&pair.b))
                ring(&room);
            if (!channel_arm(&pair.b))
                wait_for(&bell);
        }
    }
    pthread_join(producer, &result);
    assert_null(result);
    assert_true(bell.rings < STRESS_MESSAGES);
    free(pair.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_arrive_in_order_in_both_directions),
        cmocka_unit_test(what_is_not_published_is_not_seen),
        cmocka_unit_test(a_full_ring_is_busy_until_the_peer_releases),
        cmocka_unit_test(a_producer_is_rung_when_its_full_ring_has_room_again),
        cmocka_unit_test(a_busy_consumer_is_not_notified),
        cmocka_unit_test(an_index_may_wrap),
        cmocka_unit_test(a_restarted_end_goes_on_where_the_ring_stands),
        cmocka_unit_test(impossible_shapes_are_refused),
        cmocka_unit_test(a_damaged_header_is_refused),
        cmocka_unit_test(an_index_that_cannot_be_is_corrupt),
        cmocka_unit_test(a_descriptor_outside_the_pool_is_corrupt),
        cmocka_unit_test(a_hostile_peer_cannot_lead_us_out_of_the_memory),
        cmocka_unit_test(two_threads_lose_no_message_and_no_wakeup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

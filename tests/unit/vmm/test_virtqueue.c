/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: vmm/virtqueue.c vmm/capsule.c */
/* test_virtqueue.c: split virtqueues against drivers that keep the rules, and drivers that do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vmm/virtqueue.h"

#define RAM_BYTES 0x10000u
#define CAPSULE_BYTES 0x10000u
#define SIZE 8u
#define DESC 0x1000u
#define AVAIL 0x2000u
#define USED 0x3000u
#define DATA 0x8000u
#define INDIRECT 0x4000u

struct world {
    uint8_t *ram, *memory;
    struct guest_memory guest;
    struct capsule_tx tx;
    struct virtqueue_state *state;
    struct virtqueue queue;
    struct virtqueue_chain chain;
};

static int setup(void **context)
{
    struct world *w = calloc(1, sizeof(*w));
    struct capsule_section *section;
    struct capsule *capsule;
    bool created;

    w->ram = aligned_alloc(4096, RAM_BYTES);
    w->memory = aligned_alloc(4096, CAPSULE_BYTES);
    memset(w->ram, 0, RAM_BYTES);
    memset(w->memory, 0, CAPSULE_BYTES);
    w->guest = (struct guest_memory){ .low = w->ram, .low_bytes = RAM_BYTES };
    assert_int_equal(capsule_create(w->memory, CAPSULE_BYTES, 1, &capsule), CL_OK);
    assert_int_equal(capsule_section(capsule, "queue", 1, sizeof(*w->state), &section, &created), CL_OK);
    w->state = capsule_section_state(capsule, section);
    capsule_tx_init(&w->tx, capsule, 0);
    *w->state = (struct virtqueue_state){ .desc = DESC, .avail = AVAIL, .used = USED, .size = SIZE, .enabled = 1 };
    assert_int_equal(virtqueue_open(&w->queue, w->state, &w->guest, VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC),
                     CL_OK);
    *context = w;
    return 0;
}

static int teardown(void **context)
{
    struct world *w = *context;

    free(w->ram);
    free(w->memory);
    free(w);
    return 0;
}

static void put_desc(struct world *w, uint64_t table, unsigned index, uint64_t address, uint32_t length, uint16_t flags,
                     uint16_t next)
{
    struct virtq_desc desc = { address, length, flags, next };

    memcpy(w->ram + table + index * sizeof(desc), &desc, sizeof(desc));
}

static uint16_t *word(struct world *w, uint64_t address)
{
    return (uint16_t *)(void *)(w->ram + address);
}

static void offer(struct world *w, uint16_t head)
{
    uint16_t *avail = word(w, AVAIL);

    avail[2 + avail[1] % SIZE] = head;
    avail[1]++;
}

static void refused(struct world *w, const char *why)
{
    assert_int_equal(virtqueue_next(&w->queue, &w->chain), CL_CORRUPT);
    assert_non_null(strstr(w->chain.fault, why));
    assert_int_equal(w->state->avail_index, 0);
    assert_int_equal(w->state->used_index, 0);
}

static void empty_queue_gives_nothing(void **context)
{
    struct world *w = *context;

    assert_int_equal(virtqueue_next(&w->queue, &w->chain), CL_NOT_FOUND);
}

static void chain_is_read_written_and_completed(void **context)
{
    struct world *w = *context;
    char text[8] = { 0 };
    struct virtq_used_elem element;

    memcpy(w->ram + DATA, "abc", 3);
    memcpy(w->ram + DATA + 0x100, "defg", 4);
    put_desc(w, DESC, 5, DATA, 3, VIRTQ_DESC_F_NEXT, 2);
    put_desc(w, DESC, 2, DATA + 0x100, 4, VIRTQ_DESC_F_NEXT, 7);
    put_desc(w, DESC, 7, DATA + 0x200, 2, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE, 1);
    put_desc(w, DESC, 1, DATA + 0x300, 5, VIRTQ_DESC_F_WRITE, 0);
    offer(w, 5);
    assert_int_equal(virtqueue_next(&w->queue, &w->chain), CL_OK);
    assert_int_equal(w->chain.out_bytes, 7);
    assert_int_equal(w->chain.in_bytes, 7);
    assert_int_equal(virtqueue_read(&w->chain, 2, text, 8), 5);
    assert_string_equal(text, "cdefg");
    assert_int_equal(virtqueue_write(&w->chain, 1, "XYZ", 3), 3);
    assert_memory_equal(w->ram + DATA + 0x201, "X", 1);
    assert_memory_equal(w->ram + DATA + 0x300, "YZ", 2);
    assert_int_equal(virtqueue_write_zeros(&w->chain, 6, 9), 1);

    virtqueue_complete(&w->queue, &w->tx, &w->chain, 4);
    assert_int_equal(word(w, USED)[1], 0); /* nothing is visible before the commit */
    capsule_commit_quietly(&w->tx);
    assert_true(virtqueue_publish(&w->queue));
    assert_int_equal(word(w, USED)[1], 1);
    memcpy(&element, w->ram + USED + 4, sizeof(element));
    assert_int_equal(element.id, 5);
    assert_int_equal(element.length, 4);
    assert_int_equal(virtqueue_next(&w->queue, &w->chain), CL_NOT_FOUND);
}

static void indirect_table_is_followed(void **context)
{
    struct world *w = *context;

    put_desc(w, DESC, 0, INDIRECT, 48, VIRTQ_DESC_F_INDIRECT, 0);
    put_desc(w, INDIRECT, 0, DATA, 10, VIRTQ_DESC_F_NEXT, 2);
    put_desc(w, INDIRECT, 2, DATA, 20, VIRTQ_DESC_F_WRITE, 0);
    offer(w, 0);
    assert_int_equal(virtqueue_next(&w->queue, &w->chain), CL_OK);
    assert_int_equal(w->chain.out_bytes, 10);
    assert_int_equal(w->chain.in_bytes, 20);
}

static void indirect_table_may_end_a_chain(void **context)
{
    struct world *w = *context;

    put_desc(w, DESC, 0, DATA, 1, VIRTQ_DESC_F_NEXT, 1);
    put_desc(w, DESC, 1, INDIRECT, 16, VIRTQ_DESC_F_INDIRECT, 0);
    put_desc(w, INDIRECT, 0, DATA, 2, 0, 0);
    offer(w, 0);
    assert_int_equal(virtqueue_next(&w->queue, &w->chain), CL_OK);
    assert_int_equal(w->chain.out_bytes, 3);
}

static void available_index_out_of_range_is_refused(void **context)
{
    struct world *w = *context;

    word(w, AVAIL)[1] = SIZE + 1;
    refused(w, "available index");
}

static void head_out_of_range_is_refused(void **context)
{
    struct world *w = *context;

    offer(w, SIZE);
    refused(w, "beyond its table");
}

static void next_out_of_range_is_refused(void **context)
{
    struct world *w = *context;

    put_desc(w, DESC, 0, DATA, 1, VIRTQ_DESC_F_NEXT, 0xFFFF);
    offer(w, 0);
    refused(w, "beyond its table");
}

static void loops_are_refused(void **context)
{
    struct world *w = *context;

    put_desc(w, DESC, 3, DATA, 1, VIRTQ_DESC_F_NEXT, 4);
    put_desc(w, DESC, 4, DATA, 1, VIRTQ_DESC_F_NEXT, 3);
    offer(w, 3);
    refused(w, "in a circle");
    put_desc(w, DESC, 3, INDIRECT, 32, VIRTQ_DESC_F_INDIRECT, 0);
    put_desc(w, INDIRECT, 0, DATA, 1, VIRTQ_DESC_F_NEXT, 0);
    refused(w, "in a circle");
}

static void buffers_outside_of_ram_are_refused(void **context)
{
    struct world *w = *context;
    const struct {
        uint64_t address;
        uint32_t length;
    } bad[] = { { RAM_BYTES, 1 },         { RAM_BYTES - 1, 2 },       { 0, RAM_BYTES + 1 },    { UINT64_MAX, 1 },
                { UINT64_MAX - 10, 100 }, { 0xFFFFFFFF, 0xFFFFFFFF }, { PLATFORM_HIGH_RAM, 1 } };

    offer(w, 0);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        put_desc(w, DESC, 0, bad[i].address, bad[i].length, 0, 0);
        refused(w, "not in RAM");
    }
    put_desc(w, DESC, 0, DATA, 0, 0, 0);
    refused(w, "no bytes");
}

static void readable_behind_writable_is_refused(void **context)
{
    struct world *w = *context;

    put_desc(w, DESC, 0, DATA, 1, VIRTQ_DESC_F_WRITE | VIRTQ_DESC_F_NEXT, 1);
    put_desc(w, DESC, 1, DATA, 1, 0, 0);
    offer(w, 0);
    refused(w, "behind a writable one");
}

static void broken_indirect_tables_are_refused(void **context)
{
    struct world *w = *context;

    offer(w, 0);
    put_desc(w, DESC, 0, INDIRECT, 17, VIRTQ_DESC_F_INDIRECT, 0);
    refused(w, "broken length");
    put_desc(w, DESC, 0, INDIRECT, 0, VIRTQ_DESC_F_INDIRECT, 0);
    refused(w, "broken length");
    put_desc(w, DESC, 0, RAM_BYTES - 16, 32, VIRTQ_DESC_F_INDIRECT, 0);
    refused(w, "not in RAM");
    put_desc(w, DESC, 0, INDIRECT, 16, VIRTQ_DESC_F_INDIRECT | VIRTQ_DESC_F_NEXT, 1);
    refused(w, "with a successor");
    put_desc(w, DESC, 0, INDIRECT, 16, VIRTQ_DESC_F_INDIRECT, 0);
    put_desc(w, INDIRECT, 0, INDIRECT, 16, VIRTQ_DESC_F_INDIRECT, 0);
    refused(w, "in an indirect table");
    w->queue.features = VIRTIO_F_VERSION_1;
    refused(w, "without the feature");
}

static void more_than_4_gib_in_a_chain_is_refused(void **context)
{
    struct world *w = *context;

    /* RAM that large exists only as a claim: the lengths are summed before anything is touched */
    w->guest.low_bytes = UINT64_C(0xC0000000);
    put_desc(w, DESC, 0, 0, 0xB0000000, VIRTQ_DESC_F_NEXT, 1);
    put_desc(w, DESC, 1, 0, 0xB0000000, 0, 0);
    offer(w, 0);
    refused(w, "more than 4 GiB");
}

static void queues_that_cannot_be_are_not_opened(void **context)
{
    struct world *w = *context;
    const struct virtqueue_state good = *w->state;
    const struct virtqueue_state bad[] = {
        { .desc = DESC + 8, .avail = AVAIL, .used = USED, .size = SIZE, .enabled = 1 },
        { .desc = DESC, .avail = AVAIL + 1, .used = USED, .size = SIZE, .enabled = 1 },
        { .desc = DESC, .avail = AVAIL, .used = USED + 2, .size = SIZE, .enabled = 1 },
        { .desc = RAM_BYTES - 16, .avail = AVAIL, .used = USED, .size = SIZE, .enabled = 1 },
        { .desc = DESC, .avail = RAM_BYTES - 4, .used = USED, .size = SIZE, .enabled = 1 },
        { .desc = DESC, .avail = AVAIL, .used = RAM_BYTES - 16, .size = SIZE, .enabled = 1 },
        { .desc = UINT64_MAX - 15, .avail = AVAIL, .used = USED, .size = SIZE, .enabled = 1 },
        { .desc = DESC, .avail = AVAIL, .used = USED, .size = 0, .enabled = 1 },
        { .desc = DESC, .avail = AVAIL, .used = USED, .size = 7, .enabled = 1 },
        { .desc = DESC, .avail = AVAIL, .used = USED, .size = 512, .enabled = 1 },
        { .desc = DESC, .avail = AVAIL, .used = USED, .size = SIZE, .enabled = 0 },
    };

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        *w->state = bad[i];
        assert_int_equal(virtqueue_open(&w->queue, w->state, &w->guest, 0), CL_CORRUPT);
    }
    *w->state = good;
    assert_int_equal(virtqueue_open(&w->queue, w->state, &w->guest, 0), CL_OK);
}

static void complete_one(struct world *w)
{
    put_desc(w, DESC, 0, DATA, 1, 0, 0);
    offer(w, 0);
    assert_int_equal(virtqueue_next(&w->queue, &w->chain), CL_OK);
    virtqueue_complete(&w->queue, &w->tx, &w->chain, 0);
    capsule_commit_quietly(&w->tx);
}

static bool publish(struct world *w)
{
    bool wanted = virtqueue_publish(&w->queue);

    w->state->signalled = w->state->used_index;
    return wanted;
}

static void interrupt_follows_flag_without_event_index(void **context)
{
    struct world *w = *context;

    complete_one(w);
    assert_true(publish(w));
    word(w, AVAIL)[0] = VIRTQ_AVAIL_F_NO_INTERRUPT;
    complete_one(w);
    assert_false(publish(w));
    word(w, AVAIL)[0] = 0;
    assert_false(publish(w)); /* nothing new */
}

static void interrupt_follows_event_index(void **context)
{
    struct world *w = *context;
    uint16_t *used_event = word(w, AVAIL + 4 + 2 * SIZE);

    w->queue.features |= VIRTIO_F_EVENT_IDX;
    w->state->avail_index = w->state->used_index = w->state->signalled = 0xFFFE; /* over the wrap */
    word(w, AVAIL)[1] = 0xFFFE;
    word(w, USED)[1] = 0xFFFE;
    *used_event = 0;
    complete_one(w);
    assert_false(publish(w)); /* index 0xFFFF */
    complete_one(w);
    assert_false(publish(w)); /* index 0: element 0 is not there yet */
    complete_one(w);
    assert_true(publish(w)); /* index 1: passed it */
    complete_one(w);
    assert_false(publish(w));
    *used_event = 3;
    complete_one(w);
    complete_one(w);
    complete_one(w);
    assert_true(publish(w)); /* 2, 3, 4 at once */
}

static void arming_sets_the_event_and_sees_what_came_meanwhile(void **context)
{
    struct world *w = *context;
    const uint16_t *avail_event = word(w, USED + 4 + 8 * SIZE);

    w->queue.features |= VIRTIO_F_EVENT_IDX;
    complete_one(w);
    assert_false(virtqueue_arm(&w->queue));
    assert_int_equal(*avail_event, 1);
    offer(w, 0);
    assert_true(virtqueue_arm(&w->queue));
}

static uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Whatever stands in the rings, nothing outside of RAM is touched (the sanitizers watch) and every call returns. */
static void wild_rings_break_nothing(void **context)
{
    struct world *w = *context;
    uint64_t seed = 0x9E3779B97F4A7C15;
    unsigned taken = 0, faults = 0, wanted = 0;
    uint8_t bytes[300];

    memset(bytes, 0x5A, sizeof(bytes));
    for (unsigned step = 0; step < 150000; step++) {
        uint64_t r = random_next(&seed);
        unsigned entry = r % SIZE;
        uint64_t table = r >> 8 & 1 ? INDIRECT : DESC;

        switch (r >> 16 & 7) {
        case 0:
            put_desc(w, table, entry, random_next(&seed), (uint32_t)random_next(&seed), (uint16_t)(r >> 24),
                     (uint16_t)(r >> 40));
            break;
        case 1: /* plausible ones too, or no chain would ever be whole */
        case 2:
            put_desc(w, table, entry, DATA + (r >> 24 & 0x3FF), (uint32_t)(r >> 34 & 0xFF) + 1, r >> 44 & 3,
                     (uint16_t)(r >> 50 & 7));
            break;
        case 3:
            put_desc(w, DESC, entry, INDIRECT, 16 * (uint32_t)(1 + (r >> 24 & 7)), VIRTQ_DESC_F_INDIRECT, 0);
            break;
        case 4:
            offer(w, (uint16_t)(r >> 24 & 0xFF) % (SIZE + 1));
            break;
        case 5:
            word(w, AVAIL)[r >> 24 & 15] = (uint16_t)(r >> 40);
            break;
        default:
            word(w, AVAIL)[1] = (uint16_t)(w->state->avail_index + (r >> 24) % (SIZE + 1));
            break;
        }
        switch (virtqueue_next(&w->queue, &w->chain)) {
        case CL_OK:
            taken++;
            (void)virtqueue_read(&w->chain, (uint32_t)(r >> 30 & 0x1FF), bytes, sizeof(bytes));
            (void)virtqueue_write(&w->chain, (uint32_t)(r >> 33 & 0x1FF), bytes, sizeof(bytes));
            virtqueue_complete(&w->queue, &w->tx, &w->chain, (uint32_t)r);
            capsule_commit_quietly(&w->tx);
            wanted += virtqueue_publish(&w->queue);
            w->state->signalled = w->state->used_index;
            wanted += virtqueue_arm(&w->queue);
            break;
        case CL_CORRUPT:
            assert_non_null(w->chain.fault);
            faults++;
            word(w, AVAIL)[1] = w->state->avail_index; /* as after a reset */
            break;
        default:
            break;
        }
    }
    assert_true(taken > 1000 && faults > 1000 && wanted > 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(empty_queue_gives_nothing),
        TEST(chain_is_read_written_and_completed),
        TEST(indirect_table_is_followed),
        TEST(indirect_table_may_end_a_chain),
        TEST(available_index_out_of_range_is_refused),
        TEST(head_out_of_range_is_refused),
        TEST(next_out_of_range_is_refused),
        TEST(loops_are_refused),
        TEST(buffers_outside_of_ram_are_refused),
        TEST(readable_behind_writable_is_refused),
        TEST(broken_indirect_tables_are_refused),
        TEST(more_than_4_gib_in_a_chain_is_refused),
        TEST(queues_that_cannot_be_are_not_opened),
        TEST(interrupt_follows_flag_without_event_index),
        TEST(interrupt_follows_event_index),
        TEST(arming_sets_the_event_and_sees_what_came_meanwhile),
        TEST(wild_rings_break_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

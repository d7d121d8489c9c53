/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: kernel/pool.c kernel/fake/fake_assert.c kernel/fake/fake_account.c kernel/fake/fake_pool.c kernel/fake/fake_random.c */
/* test_pool.c: the kernel's pool hands out zeroed, aligned, disjoint memory and takes every byte back. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/fake/fake.h"
#include "kernel/fake/fake_account.h"
#include "kernel/pool.h"

#define POOL_BYTES (UINT64_C(16) << 20)
#define UNIT 64 /* the smallest thing that the pool hands out */
#define HOLD_MAX 4000
#define ORDER_MAX (POOL_SHIFT_MAX - PAGE_SHIFT)

struct held {
    unsigned char *memory;
    uint64_t bytes; /* as asked for */
    unsigned char mark;
};

static struct held held[HOLD_MAX];
static size_t held_count;
static struct account *payer;

static uint64_t cost(const struct held *h)
{
    uint64_t bytes = UNIT;

    while (bytes < h->bytes)
        bytes *= 2;
    return bytes;
}

static bool is_all(const unsigned char *memory, uint64_t bytes, unsigned char value)
{
    return memory[0] == value && memcmp(memory, memory + 1, bytes - 1) == 0;
}

/* A random block or object; what it returns is checked and then filled with a mark of its own. */
static bool take_random(void)
{
    struct held *h = &held[held_count];

    uint64_t order = fake_random(8) == 0 ? fake_random(ORDER_MAX + 1) : fake_random(3);
    h->bytes = fake_random(4) != 0 ? 1 + fake_random(2048) : (PAGE_SIZE << order) - fake_random(PAGE_SIZE / 2);
    h->mark = (unsigned char)(1 + fake_random(255));
    h->memory = pool_take(payer, h->bytes);
    if (h->memory == NULL)
        return false;
    assert_int_equal(pool_bytes_of(h->memory), cost(h));
    assert_true(is_all(h->memory, cost(h), 0));
    assert_true(is_aligned(pool_physical(h->memory).value, cost(h) < PAGE_SIZE ? UNIT : cost(h)));
    assert_int_equal(pool_physical((char *)h->memory + cost(h) - 1).value,
                     pool_physical(h->memory).value + cost(h) - 1);
    assert_ptr_equal(pool_virtual(pool_physical(h->memory)), h->memory);
    memset(h->memory, h->mark, h->bytes);
    held_count++;
    return true;
}

/* Whoever wrote into this block meanwhile was given the same memory. */
static void give(size_t index)
{
    struct held *h = &held[index];

    assert_true(is_all(h->memory, h->bytes, h->mark));
    pool_give(payer, h->memory);
    *h = held[--held_count];
}

static uint64_t held_cost(void)
{
    uint64_t total = 0;

    for (size_t i = 0; i < held_count; i++)
        total += cost(&held[i]);
    return total;
}

static unsigned largest_blocks(void)
{
    void *blocks[16];
    unsigned count = 0;

    while ((blocks[count] = pool_take(NULL, PAGE_SIZE << ORDER_MAX)) != NULL)
        count++;
    for (unsigned i = 0; i < count; i++)
        pool_give(NULL, blocks[i]);
    return count;
}

static void random_workload(uint64_t seed)
{
    fake_random_seed(seed);
    fake_pool_create(POOL_BYTES);
    payer = fake_account_create(UINT64_MAX, 0);
    uint64_t free_at_start = pool_free_bytes();
    unsigned largest_at_start = largest_blocks();

    for (unsigned step = 0; step < 20000; step++) {
        bool grow = fake_random(100) < (step / 4000 % 2 == 0 ? 70u : 30u);

        if (grow && held_count < HOLD_MAX)
            (void)take_random();
        else if (held_count > 0)
            give(fake_random(held_count));
        if (step % 500 == 0) {
            assert_int_equal(fake_account_spent(payer, PURSE_KERNEL), held_cost());
            assert_int_equal(pool_free_bytes(), free_at_start - held_cost());
        }
    }
    while (held_count > 0)
        give(fake_random(held_count));
    assert_int_equal(fake_account_spent(payer, PURSE_KERNEL), 0);
    assert_int_equal(pool_free_bytes(), free_at_start);
    assert_int_equal(largest_blocks(), largest_at_start);
    fake_account_destroy(payer);
    fake_pool_destroy();
}

static void random_blocks_are_zeroed_aligned_disjoint_and_join_again_when_freed(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++)
        random_workload(seed);
}

static void a_range_that_cannot_align_its_blocks_is_a_panic(void **state)
{
    (void)state;
    assert_true(FAKE_PANICS(fake_pool_create_at(hpa(FAKE_POOL_BASE + LARGE_SIZE / 2), POOL_BYTES)));
    assert_true(FAKE_PANICS(fake_pool_create_at(hpa(FAKE_POOL_BASE), PAGE_SIZE)));
    fake_pool_destroy();
}

static void an_account_that_cannot_pay_gets_nothing_and_pays_nothing(void **state)
{
    struct account *poor = fake_account_create(PAGE_SIZE + 128, 0);

    (void)state;
    fake_pool_create(POOL_BYTES);
    uint64_t free_bytes = pool_free_bytes();

    assert_null(pool_take(poor, 2 * PAGE_SIZE));
    assert_non_null(pool_take(poor, 0));
    assert_int_equal(fake_account_spent(poor, PURSE_KERNEL), 64);
    void *page = pool_take(poor, PAGE_SIZE);
    assert_non_null(page);
    assert_null(pool_take(poor, 65));
    assert_int_equal(fake_refusal_status, CL_NO_MEMORY);
    assert_int_equal(fake_account_spent(poor, PURSE_KERNEL), PAGE_SIZE + 64);
    assert_int_equal(pool_free_bytes(), free_bytes - PAGE_SIZE - 64);
    pool_give(poor, page);
    assert_int_equal(fake_account_spent(poor, PURSE_KERNEL), 64);
    fake_account_destroy(poor);
    fake_pool_destroy();
}

static void an_empty_pool_refuses_with_a_sentence_and_refunds(void **state)
{
    struct account *rich = fake_account_create(UINT64_MAX, 0);
    uint64_t pages = 0;

    (void)state;
    fake_pool_create(POOL_BYTES);
    while (pool_take(rich, PAGE_SIZE) != NULL)
        pages++;
    assert_int_equal(pool_free_bytes(), 0);
    assert_int_equal(fake_account_spent(rich, PURSE_KERNEL), pages * PAGE_SIZE);
    assert_in_range(pages * PAGE_SIZE, POOL_BYTES - POOL_BYTES / 128, POOL_BYTES - PAGE_SIZE);
    fake_refusal[0] = '\0';
    assert_null(pool_take(rich, 64));
    assert_int_equal(fake_refusal_status, CL_NO_MEMORY);
    assert_non_null(strstr(fake_refusal, "64 contiguous bytes"));
    assert_int_equal(fake_account_spent(rich, PURSE_KERNEL), pages * PAGE_SIZE);
    fake_account_destroy(rich);
    fake_pool_destroy();
}

static void a_page_is_filled_with_objects_of_one_class_before_the_next_is_opened(void **state)
{
    char *objects[64];

    (void)state;
    fake_pool_create(POOL_BYTES);
    for (unsigned i = 0; i < 64; i++) {
        objects[i] = pool_take(NULL, 1 + i);
        assert_int_equal((uintptr_t)objects[i] / PAGE_SIZE, (uintptr_t)objects[0] / PAGE_SIZE);
    }
    char *other = pool_take(NULL, 64);
    assert_int_not_equal((uintptr_t)other / PAGE_SIZE, (uintptr_t)objects[0] / PAGE_SIZE);
    pool_give(NULL, objects[17]);
    assert_ptr_not_equal(pool_take(NULL, 65), objects[17]);
    assert_ptr_equal(pool_take(NULL, 64), objects[17]);
    fake_pool_destroy();
}

static void memory_that_does_not_fit_what_is_freed_is_a_panic(void **state)
{
    (void)state;
    fake_pool_create(POOL_BYTES);
    char *pages = pool_take(NULL, 2 * PAGE_SIZE);
    pool_give(NULL, pages);
    assert_true(FAKE_PANICS(pool_give(NULL, pages)));

    fake_pool_create(POOL_BYTES);
    pages = pool_take(NULL, 2 * PAGE_SIZE);
    assert_true(FAKE_PANICS(pool_give(NULL, pages + PAGE_SIZE)));

    fake_pool_create(POOL_BYTES);
    char *object = pool_take(NULL, 256);
    char *neighbour = pool_take(NULL, 256);
    pool_give(NULL, object);
    assert_true(FAKE_PANICS(pool_give(NULL, object)));

    fake_pool_create(POOL_BYTES);
    object = pool_take(NULL, 256);
    assert_true(FAKE_PANICS(pool_give(NULL, object + 64)));

    fake_pool_create(POOL_BYTES);
    assert_true(FAKE_PANICS((void)pool_physical(&neighbour)));
    assert_true(FAKE_PANICS((void)pool_virtual(hpa(FAKE_POOL_BASE + POOL_BYTES))));
    assert_true(FAKE_PANICS((void)pool_virtual(hpa(FAKE_POOL_BASE - 1))));
    assert_true(FAKE_PANICS(pages = pool_take(NULL, (PAGE_SIZE << ORDER_MAX) + 1)));
    fake_pool_destroy();
}

/* Whatever lies behind the books, here forged entries of free blocks in pages that are in use, is not read as one. */
static void a_block_at_the_end_has_no_buddy_beyond_it(void **state)
{
    static const struct {
        uint64_t next, at, note;
        uint8_t state;
        uint8_t shift;
    } forged = { 0, 0, 0, 1, 20 };
    char *page;

    (void)state;
    fake_pool_create(1280 * PAGE_SIZE);
    void *last = pool_take(NULL, PAGE_SIZE << 8);
    assert_int_equal(pool_physical(last).value, FAKE_POOL_BASE + 1024 * PAGE_SIZE);
    while ((page = pool_take(NULL, PAGE_SIZE)) != NULL) {
        for (size_t at = 0; at + sizeof forged <= PAGE_SIZE; at += sizeof forged)
            memcpy(page + at, &forged, sizeof forged);
    }
    pool_give(NULL, last);
    assert_null(pool_take(NULL, PAGE_SIZE << 9));
    assert_ptr_equal(pool_take(NULL, PAGE_SIZE << 8), last);
    fake_pool_destroy();
}

static void size_is_that_of_the_range(void **state)
{
    (void)state;
    fake_pool_create(POOL_BYTES);
    assert_int_equal(pool_size(), POOL_BYTES);
    fake_pool_destroy();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_blocks_are_zeroed_aligned_disjoint_and_join_again_when_freed),
        cmocka_unit_test(a_range_that_cannot_align_its_blocks_is_a_panic),
        cmocka_unit_test(an_account_that_cannot_pay_gets_nothing_and_pays_nothing),
        cmocka_unit_test(an_empty_pool_refuses_with_a_sentence_and_refunds),
        cmocka_unit_test(a_page_is_filled_with_objects_of_one_class_before_the_next_is_opened),
        cmocka_unit_test(memory_that_does_not_fit_what_is_freed_is_a_panic),
        cmocka_unit_test(a_block_at_the_end_has_no_buddy_beyond_it),
        cmocka_unit_test(size_is_that_of_the_range),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

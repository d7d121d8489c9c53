/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: kernel/pagetable.c kernel/pagetable_formats_table.c kernel/pool.c kernel/fake/fake_assert.c kernel/fake/fake_account.c kernel/fake/fake_pool.c kernel/fake/fake_random.c */
/* test_pagetable.c: the engine in every format against a model that is a list of leaves and a list of tables, and the
 * raw entries against the manuals.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/fake/fake.h"
#include "kernel/fake/fake_account.h"
#include "kernel/pagetable.h"
#include "kernel/pool.h"

#define POOL_BYTES (UINT64_C(8) << 20)
#define LEAF_MAX 600
#define TABLE_MAX 1000
#define ALL_RIGHTS 31u
#define SPACE_END (UINT64_C(1) << 47)
#define UPPER_HALF UINT64_C(0xffff800000000000)

struct model_leaf {
    uint64_t address;
    struct pt_leaf leaf;
};

/* A table that the tree must have: the one at `level` that decides over addresses from `base` on. */
struct model_table {
    uint64_t base;
    unsigned level;
};

static struct model_leaf leaves[LEAF_MAX];
static size_t leaf_count;
static struct model_table tables[TABLE_MAX];
static size_t table_count;

static const struct format_under_test {
    const struct pt_format *format;
    uint64_t table_bits;
} formats[] = {
    { &pt_format_host, 0x27 },
    { &pt_format_npt, 0x27 },
    { &pt_format_ept, 0x107 },
    { &pt_format_memory, 0x1 },
};

static uint64_t size_of(unsigned shift)
{
    return UINT64_C(1) << shift;
}

/* The model. */

static struct model_leaf *model_find(uint64_t address)
{
    for (size_t i = 0; i < leaf_count; i++) {
        if (address - leaves[i].address < size_of(leaves[i].leaf.page_shift))
            return &leaves[i];
    }
    return NULL;
}

static bool model_has_table(uint64_t base, unsigned level)
{
    for (size_t i = 0; i < table_count; i++) {
        if (tables[i].base == base && tables[i].level == level)
            return true;
    }
    return false;
}

/* What pt_set must answer when the account can pay for `affordable` more tables. */
static enum cl_status model_set(uint64_t address, struct pt_leaf leaf, uint64_t affordable)
{
    unsigned leaf_level = (leaf.page_shift - PAGE_SHIFT) / 9 + 1;

    if (model_find(address) != NULL)
        return CL_OCCUPIED;
    if (leaf_level > 1 && model_has_table(address, leaf_level - 1))
        return CL_OCCUPIED;
    for (unsigned level = 3; level >= leaf_level; level--) {
        uint64_t base = align_down(address, size_of(12 + 9 * level));

        if (model_has_table(base, level))
            continue;
        if (affordable-- == 0)
            return CL_NO_MEMORY;
        assert_true(table_count < TABLE_MAX);
        tables[table_count++] = (struct model_table){ base, level };
    }
    assert_true(leaf_count < LEAF_MAX);
    leaves[leaf_count++] = (struct model_leaf){ address, leaf };
    return CL_OK;
}

static struct model_leaf *model_next(uint64_t address, uint64_t end)
{
    struct model_leaf *best = NULL;

    for (size_t i = 0; i < leaf_count; i++) {
        struct model_leaf *l = &leaves[i];

        if (l->address < end && l->address + (size_of(l->leaf.page_shift) - 1) >= address)
            best = best == NULL || l->address < best->address ? l : best;
    }
    return best;
}

static void assert_same(struct pt_leaf found, struct pt_leaf expected)
{
    assert_int_equal(found.frame.value, expected.frame.value);
    assert_int_equal(found.page_shift, expected.page_shift);
}

/* The workload. */

/* Few enough places that pages of all sizes collide. */
static uint64_t random_address(unsigned shift)
{
    static const uint64_t places[] = { 0, 1, 2, 255, 510, 511 };
    uint64_t address = 0;

    for (unsigned level = 4; level >= 1 && 12 + 9 * (level - 1) >= shift; level--) {
        uint64_t index = places[fake_random(6)];

        if (level == 4)
            index = fake_random(2) == 0 ? 0 : 255;
        address |= index << (12 + 9 * (level - 1));
    }
    return address;
}

static struct pt_leaf random_leaf(void)
{
    unsigned shift = fake_random(4) != 0 ? PAGE_SHIFT : fake_random(3) != 0 ? LARGE_SHIFT : HUGE_SHIFT;

    return (struct pt_leaf){
        .frame = hpa(fake_random(UINT64_C(1) << (52 - shift)) << shift),
        .page_shift = shift,
        .rights = PT_READ | (unsigned)fake_random(ALL_RIGHTS + 1),
        .type = (enum pt_type)fake_random(PT_TYPE_COUNT),
    };
}

/* Take all leaves of a range out, one after the other, with a budget too small for most steps. */
static void remove_range(struct pt *pt, uint64_t address, uint64_t end)
{
    struct model_leaf *expected;

    do {
        struct pt_leaf found;
        bool is_found = false;

        expected = model_next(address, end);
        while (address < end && !is_found) {
            uint64_t from = address;
            unsigned given = 1 + (unsigned)fake_random(3), budget = given;

            is_found = pt_remove_next(pt, &address, end, &budget, &found);
            assert_true(address > from && address <= end);
            assert_true(is_found ? budget < given : budget == 0 || address == end);
        }
        assert_int_equal(is_found, expected != NULL);
        if (expected != NULL) {
            assert_same(found, expected->leaf);
            assert_int_equal(align_down(address - 1, size_of(found.page_shift)), expected->address);
            *expected = leaves[--leaf_count];
        }
    } while (expected != NULL);
}

static void compare_lookups(const struct pt *pt)
{
    for (unsigned i = 0; i < 20; i++) {
        uint64_t address = random_address(PAGE_SHIFT) + fake_random(PAGE_SIZE);
        const struct model_leaf *expected = model_find(address);
        struct pt_leaf found;

        assert_int_equal(pt_get(pt, address, &found) != NULL, expected != NULL);
        if (expected != NULL)
            assert_same(found, expected->leaf);
        else if (found.page_shift < 39)
            assert_true(found.page_shift == PAGE_SHIFT ||
                        !model_has_table(align_down(address, size_of(found.page_shift)), (found.page_shift - 12) / 9));
    }
}

static void remove_one(struct pt *pt)
{
    uint64_t address = random_address(PAGE_SHIFT);

    if (leaf_count > 0 && fake_random(4) != 0) {
        const struct model_leaf *l = &leaves[fake_random(leaf_count)];
        address = l->address + fake_random(size_of(l->leaf.page_shift));
    }
    remove_range(pt, address, address + 1);
}

static void destroy_in_pieces(struct pt *pt, struct account *account)
{
    bool done = false;

    while (!done) {
        uint64_t before = fake_account_spent(account, PURSE_KERNEL);
        unsigned budget = 1 + (unsigned)fake_random(4);

        done = pt_destroy(pt, budget);
        assert_true(before - fake_account_spent(account, PURSE_KERNEL) <= budget * PAGE_SIZE);
    }
    assert_int_equal(fake_account_spent(account, PURSE_KERNEL), 0);
}

static void random_workload(const struct format_under_test *t, uint64_t seed)
{
    struct account *account = fake_account_create(UINT64_MAX, 0);
    struct pt pt;

    fake_random_seed(seed);
    fake_pool_create(POOL_BYTES);
    uint64_t free_at_start = pool_free_bytes();
    leaf_count = 0;
    table_count = 0;
    assert_int_equal(pt_create(&pt, t->format, account), CL_OK);

    for (unsigned step = 0; step < 3000; step++) {
        bool grow = leaf_count < LEAF_MAX && fake_random(100) < (step / 500 % 2 == 0 ? 75u : 35u);

        if (grow) {
            struct pt_leaf leaf = random_leaf();
            uint64_t address = random_address(leaf.page_shift);
            uint64_t affordable = fake_random(3) == 0 ? fake_random(4) : 4;
            uint64_t spent = fake_account_spent(account, PURSE_KERNEL);

            fake_account_limit(account, PURSE_KERNEL, spent + affordable * PAGE_SIZE);
            assert_int_equal(pt_set(&pt, address, leaf), model_set(address, leaf, affordable));
        } else {
            remove_one(&pt);
        }
        assert_int_equal(fake_account_spent(account, PURSE_KERNEL), (1 + table_count) * PAGE_SIZE);
        compare_lookups(&pt);
        if (step % 200 == 0) {
            uint64_t from = random_address(PAGE_SHIFT);

            remove_range(&pt, from, from + fake_random(SPACE_END - from) + 1);
        }
    }
    remove_range(&pt, 0, SPACE_END);
    assert_int_equal(leaf_count, 0);
    destroy_in_pieces(&pt, account);
    assert_int_equal(pool_free_bytes(), free_at_start);
    fake_account_destroy(account);
    fake_pool_destroy();
}

static void every_format_agrees_with_the_model_over_random_work(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        for (uint64_t seed = 1; seed <= 3; seed++)
            random_workload(&formats[i], seed * 10 + i);
    }
}

/* Raw entries. */

/* The entry at `level` over `address`, found by following bits 51:12 as hardware does. */
static uint64_t raw_entry(const struct pt *pt, uint64_t address, unsigned level)
{
    const uint64_t *table = pool_virtual(pt_root(pt));

    for (unsigned at = 4; at > level; at--)
        table = pool_virtual(hpa(table[address >> (12 + 9 * (at - 1)) & 511] & UINT64_C(0xffffffffff000)));
    return table[address >> (12 + 9 * (level - 1)) & 511];
}

/* The entry that a leaf at `address` becomes, in a tree of its own. */
static uint64_t raw_leaf(const struct pt_format *format, uint64_t address, struct pt_leaf leaf)
{
    struct pt pt;
    uint64_t entry;

    assert_int_equal(pt_create(&pt, format, NULL), CL_OK);
    assert_int_equal(pt_set(&pt, address, leaf), CL_OK);
    entry = raw_entry(&pt, address, (leaf.page_shift - PAGE_SHIFT) / 9 + 1);
    while (!pt_destroy(&pt, 8))
        ;
    return entry;
}

struct raw_case {
    const struct pt_format *format;
    unsigned page_shift;
    unsigned rights;
    enum pt_type type;
    uint64_t bits; /* all but the frame */
};

#define RW (PT_READ | PT_WRITE)
#define RX (PT_READ | PT_EXECUTE)
#define RWX (PT_READ | PT_WRITE | PT_EXECUTE)
#define NX UINT64_C(0x8000000000000000)

static const struct raw_case raw_cases[] = {
    /* SDM Vol. 3A tables 4-16 to 4-20: P 0, R/W 1, U/S 2, PWT 3, PCD 4, A 5, D 6, PS 7, G 8, XD 63 */
    { &pt_format_host, 12, PT_READ, PT_WRITE_BACK, NX | 0x21 },
    { &pt_format_host, 12, RW, PT_WRITE_BACK, NX | 0x63 },
    { &pt_format_host, 12, RX | PT_USER, PT_WRITE_BACK, 0x25 },
    { &pt_format_host, 12, RW | PT_USER, PT_WRITE_COMBINING, NX | 0x6f },
    { &pt_format_host, 12, RW | PT_GLOBAL, PT_UNCACHEABLE, NX | 0x17b },
    { &pt_format_host, 21, RX | PT_GLOBAL, PT_WRITE_BACK, 0x1a1 },
    { &pt_format_host, 21, RWX | PT_USER, PT_WRITE_BACK, 0xe7 },
    { &pt_format_host, 30, RW, PT_UNCACHEABLE, NX | 0xfb },
    /* APM Vol. 2 15.25.5, 5.3: as above, every entry a user's */
    { &pt_format_npt, 12, PT_READ, PT_WRITE_BACK, NX | 0x25 },
    { &pt_format_npt, 12, RWX, PT_WRITE_BACK, 0x67 },
    { &pt_format_npt, 12, RW, PT_UNCACHEABLE, NX | 0x7f },
    { &pt_format_npt, 21, RWX | PT_USER | PT_GLOBAL, PT_WRITE_BACK, 0xe7 },
    { &pt_format_npt, 21, RW, PT_WRITE_COMBINING, NX | 0xef },
    { &pt_format_npt, 30, RX, PT_WRITE_BACK, 0xa5 },
    /* SDM Vol. 3C tables 29-3, 29-5, 29-7: R 0, W 1, X 2, type 5:3, ignore PAT 6, large 7 */
    { &pt_format_ept, 12, PT_READ, PT_WRITE_BACK, 0x171 },
    { &pt_format_ept, 12, RWX, PT_WRITE_BACK, 0x377 },
    { &pt_format_ept, 12, RW | PT_USER | PT_GLOBAL, PT_UNCACHEABLE, 0x303 },
    { &pt_format_ept, 12, RX, PT_WRITE_COMBINING, 0x10d },
    { &pt_format_ept, 21, RWX, PT_WRITE_BACK, 0x3f7 },
    { &pt_format_ept, 21, RW, PT_UNCACHEABLE, 0x383 },
    { &pt_format_ept, 30, RWX, PT_WRITE_BACK, 0x3f7 },
    /* ours: present 0, large 7 */
    { &pt_format_memory, 12, PT_READ, PT_WRITE_BACK, 0x01 },
    { &pt_format_memory, 21, ALL_RIGHTS, PT_WRITE_COMBINING, 0x81 },
};

static void leaves_have_the_bits_of_the_manuals(void **state)
{
    const uint64_t frame = UINT64_C(0xabcde40000000);

    (void)state;
    fake_pool_create(POOL_BYTES);
    for (size_t i = 0; i < ARRAY_SIZE(raw_cases); i++) {
        const struct raw_case *c = &raw_cases[i];
        struct pt_leaf leaf = { hpa(frame), c->page_shift, c->rights, c->type };

        assert_int_equal(raw_leaf(c->format, UINT64_C(0x7fffc0000000), leaf), frame | c->bits);
    }
    fake_pool_destroy();
}

static void tables_grant_all_and_leaves_decide(void **state)
{
    const uint64_t address = UINT64_C(0x7f8123456000);
    const struct pt_leaf leaf = { hpa(PAGE_SIZE), PAGE_SHIFT, PT_READ, PT_UNCACHEABLE };

    (void)state;
    fake_pool_create(POOL_BYTES);
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        struct pt pt;

        assert_int_equal(pt_create(&pt, formats[i].format, NULL), CL_OK);
        assert_int_equal(pt_set(&pt, address, leaf), CL_OK);
        for (unsigned level = 4; level > 1; level--)
            assert_int_equal(raw_entry(&pt, address, level) & ~UINT64_C(0xffffffffff000), formats[i].table_bits);
    }
    fake_pool_destroy();
}

static void the_kernel_half_is_closed_to_ring_3_at_every_level(void **state)
{
    const struct pt_leaf leaf = { hpa(PAGE_SIZE), PAGE_SHIFT, RW | PT_GLOBAL, PT_WRITE_BACK };
    const uint64_t address = UINT64_C(0xffffffff80000000);
    struct pt pt;

    (void)state;
    fake_pool_create(POOL_BYTES);
    assert_int_equal(pt_create(&pt, &pt_format_host, NULL), CL_OK);
    assert_int_equal(pt_set(&pt, address, leaf), CL_OK);
    for (unsigned level = 4; level > 1; level--)
        assert_int_equal(raw_entry(&pt, address, level) & ~UINT64_C(0xffffffffff000), 0x23);
    assert_int_equal(raw_entry(&pt, address, 1), NX | PAGE_SIZE | 0x163);
    fake_pool_destroy();
}

/* Single rules. */

static void what_can_be_no_page_is_a_panic(void **state)
{
    const struct pt_leaf page = { hpa(PAGE_SIZE), PAGE_SHIFT, RW, PT_WRITE_BACK };
    struct pt_leaf odd;
    struct pt pt;

    (void)state;
    fake_pool_create(POOL_BYTES);
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        assert_int_equal(pt_create(&pt, formats[i].format, NULL), CL_OK);
        assert_int_equal(pt_set(&pt, 0, (struct pt_leaf){ hpa(HUGE_SIZE), HUGE_SHIFT, RW, PT_WRITE_BACK }), CL_OK);
        assert_true(FAKE_PANICS((void)pt_get(&pt, SPACE_END, &odd)));
        assert_true(FAKE_PANICS((void)pt_get(&pt, UPPER_HALF - 1, &odd)));
        assert_true(FAKE_PANICS((void)!pt_set(&pt, SPACE_END, page)));
        assert_true(FAKE_PANICS((void)!pt_set(&pt, UINT64_C(1) << 48, page)));
        assert_true(FAKE_PANICS((void)!pt_set(&pt, HUGE_SIZE + 8, page)));

        odd = page;
        odd.page_shift = LARGE_SHIFT;
        assert_true(FAKE_PANICS((void)!pt_set(&pt, HUGE_SIZE, odd)));
        odd.frame = hpa(UINT64_C(1) << 52);
        odd.page_shift = PAGE_SHIFT;
        assert_true(FAKE_PANICS((void)!pt_set(&pt, HUGE_SIZE, odd)));
        odd = page;
        odd.rights = PT_WRITE;
        assert_true(FAKE_PANICS((void)!pt_set(&pt, HUGE_SIZE, odd)));
        assert_null(pt_get(&pt, HUGE_SIZE, &odd));
    }
    fake_pool_destroy();
}

/* Hardware may be walking it: the table stays, and the caller uses small pages there. */
static void a_table_stays_where_small_pages_were_and_keeps_a_large_page_out(void **state)
{
    const struct pt_leaf page = { hpa(PAGE_SIZE), PAGE_SHIFT, RW, PT_WRITE_BACK };
    const struct pt_leaf large = { hpa(LARGE_SIZE), LARGE_SHIFT, RW, PT_WRITE_BACK };
    uint64_t cursor = LARGE_SIZE;
    unsigned budget = 2;
    struct pt_leaf found;
    struct pt pt;

    (void)state;
    fake_pool_create(POOL_BYTES);
    assert_int_equal(pt_create(&pt, &pt_format_npt, NULL), CL_OK);
    assert_int_equal(pt_set(&pt, LARGE_SIZE + PAGE_SIZE, page), CL_OK);
    assert_true(pt_remove_next(&pt, &cursor, 2 * LARGE_SIZE, &budget, &found));
    assert_null(pt_get(&pt, LARGE_SIZE + PAGE_SIZE, &found));
    assert_int_equal(found.page_shift, PAGE_SHIFT);
    uint64_t free_bytes = pool_free_bytes();
    assert_int_equal(pt_set(&pt, LARGE_SIZE, large), CL_OCCUPIED);
    assert_int_equal(pt_set(&pt, LARGE_SIZE, page), CL_OK);
    assert_int_equal(pool_free_bytes(), free_bytes);
    fake_pool_destroy();
}

static void a_large_leaf_is_split_into_the_same_frames(void **state)
{
    struct pt_leaf large = { hpa(HUGE_SIZE), HUGE_SHIFT, RW, PT_WRITE_BACK }, found;
    uint64_t address = 3 * HUGE_SIZE + 5 * LARGE_SIZE + 7 * PAGE_SIZE, free_bytes;
    struct pt pt;

    (void)state;
    fake_pool_create(POOL_BYTES);
    assert_int_equal(pt_create(&pt, &pt_format_ept, NULL), CL_OK);
    assert_int_equal(pt_set(&pt, 3 * HUGE_SIZE, large), CL_OK);
    assert_int_equal(pt_split(&pt, address, RW), CL_OK);
    assert_int_equal(*pt_get(&pt, address, &found), (HUGE_SIZE + 5 * LARGE_SIZE) | 0x3f3);
    assert_int_equal(found.page_shift, LARGE_SHIFT);
    free_bytes = pool_free_bytes();
    assert_int_equal(pt_split(&pt, address, RWX), CL_OK);
    assert_int_equal(free_bytes - pool_free_bytes(), PAGE_SIZE);
    assert_int_equal(*pt_get(&pt, address, &found), (HUGE_SIZE + 5 * LARGE_SIZE + 7 * PAGE_SIZE) | 0x377);
    assert_int_equal(found.page_shift, PAGE_SHIFT);
    assert_int_equal(*pt_get(&pt, 4 * HUGE_SIZE - 1, &found), (2 * HUGE_SIZE - LARGE_SIZE) | 0x3f3);
    assert_true(pt_destroy(&pt, 10));
    fake_pool_destroy();
}

static void a_domain_is_taken_down_without_the_kernel_half_that_it_shares(void **state)
{
    const struct pt_leaf page = { hpa(PAGE_SIZE), PAGE_SHIFT, RW, PT_WRITE_BACK };
    const uint64_t kernel_address = UPPER_HALF + HUGE_SIZE;
    struct account *account = fake_account_create(UINT64_MAX, 0);
    struct pt kernel;
    struct pt domain;
    struct pt_leaf found;

    (void)state;
    fake_pool_create(POOL_BYTES);
    assert_int_equal(pt_create(&kernel, &pt_format_host, NULL), CL_OK);
    assert_int_equal(pt_set(&kernel, kernel_address, page), CL_OK);
    assert_int_equal(pt_create(&domain, &pt_format_host, account), CL_OK);
    memcpy(domain.root + 256, kernel.root + 256, PAGE_SIZE / 2);
    assert_non_null(pt_get(&domain, kernel_address, &found));
    assert_int_equal(pt_set(&domain, SPACE_END - PAGE_SIZE, page), CL_OK);
    assert_int_equal(pt_set(&domain, 0, page), CL_OK);
    assert_int_equal(fake_account_spent(account, PURSE_KERNEL), 7 * PAGE_SIZE);
    while (!pt_destroy(&domain, 2))
        ;
    assert_int_equal(fake_account_spent(account, PURSE_KERNEL), 0);
    assert_non_null(pt_get(&kernel, kernel_address, &found));
    assert_int_equal(found.frame.value, page.frame.value);
    fake_account_destroy(account);
    fake_pool_destroy();
}

static void removal_ends_at_the_top_of_the_address_space(void **state)
{
    const struct pt_leaf page = { hpa(PAGE_SIZE), PAGE_SHIFT, RW, PT_WRITE_BACK };
    struct pt_leaf found;
    uint64_t cursor = UPPER_HALF;
    unsigned budget = 1000;
    struct pt pt;

    (void)state;
    fake_pool_create(POOL_BYTES);
    assert_int_equal(pt_create(&pt, &pt_format_host, NULL), CL_OK);
    assert_false(pt_remove_next(&pt, &cursor, UINT64_MAX, &budget, &found));
    assert_int_equal(cursor, UINT64_MAX);
    assert_int_equal(budget, 1000 - 256);
    assert_int_equal(pt_set(&pt, ~(PAGE_SIZE - 1), page), CL_OK);
    cursor = UPPER_HALF;
    budget = 10;
    assert_false(pt_remove_next(&pt, &cursor, UINT64_MAX, &budget, &found));
    assert_int_equal(cursor, UPPER_HALF + 10 * (HUGE_SIZE * 512));
    budget = 5000;
    assert_true(pt_remove_next(&pt, &cursor, UINT64_MAX, &budget, &found));
    assert_int_equal(cursor, UINT64_MAX);
    assert_int_equal(budget, 5000 - (256 - 10 - 1) - 3 * 511 - 1);
    fake_pool_destroy();
}

static void no_call_of_destroy_gives_back_more_than_its_budget(void **state)
{
    const struct pt_leaf page = { hpa(PAGE_SIZE), PAGE_SHIFT, RW, PT_WRITE_BACK };
    struct pt pt;

    (void)state;
    fake_pool_create(POOL_BYTES);
    uint64_t free_bytes = pool_free_bytes();
    assert_int_equal(pt_create(&pt, &pt_format_npt, NULL), CL_OK);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(pt_set(&pt, i * LARGE_SIZE, page), CL_OK);
    assert_int_equal(pool_free_bytes(), free_bytes - 13 * PAGE_SIZE);
    assert_false(pt_destroy(&pt, 0));
    assert_false(pt_destroy(&pt, 5));
    assert_int_equal(pool_free_bytes(), free_bytes - 8 * PAGE_SIZE);
    assert_true(pt_destroy(&pt, 8));
    assert_int_equal(pool_free_bytes(), free_bytes);
    assert_true(pt_destroy(&pt, 0));
    fake_pool_destroy();
}

static void a_tree_without_a_payer_is_not_made(void **state)
{
    struct account *poor = fake_account_create(PAGE_SIZE - 1, 0);
    struct pt pt;

    (void)state;
    fake_pool_create(POOL_BYTES);
    assert_int_equal(pt_create(&pt, &pt_format_ept, poor), CL_NO_MEMORY);
    assert_int_equal(fake_account_spent(poor, PURSE_KERNEL), 0);
    fake_account_destroy(poor);
    fake_pool_destroy();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_agrees_with_the_model_over_random_work),
        cmocka_unit_test(leaves_have_the_bits_of_the_manuals),
        cmocka_unit_test(tables_grant_all_and_leaves_decide),
        cmocka_unit_test(the_kernel_half_is_closed_to_ring_3_at_every_level),
        cmocka_unit_test(what_can_be_no_page_is_a_panic),
        cmocka_unit_test(a_table_stays_where_small_pages_were_and_keeps_a_large_page_out),
        cmocka_unit_test(a_large_leaf_is_split_into_the_same_frames),
        cmocka_unit_test(a_domain_is_taken_down_without_the_kernel_half_that_it_shares),
        cmocka_unit_test(removal_ends_at_the_top_of_the_address_space),
        cmocka_unit_test(no_call_of_destroy_gives_back_more_than_its_budget),
        cmocka_unit_test(a_tree_without_a_payer_is_not_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: kernel/heap.c kernel/fake/fake_assert.c kernel/fake/fake_random.c */
/* test_heap.c: the priority queue against a plain array, and its shape, which is what bounds its cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernel/fake/fake.h"
#include "kernel/heap.h"

#define NODES 512

static struct heap_node nodes[NODES];

/* Order, links and ranks of the part below `node`; its number of nodes. Walks by parent links: no recursion. */
static unsigned check(const struct heap *heap)
{
    const struct heap_node *node = heap->root, *from = NULL;
    unsigned count = 0;

    assert_true(node == NULL || node->parent == NULL);
    while (node != NULL) {
        const struct heap_node *next = node->parent;

        if (from == node->parent) {
            uint32_t left = node->left != NULL ? node->left->rank : 0;
            uint32_t right = node->right != NULL ? node->right->rank : 0;

            count++;
            assert_true(left >= right);
            assert_int_equal(node->rank, right + 1);
            assert_true(node->left == NULL || (node->left->parent == node && node->left->key >= node->key));
            assert_true(node->right == NULL || (node->right->parent == node && node->right->key >= node->key));
        }
        if (from == node->parent && node->left != NULL)
            next = node->left;
        else if (from != node->right && node->right != NULL)
            next = node->right;
        from = node;
        node = next;
    }
    return count;
}

static uint64_t smallest_key(void)
{
    uint64_t smallest = UINT64_MAX;

    for (unsigned i = 0; i < NODES; i++)
        if (heap_contains(&nodes[i]) && nodes[i].key < smallest)
            smallest = nodes[i].key;
    return smallest;
}

static void zero_memory_is_an_empty_heap(void **state)
{
    struct heap heap = { 0 };
    struct heap_node node = { 0 };

    (void)state;
    assert_null(heap_min(&heap));
    assert_null(heap_pop(&heap));
    assert_false(heap_contains(&node));
}

static void random_operations_agree_with_an_array(void **state)
{
    struct heap heap = { 0 };
    unsigned queued = 0;

    (void)state;
    fake_random_seed(1);
    for (unsigned round = 0; round < 60000; round++) {
        struct heap_node *node = &nodes[fake_random(NODES)];

        if (!heap_contains(node)) {
            heap_insert(&heap, node, fake_random(2) ? fake_random(100) : fake_random(UINT64_MAX));
            queued++;
        } else if (fake_random(2)) {
            heap_remove(&heap, node);
            assert_false(heap_contains(node));
            queued--;
        } else {
            uint64_t expected = smallest_key();
            struct heap_node *min = heap_min(&heap);

            assert_int_equal(min->key, expected);
            assert_ptr_equal(heap_pop(&heap), min);
            assert_false(heap_contains(min));
            queued--;
        }
        if (round % 16 == 0)
            assert_int_equal(check(&heap), queued);
    }
    while (heap_pop(&heap) != NULL)
        queued--;
    assert_int_equal(queued, 0);
}

static void keys_come_out_sorted_whatever_the_order_they_went_in(void **state)
{
    struct heap heap = { 0 };

    (void)state;
    for (unsigned pattern = 0; pattern < 3; pattern++) {
        uint64_t last = 0;

        for (unsigned i = 0; i < NODES; i++)
            heap_insert(&heap, &nodes[i], pattern == 0 ? i : pattern == 1 ? NODES - i : i * 7919 % NODES);
        assert_int_equal(check(&heap), NODES);
        assert_true(heap.root->rank <= 10); /* log2(NODES + 1): what one operation walks at most */
        for (unsigned i = 0; i < NODES; i++) {
            struct heap_node *node = heap_pop(&heap);

            assert_true(node->key >= last);
            last = node->key;
        }
        assert_null(heap.root);
    }
}

static void a_node_is_never_queued_twice(void **state)
{
    struct heap heap = { 0 }, other = { 0 };
    struct heap_node node = { 0 };

    (void)state;
    heap_insert(&heap, &node, 1);
    assert_true(FAKE_PANICS(heap_insert(&heap, &node, 2)));
    assert_true(FAKE_PANICS(heap_insert(&other, &node, 2)));
    assert_true(FAKE_PANICS(heap_remove(&other, &node)));
    heap_remove(&heap, &node);
    assert_true(FAKE_PANICS(heap_remove(&heap, &node)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zero_memory_is_an_empty_heap),
        cmocka_unit_test(random_operations_agree_with_an_array),
        cmocka_unit_test(keys_come_out_sorted_whatever_the_order_they_went_in),
        cmocka_unit_test(a_node_is_never_queued_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

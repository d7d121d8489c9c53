/* SPDX-License-Identifier: Apache-2.0 */
/* heap.c: a leftist heap: of a node's two sides the right one has the shorter way to a gap, at most log2(n) steps. */
#include "kernel/heap.h"

#include "kernel/assert.h"

static uint32_t rank_of(const struct heap_node *node)
{
    return node == NULL ? 0 : node->rank;
}

/* Put the side with the shorter way to the right; true when the node's rank is not what it was. */
static bool settle(struct heap_node *node)
{
    uint32_t before = node->rank;

    if (rank_of(node->left) < rank_of(node->right)) {
        struct heap_node *right = node->right;

        node->right = node->left;
        node->left = right;
    }
    node->rank = rank_of(node->right) + 1;
    return node->rank != before;
}

/* Join two heaps whose roots have no parent: merge their right-hand paths, then settle the merged one from its end. */
static struct heap_node *join(struct heap_node *a, struct heap_node *b)
{
    struct heap_node *root = NULL, *last = NULL, **link = &root;

    while (a != NULL && b != NULL) {
        struct heap_node **smaller = b->key < a->key ? &b : &a;

        *link = *smaller;
        (*link)->parent = last;
        last = *link;
        *smaller = last->right;
        link = &last->right;
    }
    *link = a != NULL ? a : b;
    if (*link != NULL)
        (*link)->parent = last;
    for (; last != NULL; last = last->parent)
        (void)settle(last);
    return root;
}

/* From `node` upwards as far as ranks change: each step up meets a higher one, so that is at most log2(n) steps. */
static void settle_upwards(struct heap_node *node)
{
    while (node != NULL && settle(node))
        node = node->parent;
}

/* `child`, or nothing, takes the place below `parent` where `old` was. */
static void put_in_place(struct heap *heap, struct heap_node *parent, const struct heap_node *old,
                         struct heap_node *child)
{
    if (child != NULL)
        child->parent = parent;
    if (parent == NULL)
        heap->root = child;
    else if (parent->left == old)
        parent->left = child;
    else
        parent->right = child;
}

void heap_insert(struct heap *heap, struct heap_node *node, uint64_t key)
{
    struct heap_node *parent = NULL, *below = heap->root;

    ASSERT(node->rank == 0);
    while (below != NULL && below->key <= key) {
        parent = below;
        below = below->right;
    }
    *node = (struct heap_node){ .key = key, .left = below, .rank = 1 };
    if (parent == NULL) {
        heap->root = node;
    } else {
        parent->right = node;
        node->parent = parent;
    }
    if (below != NULL)
        below->parent = node;
    settle_upwards(parent);
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
    struct heap_node *parent = node->parent, *rest = node->left;

    ASSERT(node->rank != 0 && (parent != NULL || heap->root == node));
    if (node->right != NULL) {
        rest->parent = NULL;
        node->right->parent = NULL;
        rest = join(rest, node->right);
    }
    put_in_place(heap, parent, node, rest);
    settle_upwards(parent);
    node->rank = 0;
}

struct heap_node *heap_pop(struct heap *heap)
{
    struct heap_node *min = heap->root;

    if (min != NULL)
        heap_remove(heap, min);
    return min;
}

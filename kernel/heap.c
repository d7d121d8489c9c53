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

/* Join two heaps into one whose root has no parent: merge their right-hand paths, then settle the merged one from its end. */
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

void heap_insert(struct heap *heap, struct heap_node *node, uint64_t key)
{
    ASSERT(node->rank == 0);
    *node = (struct heap_node){ .key = key, .rank = 1 };
    heap->root = join(heap->root, node);
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
    struct heap_node *parent = node->parent, *rest = join(node->left, node->right);
    struct heap_node **link = &heap->root;

    ASSERT(node->rank != 0 && (parent != NULL || heap->root == node));
    if (parent != NULL)
        link = parent->left == node ? &parent->left : &parent->right;
    *link = rest;
    if (rest != NULL)
        rest->parent = parent;
    /* as far as ranks change: each step up meets a higher one, so that is at most log2(n) steps */
    while (parent != NULL && settle(parent))
        parent = parent->parent;
    node->rank = 0;
}

struct heap_node *heap_pop(struct heap *heap)
{
    struct heap_node *min = heap->root;

    if (min != NULL)
        heap_remove(heap, min);
    return min;
}

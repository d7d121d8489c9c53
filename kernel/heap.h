/* SPDX-License-Identifier: Apache-2.0 */
/* heap.h: what is next? An intrusive priority queue keyed by a 64-bit number.
 *
 * A leftist heap: insert, remove and pop are O(log n) in the worst case, not only on average (a pairing heap's pop may
 * touch every node, which rule 4 of the design forbids with interrupts off); no recursion, no allocation. Equal keys
 * come out in any order: put a sequence number into the key where order matters.
 *
 * All zero is an empty heap, and a node that is in no heap. The caller holds whatever lock covers the heap.
 */
#ifndef CL_KERNEL_HEAP_H
#define CL_KERNEL_HEAP_H

#include "kernel/types.h"

struct heap_node {
    uint64_t key;
    struct heap_node *left;
    struct heap_node *right;
    struct heap_node *parent;
    uint32_t rank; /* 1 + rank of `right`; 0: in no heap */
};

struct heap {
    struct heap_node *root;
};

/* Queue `node` under `key`. It must be in no heap. */
void heap_insert(struct heap *heap, struct heap_node *node, uint64_t key);

/* Take `node` out, wherever in `heap` it stands. It must be in this heap. */
void heap_remove(struct heap *heap, struct heap_node *node);

/* The node with the smallest key, which stays; NULL when the heap is empty. O(1). */
static inline struct heap_node *heap_min(const struct heap *heap)
{
    return heap->root;
}

/* Take the node with the smallest key out; NULL when the heap is empty. */
struct heap_node *heap_pop(struct heap *heap);

static inline bool heap_contains(const struct heap_node *node)
{
    return node->rank != 0;
}

#endif

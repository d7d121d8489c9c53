/* SPDX-License-Identifier: Apache-2.0 */
/* pool.c: a buddy allocator of pages, and slabs of equal objects in single pages on top of it.
 *
 * All bookkeeping is in one array at the start of the range, one entry for each page; free memory itself is never
 * written, so a stray write through a dead pointer cannot lead the allocator astray. Blocks are aligned by their
 * physical address.
 */
#include "kernel/pool.h"

#include "kernel/assert.h"
#include "kernel/lock.h"
#include "kernel/string.h"

#define OBJECT_SIZE_MIN 64u
#define OBJECT_CLASSES 6u /* 64 to 2048 bytes */
#define NO_PAGE UINT32_MAX

enum page_state { PAGE_INNER, PAGE_FREE, PAGE_USED, PAGE_SLAB }; /* inner: not the first of a block, or not ours */

struct page {
    uint64_t free_objects; /* of a slab: bit n: its n-th object is free */
    uint32_t next;         /* in the list of free blocks of this order, or of slabs of this class with room */
    uint32_t previous;
    uint8_t state;
    uint8_t order; /* of the block that begins here; of a slab its class */
};

/* Everything but the addresses is protected by `lock`. Page 0 is the first page of the 4 MiB block of physical memory
 * in which the range begins. */
static struct pool {
    struct spinlock lock;
    char *virtual_base;
    uint64_t physical_base;
    uint64_t size_bytes;
    struct page *pages;
    uint32_t first_page;
    uint32_t end_page;
    uint64_t free_bytes;
    uint32_t free_blocks[POOL_ORDER_MAX + 1];
    uint32_t open_slabs[OBJECT_CLASSES];
} pool;

static void list_push(uint32_t *head, uint32_t index)
{
    pool.pages[index].previous = NO_PAGE;
    pool.pages[index].next = *head;
    if (*head != NO_PAGE)
        pool.pages[*head].previous = index;
    *head = index;
}

static void list_remove(uint32_t *head, uint32_t index)
{
    struct page *page = &pool.pages[index];

    if (page->previous != NO_PAGE)
        pool.pages[page->previous].next = page->next;
    else
        *head = page->next;
    if (page->next != NO_PAGE)
        pool.pages[page->next].previous = page->previous;
}

static void block_insert(uint32_t index, unsigned order)
{
    pool.pages[index].state = PAGE_FREE;
    pool.pages[index].order = (uint8_t)order;
    list_push(&pool.free_blocks[order], index);
}

static void block_remove(uint32_t index)
{
    list_remove(&pool.free_blocks[pool.pages[index].order], index);
    pool.pages[index].state = PAGE_INNER;
}

/* The smallest block that is large enough, its upper halves given back until it fits. NO_PAGE when there is none. */
static uint32_t block_take(unsigned order, enum page_state state)
{
    unsigned found = order;

    while (found <= POOL_ORDER_MAX && pool.free_blocks[found] == NO_PAGE)
        found++;
    if (found > POOL_ORDER_MAX)
        return NO_PAGE;

    uint32_t index = pool.free_blocks[found];

    block_remove(index);
    while (found > order) {
        found--;
        block_insert(index + (1u << found), found);
    }
    pool.pages[index].state = (uint8_t)state;
    pool.pages[index].order = (uint8_t)order;
    return index;
}

/* Join the block with its free buddies and put the result on its list. */
static void block_give(uint32_t index, unsigned order)
{
    pool.pages[index].state = PAGE_INNER;
    while (order < POOL_ORDER_MAX) {
        uint32_t buddy = index ^ (1u << order);

        if (buddy >= pool.end_page || pool.pages[buddy].state != PAGE_FREE || pool.pages[buddy].order != order)
            break;
        block_remove(buddy);
        index &= buddy;
        order++;
    }
    block_insert(index, order);
}

static void *page_address(uint32_t index)
{
    return pool.virtual_base + (uint64_t)(index - pool.first_page) * PAGE_SIZE;
}

static uint32_t page_index(const void *pointer)
{
    return pool.first_page + (uint32_t)((pool_physical(pointer).value - pool.physical_base) >> PAGE_SHIFT);
}

void pool_init(void *virtual_base, struct hpa physical_base, uint64_t size_bytes)
{
    uint64_t first = (physical_base.value >> PAGE_SHIFT) & ((1u << POOL_ORDER_MAX) - 1);
    uint64_t end = first + (size_bytes >> PAGE_SHIFT);
    uint64_t index = first + align_up(end * sizeof(struct page), PAGE_SIZE) / PAGE_SIZE;

    ASSERT(is_aligned((uintptr_t)virtual_base | physical_base.value | size_bytes, PAGE_SIZE));
    ASSERT(index < end && end < NO_PAGE);
    pool = (struct pool){
        .virtual_base = virtual_base,
        .physical_base = physical_base.value,
        .size_bytes = size_bytes,
        .pages = virtual_base,
        .first_page = (uint32_t)first,
        .end_page = (uint32_t)end,
        .free_bytes = (end - index) * PAGE_SIZE,
    };
    memset(pool.free_blocks, 0xff, sizeof pool.free_blocks);
    memset(pool.open_slabs, 0xff, sizeof pool.open_slabs);
    memset(pool.pages, 0, end * sizeof(struct page));

    while (index < end) {
        unsigned order = POOL_ORDER_MAX;

        while (!is_aligned(index, UINT64_C(1) << order) || index + (UINT64_C(1) << order) > end)
            order--;
        block_insert((uint32_t)index, order);
        index += UINT64_C(1) << order;
    }
}

static bool charge(struct account *account, uint64_t bytes)
{
    return account == NULL || account_charge(account, PURSE_KERNEL, bytes) == CL_OK;
}

static void refund(struct account *account, uint64_t bytes)
{
    if (account != NULL)
        account_refund(account, PURSE_KERNEL, bytes);
}

/* What both kinds of allocation end with; `memory` is NULL when the pool had nothing. */
static void *hand_out(struct account *account, void *memory, uint64_t bytes)
{
    if (memory != NULL)
        return memset(memory, 0, bytes);
    refund(account, bytes);
    (void)refuse(CL_NO_MEMORY, "the kernel's pool has no %lu contiguous bytes left", bytes);
    return NULL;
}

void *pool_pages(struct account *account, unsigned order)
{
    uint64_t bytes = PAGE_SIZE << order;
    uint32_t index;

    ASSERT(order <= POOL_ORDER_MAX);
    if (!charge(account, bytes))
        return NULL;
    lock_acquire(&pool.lock);
    index = block_take(order, PAGE_USED);
    if (index != NO_PAGE)
        pool.free_bytes -= bytes;
    lock_release(&pool.lock);
    return hand_out(account, index == NO_PAGE ? NULL : page_address(index), bytes);
}

void pool_pages_free(struct account *account, void *pages, unsigned order)
{
    uint32_t index = page_index(pages);

    lock_acquire(&pool.lock);
    ASSERT(is_aligned((uintptr_t)pages, PAGE_SIZE));
    ASSERT(pool.pages[index].state == PAGE_USED && pool.pages[index].order == order);
    block_give(index, order);
    pool.free_bytes += PAGE_SIZE << order;
    lock_release(&pool.lock);
    refund(account, PAGE_SIZE << order);
}

static unsigned object_class(size_t size_bytes)
{
    unsigned size_class = 0;

    while ((OBJECT_SIZE_MIN << size_class) < size_bytes)
        size_class++;
    ASSERT(size_class < OBJECT_CLASSES);
    return size_class;
}

static uint64_t all_objects(unsigned size_class)
{
    return UINT64_MAX >> (64 - PAGE_SIZE / (OBJECT_SIZE_MIN << size_class));
}

void *pool_object(struct account *account, size_t size_bytes)
{
    unsigned size_class = object_class(size_bytes);
    uint64_t bytes = OBJECT_SIZE_MIN << size_class;
    char *object = NULL;

    if (!charge(account, bytes))
        return NULL;
    lock_acquire(&pool.lock);
    uint32_t index = pool.open_slabs[size_class];
    if (index == NO_PAGE) {
        index = block_take(0, PAGE_SLAB);
        if (index != NO_PAGE) {
            pool.pages[index].order = (uint8_t)size_class;
            pool.pages[index].free_objects = all_objects(size_class);
            list_push(&pool.open_slabs[size_class], index);
        }
    }
    if (index != NO_PAGE) {
        struct page *slab = &pool.pages[index];

        object = (char *)page_address(index) + (uint64_t)__builtin_ctzll(slab->free_objects) * bytes;
        slab->free_objects &= slab->free_objects - 1;
        if (slab->free_objects == 0)
            list_remove(&pool.open_slabs[size_class], index);
        pool.free_bytes -= bytes;
    }
    lock_release(&pool.lock);
    return hand_out(account, object, bytes);
}

void pool_object_free(struct account *account, void *object, size_t size_bytes)
{
    unsigned size_class = object_class(size_bytes);
    uint64_t bytes = OBJECT_SIZE_MIN << size_class;
    uint64_t offset = (uintptr_t)object & (PAGE_SIZE - 1);
    uint64_t bit = UINT64_C(1) << (offset / bytes);
    uint32_t index = page_index(object);
    struct page *slab = &pool.pages[index];

    lock_acquire(&pool.lock);
    ASSERT(slab->state == PAGE_SLAB && slab->order == size_class);
    ASSERT(is_aligned(offset, bytes) && (slab->free_objects & bit) == 0);
    if (slab->free_objects == 0)
        list_push(&pool.open_slabs[size_class], index);
    slab->free_objects |= bit;
    if (slab->free_objects == all_objects(size_class)) {
        list_remove(&pool.open_slabs[size_class], index);
        block_give(index, 0);
    }
    pool.free_bytes += bytes;
    lock_release(&pool.lock);
    refund(account, bytes);
}

struct hpa pool_physical(const void *pointer)
{
    uint64_t offset = (uintptr_t)pointer - (uintptr_t)pool.virtual_base;

    ASSERT(offset < pool.size_bytes);
    return hpa(pool.physical_base + offset);
}

void *pool_virtual(struct hpa physical)
{
    ASSERT(pool_contains(physical));
    return pool.virtual_base + (physical.value - pool.physical_base);
}

bool pool_contains(struct hpa physical)
{
    return physical.value - pool.physical_base < pool.size_bytes;
}

uint64_t pool_size(void)
{
    return pool.size_bytes;
}

uint64_t pool_free_bytes(void)
{
    return READ_ONCE(pool.free_bytes);
}

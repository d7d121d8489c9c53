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

#define OBJECT_SHIFT_MIN 6u /* 64 bytes: a page has no more of them than free_objects has bits */
enum page_state { PAGE_INNER, PAGE_FREE, PAGE_USED, PAGE_SLAB }; /* inner: not the first of a block, or not ours */

struct page {
    uint64_t free_objects; /* of a slab: bit n: its n-th object is free */
    struct page *next;     /* in the list of free blocks of this order, or of slabs of this size with room */
    struct page **link;    /* what points here in that list: its head, or the `next` before */
    uint8_t state;
    uint8_t order; /* of the block that begins here; of a slab that of its objects' size */
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
    struct page *free_blocks[POOL_ORDER_MAX + 1];
    struct page *open_slabs[PAGE_SHIFT]; /* of objects of 2^index bytes */
} pool;

static void list_push(struct page **head, struct page *page)
{
    page->next = *head;
    page->link = head;
    if (page->next != NULL)
        page->next->link = &page->next;
    *head = page;
}

static void list_remove(struct page *page)
{
    *page->link = page->next;
    if (page->next != NULL)
        page->next->link = page->link;
}

static void block_insert(struct page *page, unsigned order)
{
    page->state = PAGE_FREE;
    page->order = (uint8_t)order;
    list_push(&pool.free_blocks[order], page);
}

/* The smallest block that is large enough, its upper halves given back until it fits. NULL when there is none. */
static struct page *block_take(unsigned order, enum page_state state)
{
    unsigned found = order;
    struct page *page;

    while (found <= POOL_ORDER_MAX && pool.free_blocks[found] == NULL)
        found++;
    if (found > POOL_ORDER_MAX)
        return NULL;
    page = pool.free_blocks[found];
    list_remove(page);
    while (found-- > order)
        block_insert(page + (1u << found), found);
    page->state = (uint8_t)state;
    page->order = (uint8_t)order;
    return page;
}

/* Join the block with its free buddies and put the result on its list. */
static void block_give(struct page *page, unsigned order)
{
    page->state = PAGE_INNER;
    for (; order < POOL_ORDER_MAX; order++) {
        uint64_t index = (uint64_t)(page - pool.pages), buddy = index ^ (UINT64_C(1) << order);

        if (buddy >= pool.end_page || pool.pages[buddy].state != PAGE_FREE || pool.pages[buddy].order != order)
            break;
        list_remove(&pool.pages[buddy]);
        pool.pages[buddy].state = PAGE_INNER;
        page = &pool.pages[index & buddy];
    }
    block_insert(page, order);
}

static void *address_of(const struct page *page)
{
    return pool.virtual_base + (uint64_t)(page - pool.pages - pool.first_page) * PAGE_SIZE;
}

static struct page *page_of(const void *pointer)
{
    return &pool.pages[pool.first_page + ((pool_physical(pointer).value - pool.physical_base) >> PAGE_SHIFT)];
}

void pool_init(void *virtual_base, struct hpa physical_base, uint64_t size_bytes)
{
    uint64_t first = (physical_base.value >> PAGE_SHIFT) & ((1u << POOL_ORDER_MAX) - 1);
    uint64_t end = first + (size_bytes >> PAGE_SHIFT);
    uint64_t index = first + align_up(end * sizeof(struct page), PAGE_SIZE) / PAGE_SIZE;

    ASSERT(is_aligned((uintptr_t)virtual_base | physical_base.value | size_bytes, PAGE_SIZE));
    ASSERT(index < end && end < UINT32_MAX);
    pool = (struct pool){
        .virtual_base = virtual_base,
        .physical_base = physical_base.value,
        .size_bytes = size_bytes,
        .pages = virtual_base,
        .first_page = (uint32_t)first,
        .end_page = (uint32_t)end,
        .free_bytes = (end - index) * PAGE_SIZE,
    };
    memset(pool.pages, 0, end * sizeof(struct page));

    for (; index < end; index++)
        block_give(&pool.pages[index], 0);
}

/* Every allocation begins with this; false when the account cannot pay. */
static bool charge_and_lock(struct account *account, uint64_t bytes)
{
    if (account != NULL && account_charge(account, PURSE_KERNEL, bytes) != CL_OK)
        return false;
    lock_acquire(&pool.lock);
    return true;
}

/* And every free, or allocation that fails, ends with this. */
static void unlock_and_refund(struct account *account, uint64_t bytes)
{
    lock_release(&pool.lock);
    if (account != NULL)
        account_refund(account, PURSE_KERNEL, bytes);
}

/* The end of an allocation; `memory` is NULL when the pool had nothing. */
static void *unlock_and_zero(struct account *account, void *memory, uint64_t bytes)
{
    if (memory == NULL) {
        unlock_and_refund(account, bytes);
        (void)refuse(CL_NO_MEMORY, "the kernel's pool has no %lu contiguous bytes left", bytes);
        return NULL;
    }
    pool.free_bytes -= bytes;
    lock_release(&pool.lock);
    return memset(memory, 0, bytes);
}

void *pool_pages(struct account *account, unsigned order)
{
    struct page *block;

    ASSERT(order <= POOL_ORDER_MAX);
    if (!charge_and_lock(account, PAGE_SIZE << order))
        return NULL;
    block = block_take(order, PAGE_USED);
    return unlock_and_zero(account, block != NULL ? address_of(block) : NULL, PAGE_SIZE << order);
}

void pool_pages_free(struct account *account, void *pages, unsigned order)
{
    struct page *block = page_of(pages);

    lock_acquire(&pool.lock);
    ASSERT(is_aligned((uintptr_t)pages, PAGE_SIZE));
    ASSERT(block->state == PAGE_USED && block->order == order);
    block_give(block, order);
    pool.free_bytes += PAGE_SIZE << order;
    unlock_and_refund(account, PAGE_SIZE << order);
}

static unsigned object_shift(size_t size_bytes)
{
    unsigned shift = OBJECT_SHIFT_MIN;

    while ((UINT64_C(1) << shift) < size_bytes)
        shift++;
    ASSERT(shift < PAGE_SHIFT);
    return shift;
}

static uint64_t all_objects(unsigned shift)
{
    return UINT64_MAX >> (64 - (PAGE_SIZE >> shift));
}

void *pool_object(struct account *account, size_t size_bytes)
{
    unsigned shift = object_shift(size_bytes);
    uint64_t bytes = UINT64_C(1) << shift;
    struct page *slab;
    char *object = NULL;

    if (!charge_and_lock(account, bytes))
        return NULL;
    slab = pool.open_slabs[shift];
    if (slab == NULL && (slab = block_take(0, PAGE_SLAB)) != NULL) {
        slab->order = (uint8_t)shift;
        slab->free_objects = all_objects(shift);
        list_push(&pool.open_slabs[shift], slab);
    }
    if (slab != NULL) {
        object = (char *)address_of(slab) + (uint64_t)__builtin_ctzll(slab->free_objects) * bytes;
        slab->free_objects &= slab->free_objects - 1;
        if (slab->free_objects == 0)
            list_remove(slab);
    }
    return unlock_and_zero(account, object, bytes);
}

void pool_object_free(struct account *account, void *object, size_t size_bytes)
{
    unsigned shift = object_shift(size_bytes);
    uint64_t bytes = UINT64_C(1) << shift;
    uint64_t offset = (uintptr_t)object & (PAGE_SIZE - 1);
    uint64_t bit = UINT64_C(1) << (offset / bytes);
    struct page *slab = page_of(object);

    lock_acquire(&pool.lock);
    ASSERT(slab->state == PAGE_SLAB && slab->order == shift);
    ASSERT(is_aligned(offset, bytes) && (slab->free_objects & bit) == 0);
    if (slab->free_objects == 0)
        list_push(&pool.open_slabs[shift], slab);
    slab->free_objects |= bit;
    if (slab->free_objects == all_objects(shift)) {
        list_remove(slab);
        block_give(slab, 0);
    }
    pool.free_bytes += bytes;
    unlock_and_refund(account, bytes);
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

/* SPDX-License-Identifier: Apache-2.0 */
/* pool.c: a buddy allocator of pages, and slabs of equal objects in single pages on top of it.
 *
 * All bookkeeping is in one array at the start of the range, one entry for each page; free memory itself is never
 * written, so a stray write through a dead pointer cannot lead the allocator astray.
 */
#include "kernel/pool.h"

#include "kernel/account.h"
#include "kernel/assert.h"
#include "kernel/list.h"
#include "kernel/lock.h"
#include "kernel/string.h"

#define SHIFT_MIN 6u /* 64 bytes: a page has no more of them than free_objects has bits */
#define BLOCK_PAGES(shift) (UINT64_C(1) << ((shift)-PAGE_SHIFT))

enum page_state { PAGE_INNER, PAGE_FREE, PAGE_USED }; /* inner: not the first of a block, or not ours */

struct page {
    struct link link; /* in the list of its shift: of free blocks, or of slabs with room */
    union {
        uint64_t free_objects; /* of a slab: bit n: its n-th object is free */
        void *note;            /* of a used block of pages: pool_note */
    };
    uint8_t state;
    uint8_t shift; /* the block that begins here has 2^shift bytes; below PAGE_SHIFT: a slab of such objects */
};

static struct pool {
    struct spinlock lock;
    char *virtual_base;     /* [o] */
    uint64_t physical_base; /* [o] */
    uint64_t size_bytes;    /* [o] */
    struct page *pages;     /* one for each page of the range */
    uint64_t free_bytes;
    struct link *list[POOL_SHIFT_MAX + 1];
} pool; /* [o] set once; the rest by the lock */

static void block_insert(struct page *page, unsigned shift)
{
    page->state = PAGE_FREE;
    page->shift = (uint8_t)shift;
    list_push(&pool.list[shift], &page->link);
}

/* The smallest block that is large enough, its upper halves given back until it fits. NULL when there is none. */
static struct page *block_take(unsigned shift)
{
    unsigned found = shift;
    struct page *page;

    while (found <= POOL_SHIFT_MAX && pool.list[found] == NULL)
        found++;
    if (found > POOL_SHIFT_MAX)
        return NULL;
    page = container_of(pool.list[found], struct page, link);
    list_remove(&page->link);
    while (found-- > shift)
        block_insert(page + BLOCK_PAGES(found), found);
    page->state = PAGE_USED;
    page->shift = (uint8_t)shift;
    page->note = NULL;
    return page;
}

/* Join the block with its free buddies and put the result on its list. */
static void block_give(struct page *page, unsigned shift)
{
    page->state = PAGE_INNER;
    for (; shift < POOL_SHIFT_MAX; shift++) {
        uint64_t index = (uint64_t)(page - pool.pages), buddy = index ^ BLOCK_PAGES(shift);

        if (buddy >= pool.size_bytes >> PAGE_SHIFT || pool.pages[buddy].state != PAGE_FREE ||
            pool.pages[buddy].shift != shift)
            break;
        list_remove(&pool.pages[buddy].link);
        pool.pages[buddy].state = PAGE_INNER;
        page = &pool.pages[index & buddy];
    }
    block_insert(page, shift);
}

static char *address_of(const struct page *page)
{
    return page != NULL ? pool.virtual_base + (uint64_t)(page - pool.pages) * PAGE_SIZE : NULL;
}

static struct page *page_of(const void *pointer)
{
    return &pool.pages[(pool_physical(pointer).value - pool.physical_base) >> PAGE_SHIFT];
}

void pool_init(void *virtual_base, struct hpa physical_base, uint64_t size_bytes)
{
    uint64_t end = size_bytes >> PAGE_SHIFT, books = align_up(end * sizeof(struct page), PAGE_SIZE);

    ASSERT(is_aligned(physical_base.value, UINT64_C(1) << POOL_SHIFT_MAX) && books < size_bytes);
    ASSERT(is_aligned((uintptr_t)virtual_base | size_bytes, PAGE_SIZE));
    pool = (struct pool){
        .virtual_base = virtual_base,
        .physical_base = physical_base.value,
        .size_bytes = size_bytes,
        .pages = memset(virtual_base, 0, books),
        .free_bytes = size_bytes - books,
    };
    for (uint64_t index = books >> PAGE_SHIFT; index < end; index++)
        block_give(&pool.pages[index], PAGE_SHIFT);
}

static uint64_t all_objects(unsigned shift)
{
    return UINT64_MAX >> (64 - (PAGE_SIZE >> shift));
}

static void *object_take(unsigned shift)
{
    struct page *slab = (struct page *)pool.list[shift]; /* its first member */
    char *object;

    if (slab == NULL) {
        slab = block_take(PAGE_SHIFT);
        if (slab == NULL)
            return NULL;
        slab->shift = (uint8_t)shift;
        slab->free_objects = all_objects(shift);
        list_push(&pool.list[shift], &slab->link);
    }
    object = address_of(slab) + ((uint64_t)__builtin_ctzll(slab->free_objects) << shift);
    slab->free_objects &= slab->free_objects - 1;
    if (slab->free_objects == 0)
        list_remove(&slab->link);
    return object;
}

static void object_give(struct page *slab, uint64_t offset)
{
    uint64_t bit = UINT64_C(1) << (offset >> slab->shift);

    ASSERT((slab->free_objects & bit) == 0);
    if (slab->free_objects == 0)
        list_push(&pool.list[slab->shift], &slab->link);
    slab->free_objects |= bit;
    if (slab->free_objects == all_objects(slab->shift)) {
        list_remove(&slab->link);
        block_give(slab, PAGE_SHIFT);
    }
}

void *pool_take(struct account *account, uint64_t size_bytes)
{
    unsigned shift = SHIFT_MIN;
    void *block;

    while (UINT64_C(1) << shift < size_bytes)
        shift++;
    ASSERT(shift <= POOL_SHIFT_MAX);
    size_bytes = UINT64_C(1) << shift;
    if (account_charge(account, PURSE_KERNEL, size_bytes) != CL_OK)
        return NULL;
    lock_acquire(&pool.lock);
    block = shift < PAGE_SHIFT ? object_take(shift) : address_of(block_take(shift));
    if (block != NULL)
        pool.free_bytes -= size_bytes;
    lock_release(&pool.lock);
    if (block != NULL)
        return memset(block, 0, size_bytes);
    account_refund(account, PURSE_KERNEL, size_bytes);
    (void)refuse(CL_NO_MEMORY, "the kernel's pool has no %lu contiguous bytes left", size_bytes);
    return NULL;
}

void pool_give(struct account *account, void *block)
{
    struct page *page;
    uint64_t size_bytes;

    if (block == NULL)
        return;
    lock_acquire(&pool.lock);
    page = page_of(block);
    size_bytes = pool_bytes_of(block);
    if (page->shift < PAGE_SHIFT)
        object_give(page, (uintptr_t)block % PAGE_SIZE);
    else
        block_give(page, page->shift);
    pool.free_bytes += size_bytes;
    lock_release(&pool.lock);
    account_refund(account, PURSE_KERNEL, size_bytes);
}

uint64_t pool_bytes_of(const void *block)
{
    const struct page *page = page_of(block);
    uint64_t size_bytes = UINT64_C(1) << page->shift;

    ASSERT(page->state == PAGE_USED && is_aligned((uintptr_t)block % PAGE_SIZE, size_bytes));
    return size_bytes;
}

void **pool_note(const void *block)
{
    return &page_of(block)->note;
}

struct hpa pool_physical(const void *pointer)
{
    uint64_t offset = (uintptr_t)pointer - (uintptr_t)pool.virtual_base;

    ASSERT(offset < pool.size_bytes);
    return hpa(pool.physical_base + offset);
}

void *pool_virtual(struct hpa physical)
{
    uint64_t offset = physical.value - pool.physical_base;

    ASSERT(offset < pool.size_bytes);
    return pool.virtual_base + offset;
}

uint64_t pool_size(void)
{
    return pool.size_bytes;
}

uint64_t pool_free_bytes(void)
{
    return READ_ONCE(pool.free_bytes);
}
